"""Packing and unpacking sets of pictures: nothing is lost or changed, and interrupted runs resume."""
from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from tf_idinvert.data import packing, pipeline
from tf_idinvert.data.packing import Pictures, Portraits, pack, unpack
from tf_idinvert.errors import InputError
from tf_idinvert.files import images
from tf_idinvert.portraits import portrait, sets

NAMES = [*portrait.ATTRIBUTES, *portrait.NUISANCES]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(sets, "CHUNK", 3)
    monkeypatch.setattr(Portraits, "part", 3)
    monkeypatch.setattr(Pictures, "part", 3)


@pytest.fixture
def folder(tmp_path, rng):
    """Seven pictures of 16 px, in PNG files, with labels."""
    (tmp_path / "pictures").mkdir()
    for i, picture in enumerate(pixels(rng)):
        images.save(tmp_path / "pictures" / f"{i}.png", picture)
    return tmp_path / "pictures"


def pixels(rng=None, count=7):
    return (rng or np.random.default_rng(0)).integers(0, 256, (count, 16, 16, 3), np.uint8)


def bytes_of(folder):
    """{name: bytes}, without set.json, which tells where the pictures came from."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "set.json"}


def everything(path, resolution=16):
    source = pipeline.open_source(path, resolution)
    return source.read(range(len(source)))


class Stop(Exception):
    pass


def stop_after(count):
    """A progress function that stops the run when `count` parts are done."""
    def progress(_, done=[]):       # noqa: B006: counts its calls
        done.append(1)
        if len(done) == count:
            raise Stop
    return progress


# ------------------------------------------------------------------------------------------------- portraits

def test_portraits_are_those_of_rendering_with_their_attributes(tmp_path):
    assert pack(Portraits(7, 1, 16), tmp_path / "faces", processes=1) == (7, [])
    expected = list(sets.chunks(7, 1, 16, processes=1))
    np.testing.assert_array_equal(everything(tmp_path / "faces"), np.concatenate([x for x, _ in expected]))
    labels = np.load(tmp_path / "faces" / "faces-labels.npy")
    assert labels.dtype == np.float32 and labels.shape == (7, len(NAMES))
    assert json.loads((tmp_path / "faces" / "faces-labels.json").read_text())["names"] == NAMES
    np.testing.assert_array_equal(labels[:, 0], np.concatenate([attributes["age"] for _, attributes in expected]))
    np.testing.assert_array_equal(portrait.render(*labels[4], resolution=16), everything(tmp_path / "faces")[4])
    assert sorted(path.name for path in (tmp_path / "faces").iterdir()) == [
        "faces-labels.json", "faces-labels.npy", "faces-r02.tfrecords", "faces-r03.tfrecords", "faces-r04.tfrecords",
        "set.json"]


def test_all_levels_are_what_tensorflow_reads(tmp_path):
    pack(Portraits(7, 1, 16), tmp_path / "faces", processes=1)
    full = everything(tmp_path / "faces")
    for level in (2, 3, 4):
        raw = tf.data.TFRecordDataset(str(tmp_path / "faces" / f"faces-r{level:02d}.tfrecords"))
        assert len(list(raw)) == 7                                          # checksums hold across the seams
        np.testing.assert_array_equal(everything(tmp_path / "faces", 2 ** level), pipeline.reduced(full, 2 ** level))


# ------------------------------------------------------------------------------------------------- there and back

def test_pictures_there_and_back_are_the_same(tmp_path, folder):
    np.save(folder / "labels.npy", np.arange(14, dtype="float32").reshape(7, 2))
    assert pack(Pictures(str(folder), 16), tmp_path / "set", processes=1) == (7, [])
    np.testing.assert_array_equal(everything(tmp_path / "set"), pixels())
    assert unpack(Pictures(str(tmp_path / "set"), 16), tmp_path / "back", processes=1) == (7, [])
    assert sorted(path.name for path in (tmp_path / "back").glob("*.png")) == [f"00000{i}.png" for i in range(7)]
    np.testing.assert_array_equal(everything(tmp_path / "back"), pixels())
    np.testing.assert_array_equal(np.load(tmp_path / "back" / "labels.npy"), np.arange(14).reshape(7, 2))
    assert json.loads((tmp_path / "back" / "labels.json").read_text()) == {"names": ["label0", "label1"]}
    pack(Pictures(str(tmp_path / "back"), 16), tmp_path / "other" / "set", processes=1)
    assert bytes_of(tmp_path / "other" / "set") == bytes_of(tmp_path / "set")
    assert not list(tmp_path.rglob(".parts"))


def test_array_file_and_records_are_sets_too(tmp_path):
    np.save(tmp_path / "x.npy", pixels())
    np.save(tmp_path / "x-labels.npy", np.arange(7, dtype="float32")[:, None])
    (tmp_path / "x-labels.json").write_text('{"names": ["age"]}')
    pack(Pictures(str(tmp_path / "x.npy"), 8), tmp_path / "a", processes=1)
    pack(Pictures(str(tmp_path / "a" / "a"), 4), tmp_path / "b", processes=1)       # FOLDER/NAME of records
    np.testing.assert_array_equal(everything(tmp_path / "b", 4), pipeline.reduced(pipeline.reduced(pixels(), 8), 4))
    assert json.loads((tmp_path / "b" / "b-labels.json").read_text()) == {"names": ["age"]}
    np.testing.assert_array_equal(np.load(tmp_path / "b" / "b-labels.npy")[:, 0], range(7))
    for name in "a-labels.npy", "a-labels.json":
        (tmp_path / "a" / name).unlink()
    with open(tmp_path / "a/a-rxx.labels", "wb") as file:       # of the original's dataset_tool
        np.save(file, np.eye(7, dtype="float32"))
    for i, path in enumerate(["a", "a/a", "a/a-r03.tfrecords"]):
        pack(Pictures(str(tmp_path / path), 8), tmp_path / f"c{i}", processes=1)
        np.testing.assert_array_equal(np.load(tmp_path / f"c{i}" / f"c{i}-labels.npy"), np.eye(7))


def test_grey_records_become_grey_pictures(tmp_path):
    pipeline.write_tfrecords(tmp_path / "grey", pixels()[:2, ..., :1], 16)
    unpack(Pictures(str(tmp_path / "grey"), 16), tmp_path / "back", processes=1)
    np.testing.assert_array_equal(everything(tmp_path / "back"), pixels()[:2, ..., :1].repeat(3, 3))


def test_pictures_are_cropped_and_resized_as_for_networks(tmp_path):
    wide = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    (tmp_path / "wide").mkdir()
    images.save(tmp_path / "wide" / "a.png", wide)
    pack(Pictures(str(tmp_path / "wide"), 16), tmp_path / "set", processes=1)
    np.testing.assert_array_equal(everything(tmp_path / "set")[0], images.fit(wide, 16)[0])


# ------------------------------------------------------------------------------------------------- bad pictures

def test_corrupt_pictures_are_reported_and_left_out_with_their_labels(tmp_path, folder):
    np.save(folder / "labels.npy", np.arange(7, dtype="float32")[:, None])
    (folder / "2.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    (folder / "5.png").write_bytes(b"")
    lines = []
    count, left_out = pack(Pictures(str(folder), 16), tmp_path / "set", processes=1, report=lines.append)
    assert count == 5 and left_out == lines and len(lines) == 2
    assert "2.png: " in lines[0] and "5.png: is empty" in lines[1] and not any("\n" in line for line in lines)
    kept = [0, 1, 3, 4, 6]
    np.testing.assert_array_equal(everything(tmp_path / "set"), pixels()[kept])
    np.testing.assert_array_equal(np.load(tmp_path / "set" / "set-labels.npy")[:, 0], kept)
    again = []      # a finished set tells it once more
    assert pack(Pictures(str(folder), 16), tmp_path / "set", processes=1, report=again.append) == (5, lines)
    assert again == lines


def test_a_whole_part_may_be_corrupt(tmp_path, folder):
    np.save(folder / "labels.npy", np.arange(7, dtype="float32")[:, None])
    for i in (3, 4, 5):
        (folder / f"{i}.png").write_bytes(b"no picture")
    assert pack(Pictures(str(folder), 16), tmp_path / "set", processes=1)[0] == 4
    np.testing.assert_array_equal(np.load(tmp_path / "set" / "set-labels.npy")[:, 0], [0, 1, 2, 6])


def test_nothing_but_corrupt_pictures_is_an_error(tmp_path, folder):
    for path in folder.iterdir():
        path.write_bytes(b"no picture")
    for convert in pack, unpack:
        with pytest.raises(InputError, match="none of 7 pictures could be read"):
            convert(Pictures(str(folder), 16), tmp_path / convert.__name__, processes=1)
        assert not list((tmp_path / convert.__name__).iterdir())        # other pictures may follow


def test_damaged_record_is_left_out(tmp_path):
    pipeline.write_tfrecords(tmp_path / "set", pixels(), 16)
    path = tmp_path / "set-r04.tfrecords"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 7 * 4 + 12:len(raw) // 7 * 5 - 4] = b"\xff" * (len(raw) // 7 - 16)
    path.write_bytes(raw)
    np.save(tmp_path / "set-labels.npy", np.arange(7, dtype="float32")[:, None])
    count, left_out = unpack(Pictures(str(tmp_path / "set"), 16), tmp_path / "back", processes=1)
    assert count == 6 and len(left_out) == 1 and "record 4" in left_out[0]
    assert not (tmp_path / "back" / "000004.png").exists()
    np.testing.assert_array_equal(np.load(tmp_path / "back" / "labels.npy")[:, 0], [0, 1, 2, 3, 5, 6])


# ------------------------------------------------------------------------------------------------- resuming

def test_stopped_run_goes_on_and_ends_in_the_same_bytes(tmp_path, monkeypatch):
    source, sampled = Portraits(10, 1, 16), []
    pack(source, tmp_path / "whole" / "set", processes=1)
    with pytest.raises(Stop):
        pack(source, tmp_path / "set", processes=1, progress=stop_after(2))
    assert not list((tmp_path / "set").glob("*.tfrecords"))             # nothing that looks like a whole set
    (tmp_path / "set" / ".parts" / ".000000006-r04.tfrecords.x").write_bytes(b"left by a killed process")
    sample = portrait.sample
    monkeypatch.setattr(portrait, "sample", lambda *arguments: sampled.append(arguments) or sample(*arguments))
    pack(source, tmp_path / "set", processes=1)
    assert len(sampled) == 2                                            # the other two parts of four
    assert bytes_of(tmp_path / "set") == bytes_of(tmp_path / "whole" / "set")


def test_part_that_was_half_written_is_written_again(tmp_path):
    source = Portraits(10, 1, 16)
    pack(source, tmp_path / "whole" / "set", processes=1)
    with pytest.raises(Stop):
        pack(source, tmp_path / "set", processes=1, progress=stop_after(2))
    parts = tmp_path / "set" / ".parts"
    (parts / "000000003.json").unlink()                                 # as if killed before the part was finished
    (parts / "000000003-r02.tfrecords").unlink()
    (parts / "joined-r02.tfrecords").write_bytes(b"half")
    pack(source, tmp_path / "set", processes=1)
    assert bytes_of(tmp_path / "set") == bytes_of(tmp_path / "whole" / "set")


def test_killed_while_the_set_is_put_in_its_place(tmp_path, monkeypatch):
    source = Portraits(4, 1, 16)
    pack(source, tmp_path / "whole" / "set", processes=1)
    replace = packing.os.replace

    def stop(a, b):
        if str(b).endswith("set-r03.tfrecords"):
            raise Stop
        replace(a, b)

    with monkeypatch.context() as patch:
        patch.setattr(packing.os, "replace", stop)
        with pytest.raises(Stop):
            pack(source, tmp_path / "set", processes=1)
    pack(source, tmp_path / "set", processes=1)
    assert bytes_of(tmp_path / "set") == bytes_of(tmp_path / "whole" / "set")


def test_unpacking_goes_on_and_does_not_write_again_what_is_there(tmp_path, folder):
    pack(Pictures(str(folder), 16), tmp_path / "set", processes=1)
    source = Pictures(str(tmp_path / "set"), 16)
    with pytest.raises(Stop):
        unpack(source, tmp_path / "back", processes=1, progress=stop_after(1))
    dates = {path: path.stat().st_mtime_ns for path in (tmp_path / "back").glob("*.png")}
    assert len(dates) == 3
    unpack(source, tmp_path / "back", processes=1)
    np.testing.assert_array_equal(everything(tmp_path / "back"), pixels())
    assert all(path.stat().st_mtime_ns == date for path, date in dates.items())


@pytest.mark.parametrize("other", [Portraits(9, 1, 16), Portraits(10, 2, 16), Portraits(10, 1, 32)])
def test_set_of_something_else_is_not_touched(tmp_path, other):
    pack(Portraits(10, 1, 16), tmp_path / "set", processes=1)
    before = bytes_of(tmp_path / "set")
    with pytest.raises(InputError, match="holds a set of something else"):
        pack(other, tmp_path / "set", processes=1)
    assert bytes_of(tmp_path / "set") == before


def test_pictures_that_changed_since_are_noticed(tmp_path, folder):
    with pytest.raises(Stop):
        pack(Pictures(str(folder), 16), tmp_path / "set", processes=1, progress=stop_after(1))
    images.save(folder / "9.png", pixels()[0])
    with pytest.raises(InputError, match="changed since"):
        pack(Pictures(str(folder), 16), tmp_path / "set", processes=1)


def test_other_files_are_not_mixed_with(tmp_path, folder):
    with pytest.raises(InputError, match="pictures: holds other files"):
        pack(Portraits(4, 1, 16), folder, processes=1)
    assert not (folder / "set.json").exists()


# ------------------------------------------------------------------------------------------------- bad arguments

def test_bad_labels_are_known_before_anything_is_made(tmp_path, folder):
    np.save(folder / "labels.npy", np.zeros((6, 2), "float32"))
    with pytest.raises(InputError, match=r"expected labels \[7, A\]"):
        pack(Pictures(str(folder), 16), tmp_path / "set", processes=1)
    np.save(folder / "labels.npy", np.zeros((7, 2), "float32"))
    for text in ("{", "[]", '{"names": ["a"]}', '{"names": [1, 2]}'):
        (folder / "labels.json").write_text(text)
        with pytest.raises(InputError, match="labels.json: ") as caught:
            pack(Pictures(str(folder), 16), tmp_path / "set", processes=1)
        assert "\n" not in str(caught.value)
    np.save(folder / "more-labels.npy", np.zeros((7, 2), "float32"))
    with pytest.raises(InputError, match="2 files"):
        pack(Pictures(str(folder), 16), tmp_path / "set", processes=1)
    assert not (tmp_path / "set").exists()


def test_pickled_labels_are_refused(tmp_path, folder):
    np.save(folder / "labels.npy", np.array([{}] * 7, object))
    with pytest.raises(ValueError, match="could run programs"):
        pack(Pictures(str(folder), 16), tmp_path / "set", processes=1)


@pytest.mark.parametrize("resolution", [2, 12, 0])
def test_resolution_that_is_no_power_of_two_is_refused(tmp_path, folder, resolution):
    with pytest.raises(InputError, match="power of two"):
        pack(Pictures(str(folder), resolution), tmp_path / "set", processes=1)


def test_damaged_record_of_the_set_is_one_line(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "set.json").write_text("{")
    with pytest.raises(InputError, match="set.json: damaged"):
        pack(Portraits(4, 1, 16), tmp_path / "set", processes=1)
