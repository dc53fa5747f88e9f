"""Boundaries of a served model as tensors: codes and styles of a batch, each row moved along its own boundary."""
from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_idinvert.errors import InputError


class Moves:
    """`moves(codes, chosen, distance)`: codes [N, L, D], int [N], float32 [N] -> (codes, style offsets [N, S] or None).

    `names` are those of the K boundaries; the offsets are None unless one of them changes styles.

    Args:
        boundaries: {attribute: boundaries.Boundary}.
        generator: Generator.
    Raises:
        InputError: a boundary for another network.
    """

    def __init__(self, boundaries, generator):
        self.names, widths = list(boundaries), list(generator.synthesis.style_widths)
        normals, styles, centres = [], [], []
        for name, boundary in boundaries.items():
            try:
                boundary = boundary.for_network(generator.num_layers, generator.dlatent_size, widths)
            except InputError as error:
                raise InputError(f"attribute {name!r}: {error}") from error
            moved = range(generator.num_layers) if boundary.layers is None else boundary.layers
            normals.append(np.where(np.isin(range(generator.num_layers), moved)[:, None], boundary.normal[0], 0))
            offsets, by_layer = boundary.style_move(widths), np.repeat(np.arange(len(widths)), widths)
            styles.append(np.zeros(sum(widths)) if offsets is None else offsets * np.isin(by_layer, moved))
            centres.append(np.full(generator.num_layers, np.nan) if boundary.centre is None else boundary.centre)
        self.normals, self.styles, self.centres = (np.asarray(each, np.float32) for each in (normals, styles, centres))

    def __call__(self, codes, chosen, distance):
        normal = tf.gather(tf.constant(self.normals), chosen)                               # [N, L, D]
        if not np.isnan(self.centres).all():        # see `editing.manipulate`
            power = tf.reduce_sum(tf.square(normal), axis=-1)
            along = tf.math.divide_no_nan(tf.reduce_sum(codes * normal, axis=-1), power)    # [N, L]
            centre = tf.gather(tf.constant(self.centres), chosen)
            away = tf.where(tf.math.is_nan(centre), tf.zeros_like(along), along - centre)
            codes = codes - away[:, :, None] * normal
        codes = codes + distance[:, None, None] * normal
        return codes, distance[:, None] * tf.gather(tf.constant(self.styles), chosen) if self.styles.any() else None
