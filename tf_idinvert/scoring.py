"""Scorers of pictures: an attribute network, published classifiers, or any Keras model.

A scorer is what `boundary.py score` writes a column for, and what tells directions apart: pictures [N, R, R, 3] in
[-1, 1] -> scores [N, A]. Source of scores for boundaries: Shen et al. 2020 (InterFaceGAN), section 3.1.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_idinvert import keras_files
from tf_idinvert.errors import InputError, first_line
from tf_idinvert.files import images

RANGES = {"-1..1": (-1.0, 1.0), "0..1": (0.0, 1.0), "0..255": (0.0, 255.0)}     # of the pixels that a model takes


class Scorer:
    """`scorer(pictures)`: float32 [N, R', R', 3] in [-1, 1], of any square size -> scores, float64 [N, A].

    Args:
        network: callable, pictures [N, R, R, 3] -> [N, A].
        names: of the A scores.
        resolution: R; pictures of another size are resized: by averaging where theirs is a multiple, else bilinearly.
        read: path of a picture -> float32 [R, R, 3] as the network takes it; None: resized by `images.load`.
    """

    def __init__(self, network, names, resolution, read=None):
        self.names, self.resolution = tuple(names), resolution
        self.read = read or (lambda path: images.load(path, resolution)[0])
        self._scores = tf.function(network, [tf.TensorSpec([None, resolution, resolution, 3])], autograph=False)

    def __call__(self, pictures):
        scores = np.asarray(self._scores(_at(tf.constant(pictures, tf.float32), self.resolution)), np.float64)
        if not np.isfinite(scores).all():
            raise InputError(f"scores of {', '.join(self.names)} that are NaN or infinite: what scores is damaged, or "
                             "takes pixels of another range")
        return scores


def _at(x, resolution):
    side = x.shape[1]
    if side == resolution:
        return x
    if side % resolution == 0:
        return tf.nn.avg_pool2d(x, side // resolution, side // resolution, "VALID")
    return tf.image.resize(x, [resolution, resolution], antialias=True)


def of_attributes(network, probabilities=False):
    """Scorer by an attribute network; `probabilities`: binary attributes as such, else as logits."""
    if not probabilities:
        return Scorer(network, network.names, network.resolution)
    return Scorer(lambda x: tf.stack(list(network.predict_attributes(x).values()), axis=1), network.names,
                  network.resolution)


def of_keras(path, names=None, pixels="-1..1", resolution=None):
    """Scorer by a Keras model (.h5, .keras, SavedModel) that maps pictures [N, R, R, 3] to scores [N, A] or [N].

    Args:
        path: of the file or folder, see `keras_files.load` for what is refused.
        names: of the A scores; None: the file's name, with _0, _1 ... where there are several.
        pixels: in which of RANGES the model takes pixels.
        resolution: R where the model leaves it open.
    Raises:
        InputError: a file that is refused or cannot be read, a model of another kind, or other names.
    """
    model, shape = keras_files.load(path)
    side = shape[1] or resolution
    if len(shape) != 4 or shape[3] != 3 or shape[1] != shape[2] or not side:
        raise InputError(f"{path}: takes {list(shape)}, expected square pictures [N, R, R, 3]")
    low, high = RANGES[pixels]

    def network(x):
        scores = tf.convert_to_tensor(model((x + 1) / 2 * (high - low) + low))
        return tf.reshape(scores, [-1, 1]) if len(scores.shape) < 2 else scores

    try:
        scores = network(tf.zeros([2, side, side, 3]))
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise InputError(f"{path}: cannot score pictures of {side} px: {first_line(error)}") from error
    if len(scores.shape) != 2 or len(scores) != 2:
        raise InputError(f"{path}: gives {list(scores.shape)} for 2 pictures, expected scores [2, A]")
    count, stem = scores.shape[1], Path(path).stem
    names = tuple(names or ([stem] if count == 1 else [f"{stem}_{i}" for i in range(count)]))
    if len(names) != count or len(set(names)) != count:
        raise InputError(f"{path}: gives {count} scores, expected as many different names; got {', '.join(names)}")
    return Scorer(network, names, side)
