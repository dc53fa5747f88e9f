"""Discriminators on features: their norm, losses by hand, a step that learns, and going on after a stop."""
from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tiny
from stylegan_training import SOURCE, Snapshot, values
from stylegan_training import small as small_networks

from tf_idinvert.data import pipeline
from tf_idinvert.training import feature_discriminators, state, stylegan
from tf_idinvert.training.feature_discriminators import FeatureDiscriminators
from tf_idinvert.training.pairs import PairedStage, PairedStyleGAN

STAGES = (PairedStage(8, 0.012, batch_size=4, learning_rate=0.01, feature_weight=2.0),)
SIZES = [(8, 4), (4, 6)]


def helpers(seed=0):
    """On the two convolutions of a small attribute network for 8 px."""
    tf.keras.utils.set_random_seed(seed)
    return FeatureDiscriminators(tiny.attributes(resolution=8).activations, SIZES, width=5)


def small(seed=0):
    return small_networks(seed, objective=lambda *networks, **settings: PairedStyleGAN(
        *networks, helpers=helpers(seed), **settings))


def batches(stage, start):
    return pipeline.staged({stage.resolution: pipeline.ArraySource(SOURCE, stage.resolution)}, None)(
        stage, 0, start, False)


def test_kernels_have_norm_one(rng):
    kernel = tf.constant(rng.standard_normal((4, 4, 3, 7)), tf.float32)
    matrix = feature_discriminators.normalised(kernel).numpy().reshape(-1, 7)
    assert np.linalg.norm(matrix, 2) == pytest.approx(1, rel=1e-4)
    assert tiny.relative(matrix * np.linalg.norm(kernel.numpy().reshape(-1, 7), 2),
                         kernel.numpy().reshape(-1, 7)) < 1e-4


def test_losses_by_hand():
    real, fake = [tf.constant([[[2.0]]]), tf.constant([[[0.5]]])], [tf.constant([[[-3.0]]]), tf.constant([[[0.25]]])]
    np.testing.assert_allclose(feature_discriminators.telling(real, fake), [0 + 0 + 0.5 + 1.25])
    np.testing.assert_allclose(feature_discriminators.fooling(fake), [3.0 - 0.25])


def test_features_have_the_deviation_of_the_real_ones(rng):
    reals, fakes = (tf.constant(rng.uniform(-1, 1, (4, 8, 8, 3)), tf.float32) for _ in range(2))
    found = helpers()
    real, fake = found.features(reals, fakes)
    plain = found.activations(reals), found.activations(fakes)
    for place, (side, channels) in enumerate(SIZES):
        assert real[place].shape == (4, side, side, channels)
        scale = 1 / np.sqrt(np.mean(np.square(plain[0][place]), axis=(0, 1, 2)) + 1e-3)
        np.testing.assert_allclose(real[place], plain[0][place] * scale, rtol=1e-4)
        np.testing.assert_allclose(fake[place], plain[1][place] * scale, rtol=1e-4)
    assert [each.shape for each in found(real)] == [(4, 4, 4), (4, 4, 4)]


def test_run_with_helpers_learns_and_goes_on_after_a_stop(eagerly, tmp_path):
    phases, whole, resumed = stylegan.schedule(STAGES), small(), small(seed=10)
    before = [variable.numpy() for variable in whole.helpers.trainable_variables]
    stylegan.train(whole, phases, batches, [Snapshot(4, tmp_path / "state.npz")])
    assert all(np.any(a != b.numpy()) for a, b in zip(before, whole.helpers.trainable_variables))
    state.load(tmp_path / "state.npz", resumed.state)
    stylegan.train(resumed, phases, batches, [])
    assert all(np.array_equal(a, b) for a, b in zip(values(resumed), values(whole)))
