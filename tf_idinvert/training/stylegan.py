"""Training of the generator: non-saturating logistic GAN with R1, style mixing and progressive growing.

Source: Karras et al. 2019 (A Style-Based Generator Architecture for GANs), section 2 and appendices B and C; growing:
Karras et al. 2018 (Progressive Growing of GANs), section 2 and appendix A; R1: Mescheder et al. 2018. R1 on every k-th
step only ("lazy"): Karras et al. 2020 (Analyzing and Improving the Image Quality of StyleGAN), section 3.1.

The networks are arguments of the caller. A step depends only on its images and on variables: random numbers follow from
the seed and the number of steps. Therefore a resumed run continues exactly as if never stopped, and a step can be
compiled and exported by itself. XLA draws other numbers from the same seed.
"""
from __future__ import annotations

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from tf_idinvert import losses
from tf_idinvert.errors import InputError
from tf_idinvert.training import loop, steps


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage of training at one resolution. The optimisers are reset if the resolution changes and after the fade."""
    resolution: int                 # of the images and of the layers in use, at most the networks' R
    kimg: float                     # length in thousands of images, including the fade
    fade_kimg: float = 0.0          # length of the initial fade from the next lower resolution
    batch_size: int = 32            # over all replicas
    learning_rate: float = 0.001    # of both optimisers
    r1_gamma: float = 10.0          # weight of R1; the gradient is that of images of R x R, as in the official code
    average_kimg: float = 10.0      # half-life of the generator's running average, in thousands of images
    beta_1: float = 0.0             # of Adam

    def __post_init__(self):
        if self.kimg <= 0 or not 0 <= self.fade_kimg <= self.kimg or self.batch_size < 1:
            raise InputError(f"a stage needs 0 <= fade_kimg <= kimg, kimg > 0 and a batch size; got {self}")

    def images(self, kimg):
        """Return `kimg` thousand images, rounded up to whole batches, as a number of images."""
        return math.ceil(kimg * 1000 / self.batch_size - 1e-9) * self.batch_size


@dataclasses.dataclass(frozen=True)
class Phase:
    """Part of a stage, from image `start` to image `stop`, either its fade or the rest; the step is traced once."""

    stage: Stage
    start: int
    stop: int
    fading: bool
    resets: bool    # whether to reset the optimisers: after a change of resolution and after a fade


def schedule(stages):
    """Return the phases of `stages`, a list of consecutive Phase."""
    phases, at, resolution = [], 0, None
    for stage in stages:
        faded, stop = at + stage.images(stage.fade_kimg), at + stage.images(stage.kimg)
        for start, end, fading in ((at, faded, True), (faded, stop, False)):
            if end > start:
                ends_fade = not fading and faded > at
                phases.append(Phase(stage, start, end, fading, resets=ends_fade or stage.resolution != resolution))
                resolution = stage.resolution
        at = stop
    return phases


class StyleGAN(keras.Model):
    """Training of G and D, with the running average Gs of G.

    `begin(phase)` applies the settings of a phase; `train_step(images)` makes one step of D and one of G.
    """

    def __init__(
        self,
        generator,                  # G, with `.mapping`, `.synthesis`, `.mix_styles`, `.updated_dlatent_avg`
        discriminator,              # D: images -> logits [N, 1]
        average,                    # Gs, a second generator like G
        r1_interval=1,              # k: R1 is computed at every k-th step, with k times its weight
        seed=0,                     # seed of all random numbers of the training
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.generator, self.discriminator, self.average = generator, discriminator, average
        self.r1_interval, self.seed = r1_interval, seed
        self.step, self.images_seen = _counter("step"), _counter("images_seen")
        for source, target in zip(generator.weights, average.weights):
            target.assign(source)
        self.g_optimizer, self.d_optimizer = [
            keras.optimizers.Adam(0.0, beta_1=0.0, beta_2=0.99, epsilon=1e-8) for _ in range(2)]
        self.g_optimizer.build(generator.trainable_variables)
        self.d_optimizer.build(discriminator.trainable_variables)
        self.phase = None
        self.built = True

    def begin(self, phase):
        """Set level of detail and learning rate for the next steps; reset the optimisers if the phase requires it.

        The step must be traced again, because a traced step keeps the former settings.
        """
        if phase.resets and int(self.images_seen.numpy()) == phase.start:
            for variable in self.g_optimizer.variables + self.d_optimizer.variables:
                variable.assign(np.zeros(variable.shape, variable.numpy().dtype))
        self.phase, stage = phase, phase.stage
        self.level = round(math.log2(self.generator.resolution // stage.resolution))
        for optimizer in (self.g_optimizer, self.d_optimizer):
            optimizer.learning_rate, optimizer.beta_1 = stage.learning_rate, stage.beta_1

    @property
    def state(self):
        """The variables of the run, in a fixed order: networks, optimiser slots, counters."""
        networks = self.generator.weights + self.discriminator.weights + self.average.weights
        return networks + list(self.g_optimizer.variables) + list(self.d_optimizer.variables) + [
            self.step, self.images_seen]

    def train_step(self, images):
        """Make one step of D, then one of G against the updated D, on images of separate random z.

        Args:
            images: uint8 [n, r, r, C], this replica's share of the real batch, with r the resolution of the stage.
        Returns:
            dict of float32 scalars, means over the global batch: losses, R1 penalty and logits.
        """
        batch, fade, seeds = global_batch(images), self._fade(), self._seeds(6)
        w, fakes = self._generate(tf.shape(images)[0], seeds[:3], fade)             # [n, R, R, C]
        terms = self._step_of_d(self._real_images(images, fade), fakes, fade, batch)
        self._update_averages(w, batch)     # with G before its step, as in the published loop

        with tf.GradientTape() as tape:
            w, fakes = self._generate(tf.shape(images)[0], seeds[3:], fade)
            g_loss = losses.adversarial_loss(self._judge(fakes, fade))              # [n]
            total = tf.reduce_sum(g_loss) / batch
        gradients = tape.gradient(total, self.generator.trainable_variables)
        steps.apply(self.g_optimizer, gradients, self.generator.trainable_variables)
        self._update_center(w)
        return self._finish({"g_loss": g_loss, **terms}, batch)

    def _generate(self, count, seeds, fade):
        """Return w [n, L, D] of random z, and the images of these w after style mixing."""
        z_seed, mixing_seed, noise_seed = seeds
        w, other = self._codes(self._latents(count, z_seed))
        return w, self._draw(self.generator.mix_styles(w, other, mixing_seed, lod=self.level), noise_seed, fade)

    def _finish(self, terms, batch):
        """Count the step and return the means of its terms."""
        self.step.assign_add(1)
        self.images_seen.assign_add(tf.cast(batch, tf.int64))
        return steps.global_means(terms, batch)

    def _judge(self, images, fade):
        """Return the logits of D, [n, 1]."""
        return self.discriminator(images, lod=self.level, fade=fade)

    def _draw(self, w, noise_seed, fade):
        """Return the images of G, [n, R, R, C], with noise that differs between replicas."""
        return self.generator.synthesis(w, noise_seed=self._own(noise_seed), lod=self.level, fade=fade)

    def _step_of_d(self, reals, fakes, fade, batch):
        """Make one step of D and return its terms, [n] or [n, 1]."""
        def discriminate(x):
            return self._judge(x, fade)

        with tf.GradientTape() as tape:
            real_logits, fake_logits = discriminate(reals), discriminate(fakes)
            d_loss = losses.discriminator_loss(real_logits, fake_logits)            # [n]
            total = tf.reduce_sum(d_loss) / batch
        d_gradients = tape.gradient(total, self.discriminator.trainable_variables)
        penalty, d_gradients = self._with_r1(d_gradients, discriminate, reals, batch)
        steps.apply(self.d_optimizer, d_gradients, self.discriminator.trainable_variables)
        return dict(d_loss=d_loss, r1=penalty, real_score=real_logits, fake_score=fake_logits)

    def _seeds(self, count):
        """Return independent seeds, int64 [2], that depend only on the run's seed and the step."""
        seed = tf.random.experimental.stateless_fold_in(tf.constant([self.seed, 0]), self.step, alg="philox")
        return tf.unstack(tf.random.experimental.stateless_split(seed, count, alg="philox"))

    def _own(self, seed):
        """Return a seed that differs between replicas."""
        replica = tf.distribute.get_replica_context()
        return tf.random.experimental.stateless_fold_in(seed, replica.replica_id_in_sync_group, alg="philox")

    def _fade(self):
        """Return the weight of the lower resolution: 1 to 0 in the course of a fade; a Python 0 without fade."""
        if not self.phase.fading:
            return 0.0
        done = tf.cast(self.images_seen - self.phase.start, tf.float32)
        return 1.0 - done / float(self.phase.stop - self.phase.start)

    def _real_images(self, images, fade):
        """Convert uint8 [n, r, r, C] to float32 [n, R, R, C] in [-1, 1]; during a fade, blend with r/2 as G does."""
        x = tf.cast(images, tf.float32) / 127.5 - 1.0
        if self.phase.fading:
            x += (_repeat(tf.nn.avg_pool2d(x, 2, 2, "VALID"), 2) - x) * fade
        return _repeat(x, 2 ** self.level)

    def _latents(self, count, seed):
        """Draw z for all replicas and return this replica's share, [2, n, Z]; the second set is for style mixing."""
        replica = tf.distribute.get_replica_context()
        shape = [2, count * replica.num_replicas_in_sync, self.generator.latent_size]
        first = count * replica.replica_id_in_sync_group
        return tf.random.stateless_normal(shape, seed)[:, first:first + count]

    def _codes(self, z):
        """Map z [2, n, Z] to two w [n, L, D]."""
        return tf.split(self.generator.mapping(tf.reshape(z, [-1, self.generator.latent_size])), 2)

    def _with_r1(self, gradients, discriminate, reals, batch):
        """Return R1 per image (0 at steps without R1), and the gradients of D plus those of R1."""
        variables = [v for g, v in zip(gradients, self.discriminator.trainable_variables) if g is not None]
        gamma = self.phase.stage.r1_gamma * self.r1_interval

        def penalised():
            with tf.GradientTape() as tape:
                penalty, _ = losses.r1_penalty(discriminate, reals, gamma)          # [n]
                total = tf.reduce_sum(penalty) / batch
            extra = tape.gradient(total, variables)     # None for the last bias, on which R1 does not depend
            return penalty, [tf.zeros(v.shape) if g is None else g for g, v in zip(extra, variables)]

        def without():
            return tf.zeros_like(reals[:, 0, 0, 0]), [tf.zeros(v.shape) for v in variables]

        if self.r1_interval == 1:
            penalty, extra = penalised()
        else:
            penalty, extra = tf.cond(self.step % self.r1_interval == 0, penalised, without)
        extra = iter(extra)
        return penalty, [g if g is None else g + next(extra) for g in gradients]

    def _update_averages(self, w, batch):
        """Update w_avg of G, then Gs: its trainable weights decay towards G's; w_avg and noise are copied."""
        center = self._update_center(w)
        decay = 0.5 ** (batch / (self.phase.stage.average_kimg * 1000))
        targets, values = [], []
        for source, target in zip(self.generator.trainable_variables, self.average.trainable_variables):
            targets.append(target)
            values.append(source + (target - source) * decay)
        _assign([*targets, self.average.dlatent_avg], [*values, center])

    def _update_center(self, w):
        """Move w_avg of G towards the mean w of the global batch; return the new value, [D]."""
        replica = tf.distribute.get_replica_context()
        center = replica.all_reduce("MEAN", self.generator.updated_dlatent_avg(w))
        _assign([self.generator.dlatent_avg], [center])
        return center


def train(model, phases, data, callbacks):
    """Train `model` through the rest of `phases`, from `model.images_seen` on.

    Args:
        model: StyleGAN.
        phases: list of Phase, from `schedule`.
        data: function (stage, start) -> endless tf.data.Dataset of batches for `model.train_step`, from image number
            `start` on.
        callbacks: Keras callbacks.
    """
    for phase in phases:
        seen = int(model.images_seen.numpy())
        if seen < phase.stop:
            model.begin(phase)
            loop.run(model, data(phase.stage, seen), (phase.stop - seen) // phase.stage.batch_size, callbacks)


def global_batch(images):
    """Return the global batch size, a float32 scalar."""
    return tf.cast(steps.global_batch(images), tf.float32)


def _counter(name):
    return tf.Variable(0, dtype=tf.int64, trainable=False, name=name,
                       aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)


def _repeat(x, factor):
    return tf.repeat(tf.repeat(x, factor, axis=1), factor, axis=2) if factor > 1 else x


def _assign(variables, values):
    """Assign values that are equal on all replicas to variables."""
    def update(strategy, values):
        for variable, value in zip(variables, values):
            variable = variable if isinstance(variable, tf.Variable) else variable.value    # Keras 3 wraps it
            strategy.extended.update(variable, lambda v, x: v.assign(x), args=(value,))
    tf.distribute.get_replica_context().merge_call(update, args=(values,))
