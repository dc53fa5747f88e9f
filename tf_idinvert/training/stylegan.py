"""Training of the generator: non-saturating logistic GAN with R1, style mixing and progressive growing.

Source: Karras et al. 2019 (A Style-Based Generator Architecture for GANs), section 2 and appendices B and C; growing:
Karras et al. 2018 (Progressive Growing of GANs), section 2 and appendix A; R1: Mescheder et al. 2018. R1 on every k-th
step only ("lazy"): Karras et al. 2020 (Analyzing and Improving the Image Quality of StyleGAN), section 3.1.

The networks are handed in. A step is a function of its images and of variables alone: random numbers come from the
seed and the steps made so far, so a run that was stopped goes on as if it had not been, and a step can be compiled and
exported by itself. (XLA draws other numbers from the same seed.)
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
    """A stretch of training at one resolution. The optimisers start afresh at its start, and where its fade ends."""

    resolution: int                 # of the layers that run and of the images fed, at most the networks' R
    kimg: float                     # length in thousands of images, the fade included
    fade_kimg: float = 0.0          # length of the fade from the next lower resolution, at its start
    batch_size: int = 32            # over all replicas
    learning_rate: float = 0.001    # of both optimisers
    r1_gamma: float = 10.0          # weight of R1, its gradient taken at the full size R x R, as in the official code
    average_kimg: float = 10.0      # half-life of the generator's running average
    beta_1: float = 0.0             # of Adam

    def __post_init__(self):
        if self.kimg <= 0 or not 0 <= self.fade_kimg <= self.kimg or self.batch_size < 1:
            raise InputError(f"a stage needs 0 <= fade_kimg <= kimg, kimg > 0 and a batch size; got {self}")

    def images(self, kimg):
        """A length in images: whole batches, at least as many as `kimg`."""
        return math.ceil(kimg * 1000 / self.batch_size - 1e-9) * self.batch_size


@dataclasses.dataclass(frozen=True)
class Phase:
    """What holds from image `start` to image `stop`: one stage, either fading or settled; one trace of the step."""

    stage: Stage
    start: int
    stop: int
    fading: bool
    resets: bool    # whether the optimisers start afresh: where the resolution changes, and where a fade ends


def schedule(stages):
    """The phases of `stages`, in order: a list of Phase, each beginning where the one before it stops."""
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
    """G and D in training with the running average Gs of G.

    `begin(phase)` sets what holds during a phase; `train_step(images)` makes one G step and one D step.
    """

    def __init__(
        self,
        generator,                  # G, with `.mapping`, `.synthesis`, `.mix_styles`, `.updated_dlatent_avg`
        discriminator,              # D: images -> logits [N, 1]
        average,                    # Gs, a second generator like G
        r1_interval=1,              # R1 on every such step, that much stronger
        seed=0,                     # of all random numbers drawn in training
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
        """Set level and learning rate for the steps to come; reset the optimisers where the phase says so.

        The step has to be traced anew: a traced one keeps what held before.
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
        """All variables of the run, in a fixed order: networks, optimiser slots, counters."""
        networks = self.generator.weights + self.discriminator.weights + self.average.weights
        return networks + list(self.g_optimizer.variables) + list(self.d_optimizer.variables) + [
            self.step, self.images_seen]

    def train_step(self, images):
        """One step of D, then one of G against that D, each on images of fresh z.

        Args:
            images: uint8 [n, r, r, C], this replica's share of the real batch, r the resolution of the stage.
        Returns:
            dict of float32 scalars, means over the global batch: losses, penalty and scores.
        """
        batch, fade, seeds = global_batch(images), self._fade(), self._seeds(6)
        w, fakes = self._generate(tf.shape(images)[0], seeds[:3], fade)             # [n, R, R, C]
        terms = self._step_of_d(self._real_images(images, fade), fakes, fade, batch)
        self._update_averages(w, batch)     # of G as it was before its step, as in the published loop

        with tf.GradientTape() as tape:
            w, fakes = self._generate(tf.shape(images)[0], seeds[3:], fade)
            g_loss = losses.adversarial_loss(self._judge(fakes, fade))              # [n]
            total = tf.reduce_sum(g_loss) / batch
        gradients = tape.gradient(total, self.generator.trainable_variables)
        steps.apply(self.g_optimizer, gradients, self.generator.trainable_variables)
        self._update_center(w)
        return self._finish({"g_loss": g_loss, **terms}, batch)

    def _generate(self, count, seeds, fade):
        """w [n, L, D] of fresh z, and the images of these with styles mixed."""
        z_seed, mixing_seed, noise_seed = seeds
        w, other = self._codes(self._latents(count, z_seed))
        return w, self._draw(self.generator.mix_styles(w, other, mixing_seed, lod=self.level), noise_seed, fade)

    def _finish(self, terms, batch):
        """Count the step -> means of its terms."""
        self.step.assign_add(1)
        self.images_seen.assign_add(tf.cast(batch, tf.int64))
        return steps.global_means(terms, batch)

    def _judge(self, images, fade):
        """Logits of D, [n, 1]."""
        return self.discriminator(images, lod=self.level, fade=fade)

    def _draw(self, w, noise_seed, fade):
        """Images of G with noise of this replica's own, [n, R, R, C]."""
        return self.generator.synthesis(w, noise_seed=self._own(noise_seed), lod=self.level, fade=fade)

    def _step_of_d(self, reals, fakes, fade, batch):
        """One step of D -> its terms, [n] or [n, 1] each."""
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
        """Independent seeds, int64 [2] each, that depend on the run's seed and the step only."""
        seed = tf.random.experimental.stateless_fold_in(tf.constant([self.seed, 0]), self.step, alg="philox")
        return tf.unstack(tf.random.experimental.stateless_split(seed, count, alg="philox"))

    def _own(self, seed):
        """A seed of this replica's own."""
        replica = tf.distribute.get_replica_context()
        return tf.random.experimental.stateless_fold_in(seed, replica.replica_id_in_sync_group, alg="philox")

    def _fade(self):
        """Weight of the lower resolution: 1 at the start of a fade, 0 at its end; a Python 0 outside."""
        if not self.phase.fading:
            return 0.0
        done = tf.cast(self.images_seen - self.phase.start, tf.float32)
        return 1.0 - done / float(self.phase.stop - self.phase.start)

    def _real_images(self, images, fade):
        """uint8 [n, r, r, C] -> float32 [n, R, R, C] in [-1, 1], blended towards r/2 as the generated ones are."""
        x = tf.cast(images, tf.float32) / 127.5 - 1.0
        if self.phase.fading:
            x += (_repeat(tf.nn.avg_pool2d(x, 2, 2, "VALID"), 2) - x) * fade
        return _repeat(x, 2 ** self.level)

    def _latents(self, count, seed):
        """Fresh z, [2, n, Z]: the second ones are for mixing styles. Drawn for all replicas, each takes its share."""
        replica = tf.distribute.get_replica_context()
        shape = [2, count * replica.num_replicas_in_sync, self.generator.latent_size]
        first = count * replica.replica_id_in_sync_group
        return tf.random.stateless_normal(shape, seed)[:, first:first + count]

    def _codes(self, z):
        """z [2, n, Z] -> two w [n, L, D]."""
        return tf.split(self.generator.mapping(tf.reshape(z, [-1, self.generator.latent_size])), 2)

    def _with_r1(self, gradients, discriminate, reals, batch):
        """R1 of each image, zeros on steps without, and the gradients of D with those of R1 added."""
        variables = [v for g, v in zip(gradients, self.discriminator.trainable_variables) if g is not None]
        gamma = self.phase.stage.r1_gamma * self.r1_interval

        def penalised():
            with tf.GradientTape() as tape:
                penalty = losses.r1_penalty(discriminate, reals, gamma)             # [n]
                total = tf.reduce_sum(penalty) / batch
            extra = tape.gradient(total, variables)     # None for the last bias
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
        """w_avg of G; then Gs: trainable weights decay towards G's, the others (w_avg, noise) are copied."""
        center = self._update_center(w)
        decay = 0.5 ** (batch / (self.phase.stage.average_kimg * 1000))
        targets, values = [], []
        for source, target in zip(self.generator.trainable_variables, self.average.trainable_variables):
            targets.append(target)
            values.append(source + (target - source) * decay)
        _assign([*targets, self.average.dlatent_avg], [*values, center])

    def _update_center(self, w):
        """Move w_avg of G towards the mean w of the global batch -> its new value, [D]."""
        replica = tf.distribute.get_replica_context()
        center = replica.all_reduce("MEAN", self.generator.updated_dlatent_avg(w))
        _assign([self.generator.dlatent_avg], [center])
        return center


def train(model, phases, data, callbacks):
    """Run `model` through what is left of `phases`, from the image where it stands.

    Args:
        model: StyleGAN.
        phases: list of Phase, from `schedule`.
        data: function (stage, start) -> endless tf.data.Dataset of real images, from image `start` on, as
            `model.train_step` takes them.
        callbacks: Keras callbacks.
    """
    for phase in phases:
        seen = int(model.images_seen.numpy())
        if seen < phase.stop:
            model.begin(phase)
            loop.run(model, data(phase.stage, seen), (phase.stop - seen) // phase.stage.batch_size, callbacks)


def global_batch(images):
    """Size of the batch over all replicas, a float32 scalar."""
    return tf.cast(steps.global_batch(images), tf.float32)


def _counter(name):
    return tf.Variable(0, dtype=tf.int64, trainable=False, name=name,
                       aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)


def _repeat(x, factor):
    return tf.repeat(tf.repeat(x, factor, axis=1), factor, axis=2) if factor > 1 else x


def _assign(variables, values):
    """Assign values that are equal on all replicas."""
    def update(strategy, values):
        for variable, value in zip(variables, values):
            variable = variable if isinstance(variable, tf.Variable) else variable.value    # Keras 3 wraps it
            strategy.extended.update(variable, lambda v, x: v.assign(x), args=(value,))
    tf.distribute.get_replica_context().merge_call(update, args=(values,))
