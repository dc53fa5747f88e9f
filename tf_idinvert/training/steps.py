"""What the trainings share by definition: counting, sums over replicas; and those of the encoder: optimiser, schedule.

Source of the settings: the published code of In-Domain GAN Inversion (Zhu et al. 2020).
"""
from __future__ import annotations

import keras
import tensorflow as tf

BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-8
LEARNING_RATE = 1e-4
DECAY, DECAYS = 0.8, 4      # the learning rate falls by this factor while the counter goes through a quarter of the run


def adam(learning_rate=LEARNING_RATE):
    """Adam as published, with a learning rate that is a number or a schedule."""
    return keras.optimizers.Adam(learning_rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)


def decaying_rate(total_images, batch_size, learning_rate=LEARNING_RATE, updates=2, place=0):
    """Schedule `learning_rate * 0.8 ** (4 * counter / iterations)`, which falls smoothly, not in stairs.

    In the published code every update advances the counter, E's and then D's, so it goes through the run twice: the
    rate falls by 0.8 over every eighth of the iterations and ends at 0.168 of what it was.

    Args:
        total_images: length of the training in images; beyond it the rate falls on.
        batch_size: over all replicas; iterations are images divided by this.
        learning_rate: at the start.
        updates: of an iteration that advance the counter.
        place: of the updates of this optimiser among them: 0 for E, 1 for D.
    Returns:
        keras.optimizers.schedules.LearningRateSchedule of the optimiser's own steps, one an iteration.
    """
    quarter = total_images / batch_size / DECAYS
    return keras.optimizers.schedules.ExponentialDecay(learning_rate * DECAY ** (place / quarter), quarter / updates,
                                                       DECAY)


def image_counter():
    """Variable that counts the images of a run."""
    return tf.Variable(0, dtype=tf.int64, trainable=False, name="images_seen",
                       aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)


def global_batch(images):
    """Size of the batch over all replicas, whose shares are equal: the number every sum of losses is divided by."""
    return tf.shape(images)[0] * tf.distribute.get_replica_context().num_replicas_in_sync


def mean(loss, batch):
    """This replica's part of the mean over the global batch: [n] -> scalar; gradients of the parts are then summed."""
    return tf.reduce_sum(loss) / tf.cast(batch, loss.dtype)


def apply(optimizer, gradients, variables):
    """One step, by the gradients summed over replicas.

    Weights that are not in use have no gradient: a discriminator's layers for lower resolutions.
    """
    optimizer.apply_gradients([(g, v) for g, v in zip(gradients, variables) if g is not None])


def global_means(terms, batch):
    """{name: [n] or [n, 1]} -> {name: scalar}, means over the global batch, equal on all replicas."""
    parts = tf.stack([mean(term, batch) for term in terms.values()])
    sums = tf.distribute.get_replica_context().all_reduce("SUM", parts)
    return dict(zip(terms, tf.unstack(sums)))
