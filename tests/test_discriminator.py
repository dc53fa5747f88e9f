"""discriminator: the smallest one in NumPy, labels, groups, levels of detail, configuration, published sizes."""
from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tiny
from tiny import normal, relative

from tf_idinvert.networks import layers
from tf_idinvert.networks.discriminator import Discriminator

VARIANTS = [dict(), dict(label_size=3), dict(mbstd_group_size=0), dict(mbstd_num_features=2), dict(blur_filter=None),
            dict(fused_scale=True), dict(num_channels=1), dict(resolution=4), dict(lod=1.0)]


@pytest.fixture(scope="module")
def alone():
    """A discriminator whose scores do not depend on the rest of the batch."""
    return tiny.discriminator(mbstd_group_size=0)


@pytest.fixture(scope="module")
def images():
    return normal(4, 16, 16, 3)


def activate(x):
    return np.where(x > 0, x, 0.2 * x)


def test_the_smallest_by_hand():
    """4x4: from RGB, spread of the batch, convolution, two dense layers of which the first flattens C, H, W."""
    network = tiny.discriminator(resolution=4)
    value = {name: (np.asarray(layer.weight, "float64"), np.asarray(layer.bias, "float64")) for name, layer in {
        "rgb": network.from_rgb[0], "conv": network.conv, "dense0": network.dense0, "dense1": network.dense1}.items()}
    image = normal(3, 4, 4, 3)
    x = activate(image @ value["rgb"][0][0, 0] * np.sqrt(2 / 3) + value["rgb"][1])
    spread = np.sqrt(x.var(axis=0) + 1e-8).mean()
    x = np.concatenate([x, np.full((3, 4, 4, 1), spread)], axis=-1)
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    x = sum(padded[:, i:i + 4, j:j + 4] @ value["conv"][0][i, j] for i in range(3) for j in range(3))
    x = activate(x * np.sqrt(2 / (9 * 9)) + value["conv"][1])
    x = x.transpose(0, 3, 1, 2).reshape(3, -1)
    x = activate(x @ value["dense0"][0] * np.sqrt(2 / 128) + value["dense0"][1])
    expected = x @ value["dense1"][0] / np.sqrt(x.shape[1]) + value["dense1"][1]
    assert relative(network(image), expected) < 1e-5


def test_labels_select_the_score():
    network = tiny.discriminator(label_size=3)
    image = normal(3, 16, 16, 3)
    labels = np.eye(3, dtype="float32")
    every = np.concatenate([network(image, labels=labels[[k] * 3]) for k in range(3)], axis=1)     # [N, label]
    assert len(np.unique(every.round(4))) == 9
    assert relative(network(image, labels=labels), np.diag(every)[:, None]) < 1e-5
    with pytest.raises(ValueError, match=r"needs labels \[N, 3\]; got none"):
        network(image)


def test_scores_of_a_group_depend_on_each_other(images):
    network = tiny.discriminator(mbstd_group_size=2)
    scores = np.asarray(network(images))
    changed = images.copy()
    changed[0] += 1
    differs = np.abs(np.asarray(network(changed)) - scores)[:, 0] > 1e-4
    assert differs.tolist() == [True, False, True, False]       # members of a group lie N / group apart


def test_without_groups_scores_are_independent(alone, images):
    assert relative(np.concatenate([alone(image[None]) for image in images]), alone(images)) < 1e-5


@pytest.mark.parametrize("level", [1, 2])
def test_levels_see_small_images_only(alone, images, level):
    side, factor = 16 >> level, 1 << level
    small = images.reshape(4, side, factor, side, factor, 3).mean(axis=(2, 4))
    enlarged = small.repeat(factor, 1).repeat(factor, 2)
    assert relative(alone(enlarged, lod=level), alone(images, lod=level)) < 1e-4
    assert relative(alone(images, lod=level), alone(images, lod=0)) > 1e-2


def test_fraction_and_fade_are_the_same(alone, images):
    near, halfway, far = (np.asarray(alone(images, lod=lod)) for lod in (0.999999, 0.5, 1))
    assert relative(near, far) < 1e-3 < relative(halfway, far)
    assert relative(alone(images, lod=0, fade=tf.constant(0.5)), halfway) < 1e-5
    assert relative(alone(images, lod=0, fade=tf.constant(0.0)), alone(images)) < 1e-5


def test_levels_beyond_the_last_are_the_last(alone, images):
    assert np.array_equal(alone(images, lod=2), alone(images, lod=9.5))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_configuration(variant):
    one = tiny.discriminator(**{"resolution": 8, **variant})
    image = normal(3, one.resolution, one.resolution, variant.get("num_channels", 3))
    labels = np.eye(3, dtype="float32") if one.label_size else None
    score = one(image, labels=labels)
    assert score.shape == (3, 1)
    again = tiny.copy(one)
    assert again.get_config() == one.get_config() and np.array_equal(again(image, labels=labels), score)


def test_images_of_another_size_are_refused(alone):
    """Not folded into the batch by the flattening at 4x4."""
    with pytest.raises(ValueError, match=r"images: expected \[N, 16, 16, 3\]; got \[1, 32, 32, 3\]"):
        alone(normal(1, 32, 32, 3))


def test_features_of_the_spread_divide_the_channels():
    with pytest.raises(ValueError, match="mbstd_num_features must divide the 8 channels at 4x4; got 3"):
        tiny.discriminator(mbstd_num_features=3)


@pytest.mark.parametrize("resolution, size", [(1024, 23_087_249), (256, 23_052_353)])
def test_published_sizes(resolution, size):
    with layers.filled_later():
        network = Discriminator(resolution=resolution)
    assert sum(int(np.prod(variable.shape)) for variable in network.trainable_variables) == size
