"""Mean and covariance in batches equal NumPy's for any division into batches."""
from __future__ import annotations

import numpy as np
import pytest

from tf_idinvert.metrics.moments import Moments, Parts


@pytest.fixture
def values(rng):
    return 1e4 + rng.standard_normal((50, 3)) @ np.array([[1, 2, 0], [0, 1, 0], [0, 0, 1e-3]])


@pytest.mark.parametrize("sizes", [[50], [1] * 50, [0, 7, 40, 3]])
def test_any_batches_give_mean_and_covariance(values, sizes):
    moments = Moments()
    for batch in np.split(values, np.cumsum(sizes)[:-1]):
        moments.add(batch)
    assert moments.count == 50
    np.testing.assert_allclose(moments.mean, values.mean(0), rtol=1e-13)
    np.testing.assert_allclose(moments.covariance, np.cov(values.T), rtol=1e-9, atol=1e-12)


def test_merged_are_those_of_all(values):
    first, second = Moments(), Moments()
    first.add(values[:20])
    second.add(values[20:])
    first.merge(second)
    first.merge(Moments())
    np.testing.assert_allclose(first.covariance, np.cov(values.T), rtol=1e-9, atol=1e-12)


def test_parts_take_turns_across_batches(values):
    parts = Parts(4)
    for batch in np.split(values, [3, 5, 22]):
        parts.add(batch)
    for i, part in enumerate(parts.parts):
        np.testing.assert_allclose(part.mean, values[i::4].mean(0))
        assert part.count == len(values[i::4])
    chosen = np.concatenate([values[1::4], values[2::4]])
    np.testing.assert_allclose(parts.merged(1, 3).covariance, np.cov(chosen.T), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(parts.merged().mean, values.mean(0))


def test_memory_is_that_of_two_matrices(values):
    moments = Moments()
    for _ in range(100):
        moments.add(values)
    assert moments.scatter.shape == (3, 3) and moments.count == 5000


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((2, 4)), np.full((2, 3), np.nan)])
def test_unfit_vectors_are_one_line(values, bad):
    moments = Moments()
    moments.add(values)
    with pytest.raises(ValueError, match="moments: ") as caught:
        moments.add(bad)
    assert "\n" not in str(caught.value) and moments.count == 50


def test_one_vector_has_no_covariance():
    moments = Moments()
    moments.add(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="needs two"):
        moments.covariance
