"""StyleGAN training with pairs: its terms by hand, known numbers of z, going on after a stop."""
from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from stylegan_training import SOURCE, Snapshot, ToyDiscriminator, ToyGenerator, sgd, values
from stylegan_training import small as small_networks

from tf_idinvert import losses
from tf_idinvert.data import pipeline
from tf_idinvert.training import state, stylegan
from tf_idinvert.training.pairs import PairedStage, PairedStyleGAN

BATCH = 4
PAIRED = (PairedStage(8, 0.024, batch_size=4, learning_rate=0.01, pair_weight=1, adversarial=False, beta_1=0.9,
                      center_weight=1),
          PairedStage(8, 0.008, batch_size=4, learning_rate=0.01, pair_weight=1, r1_gamma=1))
CODES = np.random.default_rng(1).standard_normal((10, 2)).astype("float32")


def small(**config):
    return small_networks(objective=PairedStyleGAN, **config)


def batches(stage, start):
    sources = {stage.resolution: pipeline.ArraySource(SOURCE, stage.resolution)}
    return pipeline.staged(sources, CODES)(stage, 0, start, False)


@pytest.mark.parametrize("squares", [0.0, 5.0])
def test_pair_term_by_hand(rng, squares):
    """Without D: theta moves along the sign of its difference to the pictures; D rests."""
    rate, weight = 0.1, 2.0
    theta, images = rng.standard_normal((16, 16, 3)), rng.integers(0, 256, (BATCH, 16, 16, 3), np.uint8)
    model = sgd(PairedStyleGAN(ToyGenerator(theta), ToyDiscriminator(theta), ToyGenerator(theta)), rate)
    model.generator.resolution = 16
    stage = PairedStage(16, 1, learning_rate=rate, pair_weight=weight, pair_squares=squares, adversarial=False)
    model.begin(stylegan.Phase(stage, 0, 1000, fading=False, resets=True))
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
    w, mixed, whole = model._mixed_codes(4, tf.constant([0, 1]), tf.constant([0, 2]), known)
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
        w, mixed, whole = model._mixed_codes(4, tf.constant([0, 1]), tf.constant([0, 2]), tf.constant(CODES[:4]))
        assert float(whole) == (not mixes) and np.any(w != mixed) == mixes


def test_paired_run_draws_nearer_and_goes_on_after_a_stop(eagerly, tmp_path):
    phases = stylegan.schedule(PAIRED)
    whole, resumed, logged = small(), small(seed=10), []
    log = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: logged.append(dict(logs)))
    stylegan.train(whole, phases, batches, [log, Snapshot(28, tmp_path / "state.npz")])
    distances = [logs["pair"] for logs in logged if set(logs) == {"pair"}]
    assert len(distances) == 6 and np.mean(distances[-3:]) < np.mean(distances[:3])
    assert {"pair", "g_loss", "d_loss"} <= set(logged[-1])
    state.load(tmp_path / "state.npz", resumed.state)
    stylegan.train(resumed, phases, batches, [])
    assert all(np.array_equal(a, b) for a, b in zip(values(resumed), values(whole)))


