"""Codes of random z, and their mean: where a search may start, and what W is compared with."""
from __future__ import annotations

import numpy as np

MEAN_SAMPLES = 4096     # z whose codes are averaged


def mean_code(generator):
    """The mean code of random z, layer by layer, [1, L, D]; w_avg, where one w serves all layers."""
    return random_codes(generator, 0, 0, MEAN_SAMPLES).mean(axis=0, keepdims=True)


def random_codes(generator, seed, first, count):
    """W codes of z ~ N(0, I), [count, L, D]; code number i of a seed is always the same."""
    rows = [np.random.default_rng([seed, first + i]) for i in range(count)]
    z = np.stack([rng.standard_normal(generator.latent_size) for rng in rows]).astype("float32")
    labels = None
    if generator.label_size:
        labels = np.stack([np.eye(generator.label_size, dtype="float32")[rng.integers(generator.label_size)]
                           for rng in rows])
    return np.asarray(generator.mapping(z, labels=labels))
