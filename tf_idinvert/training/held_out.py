"""Losses on held-out pictures; if they rise while the training losses fall, a network overfits."""
from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_idinvert import losses

CHUNK = 8       # pictures per call, a multiple of the discriminators' group size


def reconstruction(model, pictures):
    """Return a function () -> {'test_pixel', and with features 'test_feature'}, the unweighted mean losses.

    The encoder runs in inference mode.

    Args:
        model: Keras model that trains an encoder.
        pictures: uint8 [N, R, R, C], held out.
    """
    features = getattr(model, "features", None)

    @tf.function(autograph=False)
    def terms(images):
        x = tf.cast(images, tf.float32) / 127.5 - 1.0
        y = model.generator.synthesis(tf.cast(model.encoder(x), tf.float32))
        found = {"test_pixel": losses.mean_squared_difference(x, y)}
        if features is not None:
            found["test_feature"] = losses.mean_squared_difference(features(x), features(y))
        return found
    return lambda: _means(terms, pictures)


def realness(model, pictures_of):
    """Return a function () -> {'test_score'}: D's mean logit, to compare with 'real_score' of the training pictures.

    Args:
        model: StyleGAN; call the function only after `model.begin`.
        pictures_of: function (resolution) -> uint8 [N, r, r, C], held out.
    """
    def score(images):
        fade = model._fade()
        return {"test_score": model._judge(model._real_images(images, fade), fade)}
    return lambda: _means(score, pictures_of(model.phase.stage.resolution))


def _means(function, pictures):
    count = len(pictures) // CHUNK * CHUNK or min(len(pictures), CHUNK // 2)
    parts = [function(tf.constant(pictures[start:min(start + CHUNK, count)])) for start in range(0, count, CHUNK)]
    return {name: float(np.mean(np.concatenate([np.ravel(part[name]) for part in parts]))) for name in parts[0]}
