"""StyleGAN training with pairs: pictures whose z is known in part. Ours, in no paper.

Where a picture comes with numbers that tell it apart from all others (rendered ones do), these can stand in for the
first numbers of z, and the distance between the picture and what G draws from that z be made a term of G's loss: it
starts a small generator in minutes, no kind of picture left out, where the game with D takes hours. Another term keeps
the mean code of every layer near w_avg, for generators with a w per layer.

    G:  adversarial + pair_weight * (Laplacian distance + pair_squares * mean squared difference)
        + center_weight * mean over layers of || mean(w_l) - w_avg ||^2

Unlike in StyleGAN's published loop, G and D meet in the same images, made once, and both gradients are those before
the step: so the generators that come with the repository were trained.
"""
from __future__ import annotations

import dataclasses

import tensorflow as tf

from tf_idinvert import losses
from tf_idinvert.training import steps
from tf_idinvert.training.stylegan import Stage, StyleGAN, global_batch


@dataclasses.dataclass(frozen=True)
class PairedStage(Stage):
    """A stretch of training with these terms; the first four are off by default."""

    adversarial: bool = True        # False: only the pair term; D rests
    pair_weight: float = 0.0        # of the distance from a picture to the one drawn from its code
    pair_squares: float = 0.0       # weight of the mean squared difference within that distance
    center_weight: float = 0.0      # of the distance from w_avg to each layer's mean code


class PairedStyleGAN(StyleGAN):
    """As StyleGAN, with the terms that a PairedStage weighs."""

    def train_step(self, data):
        """One step of G, one of D on the same generated images, then the running averages.

        Args:
            data: uint8 [n, r, r, C], this replica's share of the real batch, r the resolution of the stage; or a pair
                of it and codes float32 [n, K], the first K numbers of the z that stands for each picture.
        Returns:
            dict of float32 scalars, means over the global batch: losses, penalty and scores.
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
        """w [n, L, D] of fresh z, the same with styles mixed, and 1 where all layers are of the first z, else 0.

        `known` numbers take the place of the first ones of z.
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
        """[n]: the distance of pictures; squares make more of what differs much in few pixels, as a mouth does."""
        distance, weight = losses.laplacian_distance(reals, fakes), self.phase.stage.pair_squares
        return distance + weight * losses.mean_squared_difference(reals, fakes) if weight else distance

    def _off_center(self, w):
        """[n], with the gradient of `mean over layers of || mean(w_l) - w_avg ||^2`, the batch being the global one.

        w_avg is the mean of layer 0, and truncation pulls all layers towards it. Where each layer has a w of its own,
        this keeps truncated codes among those that G knows.
        """
        replica = tf.distribute.get_replica_context()
        mean = replica.all_reduce("MEAN", tf.stop_gradient(tf.reduce_mean(w, axis=0)))              # [L, D]
        return 2.0 * tf.reduce_mean((mean - self.generator.dlatent_avg) * w, axis=[1, 2])
