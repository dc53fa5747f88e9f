"""Sliced Wasserstein distance: the pyramid against scipy's filters and TF-GAN's, distances against sorted numbers."""
from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

from tf_idinvert.errors import InputError
from tf_idinvert.metrics import sliced_wasserstein
from tf_idinvert.metrics.sliced_wasserstein import distances, laplacian_pyramid, project
from tf_idinvert.portraits import portrait


@pytest.fixture(scope="module")
def renders():
    return portrait.sample(80, 3, 32)[0]


@pytest.fixture(scope="module")
def others():
    return portrait.sample(80, 4, 32)[0]


def blurred(images):
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    for axis in (1, 2):
        images = scipy.ndimage.convolve1d(images, kernel, axis, mode="mirror")
    return images


def test_pyramid_is_that_of_scipys_filters(rng):
    images = rng.uniform(0, 255, (2, 64, 64, 3))
    middle = blurred(images)[:, ::2, ::2]
    spread = np.zeros_like(images)
    spread[:, ::2, ::2] = middle
    levels = laplacian_pyramid(images.astype("float32"))
    assert [level.shape[1] for level in levels] == [64, 32, 16]
    np.testing.assert_allclose(levels[0], images - 4 * blurred(spread), atol=1e-3)
    np.testing.assert_allclose(levels[2], blurred(middle)[:, ::2, ::2], atol=1e-3)
    assert all(level.dtype == np.float32 for level in levels)


def test_pyramid_is_that_of_tfgan(renders):
    pytest.importorskip("tensorflow_gan", reason="TF-GAN is for TensorFlow 2.15")
    from tensorflow_gan.python.eval import sliced_wasserstein as theirs
    images = renders[:4].astype("float32")
    for ours, other in zip(laplacian_pyramid(images), theirs.laplacian_pyramid(images, 2)):
        np.testing.assert_allclose(ours, other, atol=1e-3)


def test_identical_sets_are_at_no_distance(renders):
    first, second = project([renders], patches=8), project([renders[:30], renders[30:]], patches=8)
    assert distances(first, second) == {32: 0.0, 16: 0.0}


def test_projections_do_not_depend_on_the_order_in_which_a_matrix_product_sums(renders, monkeypatch):
    """As it would be with other processors, threads, or places in memory."""
    def product(a, b):
        order = np.random.default_rng(len(products)).permutation(a.shape[1])
        products.append(a[:, order].copy() @ np.asfortranarray(b[order]))
        return products[-1]

    class Shuffled(np.ndarray):
        def __matmul__(self, other):
            return product(np.asarray(self), np.asarray(other))

    products, expected, rint = [], project([renders], patches=8), np.rint
    monkeypatch.setattr(np, "rint", lambda values: rint(values).view(Shuffled))
    found = project([renders], patches=8)
    assert products and all(np.array_equal(found[side], expected[side]) for side in expected)


def test_distances_are_those_of_sorted_projections(renders, monkeypatch):
    """The histograms against the exact distance of the same numbers."""
    kept, original = [], sliced_wasserstein._histograms
    monkeypatch.setattr(sliced_wasserstein, "_histograms", lambda values: kept.append(values) or original(values))
    found = []
    for images in renders, 255 - renders // 2:
        found.append(project([images], patches=8, directions=16))
    per_set = [np.concatenate(part, 1) for half in (kept[:len(kept) // 2], kept[len(kept) // 2:])
               for part in (half[0::2], half[1::2])]           # finer and coarser level take turns
    exact = [np.abs(np.sort(per_set[i], 1) - np.sort(per_set[i + 2], 1)).mean() for i in (0, 1)]
    np.testing.assert_allclose(list(distances(*found).values()), exact, rtol=2e-3, atol=1e-5)


def test_known_shift_is_measured():
    """Histograms of two normal distributions, one of them shifted: the distance is the shift."""
    numbers = np.random.default_rng(0).standard_normal((1, 200_000)).astype("float32")
    counts = [{16: sliced_wasserstein._histograms(numbers + shift)} for shift in (0, 0.01, 3)]
    assert distances(counts[0], counts[1])[16] == pytest.approx(0.01, rel=0.02)
    assert distances(counts[0], counts[2])[16] == pytest.approx(3, rel=1e-3)


def test_descriptors_of_channels_have_mean_0_and_deviation_1(renders, monkeypatch):
    kept = []
    monkeypatch.setattr(sliced_wasserstein, "_histograms", lambda values: kept.append(values) or 0)
    monkeypatch.setattr(sliced_wasserstein, "_directions", lambda seed, side, size, _: np.eye(size, dtype="float32"))
    project([renders], patches=8, directions=3 * 49)
    finest = np.concatenate(kept[0::2], 1).reshape(3, -1)
    np.testing.assert_allclose(finest.mean(1), 0, atol=1e-4)
    np.testing.assert_allclose(finest.std(1), 1, atol=1e-4)


def test_two_samples_of_renders_are_nearer_than_blurred_or_recoloured_ones(renders, others):
    soft = blurred(renders.astype("float32"))
    tinted = renders * np.where(np.arange(80) % 2, 1.0, 0.3)[:, None, None, None]   # half of them dark
    reference = project([renders])
    floor, softness, colour = (distances(reference, project([images])) for images in (others, soft, tinted))
    assert softness[32] > 3 * floor[32] and colour[16] > 3 * floor[16]


def test_more_pictures_come_nearer(renders, others):
    values = [distances(project([renders[:count]]), project([others[:count]]))[16] for count in (10, 80)]
    assert values[1] < values[0] / 2


def test_patches_depend_on_seed_and_place_only(renders):
    one, batches = project([renders], 5, 4, 8), project([renders[i:i + 7] for i in range(0, 80, 7)], 5, 4, 8)
    other = project([renders], 6, 4, 8)
    for side in (32, 16):
        np.testing.assert_array_equal(one[side], batches[side])
        assert np.abs(one[side] - other[side]).max() > 2
        assert (one[side].sum(1) == 80 * 4).all()


def test_flat_pictures_have_a_distance(renders):
    flat = np.full((4, 16, 16, 3), 7, "uint8")
    assert distances(project([flat]), project([flat + 1])) == {16: 0.0}     # each set is centred on its own mean
    assert distances(project([renders[:, ::2, ::2]]), project([flat]))[16] > 0.1


@pytest.mark.parametrize("pictures, message", [
    ([], "got none"), ([np.zeros((2, 12, 12, 3))], "power of two"), ([np.zeros((2, 4, 4, 3))], ">= 8"),
    ([np.zeros((16, 16, 3))], "R, R, C"), ([np.zeros((2, 16, 8, 3))], "R, R, C"),
    ([np.zeros((2, 16, 16, 3)), np.zeros((2, 32, 32, 3))], "one size")])
def test_unfit_pictures_are_one_line(pictures, message):
    with pytest.raises(InputError, match=message) as caught:
        project(pictures)
    assert "\n" not in str(caught.value)


def test_generator_is_refused(renders):
    with pytest.raises(InputError, match="twice"):
        project(iter([renders]))


def test_sets_of_other_sizes_are_refused(renders):
    with pytest.raises(InputError, match="one resolution"):
        distances(project([renders], patches=1, directions=4), project([renders[:, ::2, ::2]], patches=1, directions=4))
