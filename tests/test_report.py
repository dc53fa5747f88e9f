"""report: the page is self-contained, escaped, small, and written atomically."""

import base64
import io
import re
import weakref
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tf_idinvert.errors import InputError
from tf_idinvert.files import images, report
from tf_idinvert.files.report import Picture

HOSTILE = "<script>alert(1)</script>\"'&.png"


class Page(HTMLParser):
    """A page taken apart: `tags` as (name, attributes), and `text` without scripts and styles."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text, self.source = [], [], path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] not in ("script", "style") and data.strip():
            self.text.append(data.strip())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def pictures(self):
        """(attributes, kind, uint8 pixels) of each picture."""
        for attributes in self.all("img"):
            kind, data = re.fullmatch("data:image/(png|jpeg);base64,(.*)", attributes["src"]).groups()
            with Image.open(io.BytesIO(base64.b64decode(data))) as image:
                assert image.format.lower() == kind
                yield attributes, kind, np.array(image.convert("RGB"))


def smooth(height, width):
    """A picture that JPEG keeps well: two ramps."""
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * y / height, 255 * x / width, np.full([height, width], 90)], -1).astype(np.uint8)


def test_cells(tmp_path):
    path = tmp_path / "page.html"
    rows = [["cat", Picture(smooth(8, 8), "step 5", "cat_ori.png"), 0.0123456, 7, None],
            ["dog", Picture(images.to_float(smooth(8, 8))), np.float32(2), np.int64(1234567), "good"]]
    report.write(path, "Inversion", ["Name", "Original", "MSE", "Steps", "Note"], rows,
                 summary={"Model": "m.pkl", "Mean MSE": 0.00001234, "Pictures": 2}, notes=["cow.png: no such file"])
    page = Page(path)
    assert page.all("th")[0] == {"scope": "col"} and page.all("th")[5]["scope"] == "row"
    for text in ("Inversion", "Name", "cat", "step 5", "0.01235", "7", "2", "1234567", "good", "Mean MSE",
                 "1.234e-05", "1 note", "cow.png: no such file"):
        assert text in page.text
    assert [cell.get("data-value") for cell in page.all("td") if cell["class"] == "number"] == [
        "0.0123456", "7.0", "2.0", "1234567.0"]
    assert [link["href"] for link in page.all("a")] == ["cat_ori.png"]
    (first, _, pixels), (second, _, same) = page.pictures()
    assert first["alt"] == "Original, cat" and second["alt"] == "Original, dog" and first["loading"] == "lazy"
    np.testing.assert_array_equal(pixels, smooth(8, 8))
    np.testing.assert_array_equal(same, pixels)


def test_everything_from_outside_is_escaped(tmp_path):
    rows = [[HOSTILE, Picture(smooth(4, 4), HOSTILE, "javascript:alert(1)//" + HOSTILE)]]
    report.write(tmp_path / "a.html", HOSTILE, [HOSTILE, HOSTILE], rows, summary={HOSTILE: HOSTILE}, notes=[HOSTILE])
    page = Page(tmp_path / "a.html")
    assert "alert(1)</script>" not in page.source and len(page.all("script")) == 1
    assert page.text.count(HOSTILE) == 9  # title twice, two headers, row name, caption, label and text, note
    image, = page.all("img")
    assert image["alt"] == f"{HOSTILE}, {HOSTILE}" and "onerror" not in image
    link, = page.all("a")
    assert link["href"].startswith("javascript%3Aalert") and not re.search("[<>\"' ]", link["href"])


def test_links_are_percent_encoded(tmp_path):
    report.write(tmp_path / "a.html", "t", ["Picture"], [[Picture(smooth(4, 4), href="sub/50% #1 \u00e9?.png")]])
    assert Page(tmp_path / "a.html").all("a") == [{"href": "sub/50%25%20%231%20%C3%A9%3F.png"}]


def test_nothing_comes_from_elsewhere(tmp_path):
    report.write(tmp_path / "a.html", "t", ["Name", "Picture"], [["a", Picture(smooth(200, 200))]])
    page = Page(tmp_path / "a.html")
    assert "http:" not in page.source and "https:" not in page.source and "@import" not in page.source
    assert not [a for _, a in page.tags for key in ("src", "href") if not a.get(key, "data:").startswith("data:")]
    policy, = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("shape, viz_size, kind, stored, shown", [
    ((64, 64), 256, "png", (64, 64), (128, 128)),     # shown twice as large
    ((32, 16), 256, "png", (32, 16), (160, 80)),
    ((96, 96), 256, "png", (96, 96), (96, 96)),
    ((97, 97), 256, "jpeg", (97, 97), (97, 97)),
    ((256, 256), 256, "jpeg", (256, 256), (256, 256)),
    ((300, 600), 256, "jpeg", (128, 256), (128, 256)),
    ((300, 600), 64, "png", (32, 64), (32, 64)),      # never larger than asked for
    ((300, 600), 0, "jpeg", (300, 600), (300, 600)),
    ((16, 16), 0, "png", (16, 16), (160, 160)),
    ((16, 16), 50, "png", (16, 16), (48, 48)),
    ((1, 900), 90, "png", (1, 90), (1, 90)),
])
def test_sizes_and_kinds(tmp_path, shape, viz_size, kind, stored, shown):
    report.write(tmp_path / "a.html", "t", ["Picture"], [[Picture(smooth(*shape))]], viz_size=viz_size)
    (attributes, found, pixels), = Page(tmp_path / "a.html").pictures()
    assert found == kind and pixels.shape[:2] == stored
    assert (int(attributes["height"]), int(attributes["width"])) == shown
    if stored == shape:
        error = np.abs(pixels.astype(int) - smooth(*shape))
        assert error.max() == 0 if kind == "png" else error.mean() < 2


def test_a_picture_may_name_the_row(tmp_path):
    report.write(tmp_path / "a.html", "t", ["Target", "Result"], [[Picture(smooth(4, 4)), Picture(smooth(4, 4))]])
    assert [image["alt"] for image in Page(tmp_path / "a.html").all("img")] == ["Target, row 1", "Result, row 1"]


def test_a_page_without_rows_says_so(tmp_path):
    report.write(tmp_path / "a.html", "t", ["Name"], [])
    assert "No results." in Page(tmp_path / "a.html").text


def test_names_with_undecodable_bytes_are_written(tmp_path):
    name = "caf\udce9"
    report.write(tmp_path / "a.html", "t", ["Name", "Picture"], [[name, Picture(smooth(4, 4), href=name)]])
    assert "caf\\udce9" in Page(tmp_path / "a.html").text


def test_rows_are_taken_one_by_one(tmp_path):
    """When the next row is asked for, no more than one older picture may still be in memory."""
    alive = []

    def rows():
        for i in range(6):
            pixels = smooth(32, 32)
            alive.append(weakref.ref(pixels))
            yield [str(i), Picture(pixels)]
            del pixels
            assert sum(reference() is not None for reference in alive) <= 2

    report.write(tmp_path / "a.html", "t", ["Name", "Picture"], rows())
    assert len(Page(tmp_path / "a.html").all("img")) == 6


@pytest.mark.parametrize("rows, words", [
    ([["a", 1], ["b"]], r"row 2: expected 2 cells \(Name, x\), got 1"),
    ([["a", 1, 2]], "got 3"),
    ([["a", object()]], r"row 1 \(a\): expected cells of str, number, None or Picture, got object"),
    ([["a", Picture(np.full([2, 2, 3], np.nan, np.float32))]], r"row 1 \(a\): .*NaN"),
    ([["a", Picture(np.zeros([2, 2], np.uint8))]], r"expected a picture \[H, W, 3\], got \[2, 2\]"),
])
def test_bad_rows_leave_the_old_page(tmp_path, rows, words):
    path = tmp_path / "a.html"
    path.write_text("old")
    with pytest.raises(InputError, match=words) as caught:
        report.write(path, "t", ["Name", "x"], rows)
    assert isinstance(caught.value, ValueError) and str(caught.value).startswith(f"{path}: ")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_failure_of_the_caller_passes_through(tmp_path):
    def rows():
        yield ["a"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        report.write(tmp_path / "a.html", "t", ["Name"], rows())
    assert list(tmp_path.iterdir()) == []


def test_pages_that_cannot_be_written(tmp_path):
    (tmp_path / "folder.html").mkdir()
    for name in ("folder.html", "no/such/a.html"):
        with pytest.raises(InputError, match="cannot be written"):
            report.write(tmp_path / name, "t", ["Name"], [["a"]])
    with pytest.raises(InputError, match="viz_size"):
        report.write(tmp_path / "a.html", "t", ["Name"], [["a"]], viz_size=-1)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.html"]


def test_sections_each_have_a_table_of_their_own(tmp_path):
    path = tmp_path / "page.html"
    report.write_sections(path, "Demo", [
        report.Section(["Name", "Picture"], [["cat", Picture(smooth(8, 8))]], title="Inversion <b>",
                       text="What & why."),
        report.Section(["Name"], (["row"] for _ in range(3)))])
    page = Page(path)
    assert len(page.all("table")) == 2 and len(page.all("h2")) == 1 and len(page.all("b")) == 0
    assert [attributes["aria-label"] for attributes in page.all("div") if "role" in attributes] == [
        "Inversion <b>", "Results"]
    assert page.text.count("row") == 3 and "What & why." in page.text


def test_wrong_row_of_a_later_section_leaves_no_page(tmp_path):
    path = tmp_path / "page.html"
    sections = [report.Section(["Name"], [["cat"]]), report.Section(["Name"], [["cat", "dog"]])]
    with pytest.raises(InputError, match="row 1: expected 1 cells"):
        report.write_sections(path, "Demo", sections)
    assert not path.exists()
