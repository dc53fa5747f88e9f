"""Features of InceptionV3 from Keras' own kind of file; files that are not its weights."""
from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_idinvert.networks import inception
from tf_idinvert.networks.perceptual import FeaturesError


ARGUMENTS = dict(include_top=False, weights=None, pooling="avg", input_shape=(299, 299, 3))


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return keras.applications.InceptionV3(**ARGUMENTS)


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    """Weights as in the files that Keras distributes: groups by layer in order, each with its arrays' names."""
    path = tmp_path_factory.mktemp("inception") / "inception_notop.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        for layer in network.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{i}:0" for i in range(len(layer.weights))]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, values in zip(names, layer.get_weights()):
                group[name] = values
    return path


def test_features_are_those_of_keras(monkeypatch, network, file):
    pictures = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype("float32")
    expected = network(tf.image.resize(pictures, (299, 299)), training=False).numpy()

    def emptied(**given):
        assert given == ARGUMENTS
        network.set_weights([np.zeros(weight.shape, "float32") for weight in network.weights])
        return network

    monkeypatch.setattr(keras.applications, "InceptionV3", emptied)     # a second one takes seconds
    features = inception.InceptionFeatures(file)(tf.constant(pictures)).numpy()
    assert features.shape == (1, 2048)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-5)


def test_other_files_are_one_line(network, file, tmp_path):
    with h5py.File(file, "r+") as weights:
        name = next(name for name in weights.attrs["layer_names"] if len(weights[name].attrs["weight_names"]))
        array = weights[name].attrs["weight_names"][0]
        values = np.asarray(weights[name][array])
        del weights[name][array]
        weights[name].create_dataset(array, shape=(1 << 20, 1 << 20), dtype="float32")      # terabytes, unwritten
    with pytest.raises(FeaturesError, match="does not fit"):
        inception._load(network, file)
    with h5py.File(file, "r+") as weights:
        del weights[name][array]
        weights[name][array] = values
    (tmp_path / "text.h5").write_text("no")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    for path, message in (("text.h5", "not an HDF5 file"), ("gone.h5", "no such file"),
                          ("empty.h5", "not the weights of InceptionV3")):
        with pytest.raises(FeaturesError, match=message):
            inception._load(network, tmp_path / path)
