"""Input pipeline: the original's record format, order of pictures, resuming, bad files."""
from __future__ import annotations

import struct

import numpy as np
import pytest
import tensorflow as tf

from tf_idinvert.data import pipeline
from tf_idinvert.errors import InputError
from tf_idinvert.files import images
from tf_idinvert.training import loop


def pictures(count=10, side=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def take(dataset, count):
    return np.stack([batch.numpy() for batch in dataset.take(count)])


@pytest.fixture
def numbered():
    """Ten pictures, each of one colour, its number; the left half darker by 100 so that a flip shows."""
    array = np.broadcast_to(np.arange(100, 110, dtype=np.uint8)[:, None, None, None], (10, 4, 4, 3)).copy()
    array[:, :, :2] -= 100
    return pipeline.ArraySource(array)


# ---------------------------------------------------------------------------------------------------- order

def test_every_picture_comes_once_an_epoch_in_an_order_of_its_own(numbered):
    seen = take(pipeline.batches(numbered, 4, seed=3), 10)[:, :, 0, 0, 0].reshape(4, 10)    # four epochs of ten
    assert all(sorted(epoch) == list(range(10)) for epoch in seen.tolist())
    assert len({tuple(epoch) for epoch in seen.tolist()}) == 4
    again = take(pipeline.batches(numbered, 4, seed=3), 10)[:, :, 0, 0, 0].reshape(4, 10)
    np.testing.assert_array_equal(seen, again)
    other = take(pipeline.batches(numbered, 4, seed=4), 10)[:, :, 0, 0, 0].reshape(4, 10)
    assert (seen != other).any()


@pytest.mark.parametrize("start", [0, 4, 7, 23, 1_000_000])
def test_order_is_taken_up_anywhere_at_any_batch_size(numbered, start):
    ones = take(pipeline.batches(numbered, 1, seed=1, start=start, mirror=True), 12).reshape(12, 4, 4, 3)
    sixes = take(pipeline.batches(numbered, 6, seed=1, start=start, mirror=True), 2).reshape(12, 4, 4, 3)
    np.testing.assert_array_equal(ones, sixes)
    later = take(pipeline.batches(numbered, 3, seed=1, start=start + 3, mirror=True), 3).reshape(9, 4, 4, 3)
    np.testing.assert_array_equal(ones[3:], later)


def test_mirror_flips_about_half_left_to_right_anew_each_epoch(numbered):
    plain = take(pipeline.batches(numbered, 10, seed=0), 40)
    mirrored = take(pipeline.batches(numbered, 10, seed=0, mirror=True), 40)
    flipped = (mirrored[:, :, 0, 0, 0] >= 100)
    np.testing.assert_array_equal(np.where(flipped[..., None, None, None], plain[:, :, :, ::-1], plain), mirrored)
    assert 0.4 < flipped.mean() < 0.6
    assert len({tuple(epoch) for epoch in flipped.tolist()}) > 30


def test_labels_come_with_their_pictures(numbered):
    labels = np.arange(20, dtype="float32").reshape(10, 2)
    for pictures, rows in pipeline.batches(numbered, 4, seed=3, start=2, labels=labels).take(5):
        np.testing.assert_array_equal(rows[:, 0], 2 * pictures[:, 0, 0, 0].numpy().astype("float32"))
    assert pipeline.batches(numbered, 4, seed=0, labels=labels).element_spec[1] == tf.TensorSpec((4, 2), tf.float32)


@pytest.mark.parametrize("rows, mirror", [(9, False), (10, True)])
def test_labels_that_do_not_fit_are_refused(numbered, rows, mirror):
    with pytest.raises(InputError, match="labels: expected 10 rows, and no mirroring"):
        pipeline.batches(numbered, 4, seed=0, mirror=mirror, labels=np.zeros([rows, 2], "float32"))


def test_batches_have_a_full_static_shape(numbered):
    assert pipeline.batches(numbered, 6, seed=0).element_spec == tf.TensorSpec((6, 4, 4, 3), tf.uint8)


# -------------------------------------------------------------------------------------------------- sources

def test_reduced_is_the_mean_of_blocks_rounded_half_up():
    array = pictures(3, 8)
    expected = np.floor(array.reshape(3, 2, 4, 2, 4, 3).astype("float64").mean((2, 4)) + 0.5)
    np.testing.assert_array_equal(pipeline.reduced(array, 2), expected)
    assert pipeline.reduced(array, 8) is array
    block = np.array([0, 0, 1, 1], np.uint8).reshape(1, 2, 2, 1)
    assert pipeline.reduced(block, 1).item() == 1


def test_array_file_is_read_in_place(tmp_path):
    np.save(tmp_path / "set.npy", pictures())
    source = pipeline.open_source(tmp_path / "set.npy", 4)
    assert isinstance(source.pictures, np.memmap) and len(source) == 10
    np.testing.assert_array_equal(source.read([3, 1]), pipeline.reduced(pictures()[[3, 1]], 4))


@pytest.mark.parametrize("array", [pictures().astype("float32"), pictures()[:, :4], pictures()[0]])
def test_array_of_something_else_is_refused(array):
    with pytest.raises(InputError, match="expected uint8 pictures"):
        pipeline.ArraySource(array)


def test_array_that_cannot_be_reduced_is_refused():
    with pytest.raises(InputError, match="side 8 cannot be reduced to 3"):
        pipeline.ArraySource(pictures(), 3)


def test_pickled_array_file_is_refused(tmp_path):
    np.save(tmp_path / "set.npy", np.array([{}], object))
    with pytest.raises(InputError, match="set.npy: "):
        pipeline.open_source(tmp_path / "set.npy", 4)


def test_folder_of_pictures(tmp_path):
    for i, picture in enumerate(pictures(3, 8)):
        images.save(tmp_path / f"{i}.png", picture)
    source = pipeline.open_source(tmp_path, 8)
    np.testing.assert_array_equal(source.read(np.array([2, 0])), pictures(3, 8)[[2, 0]])
    assert take(pipeline.batches(pipeline.open_source(tmp_path, 4), 2, seed=0), 1).shape == (1, 2, 4, 4, 3)


# ------------------------------------------------------------------------------------------------ TFRecords

@pytest.fixture
def records(tmp_path):
    assert pipeline.write_tfrecords(tmp_path / "set", iter(pictures()), 8) == 10
    return tmp_path


def test_records_are_what_tensorflow_reads(records):
    assert sorted(path.name for path in records.iterdir()) == ["set-r02.tfrecords", "set-r03.tfrecords"]
    for level in (2, 3):
        raw = list(tf.data.TFRecordDataset(str(records / f"set-r{level:02d}.tfrecords")).as_numpy_iterator())
        assert len(raw) == 10                                       # checksums hold, too
        feature = tf.train.Example.FromString(raw[4]).features.feature
        assert list(feature["shape"].int64_list.value) == [3, 2 ** level, 2 ** level]
        chw = np.frombuffer(feature["data"].bytes_list.value[0], np.uint8).reshape(3, 2 ** level, 2 ** level)
        np.testing.assert_array_equal(chw.transpose(1, 2, 0), pipeline.reduced(pictures(), 2 ** level)[4])


@pytest.mark.parametrize("path", ["", "set"])
def test_records_are_found_by_folder_or_name_and_resolution(records, path):
    for resolution in (4, 8):
        source = pipeline.open_source(records / path, resolution)
        assert (len(source), source.resolution, source.channels) == (10, resolution, 3)
        np.testing.assert_array_equal(source.read([7, 7, 0]), pipeline.reduced(pictures()[[7, 7, 0]], resolution))


def test_missing_or_ambiguous_resolution_is_one_line(records):
    with pytest.raises(InputError, match=r"0 files \*-r04.tfrecords; expected one, of pictures 16 x 16"):
        pipeline.open_source(records, 16)
    (records / "more-r03.tfrecords").write_bytes((records / "set-r03.tfrecords").read_bytes())
    with pytest.raises(InputError, match="2 files"):
        pipeline.open_source(records, 8)


def damaged(path, how):
    raw = bytearray(path.read_bytes())
    stride = len(raw) // 10
    if how == "truncated":
        raw = raw[:-5]
    elif how == "empty":
        raw = b""
    elif how == "huge length":
        raw[:8] = struct.pack("<Q", 2 ** 60)
    elif how == "other length":
        raw[stride * 3:stride * 3 + 8] = struct.pack("<Q", 5)
    elif how == "no record":
        raw[stride * 3 + 12:stride * 4 - 4] = b"\xff" * (stride - 16)
    elif how == "other shape":
        at = raw.index(b"shape", stride * 3)
        values = raw.index(b"\x03\x08\x08", at)                     # the packed 3, 8, 8
        raw[values:values + 3] = b"\x03\x08\x07"
    path.write_bytes(raw)


@pytest.mark.parametrize("how, message", [
    ("truncated", "truncated"), ("empty", "empty"), ("huge length", "damaged"), ("missing", "no such file")])
def test_damaged_file_is_refused_on_opening(records, how, message):
    path = records / "set-r03.tfrecords"
    path.unlink() if how == "missing" else damaged(path, how)
    with pytest.raises(InputError, match=f"set-r03.tfrecords: .*{message}") as caught:
        pipeline.TFRecordSource(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("how", ["other length", "no record", "other shape"])
def test_damaged_record_is_named_when_it_is_read(records, how):
    damaged(records / "set-r03.tfrecords", how)
    source = pipeline.TFRecordSource(records / "set-r03.tfrecords")
    np.testing.assert_array_equal(source.read([2, 4]), pictures()[[2, 4]])
    with pytest.raises(InputError, match="record 3") as caught:
        source.read([3])
    assert "\n" not in str(caught.value)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        take(pipeline.batches(source, 5, seed=0), 2)
    assert "record 3" in str(loop.reading_error(caught.value))


def test_reading_error_leaves_other_errors_alone():
    error = tf.errors.InvalidArgumentError(None, None, "shapes differ")
    assert loop.reading_error(error) is None


@pytest.mark.parametrize("bad", [pictures(1, 4)[0], pictures(1, 8)[0].astype("float32")])
def test_unfit_picture_leaves_no_records_behind(tmp_path, bad):
    with pytest.raises(InputError, match="picture 2 is"):
        pipeline.write_tfrecords(tmp_path / "set", [*pictures(2, 8), bad], 8)
    assert not list(tmp_path.iterdir())


def test_unwritable_place_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        pipeline.write_tfrecords(tmp_path / "missing" / "set", pictures(), 8)


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def fail(self, record):
        raise tf.errors.ResourceExhaustedError(None, None, "x.tfrecords; No space left on device\n")

    monkeypatch.setattr(tf.io.TFRecordWriter, "write", fail)
    with pytest.raises(InputError, match="set: cannot be written: .*No space left on device$"):
        pipeline.write_tfrecords(tmp_path / "set", pictures(), 8)
    assert not list(tmp_path.iterdir())


def test_records_are_the_same_bytes_each_time(records, tmp_path):
    (tmp_path / "again").mkdir()
    pipeline.write_tfrecords(tmp_path / "again" / "set", pictures(), 8)
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (records / path.name).read_bytes()


def test_largest_resolution(records, tmp_path):
    np.save(tmp_path / "x.npy", pictures(2, 16))
    (tmp_path / "empty").mkdir()
    assert pipeline.largest_resolution(records) == pipeline.largest_resolution(records / "set") == 8
    assert pipeline.largest_resolution(tmp_path / "x.npy") == 16
    assert pipeline.largest_resolution(tmp_path / "empty") is None
    with pytest.raises(InputError, match="missing.npy: "):
        pipeline.largest_resolution(tmp_path / "missing.npy")
