"""The traditional encoder: E is trained to predict the known codes of synthesised images.

    min_E || w - E(G(w)) ||,   w = FC(z),  z ~ N(0, I)

Source: Zhu et al. 2020 (In-Domain GAN Inversion), Eq. (1); the norm is the mean of squared differences, as everywhere
in their code. The paper writes z for the code to invert. Here it is a code in W+, the input of G, without truncation,
as in their experiments (section 2, "Choice of Latent Space"), so that all encoders have the same latent space. G uses
its fixed noise.
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert import losses
from tf_idinvert.training import steps


class Traditional(keras.Model):
    """Training of E on pairs (G(w), w); `train_step(z)` makes one step. FC and G are not trained."""

    def __init__(
        self,
        encoder,                    # E: images [N, R, R, C] -> codes [N, L, D]
        generator,                  # `.mapping` (FC) and `.synthesis` (G)
        e_optimizer,                # a Keras optimiser, see `steps.adam`
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.encoder, self.generator = encoder, generator
        generator.trainable = False
        self.e_optimizer = e_optimizer
        e_optimizer.build(encoder.trainable_variables)
        self.images_seen = steps.image_counter()
        self.built = True
        self.compile(jit_compile=False)     # XLA is slower on a CPU

    @property
    def state(self):
        """The variables of the run, in a fixed order."""
        return self.encoder.weights + list(self.e_optimizer.variables) + [self.images_seen]

    def train_step(self, z):
        """Make one step of E.

        Args:
            z: float32 [n, Z], this replica's share of the batch; see `latents`.
        Returns:
            {'e_loss': float32 scalar, mean over the global batch}.
        """
        batch = steps.global_batch(z)
        w = self.generator.mapping(z)                                               # [n, L, D]
        x = self.generator.synthesis(w)                                             # [n, R, R, C]
        variables = self.encoder.trainable_variables
        with tf.GradientTape() as tape:                                             # Eq. (1)
            codes = tf.cast(self.encoder(x, training=True), tf.float32)             # [n, L, D]
            e_loss = losses.mean_squared_difference(w, codes)                       # [n]
            total = steps.mean(e_loss, batch)
        steps.apply(self.e_optimizer, tape.gradient(total, variables), variables)
        self.images_seen.assign_add(tf.cast(batch, tf.int64))
        return steps.global_means({"e_loss": e_loss}, batch)


def latents(latent_size, batch_size, seed, start=0):
    """Return endless batches of z ~ N(0, I), [batch_size, latent_size]; they depend on the arguments alone.

    Args:
        latent_size: Z.
        batch_size: global batch size.
        seed: int.
        start: number of the first image, a multiple of `batch_size`.
    Returns:
        tf.data.Dataset.
    """
    def draw(number):
        return tf.random.stateless_normal([batch_size, latent_size], tf.stack([tf.cast(seed, tf.int64), number]))

    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    options.autotune.enabled = False        # there is nothing to tune, and its thread takes two seconds to end
    return tf.data.Dataset.range(start // batch_size, tf.int64.max).map(draw).prefetch(2).with_options(options)
