"""mapping: z -> w against NumPy, both forms, labels, normalisation, configuration."""
from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tiny
from tiny import normal, relative

from tf_idinvert.networks.mapping import Mapping

CONFIG = dict(latent_size=6, dlatent_size=5, num_layers=4, mapping_layers=3, mapping_fmaps=7)
VARIANTS = [dict(), dict(layerwise=True), dict(label_size=3), dict(label_size=3, layerwise=True),
            dict(normalize_latents=False), dict(mapping_layers=1), dict(mapping_lrmul=1.0)]


def by_hand(mapping, z, labels):
    """w in NumPy, from the network's own variables."""
    config = mapping.get_config()
    x = z
    if config["label_size"]:
        x = np.concatenate([z, labels @ np.asarray(mapping.label_weight)], axis=1)
    if config["normalize_latents"]:
        x = x / np.sqrt((x ** 2).mean(axis=1, keepdims=True) + 1e-8)
    for dense in mapping.dense:
        lrmul = config["mapping_lrmul"]
        x = x @ (np.asarray(dense.weight) * np.sqrt(2 / x.shape[1]) * lrmul) + np.asarray(dense.bias) * lrmul
        x = np.where(x > 0, x, 0.2 * x)
    if config["layerwise"]:
        return x.reshape(len(z), config["num_layers"], config["dlatent_size"])
    return np.repeat(x[:, None], config["num_layers"], axis=1)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_mapping(variant):
    mapping = tiny.randomize(Mapping(**{**CONFIG, **variant}), 0)
    z, labels = normal(3, 6), np.eye(3, dtype="float32")
    given = labels if variant.get("label_size") else None
    w = mapping(z, labels=given)
    assert w.shape == (3, 4, 5)
    assert relative(w, by_hand(mapping, z, labels)) < 1e-5
    assert relative(tf.function(mapping)(z, labels=given), w) < 1e-6
    again = tiny.copy(mapping)
    assert again.get_config() == mapping.get_config()
    assert np.array_equal(again(z, labels=given), w)


def test_only_the_layerwise_form_tells_layers_apart():
    z = normal(3, 6)
    one, own = (np.asarray(Mapping(**CONFIG, layerwise=layerwise)(z)) for layerwise in (False, True))
    assert np.array_equal(one[:, 0], one[:, 3]) and not np.allclose(own[:, 0], own[:, 3])


def test_labels_matter_and_are_needed():
    mapping = Mapping(**CONFIG, label_size=2)
    z = normal(1, 6)
    assert not np.allclose(mapping(z, labels=[[1.0, 0.0]]), mapping(z, labels=[[0.0, 1.0]]))
    with pytest.raises(ValueError, match=r"needs labels \[N, 2\]; got none"):
        mapping(z)


def test_wrong_size():
    with pytest.raises(ValueError, match=r"z: expected \[N, 6\]; got \[1, 7\]"):
        Mapping(**CONFIG)(normal(1, 7))
