"""The force-in-domain encoder: the domain-guided encoder with a second discriminator D_w, which judges codes.

    E:    || x - G(E(x)) || + lambda_vgg || F(x) - F(G(E(x))) ||
          + lambda_adv softplus(-D(G(E(x)))) + lambda_adv^Dw softplus(-D_w(E(x)))
    D:    softplus(D(G(E(x)))) + softplus(-D(x)) + gamma / 2 || dD/dx ||^2
    D_w:  softplus(D_w(E(x))) + softplus(-D_w(w)) + gamma / 2 || dD_w/dw ||^2,   w = FC(z),  z ~ N(0, I)

Source: Leng et al. 2021 (Force-in-domain GAN inversion), Eq. (5), (1) and (2).

The paper writes the adversarial terms as logarithms of probabilities. Here they are logistic losses of logits, in the
non-saturating form for E, and norms are means of squared differences, as in the code of In-Domain GAN Inversion, on
which the paper builds. G uses its fixed noise, and w is not truncated. E is in training mode. All three steps use the
same codes and reconstructions, computed once with the weights before the step.
"""
from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from tf_idinvert import losses
from tf_idinvert.training import steps


@dataclasses.dataclass(frozen=True)
class ForceInDomainOptions:
    """Weights of the terms; the defaults are the paper's (experimental settings)."""

    feature_weight: float = 5e-5            # lambda_vgg
    adversarial_weight: float = 0.1         # lambda_adv
    latent_weight: float = 0.1              # lambda_adv^Dw
    r1_gamma: float = 10.0                  # gamma of D
    latent_r1_gamma: float = 10.0           # gamma of D_w; the paper uses one gamma for both discriminators


PAPER = ForceInDomainOptions()


class ForceInDomain(keras.Model):
    """Training of E, D and D_w; `train_step(images)` makes a step of E, of D and of D_w on the same batch."""

    def __init__(
        self,
        encoder,                    # E: images [N, R, R, C] -> codes [N, L, D]
        generator,                  # has `.mapping` (FC), `.synthesis` (G) and `.latent_size`; not trained
        discriminator,              # D: images -> logits [N, 1]; initially the generator's
        latent_discriminator,       # D_w: codes -> logits [N, 1]
        features,                   # F: callable, images in [-1, 1] -> [N, ...]; not trained
        e_optimizer,                # Keras optimisers, see `steps.adam`
        d_optimizer,
        dw_optimizer,
        options=PAPER,
        seed=0,                     # seed of z
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.encoder, self.generator = encoder, generator
        self.discriminator, self.latent_discriminator = discriminator, latent_discriminator
        self.features, self.options, self.seed = features, options, seed
        generator.trainable = False
        self.e_optimizer, self.d_optimizer, self.dw_optimizer = e_optimizer, d_optimizer, dw_optimizer
        e_optimizer.build(encoder.trainable_variables)
        d_optimizer.build(discriminator.trainable_variables)
        dw_optimizer.build(latent_discriminator.trainable_variables)
        self.images_seen = steps.image_counter()
        self.built = True
        self.compile(jit_compile=False)     # XLA is slower on a CPU

    @property
    def state(self):
        """The variables of the run, in a fixed order."""
        networks = self.encoder.weights + self.discriminator.weights + self.latent_discriminator.weights
        optimizers = [list(o.variables) for o in (self.e_optimizer, self.d_optimizer, self.dw_optimizer)]
        return networks + sum(optimizers, []) + [self.images_seen]

    def train_step(self, images):
        """Make one step of E, one of D and one of D_w.

        Args:
            images: uint8 [n, R, R, C], this replica's share of the batch of real images.
        Returns:
            dict of float32 scalars, means over the global batch: e_loss and its unweighted terms (pixel, feature,
            adversarial, latent), d_loss and dw_loss, their R1 penalties, and the logits of D and D_w.
        """
        options, batch = self.options, steps.global_batch(images)
        x = tf.cast(images, tf.float32) / 127.5 - 1.0                               # [n, R, R, C]

        variables = self.encoder.trainable_variables
        with tf.GradientTape() as tape:                                             # Eq. (5)
            codes = tf.cast(self.encoder(x, training=True), tf.float32)             # [n, L, D]
            reconstruction = self.generator.synthesis(codes)
            pixel = losses.mean_squared_difference(x, reconstruction)               # [n], Eq. (3)
            feature = losses.mean_squared_difference(self.features(x), self.features(reconstruction))      # Eq. (4)
            adversarial = losses.adversarial_loss(self.discriminator(reconstruction))
            latent = losses.adversarial_loss(self.latent_discriminator(codes))
            e_loss = (pixel + options.feature_weight * feature + options.adversarial_weight * adversarial
                      + options.latent_weight * latent)
            total = steps.mean(e_loss, batch)
        steps.apply(self.e_optimizer, tape.gradient(total, variables), variables)

        variables = self.discriminator.trainable_variables
        with tf.GradientTape() as tape:                                             # Eq. (1)
            r1, real_score = losses.r1_penalty(self.discriminator, x, options.r1_gamma)     # [n], [n, 1]
            fake_score = self.discriminator(reconstruction)
            d_loss = losses.discriminator_loss(real_score, fake_score) + r1
            total = steps.mean(d_loss, batch)
        steps.apply(self.d_optimizer, tape.gradient(total, variables), variables)

        w = self.generator.mapping(self._latents(batch))                            # [n, L, D]
        variables = self.latent_discriminator.trainable_variables
        with tf.GradientTape() as tape:                                             # Eq. (2)
            dw_r1, dw_real_score = losses.r1_penalty(self.latent_discriminator, w, options.latent_r1_gamma)
            dw_fake_score = self.latent_discriminator(codes)
            dw_loss = losses.discriminator_loss(dw_real_score, dw_fake_score) + dw_r1
            total = steps.mean(dw_loss, batch)
        steps.apply(self.dw_optimizer, tape.gradient(total, variables), variables)

        self.images_seen.assign_add(tf.cast(batch, tf.int64))
        return steps.global_means(dict(
            e_loss=e_loss, pixel=pixel, feature=feature, adversarial=adversarial, latent=latent,
            d_loss=d_loss, r1=r1, real_score=real_score, fake_score=fake_score,
            dw_loss=dw_loss, dw_r1=dw_r1, dw_real_score=dw_real_score, dw_fake_score=dw_fake_score), batch)

    def _latents(self, batch):
        """Draw z for all replicas and return this replica's share, [n, Z].

        XLA draws other numbers from the same seed.
        """
        replica = tf.distribute.get_replica_context()
        seed = tf.random.experimental.stateless_fold_in(tf.constant([self.seed, 0]), self.images_seen)
        z = tf.random.stateless_normal([batch, self.generator.latent_size], seed)
        count = batch // replica.num_replicas_in_sync
        first = count * replica.replica_id_in_sync_group
        return z[first:first + count]
