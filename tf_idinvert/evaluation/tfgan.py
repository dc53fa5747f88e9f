"""TF-GAN's metrics, for comparison with ours; they need TF-GAN, which supports TensorFlow up to 2.15.

Its Fréchet distance equals ours. Its sliced Wasserstein distance differs from Karras et al. 2018 and from ours; see
`metrics.sliced_wasserstein`.
"""
from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_idinvert.errors import InputError


class Absent(InputError):
    """TF-GAN is not installed."""


def sliced_wasserstein(reference, pictures, seed=0):
    """Return TF-GAN's sliced Wasserstein distance of pictures that fit in memory.

    Args:
        reference, pictures: [N, R, R, 3], equally many.
        seed: seed of patches and directions, set as the global seed of NumPy, which is restored, and of TensorFlow.
    Returns:
        {side of the level: (distance of the reference to itself with other patches, to the pictures)}; NaN if a patch
        is flat.
    Raises:
        Absent: TF-GAN is not installed.
    """
    evaluate = _functions()
    sets = [tf.constant(np.asarray(each, np.float32)) for each in (reference, pictures)]
    log, state = tf.get_logger(), np.random.get_state()
    level = log.level
    log.setLevel("ERROR")       # hide warnings about a function that TF-GAN calls
    np.random.seed(seed)
    tf.random.set_seed(seed)
    try:
        levels = evaluate.sliced_wasserstein_distance(*sets)
    finally:
        log.setLevel(level)
        np.random.set_state(state)
    return {sets[0].shape[1] >> i: (float(own), float(other)) for i, (own, other) in enumerate(levels)}


def frechet(reference, features):
    """Return TF-GAN's Fréchet distance of two sets of features [N, K] and [M, K], N and M larger than K.

    Raises:
        Absent: TF-GAN is not installed.
    """
    return float(_functions().frechet_classifier_distance_from_activations(
        *(tf.constant(np.asarray(each, np.float32)) for each in (reference, features))))


def _functions():
    """Return the module `tensorflow_gan.eval`."""
    try:
        import tensorflow_gan
    except ImportError as error:
        raise Absent("TF-GAN is not installed; requirements.txt has it (TensorFlow 2.15)") from error
    return tensorflow_gan.eval
