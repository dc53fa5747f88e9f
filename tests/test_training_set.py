"""Training and held-out pictures, and unusable sets."""
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tf_idinvert.data import pipeline, training_set
from tf_idinvert.errors import InputError
from tf_idinvert.files import images


@pytest.fixture
def folder(tmp_path):
    """Sets of 30 pictures of one colour each, their number: TFRecords of 16, 8 and 4 px, and a .npy file."""
    pictures = np.broadcast_to(np.arange(30, dtype=np.uint8)[:, None, None, None], (30, 16, 16, 3)).copy()
    pipeline.write_tfrecords(tmp_path / "set", pictures, 16)
    np.save(tmp_path / "set.npy", pictures)
    np.save(tmp_path / "grey.npy", pictures[..., :1])
    np.save(tmp_path / "two.npy", pictures[..., :2])
    np.save(tmp_path / "odd.npy", pictures[:, :10, :10])
    return tmp_path


def numbers(pictures):
    return pictures[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("name", ["set.npy", "set-r04.tfrecords", "set", ""])
def test_held_out_pictures_are_never_among_those_trained_on(folder, name):
    sources, test = training_set.open_training_set(folder / name if name else only_records(folder), [4, 8], batch=4)
    for resolution, source in sources.items():
        trained = numbers(source.read(np.arange(len(source))))
        held = numbers(test(resolution))
        assert (len(trained), held) == (27, [0, 14, 29]) and sorted(trained + held) == list(range(30))
        assert source.read([3]).shape == (1, resolution, resolution, 3) == (1, *test(resolution).shape[1:])
    batch = next(iter(pipeline.batches(sources[8], 27, seed=0)))
    assert sorted(numbers(batch.numpy())) == sorted(trained)


def only_records(folder):
    for path in folder.glob("*.npy"):
        path.unlink()
    return folder


def test_nothing_is_set_aside_where_other_pictures_are_held_out(folder):
    other = folder / "other.npy"
    np.save(other, np.full([100, 16, 16, 3], 77, np.uint8))
    sources, test = training_set.open_training_set(folder / "set.npy", [8], 4, test_path=other, held_out=5)
    assert len(sources[8]) == 30 and test(8).shape == (5, 8, 8, 3) and set(numbers(test(8))) == {77}
    sources, test = training_set.open_training_set(folder / "set.npy", [8], 4, held_out=0)
    assert len(sources[8]) == 30 and test is None


@pytest.mark.parametrize("name, batch, message", [
    ("two.npy", 4, r"two.npy: expected uint8 pictures \[N, S, S, 3\], or grey ones \[N, S, S, 1\]; got uint8 "),
    ("set.npy", 28, "set.npy: 27 pictures to train on, fewer than a batch of 28"),
    ("odd.npy", 4, "odd.npy: pictures of side 10 cannot be reduced to 8"),
    ("set-r03.tfrecords", 4, "set-r03.tfrecords: pictures of 8 px cannot be reduced to 16"),
    ("none.tfrecords", 4, "none.tfrecords: no such file or folder, nor files"), ("none", 4, "none")])
def test_sets_that_cannot_be_used_are_one_line(folder, name, batch, message):
    with pytest.raises(InputError, match=message) as error:
        training_set.open_training_set(folder / name, [16 if "r03" in name else 8], batch)
    assert "\n" not in str(error.value)


def test_grey_pictures_become_rgb_where_networks_are(folder):
    sources, test = training_set.open_training_set(folder / "grey.npy", [8], batch=4)
    assert test(8).shape == (3, 8, 8, 3) and sources[8].read([5]).shape == (1, 8, 8, 3)
    np.testing.assert_array_equal(sources[8].read([5])[..., 1:], sources[8].read([5])[..., :2])
    assert training_set.open_training_set(folder / "grey.npy", [8], 4, channels=1)[1](8).shape == (3, 8, 8, 1)


def test_files_that_are_no_pictures_are_named_before_the_training(tmp_path, caplog, rng):
    for i in range(8):
        images.save(tmp_path / f"{i}.png", np.full([8, 8, 3], i, np.uint8))
    (tmp_path / "2.png").write_bytes(b"")
    (tmp_path / "3.png").write_bytes(b"some text")
    for name, kind in ("4.jpg", "JPEG"), ("5.png", "PNG"), ("6.webp", "WEBP"), ("7.gif", "GIF"):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / name, kind)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-100])
    (tmp_path / "x.nef").write_bytes(b"x")
    left_out = []
    sources, _ = training_set.open_training_set(tmp_path, [4, 8], batch=2, left_out=left_out)
    assert [numbers(source.read(np.arange(5))) for source in sources.values()] == [[0, 1, 4, 6, 7]] * 2
    assert caplog.messages == left_out and [line.split(": ")[:2] for line in left_out] == [
        ["left out", str(tmp_path / name)] for name in ("2.png", "3.png", "4.jpg", "5.png", "6.webp", "7.gif", "x.nef")]
