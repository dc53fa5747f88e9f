"""arrays: numbers are read as NumPy wrote them, nothing is executed, and an early end keeps finished results."""
from __future__ import annotations

import errno
import os
import pickle

import numpy as np
import pytest

from tf_idinvert.files import arrays
from tf_idinvert.files.arrays import ArrayError


@pytest.mark.parametrize("array", [
    np.arange(6, dtype="<f4").reshape(1, 2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.float64(3),
    np.arange(4, dtype=">i2"), np.zeros([0, 3], "f4"), np.array([True, False])], ids=lambda array: str(array.dtype))
def test_what_numpy_wrote_is_read(array, tmp_path):
    np.save(tmp_path / "x.npy", array)
    read = arrays.read(tmp_path / "x.npy")
    assert read.dtype == array.dtype and np.array_equal(read, array)
    arrays.write(tmp_path / "y.npy", array)
    assert np.array_equal(np.load(tmp_path / "y.npy", allow_pickle=False), array)


def header(text):
    text = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("content, words", [
    (b"", "not an array"), (b"\x93NUMPY", "not an array"), (b"<html>", "not an array"),
    (b"PK\x03\x04" + bytes(60), "not an"),
    (b"\x93NUMPY\x03\x00" + bytes(60), "not an array"), (header("{'descr': '<f4'}"), "not an array"),
    (header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "not an array"),
    (header("{'descr': '<f4', 'fortran_order': False, 'shape': (1 << 40,)}"), "not an array"),
    (header("(" * 30000), "not an array"), (header("__import__('os').abort()"), "not an array"),
    (header("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}"), "damaged or incomplete"),
    (header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}") + bytes(7), "damaged or incomplete"),
    (header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}") + bytes(9), "damaged or incomplete"),
    (header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}") + bytes(4), "expected numbers"),
    (header("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}") + bytes(4), "expected numbers"),
])
def test_other_files_are_one_line(content, words, tmp_path):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ArrayError) as caught:
        arrays.read(tmp_path / "x.npy")
    assert words in str(caught.value) and str(tmp_path / "x.npy") in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_objects_are_refused_and_run_nothing(tmp_path):
    np.save(tmp_path / "x.npy", np.array([Touch(tmp_path / "ran")], dtype=object), allow_pickle=True)
    with pytest.raises(ArrayError, match="could run programs"):
        arrays.read(tmp_path / "x.npy")
    (tmp_path / "y.npy").write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    with pytest.raises(ArrayError, match="not an array"):
        arrays.read(tmp_path / "y.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["absent.npy", "."])
def test_missing_files_and_folders_are_one_line(name, tmp_path):
    with pytest.raises(ArrayError, match="no such file|not a file"):
        arrays.read(tmp_path / name)


def test_an_array_filled_to_the_end_is_complete(tmp_path):
    values = np.arange(24, dtype="f4").reshape(2, 3, 4)
    done = []
    with arrays.filling(tmp_path / "x.npy", values.shape, done) as rows:
        for row in values.reshape(6, 4):
            rows.append(row)
            done.append(None)
    assert np.array_equal(np.load(tmp_path / "x.npy"), values)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_early_end_keeps_what_was_filled(error, tmp_path):
    with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else OSError):
        done = []
        with arrays.filling(tmp_path / "x.npy", [3, 2], done) as rows:
            rows.append([1, 2])
            done.append("the first row")
            rows.append([3, 4])         # what else belongs to it is not written
            raise error
    kept = np.load(tmp_path / "x.npy")
    assert kept[0].tolist() == [1, 2] and np.isnan(kept[1:]).all()
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_an_end_before_anything_is_done_leaves_the_older_file(tmp_path):
    np.save(tmp_path / "x.npy", np.ones(2))
    with pytest.raises(KeyboardInterrupt), arrays.filling(tmp_path / "x.npy", [3, 2], []):
        raise KeyboardInterrupt
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.ones(2))
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_a_disk_that_is_too_small_is_known_at_once(monkeypatch, tmp_path):
    def full(file, shape):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(arrays, "Rows", full)
    with pytest.raises(OSError, match="No space left on device: .*x.npy"):
        with arrays.filling(tmp_path / "x.npy", [3, 2], []):
            pass
    assert not list(tmp_path.iterdir())


def test_space_of_a_new_array_is_there_before_it_is_written_to(tmp_path, monkeypatch):
    """Else a full disk ends the process by a signal, without a word."""
    array = arrays.create(tmp_path / "x.npy", (1000, 3), np.float32)
    if hasattr(os, "posix_fallocate"):
        assert (tmp_path / "x.npy").stat().st_blocks * 512 >= array.nbytes
    array[5] = 2
    array.flush()
    assert np.load(tmp_path / "x.npy").sum() == 6

    def full(number):
        def reserve(*_):
            raise OSError(number, os.strerror(number))
        return reserve

    monkeypatch.setattr(os, "posix_fallocate", full(errno.EOPNOTSUPP), raising=False)
    assert arrays.create(tmp_path / "y.npy", (2,), np.uint8).sum() == 0
    monkeypatch.setattr(os, "posix_fallocate", full(errno.ENOSPC), raising=False)
    with pytest.raises(OSError, match="z.npy") as caught:
        arrays.create(tmp_path / "z.npy", (2,), np.uint8)
    assert caught.value.errno == errno.ENOSPC
