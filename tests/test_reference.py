"""The official networks' own results: mapping, synthesis, truncation, scores, encoder, levels, gradients."""
from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tiny import relative

from tf_idinvert.checkpoint import load

NETWORKS = ("stylegan-32", "idinvert-128", "idinvert-v1-64")
FORWARD, GRADIENT = 1e-4, 1e-3


@pytest.fixture(scope="module", params=NETWORKS)
def official(request, reference_file):
    """(models, expected values) of one reference network."""
    return (load(reference_file(request.param, "network.pkl")),
            dict(np.load(reference_file(request.param, "expected.npz"))))


def test_mapping(official):
    models, expected = official
    assert relative(models.generator.mapping(expected["z"]), expected["dlatents"]) < FORWARD


def test_synthesis(official):
    models, expected = official
    images = models.generator.synthesis(expected["dlatents"])
    assert relative(images, expected["images"]) < FORWARD
    assert relative(images, expected["synthesis"]) < FORWARD


def test_truncation(official):
    models, expected = official
    assert relative(models.generator(expected["z"]), expected["images_psi07"]) < FORWARD
    images = models.generator(expected["z"], truncation_psi=0.7, truncation_cutoff=8)
    assert relative(images, expected["images_psi07"]) < FORWARD
    assert relative(models.generator(expected["z"], truncation_psi=1), expected["images"]) < FORWARD


def test_scores(official):
    models, expected = official
    assert relative(models.discriminator(expected["images"]), expected["scores"]) < FORWARD


@pytest.mark.parametrize("lod", ["0.4", "1.0", "1.7"])
def test_levels_of_detail(official, lod):
    models, expected = official
    images = models.generator.synthesis(expected["dlatents"], lod=float(lod))
    assert relative(images, expected[f"images_lod{lod}"]) < FORWARD
    scores = models.discriminator(expected[f"images_lod{lod}"], lod=float(lod))
    assert relative(scores, expected[f"scores_lod{lod}"]) < FORWARD


def test_encoder(official):
    models, expected = official
    if models.encoder is None:
        assert "codes" not in expected
        return
    codes = models.encoder(expected["x"])
    assert relative(codes, expected["codes"]) < FORWARD
    assert relative(models.generator.synthesis(codes), expected["reconstruction"]) < FORWARD


def test_gradient_of_synthesis(official):
    models, expected = official
    w = tf.constant(expected["dlatents"])
    with tf.GradientTape() as tape:
        tape.watch(w)
        energy = tf.reduce_sum(models.generator.synthesis(w) ** 2)
    assert relative(tape.gradient(energy, w), expected["grad_w"]) < GRADIENT


def test_squared_gradient_of_scores(official):
    models, expected = official
    images = tf.constant(expected["images"])
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = tf.reduce_sum(models.discriminator(images))
    gradient = tape.gradient(scores, images)
    assert relative(tf.reduce_sum(gradient ** 2, axis=[1, 2, 3]), expected["r1"]) < GRADIENT
