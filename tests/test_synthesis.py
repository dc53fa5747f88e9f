"""synthesis: one layer against NumPy, noise, levels of detail, composition, configuration."""
from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tiny
from tiny import normal, relative

from tf_idinvert.networks import layers
from tf_idinvert.networks.synthesis import Synthesis

CONFIG = dict(resolution=16, dlatent_size=8, fmap_base=64, fmap_max=8)
VARIANTS = [dict(), dict(use_noise=False), dict(blur_filter=None), dict(fused_scale=True), dict(num_channels=1),
            dict(resolution=4), dict(blur_filter=(1, 3, 3, 1)), dict(fmap_decay=0.5, fmap_max=6), dict(lod=1.0)]


def network(**variant):
    with layers.filled_later():
        return tiny.randomize(Synthesis(**{**CONFIG, **variant}), 0)


@pytest.fixture(scope="module")
def synthesis():
    return network()


@pytest.fixture(scope="module")
def w():
    return normal(3, 6, 8)


def double(image):
    return np.repeat(np.repeat(image, 2, axis=1), 2, axis=2)


def test_first_layer_by_hand(synthesis, w):
    """Constant, noise, bias, leaky ReLU, instance norm, style, in this order."""
    layer = synthesis.styled[0]
    value = {name: np.asarray(getattr(layer, name)) for name in ("const", "noise", "noise_weight", "bias")}
    x = value["const"] + value["noise"] * value["noise_weight"] + value["bias"]                 # [1, 4, 4, 8]
    x = np.where(x > 0, x, 0.2 * x)
    x = (x - x.mean(axis=(1, 2))) / np.sqrt(x.var(axis=(1, 2)) + 1e-8)
    style = w[:, 0] @ np.asarray(layer.style.weight) / np.sqrt(8) + np.asarray(layer.style.bias)
    expected = x * (style[:, None, None, :8] + 1) + style[:, None, None, 8:]
    assert relative(synthesis.run(w, 0, 1), expected) < 1e-5


def test_image_is_to_rgb_of_the_last_features(synthesis, w):
    features = np.asarray(synthesis.run(w, 0, 6))
    to_rgb = synthesis.to_rgb[-1]
    expected = features @ np.asarray(to_rgb.weight)[0, 0] / np.sqrt(features.shape[-1]) + np.asarray(to_rgb.bias)
    assert relative(synthesis(w), expected) < 1e-5


def test_layers_compose(synthesis, w):
    whole = synthesis.run(w, 0, 6, noise_seed=[1, 2])
    for stop in range(1, 6):
        halves = synthesis.run(w, stop, 6, synthesis.run(w, 0, stop, noise_seed=[1, 2]), noise_seed=[1, 2])
        assert relative(halves, whole) < 1e-6, stop


def test_every_layer_has_its_style(synthesis, w):
    pictures = synthesis(w)
    for i in range(6):
        changed = w.copy()
        changed[:, i] += 1
        assert not np.allclose(synthesis(changed), pictures, atol=1e-3), i


def test_noise_is_fixed_unless_asked_otherwise(synthesis, w):
    same = np.repeat(w[:1], 2, axis=0)
    fixed = np.asarray(synthesis(same))
    assert np.array_equal(fixed, synthesis(same)) and np.allclose(fixed[0], fixed[1], atol=1e-5)
    fresh = np.asarray(synthesis(same, noise_seed=[1, 2]))
    assert np.array_equal(fresh, synthesis(same, noise_seed=[1, 2]))
    assert not np.allclose(fresh, synthesis(same, noise_seed=[1, 3]), atol=1e-2)
    assert not np.allclose(fresh[0], fresh[1], atol=1e-2), "every image has noise of its own"


def test_fresh_noise_differs_between_layers_and_neighbouring_seeds():
    """The layers of a resolution draw the same number of values: from streams of their own, whatever the seeds."""
    network = Synthesis(**CONFIG)
    drawn = {}
    for i, layer in enumerate(network.styled[:2]):
        layer._noise = lambda x, seed, i=i, draw=layer._noise: drawn.setdefault((step, i), draw(x, seed))
    for step in range(3):
        network.run(normal(1, 6, 8), 0, 2, noise_seed=[5, step])
    values = [np.asarray(noise).ravel() for noise in drawn.values()]
    assert len(values) == 6
    assert not any(np.array_equal(a, b) for n, a in enumerate(values) for b in values[:n])


def test_network_without_noise_has_none():
    quiet = network(use_noise=False)
    w = normal(2, 6, 8)
    assert not any("noise" in variable.name for variable in quiet.variables)
    assert np.array_equal(quiet(w), quiet(w, noise_seed=[1, 2]))


@pytest.mark.parametrize("level", [1, 2])
def test_whole_levels_are_coarser_images_enlarged(synthesis, w, level):
    coarse = np.asarray(synthesis(w, lod=level))
    features = synthesis.run(w, 0, 6 - 2 * level)
    small = np.asarray(synthesis.to_rgb[2 - level](features))
    for _ in range(level):
        small = double(small)
    assert coarse.shape == (3, 16, 16, 3) and relative(coarse, small) < 1e-5


@pytest.mark.parametrize("lod", [0.25, 1.5])
def test_fractional_levels_blend_neighbours(synthesis, w, lod):
    level, share = int(lod), lod % 1
    expected = np.asarray(synthesis(w, lod=level)) * (1 - share) + np.asarray(synthesis(w, lod=level + 1)) * share
    assert relative(synthesis(w, lod=lod), expected) < 1e-5
    assert relative(synthesis(w, lod=level, fade=tf.constant(share)), expected) < 1e-5


def test_fade_is_one_trace(synthesis, w):
    traces = []

    @tf.function(autograph=False)
    def image(fade):
        traces.append(fade)
        return synthesis(w, lod=0, fade=fade)

    for fade in (0.0, 0.3, 1.0):
        assert relative(image(tf.constant(fade)), synthesis(w, lod=fade)) < 1e-5
    assert len(traces) == 1


def test_levels_beyond_the_last_are_the_last(synthesis, w):
    assert np.array_equal(synthesis(w, lod=2), synthesis(w, lod=7.5))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_variants_and_configuration(variant):
    one = network(**{"resolution": 8, **variant})
    w = normal(2, one.num_layers, 8)
    image = one(w)
    assert image.shape == (2, one.resolution, one.resolution, variant.get("num_channels", 3))
    assert image.dtype == "float32" and np.isfinite(image).all()
    again = tiny.copy(one)
    assert again.get_config() == one.get_config() and np.array_equal(again(w), image)


def test_the_level_of_a_file_is_the_default(synthesis, w):
    assert np.array_equal(network(lod=1.0)(w), synthesis(w, lod=1.0))


def test_wrong_codes(synthesis):
    for shape in [(1, 7, 8), (1, 6, 9), (6, 8)]:
        with pytest.raises(ValueError, match=r"w: expected \[N, 6, 8\]; got \["):
            synthesis(normal(*shape))
