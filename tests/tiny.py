"""Small networks with random weights, and comparisons, for the tests."""
from __future__ import annotations

import numpy as np

from tf_idinvert.checkpoint import Models
from tf_idinvert.formats import weights
from tf_idinvert.networks import layers
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator
from tf_idinvert.networks.latent_discriminator import LatentDiscriminator
from tf_idinvert.networks.stylegan2_discriminator import StyleGAN2Discriminator
from tf_idinvert.networks.stylegan2_generator import StyleGAN2Generator

GENERATOR = dict(resolution=16, latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8, fmap_base=64,
                 fmap_max=8)
DISCRIMINATOR = dict(resolution=16, fmap_base=64, fmap_max=8)
ENCODER = dict(resolution=16, num_layers=6, dlatent_size=8, filters=4, filters_max=8)
LATENT_DISCRIMINATOR = dict(num_layers=6, dlatent_size=8, mlp_layers=3, mlp_fmaps=8)
ATTRIBUTES = dict(names=("age", "glasses"), binary=("glasses",), resolution=16, widths=(4, 6), hidden=8)


def generator(seed=0, **config):
    return _drawn(Generator, {**GENERATOR, **config}, seed)


def discriminator(seed=1, **config):
    return _drawn(Discriminator, {**DISCRIMINATOR, **config}, seed)


def encoder(seed=2, **config):
    return _drawn(Encoder, {**ENCODER, **config}, seed)


def latent_discriminator(seed=4, **config):
    return _drawn(LatentDiscriminator, {**LATENT_DISCRIMINATOR, **config}, seed)


def attributes(seed=5, **config):
    return _drawn(Attributes, {**ATTRIBUTES, **config}, seed)


def models(resolution=16, **config):
    """Encoder, generator, discriminator and training generator that fit each other."""
    side = dict(resolution=resolution)
    return Models(encoder=encoder(**side, num_layers=resolution.bit_length() * 2 - 4),
                  generator=generator(**side, **config), discriminator=discriminator(**side),
                  training_generator=generator(seed=3, **side, **config))


def stylegan2_generator(seed=0, **config):
    return _drawn(StyleGAN2Generator, {**GENERATOR, **config}, seed)


def stylegan2_discriminator(seed=1, **config):
    return _drawn(StyleGAN2Discriminator, {**DISCRIMINATOR, **config}, seed)


def stylegan2_models(**config):
    """Those of `models` for StyleGAN2, without an encoder."""
    return Models(generator=stylegan2_generator(**config), discriminator=stylegan2_discriminator(),
                  training_generator=stylegan2_generator(seed=3, **config))


def _drawn(network, config, seed):
    with layers.filled_later():
        return randomize(network(**config), seed)


def randomize(network, seed):
    """The network with every weight drawn at random, so that none is 0 or 1 by accident of initialisation."""
    rng = np.random.default_rng(seed)
    for name, variable, _ in weights.table(network):
        values = rng.standard_normal(tuple(variable.shape)).astype("float32")
        if name.endswith("moving_variance"):
            values = np.abs(values) + 0.5
        elif name.startswith("mapping/Dense") and name.endswith("weight"):
            values *= 100           # 1 / lrmul
        variable.assign(values)
    return network


def copy(network):
    """Another network from the configuration of this one, with its weights."""
    with layers.filled_later():
        other = type(network).from_config(network.get_config())
    weights.assign_arrays(other, weights.export_arrays(network))
    return other


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def relative(actual, expected):
    """Largest difference, relative to the largest value expected."""
    expected = np.asarray(expected, "float64")
    actual = np.asarray(actual, "float64")
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    return np.abs(actual - expected).max() / np.abs(expected).max()
