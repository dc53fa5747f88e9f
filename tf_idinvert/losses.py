"""The terms of the papers' objectives. Each is pure and returns one value for every image, not reduced.

The training step divides once by the global batch. Images are float32 [N, H, W, C] in [-1, 1], codes [N, L, D].
Sources: Zhu et al. 2020 (In-Domain GAN Inversion); Leng et al. 2021 (Force-in-domain GAN inversion). The last one is
for generators whose pictures' codes are known.
"""
from __future__ import annotations

import tensorflow as tf

FEATURE_WEIGHT = 5e-5       # lambda_vgg of the published code, for features of VGG16


def mean_squared_difference(a, b):
    """Mean of squared differences over all but the batch axis: [N, ...], [N, ...] -> [N].

    The pixel loss for images, the feature loss for features and the domain loss for codes: the papers write
    `||a - b||_2`, their code takes this mean. Source: Zhu et al. 2020, Eq. (2) and (4).
    """
    difference = tf.square(a - b)
    return tf.reduce_mean(tf.reshape(difference, [tf.shape(difference)[0], -1]), axis=1)


def feature_weight(features, chosen=None):
    """lambda_vgg for a feature network F.

    Args:
        features: F, or None: the term is left out, and its weight is 0.
        chosen: the weight that a user asks for; None: F's own, its attribute `weight`, and for a plain callable, which
            has none, that of the published code.
    """
    if features is None:
        return 0.0
    return getattr(features, "weight", FEATURE_WEIGHT) if chosen is None else chosen


def adversarial_loss(logits):
    """Non-saturating logistic loss of what should look real, `softplus(-D(x))`: logits [N, 1] -> [N].

    The last term of Eq. (2), Zhu et al. 2020, in the form of the published code; for the latent discriminator, that of
    Eq. (5), Leng et al. 2021.
    """
    return tf.nn.softplus(-logits)[:, 0]


def discriminator_loss(real_logits, fake_logits):
    """Logistic loss of a discriminator, `softplus(D(fake)) + softplus(-D(real))`: [N, 1], [N, 1] -> [N].

    The first two terms of Eq. (3), Zhu et al. 2020, in the form of the published code; of Eq. (1) and (2), Leng et al.
    2021.
    """
    return tf.nn.softplus(fake_logits)[:, 0] + tf.nn.softplus(-real_logits)[:, 0]


def r1_penalty(discriminator, inputs, gamma):
    """R1 penalty: `gamma / 2 * ||dD/dx||^2`, summed over all but the batch axis, one value for every input.

    Where D couples its inputs (minibatch standard deviation), the gradient is that of the sum of all logits, as in the
    published code.

    Args:
        discriminator: callable, inputs -> logits [N, 1], before any sigmoid.
        inputs: float32 [N, ...], real images in [-1, 1], or real codes for the latent discriminator.
        gamma: weight, >= 0; 10 in both papers at 256 px.
    Returns:
        float32 [N].
    Source: Zhu et al. 2020, Eq. (3), third term; Leng et al. 2021, Eq. (1) and (2), third terms.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        logits = tf.reduce_sum(discriminator(inputs))
    gradient = tape.gradient(logits, inputs)
    return gamma / 2 * tf.reduce_sum(tf.reshape(tf.square(gradient), [tf.shape(gradient)[0], -1]), axis=1)


def laplacian_distance(a, b, levels=3):
    """Sum over the bands of the Laplacian pyramid of the mean absolute difference: [N, H, W, C], [N, H, W, C] -> [N].

    Each of the `levels` bands is what halving by means and doubling by repetition loses; the last is what is left. H
    and W are multiples of 2 ** levels. Fine lines weigh as much as large areas, which they do not in a plain mean.

    Source: Bojanowski et al. 2018 (Optimizing the Latent Space of Generative Networks), section 2, "Lap1".
    """
    rest, total = a - b, 0.0
    for _ in range(levels):
        half = tf.nn.avg_pool2d(rest, 2, 2, "VALID")
        total += tf.reduce_mean(tf.abs(rest - tf.repeat(tf.repeat(half, 2, axis=1), 2, axis=2)), axis=[1, 2, 3])
        rest = half
    return total + tf.reduce_mean(tf.abs(rest), axis=[1, 2, 3])
