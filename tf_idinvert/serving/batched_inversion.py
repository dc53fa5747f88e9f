"""The optimisation of `inversion` as part of a served graph: every row has its own steps and learning rate.

Rows of a call do not depend on each other, so a server may batch calls of several users. A row that has made its steps
no longer changes while the others go on. Source: Zhu et al. 2020 (In-Domain GAN Inversion), Eq. (4).
"""
from __future__ import annotations

import tensorflow as tf

from tf_idinvert.inversion import objective
from tf_idinvert.optimizers import Adam

TERMS = ("pixel_loss", "feature_loss", "domain_loss", "total_loss")


def optimise(images, steps, learning_rates, *, synthesis, encoder, features, options):
    """Invert images, from the encoder's codes.

    Args:
        images: float32 [N, R, R, C] in [-1, 1].
        steps: int32 [N], Adam steps.
        learning_rates: float32 [N].
        synthesis, encoder, features: callables, as for `inversion.Inversion`.
        options: InversionOptions, of which only the weights of the terms count.
    Returns:
        {'codes': [N, L, D], 'images': [N, R, R, C], and each of TERMS: [N]}, images and losses those of the codes; the
        terms are not weighted, the total is their weighted sum.
    """
    options = options.for_features(features)
    features = features if options.feature_weight > 0 else None
    target = features(images) if features else None

    def losses(codes):
        return objective(codes, images, target, synthesis=synthesis, encoder=encoder, features=features,
                         feature_weight=options.feature_weight, domain_weight=options.domain_weight)

    def body(i, codes, memory):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(codes)
            _, terms = losses(codes)
        gradient = tape.gradient(terms[-1], codes)
        moved, memory = optimizer.step(i, codes, memory, terms[-1], gradient)
        return i + 1, tf.where(i < steps[:, None, None], moved, codes), memory

    codes, last = encoder(images), tf.reduce_max(steps)
    optimizer = Adam(learning_rates[:, None, None])
    _, codes, _ = tf.while_loop(lambda i, *_: i < last, body, (tf.constant(0), codes, optimizer.start(codes)),
                                parallel_iterations=1)
    reconstruction, terms = losses(codes)
    return {"codes": codes, "images": reconstruction, **dict(zip(TERMS, terms))}
