"""StyleGAN training: one step by hand, growing, going on after a stop, replicas, export."""
from __future__ import annotations

import dataclasses
import json

import encoder_training as common
import numpy as np
import pytest
import tensorflow as tf
from stylegan_training import BETA, SOURCE, Snapshot, ToyDiscriminator, ToyGenerator, sgd, small, values

from tf_idinvert.data import pipeline
from tf_idinvert.training import state, stylegan
from tf_idinvert.training.stylegan import Stage

BATCH, GAMMA = 4, 3.0


# ------------------------------------------------------------------------------------------------- schedule

def test_schedule_of_growing_stages():
    phases = stylegan.schedule([Stage(8, 1, batch_size=300), Stage(16, 2, fade_kimg=1, batch_size=100),
                                Stage(16, 1, batch_size=64, learning_rate=0.1)])
    assert [(p.start, p.stop, p.fading, p.resets, p.stage.resolution) for p in phases] == [
        (0, 1200, False, True, 8), (1200, 2200, True, True, 16), (2200, 3200, False, True, 16),
        (3200, 4224, False, False, 16)]       # whole batches: 4 x 300 and 16 x 64


@pytest.mark.parametrize("wrong", [dict(kimg=0), dict(kimg=1, fade_kimg=2), dict(kimg=1, batch_size=0)])
def test_senseless_stage_is_refused(wrong):
    with pytest.raises(ValueError, match="a stage needs"):
        Stage(8, **wrong)


# ------------------------------------------------------------------------------- one step, by hand in NumPy

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
                               0, 1000, fading=False, resets=True))
    step = tf.function(model.train_step, autograph=False)
    x = images / 127.5 - 1
    for i in range(4):
        logs = {name: float(value) for name, value in step(tf.constant(images)).items()}
        real, fake = (x * a).sum((1, 2, 3)) + c, (theta * a).sum() + c
        weight = GAMMA * interval if i % interval == 0 else 0.0
        expected = dict(r1=weight / 2 * (a ** 2).sum(), real_score=real.mean(), fake_score=fake,
                        d_loss=np.log1p(np.exp(fake)) + np.log1p(np.exp(-real)).mean())
        g_a = sigmoid(fake) * theta - (sigmoid(-real)[:, None, None, None] * x).mean(0) + weight * a
        g_c = sigmoid(fake) - sigmoid(-real).mean()
        a, c = a - rate * g_a, c - rate * g_c
        average = theta + (average - theta) * 0.5 ** 0.5            # 4 images, half-life 8
        fake = (theta * a).sum() + c                                # G meets D after its step
        assert logs == pytest.approx(dict(expected, g_loss=np.log1p(np.exp(-fake))), rel=1e-4, abs=1e-5)
        theta = theta + rate * sigmoid(-fake) * a
    for variable, value in ((model.generator.theta, theta), (model.discriminator.a, a), (model.discriminator.c, c),
                            (model.average.theta, average)):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-4, atol=1e-5)
    for network, updates in ((model.generator, 8), (model.average, 7)):     # w_avg: two a step, the last one of G's
        np.testing.assert_allclose(network.dlatent_avg.numpy(), np.array([1, -2]) * (1 - BETA ** updates), rtol=1e-5)
    assert (int(model.step.numpy()), int(model.images_seen.numpy())) == (4, 4 * BATCH)


# ------------------------------------------------------------------------------------------- small networks

STAGES = (Stage(4, 0.008, batch_size=4, learning_rate=0.01, r1_gamma=1, average_kimg=0.01),
          Stage(8, 0.016, fade_kimg=0.008, batch_size=4, learning_rate=0.02, r1_gamma=1, average_kimg=0.01))


def batches(stage, start):
    source = pipeline.ArraySource(SOURCE, stage.resolution)
    return pipeline.batches(source, stage.batch_size, 0, start, mirror=True)


def test_run_from_a_snapshot_ends_in_the_same_weights(eagerly, tmp_path):
    phases = stylegan.schedule(STAGES)[:2]
    whole, resumed = small(), small(seed=10)
    before, path = values(whole), tmp_path / "state.npz"
    stylegan.train(whole, phases, batches, [Snapshot(12, path)])        # in the middle of the fade
    state.load(path, resumed.state)
    assert int(resumed.images_seen.numpy()) == 12
    stylegan.train(resumed, phases, batches, [])
    assert int(resumed.images_seen.numpy()) == int(whole.images_seen.numpy()) == 16
    assert all(np.array_equal(a, b) for a, b in zip(values(resumed), values(whole)))
    assert sum((a != b).any() for a, b in zip(before, values(whole))) > 0.8 * len(before)


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


def test_optimisers_start_afresh_at_both_ends_of_a_fade_and_only_there():
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
    assert not any(begin(rest, rest.start))
    assert all(begin(rest, rest.start + 4))


def test_fade_goes_from_one_to_nothing():
    model = small()
    model.begin(stylegan.Phase(STAGES[1], 100, 300, fading=True, resets=True))
    for seen, expected in ((100, 1.0), (150, 0.75), (300, 0.0)):
        model.images_seen.assign(seen)
        assert float(model._fade()) == pytest.approx(expected)


def test_real_images_fade_and_fill_the_full_size(rng):
    model = small()
    model.begin(stylegan.Phase(Stage(4, 1), 0, 100, fading=True, resets=True))
    images = rng.integers(0, 256, (2, 4, 4, 3), np.uint8)
    fine = images / 127.5 - 1
    coarse = fine.reshape(2, 2, 2, 2, 2, 3).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    expected = (0.25 * coarse + 0.75 * fine).repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(model._real_images(tf.constant(images), 0.25), expected, atol=1e-6)


def test_d_and_g_meet_images_of_different_z(monkeypatch):
    model, seen = small(), []
    model.begin(stylegan.schedule(STAGES)[0])
    codes = model._codes
    monkeypatch.setattr(model, "_codes", lambda z: seen.append(z.numpy()) or codes(z))
    model.train_step(tf.constant(pipeline.reduced(SOURCE[:4], 4)))
    of_d, of_g = seen
    assert of_d.shape == of_g.shape == (2, 4, model.generator.latent_size) and not np.intersect1d(of_d, of_g).size


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

    models, images, results = [sgd(small(), 0.01) for _ in range(2)], tf.constant(pipeline.reduced(SOURCE[:4], 4)), []
    monkeypatch.setattr(tf.random, "stateless_normal", normal)
    monkeypatch.setattr(tf.random, "stateless_uniform", lambda shape, seed: tf.constant([0.2, 0.7]))
    for model, jit in zip(models, (False, True)):
        model.begin(stylegan.Phase(Stage(4, 1, batch_size=4, r1_gamma=1, learning_rate=0.01), 0, 100, False, True))
        step = tf.function(model.train_step, jit_compile=True, autograph=False) if jit else model.train_step
        first, second = step(images), step(images)
        assert float(first["r1"]) > 0 and float(second["r1"]) == 0
        assert not jit or step.experimental_get_tracing_count() == 1
        results.append(values(model))
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


# -------------------------------------------------------------------------------------------- two replicas

def replicas(two):
    """Run by `test_replicas`, in other processes: train on one device and on two, into a fade, where the optimisers
    start afresh; print the largest differences.
    """
    phases = [stylegan.Phase(dataclasses.replace(stage, learning_rate=0.1), 4 * i, 4 * i + 4, i == 1, resets=True)
              for i, stage in enumerate(STAGES)]
    results = []
    for strategy in (tf.distribute.get_strategy(), two):
        with strategy.scope():
            model = sgd(small(use_noise=False, mbstd_group_size=0), 0.01)
        start = values(model)
        with common.eagerly():
            stylegan.train(model, phases, batches, [])
        results.append(values(model))
        assert strategy.num_replicas_in_sync == len(results)
    moved = [float(np.abs(a - b).max()) for a, b in zip(results[0], start)]
    apart = [float(np.abs(a - b).max()) for a, b in zip(*results)]
    count = len(model.generator.trainable_variables)
    print(json.dumps({"moved": max(moved[:count]), "apart": max(apart), "steps": int(model.step.numpy())}))
