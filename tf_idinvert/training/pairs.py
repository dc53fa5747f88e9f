"""StyleGAN training with pairs of a picture and a part of its z. It is this project's own and in no paper.

A rendered picture comes with the numbers from which it was rendered. These serve as the first numbers of z, and the
distance between the picture and G's image of this z is a term of G's loss. It trains a small generator within minutes,
for all kinds of pictures, while adversarial training takes hours. Another term keeps the mean code of every layer near
w_avg, for generators with a w per layer.


    G:  adversarial + pair_weight * (Laplacian distance + pair_squares * mean squared difference)
        + center_weight * mean over layers of || mean(w_l) - w_avg ||^2

Unlike in StyleGAN's published loop, G and D use the same generated images, and both gradients are computed before
either update. The generators in the repository were trained like this.
"""
from __future__ import annotations

import dataclasses

import tensorflow as tf

from tf_idinvert import losses
from tf_idinvert.training import steps
from tf_idinvert.training.stylegan import Stage, StyleGAN, global_batch


@dataclasses.dataclass(frozen=True)
class PairedStage(Stage):
    """A stage of training with the weights of these terms."""
    adversarial: bool = True        # False: G has no adversarial term, and D is not trained
    pair_weight: float = 0.0        # weight of the pair term
    pair_squares: float = 0.0       # weight of the mean squared difference within the pair term
    center_weight: float = 0.0      # weight of the squared distance of the layers' mean codes from w_avg


class PairedStyleGAN(StyleGAN):
    """StyleGAN with the additional terms of a PairedStage."""

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
            if stage.center_weight:
                g_loss += stage.center_weight * self._off_center(w)
            total = tf.reduce_sum(g_loss) / batch
        g_gradients = tape.gradient(total, self.generator.trainable_variables)
        if stage.adversarial:
            terms.update(self._step_of_d(reals, fakes, fade, batch))
        steps.apply(self.g_optimizer, g_gradients, self.generator.trainable_variables)
        self._update_averages(w, batch)
        return self._finish(terms, batch)

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
