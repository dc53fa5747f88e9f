"""StyleGAN2's networks: resampling, modulated convolution and blocks against NumPy; sizes; files; wrong arguments."""
from __future__ import annotations

import copy
import itertools
import re

import numpy as np
import pytest
import tensorflow as tf
import tiny
from tiny import normal, relative

from tf_idinvert import checkpoint
from tf_idinvert.errors import InputError
from tf_idinvert.formats import pickles, weights
from tf_idinvert.networks import layers, resampling
from tf_idinvert.networks.stylegan2_discriminator import StyleGAN2Discriminator
from tf_idinvert.networks.stylegan2_generator import StyleGAN2Generator
from tf_idinvert.networks.stylegan2_synthesis import ARCHITECTURES, StyleGAN2Synthesis

SYNTHESIS = dict(resolution=8, dlatent_size=8, fmap_base=64, fmap_max=8)
TAPS = [(1, 3, 3, 1), (1, 2, 1), (1, 1), None, (1, 2, 3, 4), (1, 4, 6, 4, 1), (5, 1, 0, 2, 2, 1)]


# ------------------------------------------------------------------------------------------ NumPy, loop by loop

def zeros_between(x):
    n, h, w, c = x.shape
    y = np.zeros((n, h * 2, w * 2, c))
    y[:, ::2, ::2] = x
    return y


def filtered(x, resample_kernel, before, behind, gain=1.0):
    """True convolution with the outer product of the taps, zero padded (cropped where a pad is negative)."""
    taps = np.asarray(resample_kernel or (1, 1), "float64")
    taps = taps / taps.sum()
    x = np.pad(x, [(0, 0), *[(max(before, 0), max(behind, 0))] * 2, (0, 0)])
    x = x[:, max(-before, 0):x.shape[1] - max(-behind, 0), max(-before, 0):x.shape[2] - max(-behind, 0)]
    count = len(taps)
    h, w = x.shape[1] - count + 1, x.shape[2] - count + 1
    return gain * sum(taps[count - 1 - i] * taps[count - 1 - j] * x[:, i:i + h, j:j + w]
                      for i, j in itertools.product(range(count), repeat=2))


def convolved(x, kernel, pad=0):
    """Correlation, as TensorFlow's convolution."""
    x = np.pad(x, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
    q = kernel.shape[0]
    h, w = x.shape[1] - q + 1, x.shape[2] - q + 1
    return sum(x[:, i:i + h, j:j + w] @ kernel[i, j] for i, j in itertools.product(range(q), repeat=2))


def doubled(x, kernel, resample_kernel):
    """Zeros between the pixels, convolution in full, then the filter: as the published code pads."""
    q, count = kernel.shape[0], len(resample_kernel or (1, 1))
    y = convolved(zeros_between(x)[:, :-1, :-1], kernel, pad=q - 1)         # [N, 2h - 1 + q - 1, ...]
    p = (count - 2) - (q - 1)
    return filtered(y, resample_kernel, (p + 1) // 2 + 1, p // 2 + 1, gain=4)


def halved(x, kernel, resample_kernel):
    p = (len(resample_kernel or (1, 1)) - 2) + (kernel.shape[0] - 1)
    return convolved(filtered(x, resample_kernel, (p + 1) // 2, p // 2), kernel)[:, ::2, ::2]


def lrelu(x):
    return np.where(x > 0, x, 0.2 * x)


def modulated(layer, x, w, resample_kernel=None):
    """A modulated convolution as the paper writes it, Eq. (1) and (3): a kernel of its own for every picture."""
    kernel, style_weight, style_bias = (np.asarray(a, "float64") for a in (
        layer.weight, layer.style.weight, layer.style.bias))
    kernel = kernel / np.sqrt(np.prod(kernel.shape[:3]))
    pictures = []
    for picture, s in zip(x, w @ (style_weight / np.sqrt(w.shape[1])) + style_bias + 1):
        own = kernel * s[:, None]
        if layer.demodulate:
            own = own / np.sqrt((own ** 2).sum(axis=(0, 1, 2)) + 1e-8)
        if layer.up:
            pictures.append(doubled(picture[None], own, resample_kernel))
        else:
            pictures.append(convolved(picture[None], own, pad=own.shape[0] // 2))
    return np.concatenate(pictures)


def styled(layer, x, w, resample_kernel):
    noise, strength, bias = (np.asarray(a, "float64") for a in (layer.noise, layer.noise_strength, layer.bias))
    return np.sqrt(2) * lrelu(modulated(layer, x, w, resample_kernel) + noise * strength + bias)


def coloured(layer, x, w):
    return modulated(layer, x, w) + np.asarray(layer.bias)


def drawn(network, w):
    """What a synthesis network of any architecture draws."""
    config, w = network.get_config(), w.astype("float64")
    kernel, architecture = config["resample_kernel"], config["architecture"]
    x = np.repeat(np.asarray(network.const, "float64"), len(w), axis=0)
    x = styled(network.styled[0], x, w[:, 0], kernel)
    image = coloured(network.to_rgb[0], x, w[:, 1]) if architecture == "skip" else None
    for stage in range(1, network.num_layers // 2):
        around = x
        x = styled(network.styled[stage * 2 - 1], x, w[:, stage * 2 - 1], kernel)
        x = styled(network.styled[stage * 2], x, w[:, stage * 2], kernel)
        if architecture == "resnet":
            weight = np.asarray(network.skips[stage - 1].weight, "float64")
            x = (x + doubled(around, weight / np.sqrt(weight.shape[2]), kernel)) / np.sqrt(2)
        if architecture == "skip":
            image = (filtered(zeros_between(image), kernel, *image_pads(kernel), gain=4)
                     + coloured(network.to_rgb[stage], x, w[:, stage * 2 + 1]))
    return image if architecture == "skip" else coloured(network.to_rgb[-1], x, w[:, -1])


def image_pads(kernel):
    p = len(kernel or (1, 1)) - 2
    return (p + 1) // 2 + 1, p // 2


def judged(network, x):
    """The score of a discriminator of any architecture."""
    config, image = network.get_config(), x.astype("float64")
    kernel, architecture = config["resample_kernel"], config["architecture"]

    def layer(layer, x, kind):
        weight, bias = np.asarray(layer.weight, "float64"), np.asarray(layer.bias, "float64")
        weight = weight / np.sqrt(np.prod(weight.shape[:-1]))
        return np.sqrt(2) * lrelu((halved(x, weight, kernel) if kind == "down" else x @ weight if kind == "dense" else
                                   convolved(x, weight, pad=weight.shape[0] // 2)) + bias)

    x = layer(network.from_rgb[0], image, "same")
    for i, block in enumerate(network.blocks):
        around, x = x, layer(block.conv1_down, layer(block.conv0, x, "same"), "down")
        if architecture == "resnet":
            weight = np.asarray(block.skip.weight, "float64")
            x = (x + halved(around, weight / np.sqrt(weight.shape[2]), kernel)) / np.sqrt(2)
        if architecture == "skip":
            p = len(kernel or (1, 1)) - 2
            image = filtered(image, kernel, (p + 1) // 2, p // 2)[:, ::2, ::2]
            x = x + layer(network.from_rgb[i + 1], image, "same")
    spread = np.sqrt(x.var(axis=0) + 1e-8).mean()       # a batch within one group
    x = np.concatenate([x, np.full((*x.shape[:3], 1), spread)], axis=-1)
    x = layer(network.conv, x, "same").transpose(0, 3, 1, 2).reshape(len(x), -1)
    x = layer(network.dense0, x, "dense")
    weight = np.asarray(network.output_layer.weight, "float64")
    return x @ weight / np.sqrt(len(weight)) + np.asarray(network.output_layer.bias)


# ------------------------------------------------------------------------------------------ resampling

@pytest.mark.parametrize("kernel", TAPS)
@pytest.mark.parametrize("side", [1, 3])
def test_convolution_with_resampling(kernel, side):
    x, weight, taps = normal(2, 8, 8, 3), normal(side, side, 3, 5, seed=1), resampling.taps_of(kernel)
    up = resampling.upsample_convolve(x, tf.constant(weight), taps)
    assert up.shape == (2, 16, 16, 5)
    assert relative(up, doubled(x.astype("float64"), weight, kernel)) < 1e-5
    down = resampling.convolve_downsample(x, tf.constant(weight), taps)
    assert down.shape == (2, 4, 4, 5)
    assert relative(down, halved(x.astype("float64"), weight, kernel)) < 1e-5


@pytest.mark.parametrize("kernel", TAPS)
def test_resampling_of_pictures(kernel):
    x, taps = normal(2, 8, 8, 3).astype("float64"), resampling.taps_of(kernel)
    p = len(taps) - 2
    up = filtered(zeros_between(x), kernel, *image_pads(kernel), gain=4)
    assert relative(resampling.upsample(tf.constant(x), taps), up) < 1e-12
    down = filtered(x, kernel, (p + 1) // 2, p // 2)[:, ::2, ::2]
    assert relative(resampling.downsample(tf.constant(x), taps), down) < 1e-12


def test_without_taps_neighbours_are_repeated_and_averaged():
    x, taps = normal(2, 4, 4, 3), resampling.taps_of(None)
    assert np.allclose(resampling.upsample(tf.constant(x), taps), x.repeat(2, axis=1).repeat(2, axis=2), atol=1e-6)
    means = x.reshape(2, 2, 2, 2, 2, 3).mean(axis=(2, 4))
    assert np.allclose(resampling.downsample(tf.constant(x), taps), means, atol=1e-6)


def test_filters_keep_the_mean_inside():
    x = tf.ones([1, 8, 8, 2])
    for change in resampling.upsample, resampling.downsample:
        assert np.allclose(change(x, resampling.taps_of((1, 3, 3, 1)))[:, 2:-2, 2:-2], 1, atol=1e-6)


# ------------------------------------------------------------------------------------------ networks

@pytest.mark.parametrize("variant", [dict(architecture=each, resolution=16) for each in ARCHITECTURES] + [
    dict(architecture="resnet", resample_kernel=(1, 2, 1)), dict(resample_kernel=None), dict(resolution=4),
    dict(num_channels=1), dict(fmap_min=6, fmap_decay=2.0), dict(architecture="resnet", resample_kernel=(1, 2, 3, 4))])
def test_synthesis_by_hand(variant):
    network = tiny.stylegan2_generator(**{**SYNTHESIS, **variant}).synthesis
    w = normal(2, network.num_layers, 8)
    expected = drawn(network, w)
    assert expected.shape[1:] == (network.resolution, network.resolution, network.get_config()["num_channels"])
    assert relative(network(w), expected) < 1e-5
    again = StyleGAN2Synthesis.from_config(network.get_config())
    assert again.get_config() == network.get_config()


@pytest.mark.parametrize("variant", [dict(architecture=each) for each in ARCHITECTURES] + [
    dict(architecture="skip", resolution=4), dict(resample_kernel=(1, 2, 3, 4)), dict(architecture="skip",
                                                                                     resample_kernel=None)])
def test_discriminator_by_hand(variant):
    network = tiny.stylegan2_discriminator(**variant)
    x = normal(3, network.resolution, network.resolution, 3)
    assert relative(network(x), judged(network, x)) < 1e-5
    again = tiny.copy(network)
    assert again.get_config() == network.get_config() and np.array_equal(again(x), network(x))


def test_scores_and_penalty_in_a_graph():
    """As training has them: for batches of any size, and the gradient of the squared gradient."""
    network = tiny.stylegan2_discriminator(resolution=8)

    def gradients(x):
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(x)
                scores = network(x)
            penalty = tf.reduce_sum(inner.gradient(scores, x) ** 2)
        return [scores, penalty, *tape.gradient(penalty, [network.conv.weight, network.blocks[0].skip.weight])]

    graph = tf.function(gradients, input_signature=[tf.TensorSpec([None, 8, 8, 3])], autograph=False)
    for count in 2, 3:
        x = tf.constant(normal(count, 8, 8, 3))
        for found, expected in zip(graph(x), gradients(x)):
            assert relative(found, expected) < 1e-4


def test_labels():
    generator = tiny.stylegan2_generator(label_size=3, resolution=8)
    discriminator = tiny.stylegan2_discriminator(label_size=3, resolution=8)
    z, labels = normal(2, 8), np.eye(3, dtype="float32")[[2, 0]]
    assert not np.allclose(generator.mapping(z, labels=labels), generator.mapping(z, labels=labels[::-1]), atol=1e-3)
    x = generator(z, labels=labels)
    scores = [discriminator(x, labels=np.repeat(np.eye(3, dtype="float32")[i:i + 1], 2, 0)) for i in range(3)]
    assert np.array_equal(discriminator(x, labels=labels), np.stack([scores[2][0], scores[0][1]]))
    for network, inputs in ((generator, z), (discriminator, x)):
        with pytest.raises(ValueError, match=r"needs labels \[N, 3\]"):
            network(inputs)


def test_truncation():
    generator = tiny.stylegan2_generator(resolution=8)
    z, average = normal(2, 8), np.asarray(generator.dlatent_avg)
    w = generator.mapping(z).numpy()
    assert relative(generator(z), generator.synthesis(average + 0.5 * (w - average))) < 1e-5
    below = w.copy()
    below[:, :3] = average + 0.3 * (w[:, :3] - average)
    assert relative(generator(z, truncation_psi=0.3, truncation_cutoff=3), generator.synthesis(below)) < 1e-5
    assert np.array_equal(generator(z, truncation_psi=None), generator.synthesis(w))


def test_noise_is_fixed_unless_asked_otherwise():
    synthesis, w = tiny.stylegan2_generator(resolution=8).synthesis, normal(1, 4, 8).repeat(2, axis=0)
    fixed = synthesis(w).numpy()
    assert np.array_equal(fixed, synthesis(w)) and np.allclose(fixed[0], fixed[1], atol=1e-4)
    fresh = synthesis(w, noise_seed=[1, 2]).numpy()
    assert np.array_equal(fresh, synthesis(w, noise_seed=[1, 2]))
    assert not np.allclose(fresh, synthesis(w, noise_seed=[1, 3]), atol=1e-2)
    assert not np.allclose(fresh[0], fresh[1], atol=1e-2), "every image has noise of its own"


@pytest.fixture(scope="module", params=ARCHITECTURES)
def synthesis(request):
    return tiny.stylegan2_generator(architecture=request.param, resolution=8).synthesis


def test_goes_on_after_every_layer(synthesis):
    w, other = normal(2, 4, 8), normal(2, 4, 8, seed=1)
    assert synthesis.last_start == 3
    whole = synthesis(w, noise_seed=[1, 2])
    for layer in range(1, 4):
        features = synthesis.run(w, 0, layer, noise_seed=[1, 2])
        behind = np.concatenate([other[:, :layer], w[:, layer:]], axis=1)
        assert relative(synthesis(behind, start=layer, features=features, noise_seed=[1, 2]), whole) < 1e-5, layer
        assert np.array_equal(synthesis.run(behind, layer, layer, features), features)


def test_every_layer_has_its_w(synthesis):
    w = normal(2, 4, 8)
    pictures = synthesis(w)
    for layer in range(4):
        changed = w.copy()
        changed[:, layer] += 1
        assert not np.allclose(synthesis(changed), pictures, atol=1e-3), layer


def test_codes_are_scaled_without_a_change_of_pictures():
    generator, z = tiny.stylegan2_generator(resolution=8), normal(3, 8)
    before, deviation = generator(z, truncation_psi=0.6).numpy(), np.asarray(generator.mapping(z)).std()
    generator.scale_codes(0.25)
    assert relative(generator(z, truncation_psi=0.6), before) < 1e-4
    assert np.isclose(np.asarray(generator.mapping(z)).std(), deviation / 4)


def test_a_picture_is_the_same_in_any_batch(synthesis):
    w = normal(3, 4, 8)
    together = synthesis(w).numpy()
    for i in range(3):
        assert np.allclose(synthesis(w[i:i + 1])[0], together[i], rtol=0, atol=1e-5 * np.abs(together).max())


@pytest.mark.parametrize("fmap_base, resolution, expected", [       # configurations F and E, trainable parameters
    (16384, 1024, (30_370_060, 29_012_513)), (16384, 256, (30_034_338, 28_864_129)),
    (8192, 256, (24_767_458, 24_001_089))])
def test_published_sizes(fmap_base, resolution, expected):
    with layers.filled_later():
        networks = [each(resolution=resolution, fmap_base=fmap_base)
                    for each in (StyleGAN2Generator, StyleGAN2Discriminator)]
    assert tuple(sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
                 for network in networks) == expected


@pytest.mark.parametrize("network, arguments, message", [
    (StyleGAN2Synthesis, dict(architecture="revised"), "architecture must be one of skip, resnet, orig, growing"),
    (StyleGAN2Discriminator, dict(architecture="revised"), "architecture must be one of skip, resnet, orig, growing"),
    (StyleGAN2Synthesis, dict(resolution=48), "resolution must be a power of two"),
    (StyleGAN2Discriminator, dict(resolution=4), "resolution must be at least 8 with architecture 'resnet'"),
    (StyleGAN2Discriminator, dict(resolution=8, mbstd_num_features=3), "must divide the 512 channels"),
    *[(each, dict(resolution=8, resample_kernel=kernel), "resample_kernel must be None or at least two numbers")
      for kernel in ((), (1,), (1, -1), ((1, 2), (3, 4))) for each in (StyleGAN2Synthesis, StyleGAN2Discriminator)]])
def test_wrong_arguments_of_networks(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        network(**arguments)


def test_wrong_inputs():
    synthesis, w = tiny.stylegan2_generator().synthesis, normal(1, 6, 8)
    for start in (-1, 6):
        with pytest.raises(ValueError, match="start: expected a layer from 0 to 5"):
            synthesis(w, start=start, features=np.zeros((1, 16, 16, 8), "float32"))
    with pytest.raises(ValueError, match=r"w: expected \[N, 6, 8\]"):
        synthesis(w[:, :5])
    with pytest.raises(ValueError, match=r"images: expected \[N, 16, 16, 3\]"):
        tiny.stylegan2_discriminator()(np.zeros((1, 8, 8, 3), "float32"))


# ------------------------------------------------------------------------------------------ files

FILES = [dict(architecture=each, resolution=side) for each, side in zip(ARCHITECTURES, (8, 16, 16, 8))] + [
    dict(label_size=2, num_channels=1, resample_kernel=None, fmap_min=3, fmap_decay=1.5, resolution=8),
    dict(truncation_psi=None, truncation_cutoff=3, mapping_layers=3, latent_size=5, normalize_latents=False,
         resolution=8)]


def check_sizes(network):
    """Every row is a weight of that shape, and what is in no row is a vector as long as another's side."""
    arrays = weights.export_arrays(network)
    rows = dict(weights.entry_of(type(network)).sizes(network.get_config()))
    assert {name: list(arrays[name].shape) for name in rows} == rows
    assert all(arrays[name].ndim < 2 or name.endswith("ToRGB/mod_weight") or "ToRGB_lod" in name
               for name in arrays if name not in rows)


@pytest.mark.parametrize("config", FILES)
def test_random_networks_have_the_sizes_told_and_survive_files(config, tmp_path):
    """Through the official pickle and ours: constructor arguments and bits."""
    shared = {name: config[name] for name in ("architecture", "resolution", "label_size", "num_channels",
                                              "resample_kernel", "fmap_min", "fmap_decay") if name in config}
    models = checkpoint.Models(generator=tiny.stylegan2_generator(**config),
                               discriminator=tiny.stylegan2_discriminator(**shared))
    for network in models.generator, models.discriminator:
        check_sizes(network)
    if config is FILES[0]:
        models.training_generator = tiny.stylegan2_generator(seed=3, **config)
    fields = [field for field in ("generator", "training_generator", "discriminator") if getattr(models, field)]
    for path in (tmp_path / "a.pkl", tmp_path / "b.h5"):
        checkpoint.save(models, path)
        again = checkpoint.load(path, only=fields)
        for field in fields:
            one, other = getattr(models, field), getattr(again, field)
            assert type(one) is type(other) and one.get_config() == other.get_config()
            arrays = weights.export_arrays(one), weights.export_arrays(other)
            assert list(arrays[0]) == list(arrays[1])
            assert all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])
        models = again
    checkpoint.save(models, tmp_path / "c.pkl")
    assert (tmp_path / "a.pkl").read_bytes() == (tmp_path / "c.pkl").read_bytes()


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    path = tmp_path_factory.mktemp("stylegan2") / "network.pkl"
    made = []
    for architectures in ("skip", "resnet"), ("growing", "growing"):
        generator, discriminator = (make(architecture=each, resolution=8) for make, each in zip(
            (tiny.stylegan2_generator, tiny.stylegan2_discriminator), architectures))
        checkpoint.save(checkpoint.Models(generator=generator, discriminator=discriminator), path)
        made.append(pickles.read(path))
    return path, *made


@pytest.mark.parametrize("change, message", [
    (lambda g, d: g.components["synthesis"].static_kwargs.update(architecture="revised"),
     "architecture must be 'skip', 'resnet', 'orig' or 'growing'; got 'revised'"),
    (lambda g, d: g.components["synthesis"].static_kwargs.update(architecture="resnet"), "Skip/weight"),
    (lambda g, d: d.static_kwargs.update(architecture="skip"), "FromRGB/weight"),
    (lambda g, d: d.static_kwargs.update(architecture="orig"), "does not know 1 variable"),
    (lambda g, d: d.static_kwargs.update(architecture=["resnet"]), "architecture must be"),
    (lambda g, d: d.static_kwargs.update(resample_kernel="1331"), "resample_kernel must be None or a list of numbers"),
    (lambda g, d: g.components["synthesis"].static_kwargs.update(resample_kernel=[1]), "at least two numbers"),
    (lambda g, d: g.static_kwargs.update(nonlinearity="relu"), "nonlinearity='relu' is not supported"),
    (lambda g, d: g.static_kwargs.update(num_fp16_res=4), "unknown argument num_fp16_res=4"),
    (lambda g, d: g.variables.update(lod=np.array(1.5, "float32")), "still grows, at level of detail 1.5; expected 0"),
    (lambda g, d: g.components["synthesis"].variables.pop("noise0"), "synthesis/noise0"),
    (lambda g, d: g.components["synthesis"].variables.update(noise6=np.zeros((1, 1, 8, 8), "float32")),
     "does not know 1 variable"),
    (lambda g, d: d.variables.pop("Output/bias"), "lacks 1 variable"),
    (lambda g, d: setattr(g.components["synthesis"], "build_func_name", "G_synthesis_ada"), "has the parts"),
    (lambda g, d: g.components["synthesis"].static_kwargs.update(resolution=1 << 20), "the file holds"),
    (lambda g, d: d.static_kwargs.update(fmap_min=1 << 30, fmap_max=1 << 30), "the file holds"),
    (lambda g, d: d.static_kwargs.update(mbstd_num_features=0), "mbstd_num_features must be a whole number")])
def test_files_that_do_not_fit(records, change, message):
    path, (_, discriminator, average), _ = records
    _assert_refused(path, average, discriminator, change, message)


@pytest.mark.parametrize("change", [lambda g, d: d.variables.update(lod=np.array(2.0)),
                                    lambda g, d: g.components["synthesis"].variables.update(lod=np.array(2.0))])
def test_growing_networks_are_refused_while_they_grow(records, change):
    path, _, (_, discriminator, average) = records
    _assert_refused(path, average, discriminator, change, "still grows, at level of detail 2; expected 0")


def _assert_refused(path, generator, discriminator, change, message):
    generator, discriminator = copy.deepcopy((generator, discriminator))
    change(generator, discriminator)
    pickles.write(path.with_name("changed.pkl"), (generator, discriminator, generator))
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        checkpoint.load(path.with_name("changed.pkl"))
    assert str(caught.value).startswith(str(path.with_name("changed.pkl"))) and "\n" not in str(caught.value)
