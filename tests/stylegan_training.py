"""Shared by the tests of both StyleGAN trainings: networks of one weight for steps by hand, small ones, a stop."""
from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tiny

from tf_idinvert.training import state, stylegan

BETA = 0.9
SOURCE = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), np.uint8)


class ToyGenerator(keras.Model):
    """Always the same w and the same picture `theta`, which is its one weight."""

    resolution, latent_size = 4, 3

    def __init__(self, theta):
        super().__init__()
        self.theta = self.add_weight(name="theta", shape=theta.shape, initializer="zeros")
        self.dlatent_avg = self.add_weight(name="dlatent_avg", shape=(2,), initializer="zeros", trainable=False)
        self.theta.assign(theta)
        self.built = True

    def mapping(self, z):
        return tf.tile(tf.constant([[[1.0, -2.0]]]), [tf.shape(z)[0], 5, 1])

    def mix_styles(self, w, other, seed, lod):
        return w

    def updated_dlatent_avg(self, w):
        return BETA * tf.convert_to_tensor(self.dlatent_avg) + (1 - BETA) * tf.reduce_mean(w[:, 0], axis=0)

    def synthesis(self, w, noise_seed, lod, fade):
        return tf.tile(tf.convert_to_tensor(self.theta)[None], [tf.shape(w)[0], 1, 1, 1])


class ToyDiscriminator(keras.Model):
    """D(x) = <a, x> + c, whose gradient is a."""

    def __init__(self, a):
        super().__init__()
        self.a = self.add_weight(name="a", shape=a.shape, initializer="zeros")
        self.c = self.add_weight(name="c", shape=(), initializer="zeros")
        self.a.assign(a)
        self.built = True

    def call(self, x, lod=None, fade=None):
        return tf.reduce_sum(x * tf.convert_to_tensor(self.a), axis=[1, 2, 3])[:, None] + self.c


def sgd(model, rate=0.1):
    """The model with plain gradient descent, which unlike Adam shows the scale of a gradient."""
    model.g_optimizer, model.d_optimizer = keras.optimizers.SGD(rate), keras.optimizers.SGD(rate)
    model.g_optimizer.build(model.generator.trainable_variables)
    model.d_optimizer.build(model.discriminator.trainable_variables)
    return model


def small(seed=0, objective=stylegan.StyleGAN, **config):
    """Small networks in training, R1 on every second step; `seed` draws the weights."""
    shared = dict(resolution=8, fmap_base=32, fmap_max=8, fused_scale=True)
    generator = dict(shared, layerwise=True, use_noise=config.get("use_noise", True))
    discriminator = dict(shared, mbstd_group_size=config.get("mbstd_group_size", 4))
    return objective(tiny.generator(seed, **generator), tiny.discriminator(seed + 1, **discriminator),
                     tiny.generator(seed, **generator), r1_interval=2, seed=5)


def values(model):
    return [variable.numpy() for variable in model.state]


class Snapshot(keras.callbacks.Callback):
    """Keep the state after the step that reaches `images`, from which a killed run would resume."""

    def __init__(self, images, path):
        super().__init__()
        self.images, self.path = images, path

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.images_seen.numpy()) == self.images:
            state.save(self.path, self.model.state)
