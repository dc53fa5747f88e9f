"""The domain-guided encoder: E and D are trained in turn on real images; G is fixed.

    E:  || x - G(E(x)) || + lambda_vgg || F(x) - F(G(E(x))) || + lambda_adv softplus(-D(G(E(x))))
    D:  softplus(D(G(E(x)))) + softplus(-D(x)) + gamma / 2 || dD/dx ||^2

Source: Zhu et al. 2020 (In-Domain GAN Inversion), Eq. (2) and (3), in the form of their code: norms are means of
squared differences, and the adversarial terms are logistic losses.

G uses its fixed noise. E is in training mode. Both steps use the same reconstructions, computed once with the weights
before the step; the published code encodes the batch again for D's step, after the update of E.
"""
from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from tf_idinvert import losses
from tf_idinvert.training import steps


@dataclasses.dataclass(frozen=True)
class InDomainOptions:
    """Weights of the terms; the defaults are the paper's (section 3.1)."""

    feature_weight: float = 5e-5            # lambda_vgg
    adversarial_weight: float = 0.1         # lambda_adv
    r1_gamma: float = 10.0                  # gamma


PAPER = InDomainOptions()
PUBLISHED_CODE = InDomainOptions(adversarial_weight=0.08)


class InDomain(keras.Model):
    """Training of E and D; `train_step(images)` makes one step of E and one of D on the same batch."""

    def __init__(
        self,
        encoder,                    # E: images [N, R, R, C] -> codes [N, L, D]
        generator,                  # has `.synthesis` (G): codes -> images; not trained
        discriminator,              # D: images -> logits [N, 1]; initially the generator's
        features,                   # F: callable, images in [-1, 1] -> [N, ...]; not trained
        e_optimizer,                # Keras optimisers, see `steps.adam`
        d_optimizer,
        options=PAPER,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.encoder, self.generator, self.discriminator = encoder, generator, discriminator
        self.features, self.options = features, options
        generator.trainable = False
        self.e_optimizer, self.d_optimizer = e_optimizer, d_optimizer
        e_optimizer.build(encoder.trainable_variables)
        d_optimizer.build(discriminator.trainable_variables)
        self.images_seen = steps.image_counter()
        self.built = True
        self.compile(jit_compile=False)     # XLA is slower on a CPU

    @property
    def state(self):
        """The variables of the run, in a fixed order."""
        optimizers = list(self.e_optimizer.variables) + list(self.d_optimizer.variables)
        return self.encoder.weights + self.discriminator.weights + optimizers + [self.images_seen]

    def train_step(self, images):
        """Make one step of E and one of D.

        Args:
            images: uint8 [n, R, R, C], this replica's share of the batch of real images.
        Returns:
            dict of float32 scalars, means over the global batch: e_loss and its unweighted terms (pixel, feature,
            adversarial), d_loss, its R1 penalty, and the logits of D.
        """
        batch = steps.global_batch(images)
        x = tf.cast(images, tf.float32) / 127.5 - 1.0                               # [n, R, R, C]

        variables = self.encoder.trainable_variables
        with tf.GradientTape() as tape:                                             # Eq. (2)
            codes = tf.cast(self.encoder(x, training=True), tf.float32)             # [n, L, D]
            reconstruction = self.generator.synthesis(codes)
            pixel = losses.mean_squared_difference(x, reconstruction)               # [n]
            feature = losses.mean_squared_difference(self.features(x), self.features(reconstruction))
            adversarial = losses.adversarial_loss(self.discriminator(reconstruction))
            e_loss = (pixel + self.options.feature_weight * feature
                      + self.options.adversarial_weight * adversarial)
            total = steps.mean(e_loss, batch)
        steps.apply(self.e_optimizer, tape.gradient(total, variables), variables)

        variables = self.discriminator.trainable_variables
        with tf.GradientTape() as tape:                                             # Eq. (3)
            r1, real_score = losses.r1_penalty(self.discriminator, x, self.options.r1_gamma)     # [n], [n, 1]
            fake_score = self.discriminator(reconstruction)
            d_loss = losses.discriminator_loss(real_score, fake_score) + r1
            total = steps.mean(d_loss, batch)
        steps.apply(self.d_optimizer, tape.gradient(total, variables), variables)

        self.images_seen.assign_add(tf.cast(batch, tf.int64))
        return steps.global_means(dict(e_loss=e_loss, pixel=pixel, feature=feature, adversarial=adversarial,
                                       d_loss=d_loss, r1=r1, real_score=real_score, fake_score=fake_score), batch)
