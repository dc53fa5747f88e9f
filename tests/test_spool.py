"""spool: arrays come back in order, and again."""
import numpy as np
import pytest

from tf_idinvert.files.spool import Spool


def test_arrays_come_back_in_order():
    arrays = np.random.default_rng(0).integers(0, 256, [5, 2, 3], np.uint8)
    spool = Spool([2, 3])
    for i, array in enumerate(arrays):
        assert spool.append(array) == i
        assert np.array_equal(list(spool), arrays[:i + 1])      # reading does not disturb what follows
        assert np.array_equal(spool[i // 2], arrays[i // 2]) and len(spool) == i + 1
    assert list(Spool([2, 3])) == []


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\[2, 3\]"):
        Spool([2, 3]).append(np.zeros([3, 2], np.uint8))


@pytest.mark.parametrize("place", [-1, 1])
def test_a_place_without_an_array_is_refused(place):
    spool = Spool([2, 3])
    spool.append(np.zeros([2, 3], np.uint8))
    with pytest.raises(IndexError, match=str(place)):
        spool[place]
