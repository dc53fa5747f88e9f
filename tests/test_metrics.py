"""Metrics against independent computations: by hand, scipy, scikit-learn and TF-GAN."""
from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from tf_idinvert.errors import InputError
from tf_idinvert.metrics import agreement, distances, intervals
from tf_idinvert.metrics.moments import Moments, Parts


def moments_of(values):
    moments = Moments()
    moments.add(values)
    return moments


def parts_of(values):
    parts = Parts()
    parts.add(values)
    return parts


def two_sets(rng, first=300, second=200, width=5):
    mixing = rng.standard_normal((2, width, width))
    return rng.standard_normal((first, width)) @ mixing[0], rng.standard_normal((second, width)) @ mixing[1] + 0.5


# ------------------------------------------------------------------------------------------------- errors

def test_mse_of_each_picture(rng):
    a, b = rng.uniform(-1, 1, (2, 3, 4, 4, 3)).astype("float32")
    np.testing.assert_allclose(distances.mse(a, b), [np.mean((a[i].astype("float64") - b[i]) ** 2) for i in range(3)])
    np.testing.assert_array_equal(distances.mse(a, a), 0)
    assert distances.mse(np.full((1, 2, 2, 3), -1.0), np.ones((1, 2, 2, 3))) == [4]


@pytest.mark.parametrize("a, b", [(np.zeros((1, 2, 2, 3)), np.zeros((1, 4, 4, 3))),
                                  (np.zeros((2, 2, 3)), np.zeros((2, 2, 3))),
                                  (np.zeros((1, 2, 2, 3), "uint8"), np.zeros((1, 2, 2, 3), "uint8"))])
def test_mse_of_unlike_arrays_is_one_line(a, b):
    with pytest.raises(InputError, match="mse: expected"):
        distances.mse(a, b)


# ------------------------------------------------------------------------------------------------- Fréchet distance

def test_frechet_distance_is_that_of_scipys_root(rng):
    a, b = two_sets(rng)
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T))
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root.real)
    assert distances.frechet_distance(moments_of(a), moments_of(b)) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_by_hand():
    """In one dimension: (m - m')^2 + (s - s')^2."""
    a, b = np.array([[0.0], [2.0]]), np.array([[3.0], [9.0]])
    expected = (1 - 6) ** 2 + (np.sqrt(2) - np.sqrt(18)) ** 2
    assert distances.frechet_distance(moments_of(a), moments_of(b)) == pytest.approx(expected)


def test_frechet_distance_is_that_of_tfgan(rng):
    tfgan = pytest.importorskip("tensorflow_gan", reason="TF-GAN is for TensorFlow 2.15")
    a, b = two_sets(rng)
    expected = float(tfgan.eval.frechet_classifier_distance_from_activations(a, b))
    assert distances.frechet_distance(moments_of(a), moments_of(b)) == pytest.approx(expected, rel=1e-6)


def test_identical_sets_are_at_no_distance(rng):
    a, _ = two_sets(rng)
    assert distances.frechet_distance(moments_of(a), moments_of(a)) < 1e-10


def test_fewer_vectors_than_components(rng):
    """Singular covariances: as of the part of the space where both sets lie, which scipy's root does badly."""
    axes = np.linalg.qr(rng.standard_normal((20, 4)))[0]
    a, b = rng.standard_normal((6, 4)), rng.standard_normal((9, 4)) + 1
    direct = distances.frechet_distance(moments_of(a), moments_of(b))
    assert distances.frechet_distance(moments_of(a @ axes.T), moments_of(b @ axes.T)) == pytest.approx(direct, rel=1e-6)


def test_bias_of_few_vectors_is_extrapolated_away(rng):
    a, b = rng.standard_normal((2, 2000, 20))
    plain = distances.frechet_distance(moments_of(a), moments_of(b))
    halves = distances.frechet_distance(moments_of(a[:1000]), moments_of(a[1000:]))
    assert plain > 0.05 and halves > 1.5 * plain            # the truth is 0
    assert abs(distances.extrapolated_frechet_distance(parts_of(a), parts_of(b))) < plain / 4
    shifted = distances.extrapolated_frechet_distance(parts_of(a), parts_of(2 * b + 1))
    assert shifted == pytest.approx(20 * (1 + 1), rel=0.03)                 # (m - m')^2 + (s - s')^2 in each of 20
    assert np.isnan(distances.extrapolated_frechet_distance(parts_of(a[:160]), parts_of(b)))     # 20 in a part


# ------------------------------------------------------------------------------------------------- attributes

def test_precision_and_recall_by_hand():
    found = agreement.precision_recall([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0])
    assert found.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)      # recall steps x precision there
    np.testing.assert_allclose(found.precision, [1 / 2, 2 / 3, 1 / 2, 1, 1])
    np.testing.assert_allclose(found.recall, [1, 1, 1 / 2, 1 / 2, 0])
    np.testing.assert_allclose(found.thresholds, [0.6, 0.7, 0.8, 0.9])
    assert agreement.precision_recall([3, 2, 1], [True, True, False]).average_precision == 1


@pytest.mark.parametrize("scores, labels, message", [
    ([1, 2], [1, 1], "both kinds"), ([1, 2], [0, 1, 1], "as many labels"), ([1, np.nan], [0, 1], "finite")])
def test_precision_of_unfit_arguments_is_one_line(scores, labels, message):
    with pytest.raises(InputError, match=message):
        agreement.precision_recall(scores, labels)


# ------------------------------------------------------------------------------------------------- codes

def test_nearest_neighbours_are_those_of_scikit_learn(rng, monkeypatch):
    from sklearn.neighbors import NearestNeighbors
    monkeypatch.setattr(distances, "NEIGHBOUR_BLOCK", 7)
    a, b = rng.standard_normal((30, 2, 3)), rng.standard_normal((25, 2, 3)) + 0.7
    both = np.concatenate([a, b]).reshape(55, 6)
    nearest = NearestNeighbors(n_neighbors=2).fit(both).kneighbors(both, return_distance=False)[:, 1]
    labels = np.arange(55) >= 30
    np.testing.assert_array_equal(distances.nearest_neighbour_test(a, b), labels == labels[nearest])


def test_nearest_neighbour_test_of_equal_far_and_copied_sets(rng):
    a, b = rng.standard_normal((2, 400, 4))
    assert 0.42 < distances.nearest_neighbour_test(a, b).mean() < 0.58
    assert distances.nearest_neighbour_test(a, b + 100).mean() == 1
    assert distances.nearest_neighbour_test(a + 1e4, a + 1e4).mean() == 0


def test_outliers_are_beyond_ten_deviations_of_any_component():
    reference = np.array([[-1.0, 0], [1.0, 0]]).repeat(50, 0)       # deviation about 1, and 0
    edge = 10 * reference[:, 0].std(ddof=1)
    codes = np.array([[0, 0], [edge - 1e-6, 0], [edge + 1e-6, 0], [-2 * edge, 0], [0, 1e-3]])
    np.testing.assert_array_equal(distances.outliers(codes, reference), [False, False, True, True, True])
    assert not distances.outliers(reference, reference).any()
    assert distances.outliers(codes, reference, deviations=30)[3] == False        # noqa: E712


def test_bootstrap_is_that_of_pairs_drawn_by_hand(rng):
    x, y = rng.standard_normal((2, 40))
    draws = np.random.default_rng(3)
    drawn = [np.corrcoef(*np.stack([x, y])[:, draws.integers(0, 40, 40)])[0, 1] for _ in range(300)]
    found = intervals.bootstrap(lambda a, b: np.corrcoef(a, b)[0, 1], x, y, seed=3, resamples=300)
    assert found == pytest.approx(np.quantile(drawn, [0.025, 0.975]), rel=1e-9)
    assert found != intervals.bootstrap(lambda a, b: np.corrcoef(a, b)[0, 1], x, y, seed=4, resamples=300)


def test_bootstrap_interval_of_a_mean(rng):
    values = rng.standard_normal(400)
    low, high = intervals.bootstrap(np.mean, values)
    error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)


@pytest.mark.parametrize("measure", [distances.nearest_neighbour_test, distances.outliers])
@pytest.mark.parametrize("a, b", [(np.zeros((3, 4)), np.zeros((3, 5))), (np.zeros((1, 4)), np.zeros((3, 4))),
                                  (np.zeros(3), np.zeros(3)), (np.full((3, 4), np.inf), np.zeros((3, 4)))])
def test_codes_that_do_not_fit_are_one_line(measure, a, b):
    with pytest.raises(InputError, match="expected two sets|NaN or infinite") as caught:
        measure(a, b)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("samples", [[], [np.zeros(1)], [np.zeros(9), np.zeros(8)], [np.zeros((9, 2))]])
def test_interval_of_too_little_is_one_line(samples):
    with pytest.raises(InputError, match="confidence interval"):
        intervals.bootstrap(np.mean, *samples)
