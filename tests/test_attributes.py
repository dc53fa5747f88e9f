"""The attribute network and its training: shapes, losses by hand, and that it learns."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_idinvert.metrics.agreement import agreement
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.training.attributes import AttributeTraining


@pytest.fixture
def network():
    keras.utils.set_random_seed(0)
    return Attributes(["light", "turned", "lit"], binary=["lit"], resolution=16, widths=(4, 8, 8), hidden=8)


def pictures(count, seed):
    """Grey pictures: brightness, brightness of the left half over the right one, and whether the middle is lit."""
    rng = np.random.default_rng(seed)
    light, turned, lit = rng.uniform(0, 1, count), rng.uniform(-1, 1, count), rng.integers(0, 2, count)
    x = np.full([count, 16, 16, 3], 60.0) + 80 * light[:, None, None, None]
    x[:, :, :8] += 40 * turned[:, None, None, None]
    x[:, :, 8:] -= 40 * turned[:, None, None, None]
    x[lit == 1, 4:12, 4:12] = 255
    return x.clip(0, 255).astype("uint8"), np.stack([light, turned, lit], 1).astype("float32")


def test_shapes_and_config(network):
    x = np.zeros([3, 16, 16, 3], "float32")
    assert network(x).shape == (3, 3) and network.embedding(x).shape == (3, 8)
    assert network.features(x).shape == (3, 8, 8, 8)
    twin = Attributes.from_config(network.get_config())
    assert twin.get_config() == network.get_config()
    twin.set_weights(network.get_weights())
    np.testing.assert_array_equal(twin(x), network(x))


def test_binary_attributes_come_as_probabilities(network):
    x = pictures(4, 0)[0] / np.float32(127.5) - 1
    scores, named = np.asarray(network(x)), network.predict_attributes(x)
    np.testing.assert_allclose(named["light"], scores[:, 0])
    np.testing.assert_allclose(named["lit"], 1 / (1 + np.exp(-scores[:, 2])), rtol=1e-5)


def test_larger_pictures_are_seen_in_parts(network):
    x = np.random.default_rng(0).uniform(-1, 1, [2, 24, 24, 3]).astype("float32")
    parts = [network.embedding(x[:, i:i + 16, j:j + 16]).numpy() for i in (0, 4, 8) for j in (0, 4, 8)]
    np.testing.assert_allclose(network.embedding(x), np.mean(parts, axis=0), rtol=1e-5, atol=1e-6)
    assert network(x).shape == (2, 3)


@pytest.mark.parametrize("arguments", [dict(binary=["absent"]), dict(resolution=18)])
def test_impossible_arguments_are_one_line(arguments):
    with pytest.raises(ValueError) as error:
        Attributes(**{**dict(names=["a"], resolution=16, widths=(4, 4, 4)), **arguments})
    assert "\n" not in str(error.value)


def test_losses_by_hand(network):
    training = AttributeTraining(network, keras.optimizers.Adam(), scales=[0.5, 2.0, 1.0])
    scores, targets = np.array([[0.3, 1.0, 2.0]], "float32"), np.array([[0.1, -1.0, 1.0]], "float32")
    expected = (0.2 ** 2 / 0.25 + 4 / 4 + np.log1p(np.exp(-2.0))) / 3
    np.testing.assert_allclose(training.loss_of_each(tf.constant(scores), tf.constant(targets)), [expected], rtol=1e-5)


def test_mirrored_pictures_have_mirrored_attributes(network):
    training = AttributeTraining(network, keras.optimizers.Adam(), [1.0] * 3, mirrored=["turned"], noise=0.0,
                                 contrast=0.0)
    x, targets = pictures(32, 1)
    x = x / np.float32(127.5) - 1
    changed, new = training._augmented(tf.constant(x), tf.constant(targets))
    flipped = np.asarray(new)[:, 1] != targets[:, 1]
    assert 4 < flipped.sum() < 28
    np.testing.assert_allclose(changed, np.where(flipped[:, None, None, None], x[:, :, ::-1], x))
    np.testing.assert_allclose(new, np.where(flipped[:, None], targets * [1, -1, 1], targets))


def test_it_learns(network):
    training = AttributeTraining(network, keras.optimizers.Adam(1e-2), scales=[0.3, 0.6, 0.5], mirrored=["turned"],
                                 noise=0.05, contrast=0.0)
    training.fit(*pictures(512, 0), batch_size=32, epochs=20, verbose=0)
    x, targets = pictures(200, 9)
    predicted = network.predict_attributes(x / np.float32(127.5) - 1)
    scores = agreement(predicted, dict(zip(network.names, targets.T)), network.binary)
    assert scores["light"] > 0.7 and scores["turned"] > 0.7 and scores["lit"] > 0.95


def test_agreement_by_hand():
    found = agreement({"a": [1.0, 2.0, 3.0], "b": [0.9, 0.4]}, {"a": [1.0, 2.0, 6.0], "b": [1, 1]}, ["b"])
    assert found["b"] == 0.5
    assert found["a"] == pytest.approx(1 - 3 / np.var([1, 2, 6.0]))
