"""encoder: units of both generations in NumPy, batch norm in both modes, configuration, published sizes."""
from __future__ import annotations

import numpy as np
import pytest
import tiny
from tiny import normal, relative

from tf_idinvert.networks import layers
from tf_idinvert.networks.encoder import Encoder, ResidualBlock, Unit

GENERATIONS = ("2020-09", "2020-05")
VARIANTS = [dict(), dict(generation="2020-05"), dict(batch_norm=False), dict(resolution=16, num_layers=4),
            dict(num_channels=1, dlatent_size=5), dict(generation="2020-05", batch_norm=False)]


def unit_by_hand(unit, x, statistics=None):
    """A dense unit in NumPy; `statistics` (mean, variance), by default those of the batch."""
    def norm(x):
        mean, variance = statistics or (x.mean(axis=0), x.var(axis=0))
        gamma = 1.0 if unit.norm.gamma is None else np.asarray(unit.norm.gamma)
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + np.asarray(unit.norm.beta)

    x = x @ np.asarray(unit.weight) + (0 if unit.bias is None else np.asarray(unit.bias))
    if unit.norm_first:
        x = norm(x)
    if unit.activate:
        x = np.where(x > 0, x, 0.2 * x)
    return x if unit.norm_first else norm(x)


def random_unit(generation, **arguments):
    unit = Unit(generation=generation, **{**dict(shape=(5, 4), batch_norm=True, use_bias=generation == "2020-09",
                                                 activate=True), **arguments})
    for i, variable in enumerate(unit.weights):
        variable.assign(np.abs(normal(*variable.shape, seed=i)) + 0.5 if "variance" in variable.name else
                        normal(*variable.shape, seed=i))
    return unit


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("activate", [True, False])
def test_order_of_a_unit(generation, activate):
    unit, x = random_unit(generation, activate=activate), normal(6, 5, seed=9)
    stored = np.asarray(unit.norm.moving_mean), np.asarray(unit.norm.moving_variance)
    assert relative(unit(x), unit_by_hand(unit, x, stored)) < 1e-5, "inference by default"
    assert relative(unit(x, training=True), unit_by_hand(unit, x)) < 1e-4
    assert (unit.norm.gamma is None) == (generation == "2020-05") == (unit.bias is None)


@pytest.mark.parametrize("shape, images", [((5, 4), (6, 5)), ((1, 1, 5, 4), (2, 3, 3, 5))])
def test_moving_statistics_decay_by_a_tenth(shape, images):
    unit, x = random_unit("2020-05", shape=shape, activate=False), normal(*images, seed=9)
    before = np.asarray(unit.norm.moving_mean), np.asarray(unit.norm.moving_variance)
    seen = (x @ np.asarray(unit.weight).reshape(5, 4)).reshape(-1, 4)
    unit(x, training=True)
    assert relative(unit.norm.moving_mean, 0.9 * before[0] + 0.1 * seen.mean(axis=0)) < 1e-5
    assert relative(unit.norm.moving_variance, 0.9 * before[1] + 0.1 * seen.var(axis=0)) < 1e-5
    after = np.asarray(unit.norm.moving_mean)
    unit(x)
    assert np.array_equal(unit.norm.moving_mean, after), "inference changes nothing"


@pytest.mark.parametrize("generation", GENERATIONS)
def test_shortcut_only_where_the_width_changes(generation):
    same, wider = (ResidualBlock(4, outputs, generation, True) for outputs in (4, 6))
    assert same.shortcut is None and tuple(wider.shortcut.weight.shape) == (1, 1, 4, 6)
    assert wider.shortcut.activate == (generation == "2020-05") and wider.shortcut.bias is None
    assert tuple(wider.conv_a.weight.shape) == (3, 3, 4, 4) and tuple(wider.conv_b.weight.shape) == (3, 3, 4, 6)
    x = normal(2, 3, 3, 4)
    assert relative(same(x), x + np.asarray(same.conv_b(same.conv_a(x)))) < 1e-5
    assert relative(wider(x), np.asarray(wider.shortcut(x)) + np.asarray(wider.conv_b(wider.conv_a(x)))) < 1e-5


def test_ends_of_the_network():
    """Average pooling before each block; the last activations are flattened C, H, W."""
    encoder = tiny.encoder()
    image = normal(2, 16, 16, 3)
    x = np.asarray(encoder.from_image(image))
    for block in encoder.blocks:
        side = x.shape[1] // 2
        x = np.asarray(block(x.reshape(2, side, 2, side, 2, -1).mean(axis=(2, 4))))
    assert x.shape == (2, 4, 4, 8)
    codes = encoder.latent_out(x.transpose(0, 3, 1, 2).reshape(2, -1))
    assert relative(encoder(image), np.reshape(codes, (2, 6, 8))) < 1e-5


def test_batches_couple_images_in_training_only():
    encoder, images = tiny.encoder(), normal(3, 16, 16, 3)
    other = np.concatenate([images[:1], images[:2] + 1])
    trained = [np.asarray(encoder(x, training=True))[0] for x in (images, other)]
    assert not np.allclose(*trained, atol=1e-2)
    assert relative(encoder(images)[:1], encoder(other)[:1]) < 1e-5
    assert relative(encoder(images)[:1], encoder(images[:1])) < 1e-5


@pytest.mark.parametrize("generation", GENERATIONS)
def test_without_batch_norm_modes_are_equal(generation):
    encoder, images = tiny.encoder(batch_norm=False, generation=generation), normal(3, 16, 16, 3)
    assert not encoder.non_trainable_variables
    assert np.array_equal(encoder(images), encoder(images, training=True))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_configuration(variant):
    one = tiny.encoder(**{"resolution": 8, **variant})
    images = normal(2, one.resolution, one.resolution, variant.get("num_channels", 3))
    codes = one(images)
    assert codes.shape == (2, one.num_layers, one.dlatent_size)
    again = tiny.copy(one)
    assert again.get_config() == one.get_config() and np.array_equal(again(images), codes)


def test_what_is_refused():
    with pytest.raises(ValueError, match="generation must be one of 2020-09, 2020-05; got '2021'"):
        tiny.encoder(generation="2021")
    with pytest.raises(ValueError, match=r"images: expected \[N, 16, 16, 3\]; got \[1, 32, 32, 3\]"):
        tiny.encoder()(normal(1, 32, 32, 3))


def test_published_sizes():
    with layers.filled_later():
        encoder = Encoder(resolution=256)
    count = [sum(int(np.prod(variable.shape)) for variable in variables)
             for variables in (encoder.trainable_variables, encoder.variables)]
    assert count == [75_412_032, 75_437_120]
