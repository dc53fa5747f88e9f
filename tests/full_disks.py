"""A disk that is full, for the tests: files cannot grow beyond a size."""
from __future__ import annotations

import contextlib

import pytest


@contextlib.contextmanager
def full_disk(size=0):
    """Context manager in which no file of this process grows beyond `size` bytes: the error is EFBIG."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
