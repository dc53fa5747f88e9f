"""Labels of a user's pictures: the table, and Figure 3 with it."""
from __future__ import annotations

import dataclasses

import evaluating
import numpy as np
import pytest
from PIL import Image

from tf_idinvert.errors import InputError
from tf_idinvert.evaluation import store
from tf_idinvert.evaluation.papers import figure3, labels, originals
from tf_idinvert.files import finding, texts


def table(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_pictures_go_by_file_name_or_without_its_suffix(tmp_path):
    path = table(tmp_path, "\ufeffpicture,age, eyeglasses,pose\na.png,30,1,\n\n b ,41.5,,\nother.png,7,0,\n")
    known = labels.of(labels.read(path), ("b.jpg", "c.png", "a.png"), path)
    assert list(known) == ["age", "eyeglasses"]
    np.testing.assert_array_equal(known["age"], np.float32([41.5, np.nan, 30]))
    np.testing.assert_array_equal(known["eyeglasses"], np.float32([np.nan, np.nan, 1]))
    with pytest.raises(InputError, match="labels none of the pictures; the first of these is 'x.png'"):
        labels.of(labels.read(path), ("x.png",), path)


@pytest.mark.parametrize("text, message", [
    ("", "a first line of 'picture'"), ("name,age\na,1\n", "got 'name,age'"), ("picture\na\n", "a first line"),
    ("picture,age,age\n", "different names"), ("picture,age\na,old\n", "line 2: age is 'old', expected a number"),
    ("picture,age\na,nan\n", "expected a number"), ("picture,age\na,1,2\n", "line 2: 3 cells, expected 2"),
    ("picture,age\na,1\na,2\n", "line 3: picture 'a' comes twice"), ("picture,age\n,1\n", "names no picture"),
    (b"picture,age\n\xff\xfe,1\n", "not in UTF-8, expected a table of labels")])
def test_other_tables_are_one_line(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        labels.read(table(tmp_path, text))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_missing_or_enormous(tmp_path):
    with pytest.raises(InputError, match="none.csv: no such file"):
        labels.read(tmp_path / "none.csv")
    path = table(tmp_path, "picture,age\na,1\n")
    with open(path, "r+b") as file:
        file.truncate(texts.LARGEST + 1)
    with pytest.raises(InputError, match="expected a table of labels of at most"):
        labels.read(path)


def test_pictures_that_are_left_out_shift_no_label(tmp_path):
    for name in ("1.png", "2.png", "3.png"):
        Image.fromarray(np.full((16, 16, 3), int(name[0]), np.uint8)).save(tmp_path / name)
    (tmp_path / "2.png").write_bytes(b"damaged")
    for _ in range(2):      # the second time, from the cache
        found = originals.read(store.Store(tmp_path / "cache"), finding.listing([tmp_path]), 16, evaluating.silent)
        assert found.files == ("1.png", "3.png") and found.pictures[1, 0, 0, 0] == 3


def test_figure_3_takes_what_is_known(eagerly, tmp_path):
    """Of the first six originals: two are unknown in age; gender is on a scale, present above the median of all."""
    bench = evaluating.make(tmp_path, judged=False, optimised=6)
    ages = np.float32([1, 0, np.nan, 1, np.nan, 0] + [0] * 6)
    bench = dataclasses.replace(bench, originals=dataclasses.replace(
        bench.originals, attributes={"age": ages, "gender": np.arange(12, dtype=np.float32)}, source="my.csv"))
    truth, source = figure3.labels(bench, 6)
    assert source == "my.csv"
    np.testing.assert_array_equal(truth["age"], ages[:6])
    np.testing.assert_array_equal(truth["gender"], np.zeros(6))
    part = figure3.precision_recall(bench)
    codes = bench.inverted("encoder", 6).codes
    scores, known = figure3.projected(bench, "encoder", codes, "age"), [0, 1, 3, 5]
    expected = figure3.average_precision(scores[known], ages[known] > 0.5, bench.seed)
    assert part.numbers["encoder"]["age"] == expected and part.numbers["encoder"]["gender"] is None
    assert part.numbers["chance"] == {"age": 0.5, "gender": 0.0}
    assert part.arrays["encoder-age"].shape[0] == 2 and "Truth: my.csv" in part.tables[0].text
