"""Parts of a training step that all trainings share, and the optimiser and learning rate of the encoders.

Source of the settings: the published code of In-Domain GAN Inversion (Zhu et al. 2020).
"""
from __future__ import annotations

import keras
import tensorflow as tf

BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-8
LEARNING_RATE = 1e-4
DECAY, DECAYS = 0.8, 4      # the learning rate is multiplied by DECAY after every 1 / DECAYS of the run


def adam(learning_rate=LEARNING_RATE):
    """Return Adam with the published settings; the learning rate is a number or a schedule."""
    return keras.optimizers.Adam(learning_rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)


def decaying_rate(total_images, batch_size, learning_rate=LEARNING_RATE, updates=2, place=0):
    """Return the schedule `learning_rate * 0.8 ** (4 * counter / iterations)`, which decays continuously.

    In the published code every update advances the counter, that of E and that of D, so the counter ends at twice the
    number of iterations. The rate falls by the factor 0.8 in every eighth of the iterations and ends at 0.168 of its
    initial value.

    Args:
        total_images: length of the training in images; the decay continues beyond it.
        batch_size: global batch size; the number of iterations is the number of images divided by it.
        learning_rate: initial value.
        updates: number of updates per iteration that advance the counter.
        place: index of this optimiser's update among them: 0 for E, 1 for D.
    Returns:
        keras.optimizers.schedules.LearningRateSchedule of the optimiser's own steps, one per iteration.
    """
    quarter = total_images / batch_size / DECAYS
    return keras.optimizers.schedules.ExponentialDecay(learning_rate * DECAY ** (place / quarter), quarter / updates,
                                                       DECAY)


def image_counter():
    """Return the variable that counts the images of a run."""
    return tf.Variable(0, dtype=tf.int64, trainable=False, name="images_seen",
                       aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)


def global_batch(images):
    """Return the global batch size, by which sums of losses are divided; all replicas have equal shares."""
    return tf.shape(images)[0] * tf.distribute.get_replica_context().num_replicas_in_sync


def mean(loss, batch):
    """Return this replica's part of the mean over the global batch, [n] -> scalar; gradients of the parts are summed.
    """
    return tf.reduce_sum(loss) / tf.cast(batch, loss.dtype)


def apply(optimizer, gradients, variables):
    """Make one step with the gradients summed over replicas.

    Unused weights have no gradient and are skipped, such as a discriminator's layers for lower resolutions.
    """
    # No weight is changed before all gradients are there. Without this, TensorFlow's optimisation of the graph may lose
    # the order between R1, which reads a bias, and the update of the bias, whose gradient does not depend on R1.
    gradients = tf.tuple(gradients)
    optimizer.apply_gradients([(g, v) for g, v in zip(gradients, variables) if g is not None])


def global_means(terms, batch):
    """Average over the global batch: {name: [n] or [n, 1]} -> {name: scalar}, equal on all replicas."""
    parts = tf.stack([mean(term, batch) for term in terms.values()])
    sums = tf.distribute.get_replica_context().all_reduce("SUM", parts)
    return dict(zip(terms, tf.unstack(sums)))
