"""StyleGAN2's own results, of the published code on random weights, and its pickles: read, written, read again."""
from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tiny import relative

from tf_idinvert import checkpoint
from tf_idinvert.formats import pickles
from tf_idinvert.inversion import InversionOptions, invert
from tf_idinvert.networks.stylegan2_discriminator import StyleGAN2Discriminator
from tf_idinvert.networks.stylegan2_generator import StyleGAN2Generator

NETWORKS = {        # folder: architectures of G and D
    "sg2-f-32": ("skip", "resnet"), "sg2-e-64": ("skip", "resnet"), "sg2-d-32": ("growing", "growing"),
    "sg2-e-Gresnet-Dorig-32": ("resnet", "orig"), "sg2-labels-32": ("skip", "resnet"),
}
FORWARD, GRADIENT = 1e-4, 1e-3


@pytest.fixture(scope="module", params=NETWORKS)
def folder(request):
    return request.param


@pytest.fixture(scope="module")
def official(folder, reference_file):
    """(models, expected values) of one reference network."""
    return (checkpoint.load(reference_file(folder, "network.pkl")),
            dict(np.load(reference_file(folder, "expected.npz"))))


def test_what_it_is(official, folder):
    models, expected = official
    generator, discriminator = models.generator, models.discriminator
    assert (type(generator), type(discriminator)) == (StyleGAN2Generator, StyleGAN2Discriminator)
    assert type(models.training_generator) is StyleGAN2Generator and models.encoder is None
    assert (generator.synthesis.architecture, discriminator.architecture) == NETWORKS[folder]
    assert (generator.truncation_psi, generator.truncation_cutoff) == (0.5, None)
    assert expected["wp"].shape[1:] == (generator.num_layers, generator.dlatent_size)
    assert expected["z"].shape[1] == generator.latent_size and expected["x"].shape[1] == generator.resolution
    assert np.array_equal(generator.dlatent_avg, expected["dlatent_avg"])


def test_mapping(official):
    models, expected = official
    w = models.generator.mapping(expected["z"], labels=expected.get("labels"))
    assert w.shape[1] == models.generator.num_layers
    for layer in range(w.shape[1]):
        assert relative(w[:, layer], expected["dlatents"]) < FORWARD


def test_images_and_truncation(official):
    models, expected = official
    z, labels = expected["z"], expected.get("labels")
    first = z[:1], None if labels is None else labels[:1]
    for network, name, inputs, truncation in (
            (models.generator, "images", (z, labels), dict(truncation_psi=1)),
            (models.generator, "images_psi07", (z, labels), dict(truncation_psi=0.7)),
            (models.generator, "images_psi07_cutoff4", first, dict(truncation_psi=0.7, truncation_cutoff=4)),
            (models.generator, "images_default", first, {}),
            (models.training_generator, "images_G", first, dict(truncation_psi=1))):
        assert relative(network(inputs[0], labels=inputs[1], **truncation), expected[name]) < FORWARD, name


def test_synthesis_and_its_gradient(official):
    models, expected = official
    w = tf.constant(expected["wp"])
    with tf.GradientTape() as tape:
        tape.watch(w)
        images = models.generator.synthesis(w)
        energy = tf.reduce_sum(tf.reduce_mean(images ** 2, axis=[1, 2, 3]))
    assert relative(images, expected["images_wp"]) < FORWARD
    assert relative(tape.gradient(energy, w), expected["grad_w"]) < GRADIENT


def test_scores_and_their_gradient(official):
    models, expected = official
    x, labels = tf.constant(expected["x"]), expected.get("labels_x")
    with tf.GradientTape() as tape:
        tape.watch(x)
        scores = models.discriminator(x, labels=labels)
    assert relative(scores, expected["scores_x"]) < FORWARD
    assert relative(tape.gradient(scores, x)[:1], expected["grad_x"]) < GRADIENT
    two = models.discriminator(x[:2], labels=None if labels is None else labels[:2])
    assert relative(two, expected["scores_x_first2"]) < FORWARD
    of_images = models.discriminator(expected["images"], labels=expected.get("labels"))
    assert relative(of_images, expected["scores_images"]) < FORWARD


@pytest.mark.parametrize("folder", ["sg2-f-32", "sg2-d-32", "sg2-e-Gresnet-Dorig-32"], indirect=True, scope="module")
def test_inversion(official, eagerly):
    """Of one network of each architecture."""
    models, expected = official
    result = invert(expected["x"][:2], synthesis=models.generator.synthesis, start=expected["inv_start"],
                    options=InversionOptions(steps=10, feature_weight=0, domain_weight=0))
    after = np.mean((result.images - expected["x"][:2]) ** 2, axis=(1, 2, 3))
    assert relative([*result.losses["total"], after], expected["inv_losses"]) < GRADIENT
    assert relative(result.codes, expected["inv_w10"]) < GRADIENT
    assert relative(result.images[:1], expected["inv_images10"]) < GRADIENT


def test_written_and_read_again(official, folder, reference_file, tmp_path):
    """Through ours, the official pickle comes back with the same builders, arrays and names in the same order."""
    models, _ = official
    checkpoint.save(models, tmp_path / "x.h5")
    checkpoint.save(checkpoint.load(tmp_path / "x.h5"), tmp_path / "y.pkl")
    for before, after in zip(pickles.read(reference_file(folder, "network.pkl")), pickles.read(tmp_path / "y.pkl")):
        for one, other in [(before, after), *((before.components[part], after.components[part])
                                              for part in before.components)]:
            assert (one.name, one.build_func_name, one.version) == (other.name, other.build_func_name, other.version)
            assert list(one.variables) == list(other.variables) and list(one.components) == list(other.components)
            for name, array in one.variables.items():
                assert np.array_equal(array, other.variables[name]), name
            assert set(one.static_kwargs) <= set(other.static_kwargs)
            for name, value in one.static_kwargs.items():
                assert other.static_kwargs[name] == value, name
