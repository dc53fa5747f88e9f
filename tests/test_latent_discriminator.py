"""latent_discriminator: both designs in NumPy, what they can and cannot distinguish, configuration, files."""
from __future__ import annotations

import json

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from tiny import normal, relative

from tf_idinvert.checkpoint import CheckpointError, Models, load, save
from tf_idinvert.formats import weights
from tf_idinvert.formats.hdf5 import CHECKSUM
from tf_idinvert.networks.latent_discriminator import DESIGNS, LatentDiscriminator

SMALL = dict(num_layers=6, dlatent_size=8, mlp_layers=2, mlp_fmaps=5)


def discriminator(**config):
    return tiny.randomize(LatentDiscriminator(**{**SMALL, **config}), seed=4)


def activate(x):
    return np.where(x > 0, x, 0.2 * x)


def dense(x, layer, gain):
    weight = np.asarray(layer.weight, "float64")
    return x @ weight * gain / np.sqrt(len(weight)) + np.asarray(layer.bias)


def test_layerwise_by_hand():
    network, w = discriminator(), normal(3, 6, 8)
    logits = np.zeros((3, 6))
    for layer in range(6):
        x = activate(dense(w[:, layer], network.dense[0], 2 ** 0.5) + np.asarray(network.layer_embedding)[layer])
        logits[:, layer] = dense(activate(dense(x, network.dense[1], 2 ** 0.5)), network.logit, 1.0)[:, 0]
    assert network(w).shape == (3, 1)
    assert relative(network(w), logits.mean(axis=1, keepdims=True)) < 1e-5


def test_whole_by_hand():
    network, w = discriminator(design="whole"), normal(3, 6, 8)
    x = activate(dense(w.reshape(3, 48), network.dense[0], 2 ** 0.5))
    expected = dense(activate(dense(x, network.dense[1], 2 ** 0.5)), network.logit, 1.0)
    assert network(w).shape == (3, 1) and relative(network(w), expected) < 1e-5


def test_layerwise_knows_the_layer_and_judges_each_for_itself():
    network, w = discriminator(), normal(1, 6, 8)
    scores = np.asarray(network(np.concatenate([w, w[:, ::-1]])))
    assert abs(scores[0, 0] - scores[1, 0]) > 1e-3
    changed = w.copy()
    changed[:, 2] += 1
    added = np.asarray(network(changed) - network(w))
    elsewhere = np.concatenate([w[:, :2], changed[:, 2:3], -w[:, 3:]], axis=1)
    without = np.concatenate([w[:, :3], -w[:, 3:]], axis=1)
    assert relative(network(elsewhere) - network(without), added) < 1e-3


def test_whole_sees_how_layers_go_together():
    network, w = discriminator(design="whole"), normal(1, 6, 8)
    changed = w.copy()
    changed[:, 2] += 1
    elsewhere = np.concatenate([w[:, :2], changed[:, 2:3], -w[:, 3:]], axis=1)
    without = np.concatenate([w[:, :3], -w[:, 3:]], axis=1)
    assert relative(network(elsewhere) - network(without), network(changed) - network(w)) > 1e-2


@pytest.mark.parametrize("design", DESIGNS)
def test_layers_start_distinct_and_scores_near_zero(design):
    keras.utils.set_random_seed(0)
    network = LatentDiscriminator(**{**SMALL, "design": design, "mlp_fmaps": 64})
    scores = np.asarray(network(normal(500, 6, 8)))
    assert scores.std() < 3 and np.isfinite(scores).all()
    if design == "layerwise":
        assert np.unique(np.asarray(network.layer_embedding)).size == 6 * 64


@pytest.mark.parametrize("design, size", [("layerwise", 14 * 512 + 4 * (512 * 512 + 512) + 513),
                                          ("whole", 14 * 512 * 512 + 512 + 3 * (512 * 512 + 512) + 513)])
def test_sizes(design, size):
    network = LatentDiscriminator(design=design)
    assert sum(int(np.prod(variable.shape)) for variable in network.trainable_variables) == size


def test_codes_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"w: expected \[N, 6, 8\]; got \[2, 12, 4\]"):
        discriminator()(normal(2, 12, 4))
    with pytest.raises(ValueError, match="design must be one of layerwise, whole; got 'both'"):
        discriminator(design="both")


# ------------------------------------------------------------------------------------------------- weights and files

@pytest.mark.parametrize("design", DESIGNS)
def test_every_variable_is_in_the_table_once(design):
    network = discriminator(design=design)
    rows = weights.table(network)
    assert len({name for name, _, _ in rows}) == len(rows)
    assert sorted(id(variable) for _, variable, _ in rows) == sorted(id(variable) for variable in network.variables)


@pytest.mark.parametrize("design", DESIGNS)
def test_file_there_and_back(tmp_path, design):
    network, w = discriminator(design=design), normal(3, 6, 8)
    save(Models(latent_discriminator=network, generator=tiny.generator()), tmp_path / "x.h5")
    again = load(tmp_path / "x.h5").latent_discriminator
    assert again.get_config() == network.get_config() and np.array_equal(again(w), network(w))
    assert load(tmp_path / "x.h5", only=("generator",)).latent_discriminator is None


def test_no_place_in_an_official_file(tmp_path):
    models = tiny.models()
    models.latent_discriminator = discriminator()
    with pytest.raises(CheckpointError, match="an official pickle has no place for a latent discriminator"):
        save(models, tmp_path / "x.pkl")
    assert not list(tmp_path.iterdir())


def test_that_does_not_fit_the_generator(tmp_path):
    save(Models(latent_discriminator=discriminator(num_layers=4), generator=tiny.generator()), tmp_path / "x.h5")
    with pytest.raises(CheckpointError, match=r"latent discriminator and generator do not fit: L, D are \(4, 8\) and "):
        load(tmp_path / "x.h5")


@pytest.mark.parametrize("change", [
    dict(num_layers=10 ** 9), dict(dlatent_size=10 ** 9), dict(mlp_layers=10 ** 9), dict(mlp_fmaps=10 ** 9),
    dict(mlp_layers=0), dict(mlp_layers=1), dict(design="whole"), dict(design="both"), dict(design=["layerwise"]),
    dict(design=None), dict(mlp_fmaps=None), dict(unknown=1)], ids=str)
@pytest.mark.parametrize("design", DESIGNS)
def test_arguments_that_are_not_those_of_the_file(tmp_path, design, change):
    if change == dict(design=design):
        change = dict(design="layerwise")
    save(Models(latent_discriminator=discriminator(design=design)), tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        attributes = file["latent_discriminator"].attrs
        attributes["config"] = json.dumps({**json.loads(attributes["config"]), **change})
        del attributes[CHECKSUM]
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / "x.h5")
    assert "latentdiscriminator: " in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("design", DESIGNS)
def test_gradients_reach_every_weight(design):
    network = discriminator(design=design)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(network(normal(4, 6, 8)))
    assert all(np.abs(gradient).max() > 0 for gradient in tape.gradient(total, network.trainable_variables))
