"""Loss terms of the papers, as pure functions that return one value per image, [N].

They do not average over the batch: the training step divides once by the global batch size, which is correct with
several replicas too. Images are float32 [N, H, W, C] in [-1, 1], codes [N, L, D].

Sources: Zhu et al. 2020 (In-Domain GAN Inversion); Leng et al. 2021 (Force-in-domain GAN inversion).
`laplacian_distance` is no part of these papers; it trains generators on pairs of code and image.
"""
from __future__ import annotations

import tensorflow as tf

FEATURE_WEIGHT = 5e-5       # lambda_vgg of the published code, for features of VGG16
LARGEST_IMAGE = 2.0         # value of an image in [-1, 1]: what a generator draws may be a little beyond


def mean_squared_difference(a, b):
    """Mean of squared differences over all but the batch axis: [N, ...], [N, ...] -> [N].

    With images it is the pixel loss, with features the feature loss, with codes the domain loss. The papers write
    `||a - b||_2`; the published code computes this mean. Source: Zhu et al. 2020, Eq. (2) and (4).
    """
    return _mean_of_each(tf.square(a - b))


def mean_absolute_difference(a, b):
    """Mean of absolute differences over all but the batch axis: [N, ...], [N, ...] -> [N].

    It is the feature loss of the published code of Gu et al. 2020.
    """
    return _mean_of_each(tf.abs(a - b))


def _mean_of_each(values):
    return tf.reduce_mean(tf.reshape(values, [tf.shape(values)[0], -1]), axis=1)


def feature_weight(features, chosen=None):
    """lambda_vgg for a feature network F.

    Args:
        features: F; None: no feature term, so the weight is 0.
        chosen: the weight that the user chose; None: the attribute `weight` of F, or FEATURE_WEIGHT if it has none.
    Returns:
        float, >= 0.
    """
    if features is None:
        return 0.0
    return getattr(features, "weight", FEATURE_WEIGHT) if chosen is None else chosen


def adversarial_loss(logits):
    """Non-saturating logistic loss `softplus(-D(x))` of inputs that should look real: logits [N, 1] -> [N].

    It is the last term of Eq. (2) of Zhu et al. 2020, in the form of the published code, and with the latent
    discriminator the last term of Eq. (5) of Leng et al. 2021.
    """
    return tf.nn.softplus(-logits)[:, 0]


def discriminator_loss(real_logits, fake_logits):
    """Logistic loss of a discriminator, `softplus(D(fake)) + softplus(-D(real))`: [N, 1], [N, 1] -> [N].

    It is the first two terms of Eq. (3) of Zhu et al. 2020, in the form of the published code, and of Eq. (1) and (2)
    of Leng et al. 2021.
    """
    return tf.nn.softplus(fake_logits)[:, 0] + tf.nn.softplus(-real_logits)[:, 0]


def r1_penalty(discriminator, inputs, gamma):
    """R1 penalty: `gamma / 2 * ||dD/dx||^2`, summed over all but the batch axis.

    The gradient is that of the sum of all logits, as in the published code. With minibatch standard deviation, D
    couples the inputs of a group, and an input's value includes its effect on the other logits.

    Args:
        discriminator: callable, inputs -> logits [N, 1], before any sigmoid.
        inputs: float32 [N, ...], real images in [-1, 1], or real codes for the latent discriminator.
        gamma: weight, >= 0; 10 in both papers at 256 px.
    Returns:
        (penalty [N], logits [N, 1] of the inputs, which the other terms need as well), float32.
    Source: Zhu et al. 2020, Eq. (3), third term; Leng et al. 2021, Eq. (1) and (2), third terms.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        logits = discriminator(inputs)
        total = tf.reduce_sum(logits)
    gradient = tape.gradient(total, inputs)
    squares = tf.reduce_sum(tf.reshape(tf.square(gradient), [tf.shape(gradient)[0], -1]), axis=1)
    return gamma / 2 * squares, logits


def laplacian_distance(a, b, levels=3):
    """Mean absolute difference, summed over the bands of a Laplacian pyramid: [N, H, W, C], [N, H, W, C] -> [N].

    A level halves the image by 2x2 means and doubles it again by repetition; what this loses is a band. The last band
    is the coarsest image. Fine lines weigh as much as large areas, unlike in a mean over pixels.

    Args:
        a, b: images; H and W are multiples of 2 ** levels.
        levels: number of halvings; the pyramid has levels + 1 bands.
    Source: Bojanowski et al. 2018 (Optimizing the Latent Space of Generative Networks), section 2, "Lap1".
    """
    rest, total = a - b, 0.0
    for _ in range(levels):
        half = tf.nn.avg_pool2d(rest, 2, 2, "VALID")
        total += tf.reduce_mean(tf.abs(rest - tf.repeat(tf.repeat(half, 2, axis=1), 2, axis=2)), axis=[1, 2, 3])
        rest = half
    return total + tf.reduce_mean(tf.abs(rest), axis=[1, 2, 3])
