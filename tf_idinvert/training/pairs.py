"""StyleGAN training with pairs of a picture and a part of its z. It is this project's own and in no paper.

A rendered picture comes with the numbers from which it was rendered. These serve as the first numbers of z, and the
distance between the picture and G's image of this z is a term of G's loss. It trains a small generator within minutes,
for all kinds of pictures, while adversarial training takes hours. Another term keeps the mean code of every layer near
w_avg, for generators with a w per layer.


    G:  adversarial + pair_weight * (Laplacian distance + pair_squares * mean squared difference)
        + center_weight * mean over layers of || mean(w_l) - w_avg ||^2

Where there are feature discriminators, G's loss has their term, too (see `feature_discriminators`).

Unlike in StyleGAN's published loop, G and D use the same generated images, and both gradients are computed before
either update. The generators in the repository were trained like this.
"""
from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from tf_idinvert import losses
from tf_idinvert.training import feature_discriminators, steps
from tf_idinvert.training.stylegan import Stage, StyleGAN, global_batch


@dataclasses.dataclass(frozen=True)
class PairedStage(Stage):
    """A stage of training with the weights of these terms."""
    adversarial: bool = True        # False: G has no adversarial term, and D is not trained
    pair_weight: float = 0.0        # weight of the pair term
    pair_squares: float = 0.0       # weight of the mean squared difference within the pair term
    center_weight: float = 0.0      # weight of the squared distance of the layers' mean codes from w_avg
    feature_weight: float = 0.0     # weight of the feature discriminators' term, where there are any


class PairedStyleGAN(StyleGAN):
    """StyleGAN with the additional terms of a PairedStage.

    `helpers`, a `FeatureDiscriminators` or None, is trained along with D where the stage weights its term.
    """

    def __init__(self, *networks, helpers=None, **kwargs):
        super().__init__(*networks, **kwargs)
        self.helpers, self.h_optimizer = helpers, None
        if helpers:
            self.h_optimizer = keras.optimizers.Adam(0.0, beta_1=0.0, beta_2=0.99, epsilon=1e-8)
            self.h_optimizer.build(helpers.trainable_variables)

    def begin(self, phase):
        super().begin(phase)
        if self.helpers:        # they know features, which are of one kind at all resolutions: no reset
            self.h_optimizer.learning_rate = phase.stage.learning_rate

    @property
    def state(self):
        """The variables of the run, in a fixed order: those of StyleGAN, then the feature discriminators'."""
        own = [*self.helpers.weights, *self.h_optimizer.variables] if self.helpers else []
        return super().state + own

    def train_step(self, data):
        """Make one step of G and one of D on the same generated images, then update the running averages.

        Args:
            data: uint8 [n, r, r, C], this replica's share of the real batch, with r the resolution of the stage; or a
                pair of it and float32 [n, K], the first K numbers of the pictures' z.
        Returns:
            dict of float32 scalars, means over the global batch: losses, R1 penalty and logits.
        """
        images, known = data if isinstance(data, (tuple, list)) else (data, None)
        stage, batch = self.phase.stage, global_batch(images)
        fade, (z_seed, mixing_seed, noise_seed) = self._fade(), self._seeds(3)
        reals, terms = self._real_images(images, fade), {}                          # [n, R, R, C]
        with tf.GradientTape() as tape:
            w, mixed, whole = self._mixed_codes(tf.shape(images)[0], z_seed, mixing_seed, known)
            fakes, g_loss = self._draw(mixed, noise_seed, fade), 0.0
            if stage.adversarial:
                terms["g_loss"] = losses.adversarial_loss(self._judge(fakes, fade))     # [n]
                g_loss += terms["g_loss"]
            if stage.pair_weight:
                terms["pair"] = self._pair_distance(reals, fakes) * whole
                g_loss += stage.pair_weight * terms["pair"]
            if self.helpers and stage.feature_weight:
                real_features, fake_features = self.helpers.features(reals, fakes)
                terms["g_feature"] = feature_discriminators.fooling(self.helpers(fake_features))
                g_loss += stage.feature_weight * terms["g_feature"]
            if stage.center_weight:
                g_loss += stage.center_weight * self._off_center(w)
            total = tf.reduce_sum(g_loss) / batch
        g_gradients = tape.gradient(total, self.generator.trainable_variables)
        if stage.adversarial:
            terms.update(self._step_of_d(reals, fakes, fade, batch))
        if self.helpers and stage.feature_weight:
            terms["d_feature"] = self._step_of_helpers(real_features, fake_features, batch)
        steps.apply(self.g_optimizer, g_gradients, self.generator.trainable_variables)
        self._update_averages(w, batch)
        return self._finish(terms, batch)

    def _step_of_helpers(self, real_features, fake_features, batch):
        """Make one step of the feature discriminators on features that are already there; return their loss, [n]."""
        variables = self.helpers.trainable_variables
        with tf.GradientTape() as tape:
            loss = feature_discriminators.telling(self.helpers(real_features), self.helpers(fake_features))
            total = tf.reduce_sum(loss) / batch
        steps.apply(self.h_optimizer, tape.gradient(total, variables), variables)
        return loss

    def _mixed_codes(self, count, z_seed, mixing_seed, known):
        """Return w [n, L, D] of random z, the same after style mixing, and 1 if mixing changed nothing, else 0.

        `known`, [n, K], replaces the first K numbers of z; None: all are random.
        """
        z = self._latents(count, z_seed)
        if known is not None:
            z = tf.stack([tf.concat([known, z[0, :, known.shape[1]:]], axis=1), z[1]])
        w, other = self._codes(z)
        if not self.phase.stage.adversarial:
            return w, w, 1.0
        mixed = self.generator.mix_styles(w, other, mixing_seed, lod=self.level)
        return w, mixed, tf.cast(tf.reduce_all(mixed == w), tf.float32)

    def _pair_distance(self, reals, fakes):
        """Return the pair term, [n]. Squares emphasise large differences in few pixels, such as those of a mouth."""
        distance, weight = losses.laplacian_distance(reals, fakes), self.phase.stage.pair_squares
        return distance + weight * losses.mean_squared_difference(reals, fakes) if weight else distance

    def _off_center(self, w):
        """Return [n] numbers with the gradient of `mean over layers of || mean(w_l) - w_avg ||^2`.

        The mean is over the global batch. w_avg is the mean of layer 0, and truncation moves all layers towards it. If
        every layer has its own w, this term keeps truncated codes within the distribution that G is trained on.
        """
        replica = tf.distribute.get_replica_context()
        mean = replica.all_reduce("MEAN", tf.stop_gradient(tf.reduce_mean(w, axis=0)))              # [L, D]
        return 2.0 * tf.reduce_mean((mean - self.generator.dlatent_avg) * w, axis=[1, 2])
