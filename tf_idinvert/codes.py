"""Codes of random z, and their mean code, which searches can start from and encoders are compared with."""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError

MEAN_SAMPLES = 4096     # number of codes that `mean_code` averages


def mean_code(generator, label=None):
    """Return the mean code of random z, [1, L, D]. If the mapping repeats one w for all layers, this is w_avg.

    Args:
        generator: Generator.
        label: class of a conditional generator, from 0; None: random ones.
    """
    return random_codes(generator, 0, 0, MEAN_SAMPLES, label).mean(axis=0, keepdims=True)


def random_codes(generator, seed, first, count, label=None):
    """Return the codes of random z ~ N(0, I), [count, L, D], numbered from `first`, without truncation.

    The code with a number depends on the seed and the label alone, not on `first` and `count`. Conditional generators
    get random labels, or all of them `label`, from 0.

    Raises:
        InputError: a label that the generator has not.
    """
    z, labels = random_latents(generator, seed, first, count, label)
    return np.asarray(generator.mapping(z, labels=labels))


def gaussian_codes(generator, seed, first, count):
    """Return codes of N(0, I) in W+ itself, float32 [count, L, D]; numbered as those of `random_codes`.

    The published in-domain inversion starts from them with --random_init.
    """
    shape = generator.num_layers, generator.dlatent_size
    return np.stack([np.random.default_rng([seed, first + i]).standard_normal(shape, np.float32) for i in range(count)])


def random_latents(generator, seed, first, count, label=None):
    """Return (z [count, Z], one-hot labels [count, label_size] or None) of the codes that `random_codes` returns."""
    check_label(generator, label)
    rows = [np.random.default_rng([seed, first + i]) for i in range(count)]
    z = np.stack([rng.standard_normal(generator.latent_size) for rng in rows]).astype("float32")
    labels = None
    if generator.label_size:
        drawn = [rng.integers(generator.label_size) if label is None else label for rng in rows]
        labels = np.eye(generator.label_size, dtype="float32")[drawn]
    return z, labels


def check_label(generator, label):
    """InputError unless `label` is None or one of a conditional generator's."""
    if label is not None and not 0 <= label < generator.label_size:
        raise InputError(f"label {label}: " + (f"the network has labels 0 to {generator.label_size - 1}"
                                               if generator.label_size else "the network has no labels"))
