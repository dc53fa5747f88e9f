"""Inversion of a collection: after a kill the same run continues to the same files; pages; what was skipped."""
from __future__ import annotations

import logging
import os
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tf_idinvert.files import images, unfinished
from tf_idinvert.files.workers import Worker
from tf_idinvert.inversion import InversionOptions, InversionResult
from tf_idinvert.jobs import boundary, inversion_pages, invert

SIDE, LAYERS, WIDTH, COUNT = 8, 2, 3, 11


class Killed(BaseException):
    """Ends a run as SIGKILL does: nothing in the program handles it."""


@pytest.fixture
def listing(tmp_path, monkeypatch):
    """(name, path) of pictures on pages of four rows; p5 is none."""
    monkeypatch.setattr(invert, "ROWS", 4)
    monkeypatch.setattr(inversion_pages, "ROWS", 4)
    (tmp_path / "pictures").mkdir()
    paths = [tmp_path / f"pictures/p{i:02}.png" for i in range(COUNT)]
    for i, path in enumerate(paths):
        Image.new("RGB", (SIDE, SIDE), (20 * i, 0, 0)).save(path)
    paths[5].write_bytes(b"no picture")
    return [(path.stem, path) for path in paths]


def inverter(lives=10 ** 9, record=(), worker=Worker()):
    """An Inverter whose codes tell the picture, and that is killed before so many batches are done; its log."""
    def inversion(pictures, start=None, progress=None):
        made.batches += 1
        if made.batches > lives:
            raise Killed
        pictures = np.stack(pictures)
        codes = np.tile(pictures[:, :1, 0, :1] + 1, [1, LAYERS, WIDTH]).astype("float32")
        return InversionResult(codes * 2, pictures, {}, codes, pictures / 2, {4: pictures})

    made = invert.Inverter(
        SimpleNamespace(generator=SimpleNamespace(synthesis=None, resolution=SIDE), encoder=None),
        InversionOptions(steps=4, batch_size=2, results=1), None, viz_size=0, log=logging.Logger("log"),
        record=dict(record, model="m.h5"), worker=worker)
    made.inversion, made.batches = inversion, 0
    return made


def contents(folder):
    """{name: bytes} of all files but the options, which tell the time."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "options.json"]
    return {path.name: path.read_bytes() for path in paths}


def made(folder):
    folder.mkdir()
    return folder


def test_a_killed_run_continues_to_the_same_files(tmp_path, listing):
    whole, parts = made(tmp_path / "whole"), made(tmp_path / "parts")
    first = inverter()
    assert first(listing, whole) == COUNT - 1 and first.batches == 6
    total = 0
    for lives in 1, 2, 0, 1:
        with pytest.raises(Killed):
            each = inverter(lives)
            each(listing, parts)
        total += lives
        os.utime(listing[0][1])         # written again with the same content
    with open(parts / unfinished.NAME / unfinished.LINES, "ab") as lines:      # killed while it wrote
        lines.write(b'{"name": "p0')
    last = inverter()
    assert last(listing, parts) == COUNT - 1
    assert last.batches <= 6 - total + 1        # the picture that is none shifts the batches
    assert contents(parts) == contents(whole)
    assert (whole / "skipped.txt").read_text().startswith(f"{listing[5][1]}: not a picture")
    codes = np.load(whole / "inverted_codes.npy")
    assert codes.shape == (COUNT - 1, LAYERS, WIDTH) and (np.diff(codes[:, 0, 0]) > 0).all()
    np.testing.assert_array_equal(np.load(whole / "encoded_codes.npy") * 2, codes)
    assert (whole / "image_list.txt").read_text().split() == [f"{name}.png" for name, _ in listing if name != "p05"]


def test_a_page_that_a_kill_prevented_is_written_later(tmp_path, listing, monkeypatch):
    folder = made(tmp_path / "out")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(inversion_pages.Pages, "write_part", lambda *_: (_ for _ in ()).throw(Killed))
        inverter()(listing, folder)
    assert not list(folder.glob("*.html"))
    inverter()(listing, folder)
    assert sorted(path.name for path in folder.glob("*.html")) == [
        "inversion-0001.html", "inversion-0002.html", "inversion-0003.html", "inversion.html"]


def test_pages_of_a_collection(tmp_path, listing):
    folder = made(tmp_path / "out")
    inverter()(listing, folder)
    pages = [(folder / f"inversion-000{i}.html").read_text() for i in (1, 2, 3)]
    rows = [[name for name, _ in listing if f"{name}</" in page] for page in pages]
    assert rows == [["p00", "p01", "p02", "p03"], ["p04", "p06", "p07", "p08"], ["p09", "p10"]]
    index = (folder / "inversion.html").read_text()
    assert all(f'href="inversion-000{i}.html"' in index for i in (1, 2, 3)) and "skipped: " in index
    few = made(tmp_path / "few")
    inverter()(listing[:4], few)        # as many as fit one page
    assert [path.name for path in few.glob("*.html")] == ["inversion.html"]
    assert not (few / "skipped.txt").exists() and not (few / unfinished.NAME).exists()


@pytest.mark.parametrize("change", ["other options", "other picture", "other listing"])
def test_what_is_another_run_starts_again(tmp_path, listing, change):
    folder = made(tmp_path / "out")
    with pytest.raises(Killed):
        inverter(3)(listing, folder)
    record = {"arguments": {"seed": 1}} if change == "other options" else {}
    if change == "other picture":
        images.save(listing[0][1], np.ones([2 * SIDE, SIDE, 3], "float32"))
    if change == "other listing":
        listing = listing[1:]
    again = inverter(record=record)
    assert again(listing, folder) == len(listing) - 1 and again.batches >= 5
    assert np.load(folder / "inverted_codes.npy").shape[0] == len(listing) - 1


@pytest.mark.parametrize("start", ["random", "gaussian"])
def test_random_starts_do_not_depend_on_batches_or_skipped_pictures(monkeypatch, start):
    drawn = []
    monkeypatch.setattr(invert, f"{start}_codes", lambda generator, seed, first, count, label=None:
                        drawn.append((first, count)) or np.full([count, LAYERS, WIDTH], first, "float32"))
    one = inverter()
    one.start = start
    assert one._start_codes([3, 5, 6])[:, 0, 0].tolist() == [3, 5, 6] and {count for _, count in drawn} == {1}


@pytest.mark.parametrize("few", [False, True])
def test_workers_write_what_one_writes(tmp_path, listing, monkeypatch, few):
    """The second of three is lost, and goes on when the others are through; the last one writes what belongs to all."""
    for module in (invert, inversion_pages) if few else ():
        monkeypatch.setattr(module, "ROWS", COUNT)
    whole, shared = made(tmp_path / "whole"), made(tmp_path / "shared")
    inverter()(listing, whole)
    with pytest.raises(Killed):
        inverter(1, worker=Worker(1, 3))(listing, shared)
    assert [inverter(worker=Worker(i, 3))(listing, shared) for i in (0, 2)] == [3, 4]
    assert not list(shared.glob("*.npy")) and not (shared / "inversion.html").exists()
    again = inverter(worker=Worker(1, 3))
    assert again(listing, shared) == 3 and again.batches == 1       # of p3 to p6 p5 is none
    assert not list(shared.glob(".*"))
    one, several = contents(whole), contents(shared)
    if few:
        assert several == one
        return
    pages = [several.pop(f"inversion-{i:04}.html").decode() for i in (1, 2, 3)]     # 3, 3 and 4 pictures
    assert [f"p{i:02}</" in pages[i // 4] for i in (0, 4, 10)] == [True] * 3
    index = several.pop("inversion.html").decode()
    assert all(f'href="inversion-000{i}.html"' in index for i in (1, 2, 3)) and "p05.png: not a picture" in index
    assert several == {name: data for name, data in one.items() if not name.startswith("inversion")}


@pytest.mark.parametrize("other", ["options", "list"])
def test_what_a_worker_did_of_another_run_is_not_taken(tmp_path, listing, other):
    folder = made(tmp_path / "out")
    record = {"arguments": {"seed": 1}} if other == "options" else {}
    inverter(record=record, worker=Worker(0, 2))(listing[:-1] if other == "list" else listing, folder)
    inverter(worker=Worker(1, 2))(listing, folder)
    assert not list(folder.glob("*.npy"))
    inverter(worker=Worker(0, 2))(listing, folder)
    assert np.load(folder / "inverted_codes.npy").shape[0] == COUNT - 1


@pytest.mark.parametrize("kept", [1, 3, 4, 5])
def test_samples_continue_in_the_same_batches(tmp_path, monkeypatch, kept):
    """On the size of a batch depend the last bits of its codes."""
    drawn, written = [], []

    def codes(generator, seed, first, count, label):
        drawn.append((first, count))
        return np.full([count, 2, 3], first, "float32")

    def killed(*_):
        raise Killed

    def sample(folder):
        generator = SimpleNamespace(num_layers=2, dlatent_size=3, label_size=0, truncate=lambda w, psi: w,
                                    synthesis=lambda w: w[:, None, None, :, 0])
        boundary.sample(generator, folder, 5, truncation_psi=1, batch_size=3, seed=0, record={})
        return (folder / "inverted_codes.npy").read_bytes()

    monkeypatch.setattr(boundary, "random_codes", codes)
    monkeypatch.setattr(boundary.images, "save", lambda path, _: written.append(path.name))
    expected = sample(made(tmp_path / "whole")), [*drawn], [*written]
    assert expected[1] == [(0, 3), (3, 2)]
    written.clear()
    parts = made(tmp_path / "parts")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(boundary.images, "save", lambda path, _: killed() if len(written) == kept else
                      written.append(path.name))
        patch.setattr(unfinished.Unfinished, "complete", killed)        # where all pictures are kept
        sample(parts)
    drawn.clear()
    assert (sample(parts), expected[1][-len(drawn):], written) == (expected[0], drawn, expected[2])
