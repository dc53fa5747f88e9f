"""StyleGAN training: one step by hand, growing, going on after a stop, replicas, export."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from tf_idinvert import losses
from tf_idinvert.data import pipeline
from tf_idinvert.training import state, stylegan
from tf_idinvert.training.stylegan import Stage

BATCH, BETA, GAMMA = 4, 0.9, 3.0


# ------------------------------------------------------------------------------------------------- schedule

def test_schedule_of_growing_stages():
    phases = stylegan.schedule([Stage(8, 1, batch_size=300), Stage(16, 2, fade_kimg=1, batch_size=100),
                                Stage(16, 1, batch_size=64, learning_rate=0.1)])
    assert [(p.start, p.stop, p.fading, p.grows, p.stage.resolution) for p in phases] == [
        (0, 1200, False, True, 8), (1200, 2200, True, True, 16), (2200, 3200, False, False, 16),
        (3200, 4224, False, False, 16)]       # whole batches: 4 x 300 and 16 x 64


@pytest.mark.parametrize("wrong", [dict(kimg=0), dict(kimg=1, fade_kimg=2), dict(kimg=1, batch_size=0)])
def test_senseless_stage_is_refused(wrong):
    with pytest.raises(ValueError, match="a stage needs"):
        Stage(8, **wrong)


# ------------------------------------------------------------------------------- one step, by hand in NumPy

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


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("interval", [1, 3])
def test_steps_by_hand(interval, rng):
    rate = 0.1
    theta, a, c = rng.standard_normal((4, 4, 3)), rng.standard_normal((4, 4, 3)) * 0.1, 0.0
    images = rng.integers(0, 256, (BATCH, 4, 4, 3), np.uint8)
    average = theta.copy()
    model = sgd(stylegan.StyleGAN(ToyGenerator(theta), ToyDiscriminator(a), ToyGenerator(theta * 0), interval), rate)
    model.begin(stylegan.Phase(Stage(4, 1, batch_size=BATCH, r1_gamma=GAMMA, learning_rate=rate, average_kimg=0.008),
                               0, 1000, fading=False, grows=True))
    step = tf.function(model.train_step)
    x = images / 127.5 - 1
    for i in range(4):
        logs = {name: float(value) for name, value in step(tf.constant(images)).items()}
        real, fake = (x * a).sum((1, 2, 3)) + c, (theta * a).sum() + c
        weight = GAMMA * interval if i % interval == 0 else 0.0
        expected = dict(g_loss=np.log1p(np.exp(-fake)), r1=weight / 2 * (a ** 2).sum(), real_score=real.mean(),
                        fake_score=fake, d_loss=np.log1p(np.exp(fake)) + np.log1p(np.exp(-real)).mean())
        assert logs == pytest.approx(expected, rel=1e-4, abs=1e-5)
        g_theta = -sigmoid(-fake) * a
        g_a = sigmoid(fake) * theta - (sigmoid(-real)[:, None, None, None] * x).mean(0) + weight * a
        g_c = sigmoid(fake) - sigmoid(-real).mean()
        theta, a, c = theta - rate * g_theta, a - rate * g_a, c - rate * g_c
        average = theta + (average - theta) * 0.5 ** 0.5            # 4 images, half-life 8
    for variable, value in ((model.generator.theta, theta), (model.discriminator.a, a), (model.discriminator.c, c),
                            (model.average.theta, average)):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-4, atol=1e-5)
    center = np.array([1, -2]) * (1 - BETA ** 4)
    np.testing.assert_allclose(model.generator.dlatent_avg.numpy(), center, rtol=1e-5)
    np.testing.assert_allclose(model.average.dlatent_avg.numpy(), center, rtol=1e-5)
    assert (int(model.step.numpy()), int(model.images_seen.numpy())) == (4, 4 * BATCH)


@pytest.mark.parametrize("squares", [0.0, 5.0])
def test_pair_term_by_hand(rng, squares):
    """Without D: theta moves along the sign of its difference to the pictures; D rests."""
    rate, weight = 0.1, 2.0
    theta, images = rng.standard_normal((16, 16, 3)), rng.integers(0, 256, (BATCH, 16, 16, 3), np.uint8)
    model = sgd(stylegan.StyleGAN(ToyGenerator(theta), ToyDiscriminator(theta), ToyGenerator(theta)), rate)
    model.generator.resolution = 16
    stage = Stage(16, 1, learning_rate=rate, pair_weight=weight, pair_squares=squares, adversarial=False)
    model.begin(stylegan.Phase(stage, 0, 1000, fading=False, grows=True))
    x = tf.constant(images / 127.5 - 1, tf.float32)
    with tf.GradientTape() as tape:
        variable = tf.Variable(theta, dtype=tf.float32)
        drawn = tf.tile(variable[None], [BATCH, 1, 1, 1])
        expected = tf.reduce_mean(losses.laplacian_distance(x, drawn)) + squares * tf.reduce_mean(tf.square(x - drawn))
        total = weight * expected
    logs = model.train_step((tf.constant(images), tf.zeros([BATCH, 2])))
    assert {name: float(value) for name, value in logs.items()} == {"pair": pytest.approx(float(expected), rel=1e-5)}
    np.testing.assert_allclose(model.generator.theta.numpy(), theta - rate * tape.gradient(total, variable), atol=1e-5)
    np.testing.assert_array_equal(model.discriminator.a.numpy(), theta.astype("float32"))


# ------------------------------------------------------------------------------------------- small networks

def small(seed=0, **config):
    """Small networks in training, R1 on every second step; `seed` draws the weights."""
    shared = dict(resolution=8, fmap_base=32, fmap_max=8, fused_scale=True)
    generator = dict(shared, layerwise=True, use_noise=config.get("use_noise", True))
    discriminator = dict(shared, mbstd_group_size=config.get("mbstd_group_size", 4))
    return stylegan.StyleGAN(tiny.generator(seed, **generator), tiny.discriminator(seed + 1, **discriminator),
                             tiny.generator(seed, **generator), r1_interval=2, seed=5)


STAGES = (Stage(4, 0.008, batch_size=4, learning_rate=0.01, r1_gamma=1, average_kimg=0.01),
          Stage(8, 0.016, fade_kimg=0.008, batch_size=4, learning_rate=0.02, r1_gamma=1, average_kimg=0.01))
PAIRED = (Stage(8, 0.04, batch_size=4, learning_rate=0.01, pair_weight=1, adversarial=False, beta_1=0.9,
                center_weight=1),
          Stage(8, 0.008, batch_size=4, learning_rate=0.01, pair_weight=1, r1_gamma=1))
SOURCE = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), np.uint8)


CODES = np.random.default_rng(1).standard_normal((10, 2)).astype("float32")


def batches(stage, start):
    labels = CODES if stage.pair_weight else None
    source = pipeline.ArraySource(SOURCE, stage.resolution)
    return pipeline.batches(source, stage.batch_size, 0, start, mirror=labels is None, labels=labels)


def values(model):
    return [variable.numpy() for variable in model.state]


class Kill(keras.callbacks.Callback):
    """Breaks off after the step that reaches `images`, and keeps what a snapshot at that point would."""

    def __init__(self, images, path):
        super().__init__()
        self.images, self.path = images, path

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.images_seen.numpy()) == self.images:
            state.save(self.path, self.model.state)
            raise InterruptedError


def test_killed_run_ends_in_the_same_weights(tmp_path):
    phases = stylegan.schedule(STAGES)[:2]
    whole, killed, resumed = small(), small(), small(seed=10)
    before, path = values(whole), tmp_path / "state.npz"
    stylegan.train(whole, phases, batches, [])
    with pytest.raises(InterruptedError):
        stylegan.train(killed, phases, batches, [Kill(12, path)])       # in the middle of the fade
    state.load(path, resumed.state)
    assert int(resumed.images_seen.numpy()) == 12
    stylegan.train(resumed, phases, batches, [])
    assert int(resumed.images_seen.numpy()) == int(whole.images_seen.numpy()) == 16
    assert all(np.array_equal(a, b) for a, b in zip(values(resumed), values(whole)))
    assert sum((a != b).any() for a, b in zip(before, values(whole))) > 0.8 * len(before)


def test_center_term_has_the_gradient_of_the_mean_codes_distance(rng):
    model = small()
    w = tf.Variable(rng.standard_normal((4, 6, model.generator.dlatent_size)), dtype=tf.float32)
    model.generator.dlatent_avg.assign(rng.standard_normal(model.generator.dlatent_size))
    with tf.GradientTape(persistent=True) as tape:
        total = tf.reduce_mean(model._off_center(w))
        expected = tf.reduce_mean(tf.square(tf.reduce_mean(w, axis=0) - model.generator.dlatent_avg))
    np.testing.assert_allclose(tape.gradient(total, w), tape.gradient(expected, w), rtol=1e-4, atol=1e-7)


def test_known_numbers_are_the_first_of_z():
    model, seen = small(), []
    model.begin(stylegan.schedule(PAIRED)[0])
    mapping = model.generator.mapping
    model.generator.mapping = lambda z: seen.append(z.numpy()) or mapping(z)
    known = tf.constant(CODES[:4])
    w, mixed, whole = model._codes(4, tf.constant([0, 1]), tf.constant([0, 2]), known)
    z = seen[0].reshape(2, 4, -1)
    np.testing.assert_array_equal(z[0, :, :2], known)
    fresh = tf.random.stateless_normal(z.shape, tf.constant([0, 1])).numpy()
    np.testing.assert_array_equal(z[0, :, 2:], fresh[0, :, 2:])
    np.testing.assert_array_equal(z[1], fresh[1])


def test_pair_term_counts_where_no_styles_are_mixed():
    model = small()
    model.begin(stylegan.schedule(PAIRED)[1])
    for probability, mixes in ((0.0, False), (1.0, True)):
        model.generator.style_mixing_prob = probability
        w, mixed, whole = model._codes(4, tf.constant([0, 1]), tf.constant([0, 2]), tf.constant(CODES[:4]))
        assert float(whole) == (not mixes) and np.any(w != mixed) == mixes


def test_paired_run_draws_nearer_and_goes_on_after_a_stop(tmp_path):
    phases = stylegan.schedule(PAIRED)
    whole, killed, resumed = small(), small(), small(seed=10)
    logged = []
    log = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: logged.append(dict(logs)))
    stylegan.train(whole, phases, batches, [log])
    distances = [logs["pair"] for logs in logged if set(logs) == {"pair"}]
    assert len(distances) == 10 and np.mean(distances[-3:]) < np.mean(distances[:3])
    assert {"pair", "g_loss", "d_loss"} <= set(logged[-1])
    with pytest.raises(InterruptedError):
        stylegan.train(killed, phases, batches, [Kill(44, tmp_path / "state.npz")])
    state.load(tmp_path / "state.npz", resumed.state)
    stylegan.train(resumed, phases, batches, [])
    assert all(np.array_equal(a, b) for a, b in zip(values(resumed), values(whole)))


def test_finished_run_has_nothing_left_to_do():
    model = small()
    model.images_seen.assign(24)
    before = values(model)
    stylegan.train(model, stylegan.schedule(STAGES), batches, [])
    assert all(np.array_equal(a, b) for a, b in zip(values(model), before))


def test_layers_of_higher_resolutions_rest_until_their_stage():
    model = small()
    model.begin(stylegan.schedule(STAGES)[0])
    variables = model.generator.trainable_variables + model.discriminator.trainable_variables
    before = [v.numpy() for v in variables]
    for _ in range(2):
        model.train_step(tf.constant(pipeline.reduced(SOURCE[:4], 4)))
    synthesis, discriminator = model.generator.synthesis, model.discriminator
    finer = [*synthesis.styled[2:], synthesis.to_rgb[1], discriminator.from_rgb[0], discriminator.conv0[0],
             discriminator.conv1_down[0]]
    resting = {id(v) for layer in finer for v in layer.trainable_variables}
    moved = {id(v) for v, old in zip(variables, before) if (v.numpy() != old).any()}
    assert not moved & resting
    assert len(moved) > 0.9 * (len(variables) - len(resting))


def test_optimisers_start_afresh_where_the_resolution_changes_and_only_there():
    model = small()
    _, fading, rest = stylegan.schedule(STAGES)

    def begin(phase, seen):
        for variable in list(model.g_optimizer.variables) + list(model.d_optimizer.variables):
            variable.assign(tf.ones_like(tf.convert_to_tensor(variable)))
        model.images_seen.assign(seen)
        model.begin(phase)
        assert float(tf.convert_to_tensor(model.g_optimizer.learning_rate)) == pytest.approx(0.02)
        return [float(np.sum(v.numpy())) for v in model.d_optimizer.variables if len(v.shape)]

    assert not any(begin(fading, fading.start)) and int(model.g_optimizer.iterations.numpy()) == 0
    assert all(begin(fading, fading.start + 4)) and int(model.g_optimizer.iterations.numpy()) == 1   # taken up midway
    assert all(begin(rest, rest.start))


def test_fade_goes_from_one_to_nothing():
    model = small()
    model.begin(stylegan.Phase(STAGES[1], 100, 300, fading=True, grows=True))
    for seen, expected in ((100, 1.0), (150, 0.75), (300, 0.0)):
        model.images_seen.assign(seen)
        assert float(model._fade()) == pytest.approx(expected)


def test_real_images_fade_and_fill_the_full_size(rng):
    model = small()
    model.begin(stylegan.Phase(Stage(4, 1), 0, 100, fading=True, grows=True))
    images = rng.integers(0, 256, (2, 4, 4, 3), np.uint8)
    fine = images / 127.5 - 1
    coarse = fine.reshape(2, 2, 2, 2, 2, 3).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    expected = (0.25 * coarse + 0.75 * fine).repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(model._real_images(tf.constant(images), 0.25), expected, atol=1e-6)


def test_every_step_and_purpose_has_its_own_random_numbers():
    model = small()
    seeds = [seed.numpy() for seed in model._seeds(3)]
    model.step.assign_add(1)
    seeds += [seed.numpy() for seed in model._seeds(3)]
    assert len({tuple(seed) for seed in seeds}) == 6


def test_step_compiled_by_xla_is_the_same_step(monkeypatch):
    def normal(shape, seed):        # XLA draws other numbers than TensorFlow from the same seed
        places = tf.range(tf.cast(tf.reduce_prod(shape), tf.float32))
        return tf.reshape(2 * tf.sin(places * 1.7 + tf.cast(seed[1] % 7, tf.float32)), shape)

    models, images, results = [sgd(small(), 0.01) for _ in range(2)], tf.constant(SOURCE[:4]), []
    monkeypatch.setattr(tf.random, "stateless_normal", normal)
    monkeypatch.setattr(tf.random, "stateless_uniform", lambda shape, seed: tf.constant([0.2, 0.7]))
    for model, jit in zip(models, (False, True)):
        model.begin(stylegan.Phase(Stage(8, 1, batch_size=4, r1_gamma=1, learning_rate=0.01), 0, 100, False, True))
        step = tf.function(model.train_step, jit_compile=True) if jit else model.train_step
        first, second = step(images), step(images)
        assert float(first["r1"]) > 0 and float(second["r1"]) == 0
        assert not jit or step.experimental_get_tracing_count() == 1
        results.append(values(model))
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


# -------------------------------------------------------------------------------------------- two replicas

def run_replicas():
    """In a process of its own: train on one and on two logical CPU devices; print the largest differences."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    phases = [stylegan.Phase(STAGES[1], 0, 8, fading=True, grows=True)]
    results = []
    for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
        with strategy.scope():
            model = sgd(small(use_noise=False, mbstd_group_size=0), 0.01)
        start = values(model)
        stylegan.train(model, phases, batches, [])
        results.append(values(model))
        assert strategy.num_replicas_in_sync == len(results)
    moved = [float(np.abs(a - b).max()) for a, b in zip(results[0], start)]
    apart = [float(np.abs(a - b).max()) for a, b in zip(*results)]
    count = len(model.generator.trainable_variables)
    print(json.dumps({"moved": max(moved[:count]), "apart": max(apart), "steps": int(model.step.numpy())}))


def test_two_replicas_train_like_one():
    root = Path(__file__).parents[1]
    code = "import test_stylegan; test_stylegan.run_replicas()"
    path = os.pathsep.join([str(root / "tests"), str(root), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1"})
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["steps"] == 2 and found["moved"] > 0.01 and found["apart"] < 1e-3 * found["moved"], found
