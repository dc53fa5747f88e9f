"""Train the attribute network on rendered portraits, whose attributes are known.

The network will score generated pictures, which are less exact than rendered ones. Noise and changes of brightness and
contrast prevent it from relying on details that only the renderer produces.
"""
from __future__ import annotations

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from tf_idinvert.training import loop, record, steps

PREVIEW_COLUMNS, PREDICTED_AT_ONCE = 12, 100


@dataclasses.dataclass(frozen=True)
class AttributeRecipe:
    """Hyper-parameters of the training of an attribute network."""

    kimg: float = 120
    batch_size: int = 32
    learning_rate: float = 1e-3     # of Adam; decays to 0 along half a cosine


def train_attributes(network, data, scales, recipe, run, save, test, mirrored=()):
    """Train an attribute network.

    Args:
        network: networks.attributes.Attributes.
        data: function (batch_size, seed, start) -> endless tf.data.Dataset of (uint8 [n, R, R, 3], float32 [n, A]),
            from picture number `start` on.
        scales: [A], standard deviations of the attributes in the data.
        recipe: AttributeRecipe.
        run: run.Run.
        save: function (path) that writes the network to a file.
        test: uint8 [N, R, R, 3], pictures of the preview, which sorts them by every attribute.
        mirrored: names of attributes that change sign when a picture is mirrored.
    Raises:
        InputError: the folder holds another run, or the training diverges.
    """
    kimg, batch = run.kimg or recipe.kimg, recipe.batch_size
    recipe, total = dataclasses.replace(recipe, kimg=kimg), math.ceil(kimg * 1000 / batch) * batch
    resumes = run.takes_up(record.of_recipe("attributes", recipe, run.seed))
    with run.placement.scope():
        rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, total // batch)
        model = AttributeTraining(network, keras.optimizers.Adam(rate), scales, mirrored, seed=run.seed)
    if resumes:
        run.restore(model)
    seen = int(model.images_seen.numpy())
    with run.observers(total, save, lambda: ordered(test, score(network, test)), PREVIEW_COLUMNS) as callbacks:
        loop.run(model, data(batch, run.seed, seen), (total - seen) // batch, callbacks)


def score(network, images):
    """Score pictures, uint8 [N, R, R, 3] -> {name: [N]} in the units of the training data."""
    parts = [network.predict_attributes(part.astype("float32") / 127.5 - 1.0)
             for part in np.array_split(images, math.ceil(len(images) / PREDICTED_AT_ONCE))]
    return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}


def ordered(images, scores):
    """Return the pictures of the preview: one row per attribute, sorted from the lowest to the highest score."""
    chosen = [np.argsort(values)[np.linspace(0, len(images) - 1, PREVIEW_COLUMNS).astype(int)]
              for values in scores.values()]
    return images[np.concatenate(chosen)]


class AttributeTraining(keras.Model):
    """Training of an `Attributes` network: squared error for continuous attributes, logistic loss for binary ones."""

    def __init__(
        self,
        network,            # networks.attributes.Attributes
        optimizer,          # Keras optimiser
        scales,             # [A] standard deviations of the attributes, by which errors are divided
        mirrored=(),        # names of attributes that change sign when a picture is mirrored
        noise=0.15,         # largest standard deviation of the added noise
        contrast=0.15,      # largest relative change of contrast, and largest change of brightness
        seed=0,             # seed of mirroring, noise, contrast and brightness
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.network, self.noise, self.contrast, self.seed = network, noise, contrast, seed
        self.own_optimizer = optimizer
        optimizer.build(network.trainable_variables)
        self.weights_of_terms = tf.constant([1.0 if name in network.binary else 1.0 / scale ** 2
                                             for name, scale in zip(network.names, scales)], tf.float32)
        self.is_binary = tf.constant([name in network.binary for name in network.names])
        self.signs = tf.constant([-1.0 if name in mirrored else 1.0 for name in network.names])
        self.images_seen = steps.image_counter()
        self.built = True
        self.compile(jit_compile=False)     # XLA is slower on a CPU

    @property
    def state(self):
        """The variables of the run, in a fixed order."""
        return self.network.weights + list(self.own_optimizer.variables) + [self.images_seen]

    def train_step(self, data):
        """Make one step on this replica's share, (uint8 [n, R, R, 3], float32 [n, A]); return {'loss': mean of all}."""
        pictures, targets = data
        batch = steps.global_batch(pictures)
        x, targets = self._augmented(tf.cast(pictures, tf.float32) / 127.5 - 1.0, targets)
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            loss = self.loss_of_each(self.network(x), targets)
            total = steps.mean(loss, batch)
        steps.apply(self.own_optimizer, tape.gradient(total, variables), variables)
        self.images_seen.assign_add(tf.cast(batch, tf.int64))
        return steps.global_means({"loss": loss}, batch)

    def loss_of_each(self, scores, targets):
        """Return the losses of the pictures, [n]: means over attributes."""
        terms = tf.where(self.is_binary, tf.nn.sigmoid_cross_entropy_with_logits(targets, scores),
                         tf.square(scores - targets))
        return tf.reduce_mean(terms * self.weights_of_terms, axis=1)

    def _augmented(self, x, targets):
        n, replica = tf.shape(x)[0], tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.random.experimental.stateless_fold_in(tf.constant([self.seed, 0]), self.images_seen)
        seeds = tf.random.experimental.stateless_split(tf.random.experimental.stateless_fold_in(seed, replica), 4)
        flip = tf.random.stateless_uniform([n], seeds[0]) < 0.5
        x = tf.where(flip[:, None, None, None], x[:, :, ::-1], x)
        targets = tf.where(flip[:, None], targets * self.signs, targets)
        change = tf.random.stateless_uniform([2, n, 1, 1, 1], seeds[1], -self.contrast, self.contrast)
        x = x * (1.0 + change[0]) + change[1]
        spread = tf.random.stateless_uniform([n, 1, 1, 1], seeds[2], 0.0, self.noise)
        return x + spread * tf.random.stateless_normal(tf.shape(x), seeds[3]), targets
