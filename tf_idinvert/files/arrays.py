"""Read and write NumPy's .npy files of numbers: nothing is executed, and memory is bounded by the size of the file.

`numpy.load` allocates what the header claims; this reader first checks that the file holds as many bytes. Format:
`numpy.lib.format`, version 1.0, which every array of plain numbers has.
"""
from __future__ import annotations

import contextlib
import errno
import math
import os
import zipfile
from pathlib import Path

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic
from tf_idinvert.files.paths import require_file

MAX_ARCHIVE = 1 << 30       # bytes of all arrays in a .npz file that compression has made smaller


class ArrayError(InputError):
    """A .npy file that cannot be read; one line that begins with the path."""


def read(path):
    """An array of numbers from a .npy file.

    Raises:
        ArrayError: missing, something else, damaged, or holding objects, which could run programs.
    """
    with _opened(path) as file:
        return read_numbers(file, Path(path).stat().st_size, path)


def read_archive(path):
    """{name: array of numbers} of a .npz file; raises as `read`."""
    with _opened(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = [each for each in archive.infolist() if each.filename.endswith(".npy")]
                claimed = sum(each.file_size for each in members)
                most = max(MAX_ARCHIVE, Path(path).stat().st_size)
                if claimed > most:
                    raise ArrayError(f"{path}: arrays of {claimed} bytes, expected at most {most}")
                return {each.filename[:-4]: _member(archive, each, path) for each in members}
        except ArrayError:
            raise
        except Exception as error:      # archives have many ways to be damaged
            raise ArrayError(f"{path}: damaged, not a readable archive of arrays ({type(error).__name__})") from error


def _member(archive, member, path):
    with archive.open(member) as file:
        return read_numbers(file, member.file_size, path)


def mapped(path):
    """The array of numbers in a .npy file, left on the disk and read only; raises as `read`."""
    with _opened(path) as file:
        shape, fortran, dtype = _checked_header(file, Path(path).stat().st_size, path)
        if not math.prod(shape):        # nothing can be mapped
            return np.zeros(shape, dtype)
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")


def create(path, shape, dtype):
    """A new .npy file of zeros, whose array is written to as memory.

    Its space is reserved: where the disk is full, this raises OSError; without, a signal would end the process later.
    """
    array = np.lib.format.open_memmap(path, "w+", dtype, tuple(shape))
    if hasattr(os, "posix_fallocate"):
        with open(path, "rb+") as file, atomic.naming(path):
            try:
                os.posix_fallocate(file.fileno(), 0, Path(path).stat().st_size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):     # file systems that reserve nothing
                    raise
    return array


@contextlib.contextmanager
def _opened(path):
    """Yield the open file; OSError becomes ArrayError."""
    path = Path(path)
    try:
        require_file(path, "an array (.npy)", ArrayError)
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise ArrayError(f"{path}: {error.strerror or error}") from error


def read_numbers(file, size, path):
    """An array of numbers from an open binary file that holds `size` bytes; `path` is for messages."""
    shape, fortran, dtype = _checked_header(file, size, path)
    expected = math.prod(shape) * dtype.itemsize
    data = file.read(expected)
    if len(data) != expected:
        raise ArrayError(f"{path}: damaged or incomplete: {len(data)} bytes for an array of {expected}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _checked_header(file, size, path):
    """(shape, whether in Fortran's order, dtype) of numbers, of which the file holds as many as the header claims."""
    shape, fortran, dtype, left = read_header(file, size, path)
    if dtype.kind not in "fiub":
        what = "Python objects, which could run programs" if dtype.hasobject else f"values of type {dtype}"
        raise ArrayError(f"{path}: holds {what}; expected numbers")
    expected = math.prod(shape) * dtype.itemsize
    if expected != left:
        raise ArrayError(f"{path}: damaged or incomplete: {left} bytes for an array of {expected}")
    return shape, fortran, dtype


def read_header(file, size, path):
    """(shape, whether in Fortran's order, dtype, bytes left after the header) of an open .npy file of `size` bytes."""
    start = file.tell()
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"version {version}")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if any(length < 0 for length in shape):
            raise ValueError("negative shape")
    except OSError:
        raise
    except Exception as error:      # a header is an expression; a damaged one can fail anywhere in its parser
        raise ArrayError(f"{path}: not an array that can be read (.npy, version 1)") from error
    return shape, fortran, dtype, size - (file.tell() - start)


def write(path, array):
    """Write an array of numbers as .npy, atomically.

    Raises:
        OSError: the file cannot be written; an older one stays.
    """
    with atomic.replacing(path) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array(file, np.asarray(array), version=(1, 0), allow_pickle=False)


def write_joined(path, shape, files):
    """Write a float32 array of this shape from files of its numbers, one after the other, as .npy, atomically.

    Args:
        path: the file to write.
        shape: of the array; what the files do not fill is NaN.
        files: [(path, how many of its numbers, from its beginning)].
    Raises:
        OSError: the file cannot be written; an older one stays.
    """
    with atomic.replacing(path) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)})
        for source, count in files:
            _copy(source, 4 * count, file)
        _blank(file, 4 * (math.prod(shape) - sum(count for _, count in files)))


def _copy(path, left, file):
    """Append the first `left` bytes of the file at `path` to an open file."""
    if not left:        # it need not be there
        return
    with open(path, "rb") as source:
        while left:
            part = source.read(min(left, 1 << 20))
            if not part:
                raise OSError(errno.EIO, "has fewer rows than its list", str(path))
            file.write(part)
            left -= len(part)


class Rows:
    """A float32 array in a file, filled row by row from the beginning; the rest is NaN."""

    def __init__(self, file, shape):
        self.file = file
        header = {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        _blank(file, 4 * math.prod(shape))      # a full disk shows now, not after hours
        file.seek(start)
        self.ends = [start]                     # where each row that was appended ends

    def append(self, values):
        """Append these values, in C order."""
        self.file.write(np.ascontiguousarray(values, "<f4").tobytes())
        self.file.flush()
        self.ends.append(self.file.tell())


def _blank(file, size):
    """Write this number of bytes of NaN."""
    while size:
        file.write(np.full(min(size, 4 << 20) // 4, np.nan, "<f4").tobytes())
        size -= min(size, 4 << 20)
    file.flush()


@contextlib.contextmanager
def filling(path, shape, done):
    """Yield `Rows` for a .npy file of this shape; however the block ends, what is done is kept, whole and readable.

    Args:
        done: list to which the block adds an entry, of whatever kind, for each row, once all that belongs to the row is
            written: a row without its entry is not kept.
    Raises:
        OSError: the file cannot be written.
    """
    def keep(temporary):
        if not done:
            return False
        with open(temporary, "r+b") as file:
            size = file.seek(0, 2)
            _blank(file, size - file.seek(rows.ends[len(done)]))
        return True

    with atomic.replacing(path, keep) as temporary, open(temporary, "r+b") as file:
        try:
            rows = Rows(file, shape)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        yield rows
