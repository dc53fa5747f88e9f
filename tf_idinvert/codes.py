"""Codes of random z, and their mean code, which searches can start from and encoders are compared with."""
from __future__ import annotations

import numpy as np

MEAN_SAMPLES = 4096     # number of codes that `mean_code` averages


def mean_code(generator):
    """Return the mean code of random z, [1, L, D]. If the mapping repeats one w for all layers, this is w_avg."""
    return random_codes(generator, 0, 0, MEAN_SAMPLES).mean(axis=0, keepdims=True)


def random_codes(generator, seed, first, count):
    """Return the codes of random z ~ N(0, I), [count, L, D], numbered from `first`, without truncation.

    The code with a number depends on the seed alone, not on `first` and `count`. Conditional generators get random
    labels.
    """
    z, labels = random_latents(generator, seed, first, count)
    return np.asarray(generator.mapping(z, labels=labels))


def random_latents(generator, seed, first, count):
    """Return (z [count, Z], one-hot labels [count, label_size] or None) of the codes that `random_codes` returns."""
    rows = [np.random.default_rng([seed, first + i]) for i in range(count)]
    z = np.stack([rng.standard_normal(generator.latent_size) for rng in rows]).astype("float32")
    labels = None
    if generator.label_size:
        labels = np.stack([np.eye(generator.label_size, dtype="float32")[rng.integers(generator.label_size)]
                           for rng in rows])
    return z, labels
