"""Distances and intervals of the evaluation, against SciPy, by hand, and by their coverage."""
from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from tf_idinvert.evaluation import measures, tables
from tf_idinvert.metrics import intervals
from tf_idinvert.metrics.moments import Parts


def parts_of(values, count=measures.GROUPS):
    parts = Parts(count)
    parts.add(values)
    return parts


def by_scipy(a, b):
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)


def test_frechet_distance_and_its_jackknife(rng):
    a, b = rng.standard_normal((60, 4)), rng.standard_normal((50, 4)) * 1.5 + 0.3
    value, low, high = measures.frechet(parts_of(a), parts_of(b))
    assert value == pytest.approx(by_scipy(a, b), rel=1e-9)
    left_out = [by_scipy(a[np.arange(60) % 10 != i], b[np.arange(50) % 10 != i]) for i in range(10)]
    deviation = np.sqrt(0.9 * np.square(np.array(left_out) - np.mean(left_out)).sum())
    reach = scipy.stats.t.ppf(0.975, 9) * deviation
    assert (low, high) == pytest.approx((max(value - reach, 0), value + reach), rel=1e-6)


def test_identical_sets_are_at_distance_0(rng):
    a = rng.standard_normal((40, 3))
    assert measures.frechet(parts_of(a), parts_of(a)) == pytest.approx([0, 0, 0], abs=1e-9)
    pictures = rng.integers(0, 256, (12, 16, 16, 3), np.uint8)
    judge = measures.Judge("FD", "means", lambda x: np.asarray(x).mean(axis=(1, 2)))
    set_ = measures.measure(pictures, judge, seed=1)
    found = measures.compare(set_, measures.measure(pictures, judge, seed=1))
    assert found["swd"] == 0 and found["frechet"] == pytest.approx([0, 0, 0], abs=1e-9)
    assert measures.compare(set_, measures.measure(255 - pictures, judge, seed=1))["swd"] > 0


def test_jackknife_interval_of_a_mean_is_that_of_student(rng):
    """Left-out means of ten values: the jackknife's deviation is the standard error of the mean."""
    values = rng.standard_normal(10) + 5
    left_out = [np.delete(values, i).mean() for i in range(10)]
    assert intervals.jackknife_interval(values.mean(), left_out) == pytest.approx(intervals.mean(values)[1:])
    assert intervals.mean(values)[1:] == pytest.approx(scipy.stats.t.interval(0.95, 9, values.mean(),
                                                                             scipy.stats.sem(values)))
    assert intervals.jackknife_interval(1.0, [1.0, 1.0]) == (None, None)


def test_interval_covers_the_distance_of_many(rng):
    """Two sets, 0.5 apart: the interval of 100 vectors each should hold what 100 without bias would give on average."""
    expected = np.mean([measures.frechet(parts_of(rng.standard_normal((100, 2))),
                                         parts_of(rng.standard_normal((100, 2)) + 0.5))[0] for _ in range(100)])
    held = 0
    for _ in range(100):
        _, low, high = measures.frechet(parts_of(rng.standard_normal((100, 2))),
                                        parts_of(rng.standard_normal((100, 2)) + 0.5))
        held += low <= expected <= high
    assert 88 <= held <= 100


def test_extrapolation_needs_halves_larger_than_the_features(rng):
    a, b = rng.standard_normal((2, 400, 3))
    exact = measures.extrapolated(parts_of(a), parts_of(b))
    assert abs(exact) < measures.frechet(parts_of(a), parts_of(b))[0]
    assert measures.extrapolated(parts_of(a[:6]), parts_of(b[:6])) is None


def test_frechet_distance_in_w_is_the_mean_over_layers(rng):
    a, b = rng.standard_normal((30, 2, 3)), rng.standard_normal((40, 2, 3)) + [[[0.0], [2.0]]]
    value, low, high = measures.frechet_of_codes(a, b)
    assert value == pytest.approx(np.mean([by_scipy(a[:, i], b[:, i]) for i in range(2)]), rel=1e-9)
    assert low < value < high


def test_share_is_wilsons_interval():
    assert intervals.share([True] * 3 + [False] * 7) == pytest.approx(
        [0.3, *scipy.stats.binomtest(3, 10).proportion_ci(0.95, "wilson")], abs=1e-6)
    value, low, high = intervals.share([False] * 20)
    assert value == low == 0 and 0.1 < high < 0.2


def test_attributes_batch_by_batch(rng):
    pictures = rng.integers(0, 256, (measures.BATCH + 7, 4, 4, 3), np.uint8)
    judge = measures.Judge("FD", "", None, lambda x: {"red": np.asarray(x)[..., 0].mean(axis=(1, 2))})
    np.testing.assert_allclose(judge.attributes(pictures)["red"], pictures[..., 0].mean(axis=(1, 2)) / 127.5 - 1,
                               atol=1e-5)


# ------------------------------------------------------------------------------------------------- tables

def test_cells():
    assert [tables.cell(each) for each in (None, float("nan"), 3, 0.12345, "text", [1.5, 1.25, 2.0],
                                           [1.5, None, None], np.int64(4))] == \
        ["–", "–", "3", "0.123", "text", "1.5 (1.25 to 2)", "1.5", "4"]


def test_markdown_escapes_what_would_end_a_cell():
    text = tables.markdown(tables.Table("T", "About.", ["a", "b"], [["x|y\nz", None]]))
    assert text == "## T\n\nAbout.\n\n| a | b |\n|---|---|\n| x\\|y z | – |\n"


def test_plain_is_json():
    assert tables.plain({1: (np.float32(0.5), float("nan")), "a": np.arange(2)}) == {"1": [0.5, None], "a": [0, 1]}
