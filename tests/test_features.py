"""Feature networks by name, and their default weights, in Python and in the tools."""
from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_idinvert import checkpoint, features, inversion, losses
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.networks.perceptual import FeaturesError, VGG16Features, VGG16Layers
from tf_idinvert.restoration import multi_code
from tf_idinvert.training import encoder_recipes, in_domain

PORTRAITS = 20.0        # lambda_vgg with the attribute network's features


@pytest.fixture(scope="module")
def attributes():
    keras.utils.set_random_seed(0)
    return Attributes(["age"], resolution=16, widths=(4, 8), hidden=8)


@pytest.fixture(scope="module")
def path(attributes, tmp_path_factory):
    file = tmp_path_factory.mktemp("features") / "attributes.h5"
    checkpoint.save(checkpoint.Models(attributes=attributes), file)
    return file


def test_each_network_carries_its_weight(attributes):
    assert attributes.features.weight == PORTRAITS == encoder_recipes.portraits().options.feature_weight
    assert VGG16Features.weight == VGG16Layers.weight == losses.FEATURE_WEIGHT == in_domain.PAPER.feature_weight == 5e-5


def test_an_attribute_network_from_a_file(path, attributes):
    found = features.load(str(path), 16)
    pictures = np.random.default_rng(0).uniform(-1, 1, [2, 16, 16, 3]).astype("float32")
    np.testing.assert_array_equal(found(pictures), attributes.features(pictures))
    assert found.weight == PORTRAITS


@pytest.mark.parametrize("resolution, layers, words", [
    (32, None, "is for pictures of 16 px; the generator's have 32"), (16, {"block1_conv1": 1.0}, "are of VGG16")])
def test_what_does_not_fit_is_refused(path, resolution, layers, words):
    with pytest.raises(FeaturesError, match=words):
        features.load(str(path), resolution, layers)


def plain(images):
    return tf.reduce_mean(images, axis=-1)


def test_the_weight_of_an_optimisation_is_as_chosen_else_the_networks_own(attributes):
    for chosen, network, expected in (
            (None, attributes.features, PORTRAITS), (None, plain, 5e-5), (None, None, 0.0),
            (0.5, attributes.features, 0.5), (0.0, attributes.features, 0.0), (0.5, None, 0.0)):
        assert losses.feature_weight(network, chosen) == expected
        options = inversion.InversionOptions(feature_weight=chosen, domain_weight=0.0)
        found = inversion.Inversion(synthesis=None, features=network, options=options)
        assert found.options.feature_weight == expected and (found.features is None) == (expected == 0.0)


def test_the_same_for_multi_code_inversion(attributes):
    class Synthesis:
        last_start = 8

    for network, expected in (attributes.features, PORTRAITS), (plain, 5e-5), (None, 0.0):
        found = multi_code.MultiCode(synthesis=Synthesis(), degrade=None, features=network)
        assert found.options.feature_weight == expected


def test_inversion_minimises_with_the_networks_own_weight(attributes):
    """The total is that of Eq. (4) with the attribute network's weight, without a word about it."""
    def synthesis(codes):
        return tf.reshape(codes, [-1, 16, 16, 3])

    pictures = np.random.default_rng(1).uniform(-1, 1, [1, 16, 16, 3]).astype("float32")
    options = inversion.InversionOptions(steps=1, domain_weight=0.0)
    result = inversion.invert(pictures, synthesis=synthesis, features=attributes.features, options=options,
                              start=np.zeros([1, 1, 16 * 16 * 3], "float32"))
    found = {term: values[0, 0] for term, values in result.losses.items()}
    assert found["feature"] > 0
    np.testing.assert_allclose(found["total"], found["pixel"] + PORTRAITS * found["feature"], rtol=1e-5)
