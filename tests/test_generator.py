"""generator: truncation, style mixing and the mean of w by hand, labels, configuration, published sizes."""
from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tiny
from tiny import normal, relative

from tf_idinvert.networks import layers
from tf_idinvert.networks.generator import Generator

VARIANTS = [dict(), dict(layerwise=True), dict(label_size=3), dict(resolution=4), dict(truncation_psi=None, lod=1.0),
            dict(mapping_fmaps=5, dlatent_size=7, latent_size=6, use_noise=False, blur_filter=None)]


@pytest.fixture(scope="module")
def generator():
    return tiny.generator(layerwise=True)


def count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


def test_sizes(generator):
    assert (generator.latent_size, generator.dlatent_size, generator.num_layers, generator.resolution) == (8, 8, 6, 16)


def test_call_is_mapping_truncation_synthesis(generator):
    z = normal(3, 8)
    w = np.asarray(generator.mapping(z))
    average = np.asarray(generator.dlatent_avg)
    truncated = average + 0.7 * (w - average)           # the default: psi 0.7 below layer 8, so everywhere here
    assert relative(generator(z), generator.synthesis(truncated)) < 1e-4
    for psi in (1, None):
        assert relative(generator(z, truncation_psi=psi), generator.synthesis(w)) < 1e-4


@pytest.mark.parametrize("psi", [0.5, 0.0, -1.0])
@pytest.mark.parametrize("cutoff", [None, 0, 2, 6, 8])
def test_truncation(generator, psi, cutoff):
    w, average = normal(2, 6, 8), np.asarray(generator.dlatent_avg)
    expected, below = w.copy(), slice(0, cutoff)
    expected[:, below] = average + psi * (w[:, below] - average)
    assert relative(generator.truncate(w, psi, cutoff), expected) < 1e-5


@pytest.mark.parametrize("psi, cutoff", [(0.5, None), (-1.0, 2)])
def test_truncated_pictures(generator, psi, cutoff):
    z = normal(2, 8)
    image = generator(z, truncation_psi=psi, truncation_cutoff=cutoff)
    assert relative(image, generator.synthesis(generator.truncate(generator.mapping(z), psi, cutoff))) < 1e-5


def test_no_truncation(generator):
    w = normal(2, 6, 8)
    assert generator.truncate(w, None) is w


def test_noise_and_level_reach_the_synthesis(generator):
    z = normal(2, 8)
    w = generator.truncate(generator.mapping(z), 0.7, 8)
    assert relative(generator(z, lod=1.5, noise_seed=[1, 2]), generator.synthesis(w, lod=1.5, noise_seed=[1, 2])) < 1e-5


def test_style_mixing_crosses_once_for_the_batch(generator):
    w, other = np.zeros((2, 6, 8), "float32"), np.ones((2, 6, 8), "float32")
    mix = tf.function(lambda seed: generator.mix_styles(w, other, seed), autograph=False)
    crossings = []
    for step in range(400):
        mixed = np.asarray(mix(tf.constant([7, step])))
        crossing = int((mixed[0, :, 0] == 0).sum())
        assert (mixed == (np.arange(6) >= crossing)[None, :, None]).all()
        crossings.append(crossing)
    counts = np.bincount(crossings, minlength=7)
    assert counts[0] == 0, "layer 0 keeps its w"
    assert 15 <= counts[6] <= 75                        # a tenth is not mixed
    assert counts[1:6].min() > 40                       # the others evenly: 72 each
    assert np.array_equal(generator.mix_styles(w, other, [7, 1]), generator.mix_styles(w, other, [7, 1]))


def test_style_mixing_crosses_layers_in_use_only(generator):
    w, other = np.zeros((1, 6, 8), "float32"), np.ones((1, 6, 8), "float32")
    mix = tf.function(lambda seed: generator.mix_styles(w, other, seed, lod=1.5), autograph=False)
    crossings = {int((np.asarray(mix(tf.constant([7, step])))[0, :, 0] == 0).sum()) for step in range(200)}
    assert crossings == {1, 2, 3, 4}                    # 4 layers at level 1; 4: none of them mixed


@pytest.mark.parametrize("layerwise", [False, True])
def test_a_larger_w_has_the_same_pictures(layerwise):
    generator = tiny.generator(layerwise=layerwise, resolution=8)
    generator.dlatent_avg.assign(tiny.normal(8))
    z, small = tiny.normal(3, 8), {}
    for psi in (1.0, 0.5):
        small[psi] = generator(z, truncation_psi=psi).numpy()
    w = generator.mapping(z).numpy()
    generator.scale_codes(5.0)
    np.testing.assert_allclose(generator.mapping(z).numpy(), 5 * w, rtol=1e-5, atol=1e-6)
    for psi, pictures in small.items():
        np.testing.assert_allclose(generator(z, truncation_psi=psi).numpy(), pictures, atol=1e-5)


@pytest.mark.parametrize("probability, allowed", [(0.0, {4}), (1.0, {1, 2, 3})])
def test_style_mixing_probability(probability, allowed):
    generator = tiny.generator(resolution=8, style_mixing_prob=probability)
    w, other = np.zeros((1, 4, 8), "float32"), np.ones((1, 4, 8), "float32")
    assert {int((np.asarray(generator.mix_styles(w, other, [7, step]))[0, :, 0] == 0).sum())
            for step in range(50)} == allowed


def test_mean_of_w_follows_layer_0(generator):
    w, average = normal(5, 6, 8), np.asarray(generator.dlatent_avg)
    assert relative(generator.updated_dlatent_avg(w), w[:, 0].mean(axis=0) * 0.005 + average * 0.995) < 1e-5
    assert np.array_equal(generator.dlatent_avg, average), "the caller assigns"


def test_labels():
    generator = tiny.generator(label_size=2, resolution=8)
    z, labels = normal(2, 8), np.eye(2, dtype="float32")
    assert not np.allclose(generator(z, labels=labels), generator(z, labels=labels[::-1]))
    with pytest.raises(ValueError, match=r"needs labels \[N, 2\]; got none"):
        generator(z)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_configuration(variant):
    one = tiny.generator(**{"resolution": 8, **variant})
    z = normal(3, one.latent_size)
    labels = np.eye(3, dtype="float32") if one.label_size else None
    again = tiny.copy(one)
    assert again.get_config() == one.get_config()
    assert np.array_equal(again(z, labels=labels), one(z, labels=labels))


@pytest.mark.parametrize("argument, message", [
    (dict(resolution=24), "power of two, at least 4; got 24"),
    (dict(fused_scale="no"), "fused_scale must be 'auto', True or False; got 'no'")])
def test_arguments_that_no_network_has(argument, message):
    with pytest.raises(ValueError, match=message):
        tiny.generator(**argument)


@pytest.mark.parametrize("arguments, sizes", [
    (dict(), (26_219_627, 24_118_379, 2_101_248)),
    (dict(resolution=256, layerwise=True), (29_500_757, 23_984_981, 5_515_776))], ids=["stylegan-1024", "idinvert-256"])
def test_published_sizes(arguments, sizes):
    with layers.filled_later():
        generator = Generator(**arguments)
    parts = generator, generator.synthesis, generator.mapping
    assert tuple(count(part.trainable_variables) for part in parts) == sizes
    if not arguments:
        assert count(generator.variables) + 2 == 29_016_333         # with noise, w_avg and the files' two lod
