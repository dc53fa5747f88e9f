"""Traditional encoder: steps by hand, the data, going on after a stop, replicas, export."""
from __future__ import annotations

import encoder_training as common
import numpy as np
import pytest
import tensorflow as tf

from tf_idinvert.training import steps, traditional


def small(seed=0, optimizer=None, resolution=8):
    encoder, generator, _, _ = common.networks(seed, resolution)
    return traditional.Traditional(encoder, generator, optimizer or common.sgd(0.05))


def batches(start=0):
    return traditional.latents(8, 8, seed=3, start=start)


def test_steps_by_hand(rng):
    world, rate = common.LinearWorld(rng), 0.05
    model = traditional.Traditional(world.encoder, world.generator, common.sgd(rate))
    step, e = tf.function(model.train_step, autograph=False), world.e
    for _ in range(3):
        z = rng.standard_normal((4, 3)).astype("float32")
        w = z @ world.f
        x = w @ world.g
        off = x @ e - w
        assert float(step(tf.constant(z))["e_loss"]) == pytest.approx((off ** 2).mean(), rel=1e-4)
        e = e - rate * x.T @ (2 / 6 * off) / 4
    np.testing.assert_allclose(world.encoder.matrix.numpy(), e, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(world.generator.synthesis.matrix.numpy(), world.g, rtol=1e-6)
    assert int(model.images_seen.numpy()) == 12 and len(model.trainable_variables) == 1


def test_loss_of_real_networks():
    model = small()
    z = tf.random.stateless_normal([8, 8], [1, 2])
    w = model.generator.mapping(z)
    codes = model.encoder(model.generator.synthesis(w), training=True)
    expected = np.mean((np.asarray(codes, "float64") - np.asarray(w)) ** 2)
    assert float(small().train_step(z)["e_loss"]) == pytest.approx(expected, rel=1e-4)


def test_latents_are_normal_and_go_on_where_they_stopped():
    several = [np.asarray(z) for z in traditional.latents(8, 500, seed=3).take(3)]
    assert several[0].shape == (500, 8) and abs(several[0].mean()) < 0.1 and abs(several[0].std() - 1) < 0.1
    assert not np.array_equal(several[0], several[1])
    later = next(iter(traditional.latents(8, 500, seed=3, start=1000)))
    assert np.array_equal(later, several[2])
    other = next(iter(traditional.latents(8, 500, seed=4)))
    assert not np.array_equal(other, several[0])


def test_resumed_run_goes_on_as_if_not_stopped(tmp_path):
    common.check_resume(lambda seed: small(seed, steps.adam(steps.decaying_rate(80, 8, 0.01))), batches,
                        tmp_path / "state.npz")


def replicas(strategy):
    """Run by `test_replicas`, in another process."""
    common.run_replicas(strategy, small, batches)
