"""Networks as functions of a list of rows, one visitor's each; a row has the same bits in any list (see `apart`).

On a GPU every batch is filled up to TOGETHER rows, so that this holds there, too.
"""
from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_idinvert import apart
from tf_idinvert.files import images

TOGETHER = 8            # rows that are computed as one batch, at most


def drawer(synthesis):
    """Function of rows (codes [L, D], seed of the noise, 0: the network's own) -> list of uint8 [R, R, 3].

    Args:
        synthesis: callable, (codes [N, L, D], noise_seed=None or int32 [2]) -> images [N, R, R, 3] in [-1, 1].
    """
    stored = apart.compiled(synthesis)
    fresh = apart.compiled(lambda codes, seed: synthesis(codes, noise_seed=seed))

    def draw(rows):
        drawn = {}
        for seed in {seed for _, seed in rows}:
            places = [i for i, row in enumerate(rows) if row[1] == seed]
            codes = np.stack([rows[i][0] for i in places]).astype(np.float32)
            for chosen, count in apart.batches(len(codes), TOGETHER):
                batch = tf.constant(codes[chosen])
                found = fresh(batch, tf.constant([0, seed])) if seed else stored(batch)
                drawn.update(zip(places, images.to_uint8(found.numpy()[:count])))
                places = places[count:]
        return [drawn[i] for i in range(len(rows))]

    return draw


def of_rows(function):
    """Function of a list of arrays -> a list of arrays, from a function of a batch [N, ...] -> [N, ...]."""
    compiled = apart.compiled(function)

    def of_rows(rows):
        results = []
        for chosen, count in apart.batches(len(rows), TOGETHER):
            results += list(compiled(tf.constant(np.stack([rows[i] for i in chosen]))).numpy()[:count])
        return results

    return of_rows
