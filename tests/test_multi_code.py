"""multi_code: composition by hand, one code is `inversion`, Adam, gradients, independence of the batch, errors."""
from __future__ import annotations

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from tiny import normal, relative

from tf_idinvert import inversion
from tf_idinvert.formats import weights
from tf_idinvert.networks.synthesis import Synthesis
from tf_idinvert.restoration.degradations import Downsampling, Identity, Luminance, Mask
from tf_idinvert.restoration.multi_code import TERMS, MultiCode, MultiCodeOptions, compose, spread_codes

KNOWN = np.ones([8, 8], "float32")
KNOWN[1:5, 2:7] = 0
COUNT, LAYER = 3, 2


class Layers:
    """Stands in for Synthesis where only the search matters: 4 layers of 8 channels, quick to trace."""

    resolution, last_start = 8, 4
    const, scales, shifts, colours = normal(1, 8, 8, 8, seed=1), normal(4, 8, 8, seed=2), normal(4, 8, seed=3), normal(
        1, 1, 8, 3, seed=4)

    def run(self, w, start, stop, features=None):
        for i in range(start, stop):
            scale = tf.matmul(w[:, i], self.scales[i])
            features = tf.tanh((features if i else self.const) * tf.reshape(scale, [-1, 1, 1, 8]) + self.shifts[i])
        return features

    def __call__(self, w, start=0, features=None):
        return tf.nn.conv2d(self.run(w, start, 4, features), self.colours, 1, "SAME")


@pytest.fixture(scope="module")
def networks():
    weights = normal(192, 32, seed=7) / 10
    return Layers(), lambda images: tf.reshape(tf.tanh(tf.matmul(tf.reshape(images, [-1, 192]), weights)), [-1, 4, 8])


@pytest.fixture(scope="module")
def pictures():
    return np.tanh(normal(3, 8, 8, 3, seed=5))


@pytest.fixture(scope="module")
def synthesis():
    """A synthesis of 6 layers; all that is optimised is smaller, which is much quicker to trace."""
    return tiny.generator().synthesis


@pytest.fixture(scope="module")
def start():
    return normal(3, COUNT, 4, 8, seed=6)


def features(images):
    return tf.nn.avg_pool2d((images + 1.0) * 127.5, 2, 2, "VALID")


def search(networks, degrade=Identity(), features=features, *, steps=5, results=0, batch_size=4, **options):
    """As the tools make it, but where nothing else differs compiled once: Adam's graph knows none of these numbers."""
    defaults = dict(codes=COUNT, layer=LAYER, feature_weight=1e-4, optimizer="adam", learning_rate=0.01)
    options, counts = {**defaults, **options}, dict(steps=steps, results=results, batch_size=batch_size)
    if options["optimizer"] != "adam":
        return made(networks, degrade, features, MultiCodeOptions(**options, **counts))
    found = made(networks, degrade, features, MultiCodeOptions(**options))
    found.options = dataclasses.replace(found.options, **counts)
    return found


@functools.lru_cache(maxsize=None)
def made(networks, degrade, features, options):
    return MultiCode(synthesis=networks[0], encoder=networks[1], degrade=degrade, features=features, options=options)


# ---- going on from the features of a layer

@functools.lru_cache(maxsize=None)
def at_level(lod):
    return tiny.randomize(Synthesis(resolution=16, dlatent_size=8, fmap_base=64, fmap_max=8, lod=lod), 0)


@pytest.mark.parametrize("start", range(7))
@pytest.mark.parametrize("lod", [0.0, 0.4, 1.0])
def test_synthesis_goes_on_from_any_layer(start, lod):
    network = at_level(lod)
    w = normal(2, 6, 8)
    assert network.last_start == {0.0: 6, 0.4: 4, 1.0: 4}[lod]
    if start > network.last_start:
        with pytest.raises(ValueError, match=f"start: expected a layer from 0 to 4; got {start}"):
            network(w, start=start, features=np.zeros([2, 8, 8, 8], "float32"))
        return
    features = network.run(w, 0, start)
    ignored = np.concatenate([np.zeros([2, start, 8], "float32"), w[:, start:]], axis=1)
    assert relative(network(ignored, start=start, features=features), network(w)) < 1e-6


# ---- composition

@pytest.mark.parametrize("layer", range(1, 7))
def test_composition_by_hand(synthesis, layer):
    codes, shared = normal(2, 3, layer, 8, seed=1), normal(2, 6 - layer, 8, seed=2)
    channels = synthesis.run(codes[:1, 0], 0, layer).shape[-1]
    alphas = normal(2, 3, channels, seed=3)
    made = np.asarray(compose(synthesis, codes, shared, alphas))
    for i in range(2):
        composed = sum(alphas[i, n] * np.asarray(synthesis.run(codes[i:i + 1, n], 0, layer)) for n in range(3))
        w = np.concatenate([np.zeros([1, layer, 8], "float32"), shared[i:i + 1]], axis=1)
        composed = synthesis.run(w, layer, 6, composed)
        assert relative(made[i:i + 1], synthesis.to_rgb[-1](composed)) < 1e-5


def test_equal_codes_are_one_code(synthesis):
    w = normal(2, 6, 8)
    made = compose(synthesis, np.repeat(w[:, None, :4], 3, axis=1), w[:, 4:], np.full([2, 3, 8], 1 / 3, "float32"))
    assert relative(made, synthesis(w)) < 1e-5


def test_start_codes_are_nested_around_the_first():
    base, samples, average = normal(2, 6, 8, seed=1), normal(4, 6, 8, seed=2), normal(8, seed=3)
    codes = spread_codes(base, samples, average, 0.5)
    assert codes.shape == (2, 5, 6, 8) and codes.dtype == np.float32 and np.array_equal(codes[:, 0], base)
    assert np.allclose(codes[1, 3], base[1] + 0.5 * (samples[2] - average), atol=1e-6)
    assert np.array_equal(spread_codes(base, samples[:2], average, 0.5), codes[:, :3])
    assert np.array_equal(spread_codes(base, samples[:0], average, 0.5), base[:, None])


# ---- one code is ordinary inversion

@pytest.mark.parametrize("layer, mask, domain_weight", [
    (4, None, 2.0), (4, KNOWN, 0.0), (2, None, 0.5)])
def test_one_code_is_inversion(eagerly, networks, pictures, layer, mask, domain_weight):
    synthesis, encoder = networks
    settings = dict(steps=8, feature_weight=1e-4, domain_weight=domain_weight)
    expected = inversion.invert(
        pictures, synthesis=synthesis, encoder=encoder, features=features,
        mask=None if mask is None else mask[None, :, :, None],
        options=inversion.InversionOptions(**settings, masked_domain_weight=domain_weight))
    degrade = Identity() if mask is None else Mask(mask)
    multi = search(networks, degrade, codes=1, layer=layer, **settings)
    result = multi(degrade(pictures), np.asarray(encoder(pictures))[:, None])
    codes = np.concatenate([result.codes[:, 0], result.shared], axis=1)
    assert np.abs(codes - expected.codes).max() < 1e-5
    assert relative(result.images, expected.images) < 1e-5
    assert np.array_equal(result.alphas, np.ones_like(result.alphas)), "one code has nobody to be weighed against"
    for term in TERMS:
        assert np.allclose(result.losses[term], expected.losses[term], rtol=1e-5, atol=1e-6), term


# ---- the optimisation

@pytest.fixture(scope="module")
def found(networks, pictures, start):
    """What comes of all pictures in one batch, with results on the way."""
    return search(networks, results=2)(pictures, start)


def test_steps_of_adam(networks, pictures, start):
    """Codes, shared code and N * alphas move by Adam; each image by the gradient of its own loss."""
    multi = search(networks, steps=4, domain_weight=0.5)
    result = multi(pictures, start)
    variables = [start[:, :, :LAYER], start[:, 0, LAYER:], np.ones([3, COUNT, 8], "float32")]
    first, second, history = [0.0] * 3, [0.0] * 3, []
    for t in range(1, 5):
        tensors = [tf.constant(value, tf.float32) for value in variables]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            terms = multi.losses(tensors, pictures, features(pictures))
        history.append(np.stack(terms))
        for k, gradient in enumerate(tape.gradient(terms[3], tensors)):
            first[k] = 0.9 * first[k] + 0.1 * gradient.numpy()
            second[k] = 0.999 * second[k] + 0.001 * gradient.numpy() ** 2
            step = first[k] / (1 - 0.9 ** t) / (np.sqrt(second[k]) + 1e-8) * np.sqrt(1 - 0.999 ** t)
            variables[k] = variables[k] - 0.01 * step
    for made, expected in zip((result.codes, result.shared, result.alphas * COUNT), variables):
        assert np.abs(made - expected).max() < 1e-4
    for i, term in enumerate(TERMS):
        assert relative(result.losses[term], np.stack(history)[:, i]) < 1e-4, term


def test_published_loss_and_steps(eagerly, networks, pictures, start):
    """Absolute differences of features, and steps of gradient descent on codes and N * alphas, in NumPy."""
    multi = search(networks, Mask(KNOWN, 0.0), features=features, steps=3, optimizer="gd", learning_rate=1.0,
                   feature_weight=1e-3, absolute_features=True)
    observed = pictures * KNOWN[None, :, :, None]
    result, target = multi(observed, start), np.asarray(features(observed))
    variables, history = [start[:, :, :LAYER], start[:, 0, LAYER:], np.ones([3, COUNT, 8], "float32")], []
    for _ in range(3):
        tensors = [tf.constant(value, tf.float32) for value in variables]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            seen = compose(networks[0], *tensors[:2], tensors[2] / COUNT) * KNOWN[None, :, :, None]
            pixel = tf.reduce_mean((observed - seen) ** 2, axis=(1, 2, 3))
            feature = tf.reduce_mean(tf.abs(target - features(seen)), axis=(1, 2, 3))
            total = pixel + 1e-3 * feature
        history.append(np.stack([pixel, feature, total]))
        variables = [value - gradient.numpy() for value, gradient in zip(variables, tape.gradient(total, tensors))]
    for made, expected in zip((result.codes, result.shared, result.alphas * COUNT), variables):
        assert relative(made, expected) < 1e-4
    assert relative(variables[0], start[:, :, :LAYER]) > 0.01 and relative(variables[2], np.ones([3, COUNT, 8])) > 0.01
    for i, term in enumerate(("pixel", "feature", "total")):
        assert relative(result.losses[term], np.stack(history)[:, i]) < 1e-4, term


@pytest.mark.parametrize("optimizer, rate", [("cosine", 0.05), ("lbfgs", 0.03)])
def test_other_optimisers(networks, pictures, start, optimizer, rate):
    result = search(networks, features=None, steps=25, optimizer=optimizer, learning_rate=rate)(pictures, start)
    assert (result.losses["total"].min(axis=0) < 0.7 * result.losses["total"][0]).all()
    made = np.square(result.images - pictures).mean(axis=(1, 2, 3))
    assert (made < 0.7 * result.losses["pixel"][0]).all()


def test_terms(networks, pictures, start):
    multi = search(networks, Luminance(), domain_weight=0.5, feature_weight=1e-3)
    codes, shared, scaled = start[:, :, :LAYER], start[:, 0, LAYER:], np.abs(normal(3, COUNT, 8, seed=8))
    grey = np.asarray(Luminance()(pictures))
    pixel, feature, domain, total = map(np.asarray, multi.losses((codes, shared, scaled), grey, features(grey)))
    image = compose(networks[0], codes, shared, scaled / COUNT)
    seen = np.asarray(Luminance()(image))
    assert relative(pixel, np.square(grey - seen).mean((1, 2, 3))) < 1e-5
    assert relative(feature, np.square(np.asarray(features(grey)) - features(seen)).mean((1, 2, 3))) < 1e-5
    mean = np.concatenate([codes.mean(axis=1), shared], axis=1)
    assert relative(domain, np.square(mean - np.asarray(networks[1](image))).mean((1, 2))) < 1e-5
    assert relative(total, pixel + 1e-3 * feature + 0.5 * domain) < 1e-5


def test_features_see_small_observations_enlarged(eagerly, networks, pictures, start):
    seen = []

    def record(images):
        seen.append(tuple(images.shape))
        return images

    phi = Downsampling(8, 4)
    result = search(networks, phi, features=record, steps=2)(phi(pictures), start)
    assert set(seen) == {(3, 8, 8, 3)} and relative(result.losses["feature"], result.losses["pixel"]) < 1e-5


def test_what_is_returned_draws_the_images(networks, pictures, start, found):
    result = found
    assert result.codes.shape == (3, COUNT, LAYER, 8) and result.shared.shape == (3, 2, 8)
    assert result.alphas.shape == (3, COUNT, 8)
    assert relative(compose(networks[0], result.codes, result.shared, result.alphas), result.images) < 1e-5
    assert sorted(result.intermediate) == [2, 4, 5] and relative(result.intermediate[5], result.images) < 1e-6
    alphas = np.full([3, COUNT, 8], 1 / COUNT, "float32")
    expected = compose(networks[0], start[:, :, :LAYER], start[:, 0, LAYER:], alphas)
    assert relative(result.start_images, expected) < 1e-5
    assert search(networks, steps=0)(pictures, start).losses["total"].shape == (0, 3)


def test_more_codes_fit_closer(networks, pictures):
    last, base = {}, np.asarray(networks[1](pictures))
    for count in 1, 8:
        codes = spread_codes(base, normal(count - 1, 4, 8), np.zeros(8), 0.5)
        settings = dict(codes=count, layer=4, steps=60, learning_rate=0.1, features=None)
        last[count] = search((networks[0], None), **settings)(pictures, codes).losses["pixel"][-1]
    assert (last[8] < 0.9 * last[1]).all(), last


@pytest.mark.parametrize("batch_size", [1, 2])
def test_results_do_not_depend_on_the_batch(networks, pictures, start, found, batch_size):
    result = search(networks, batch_size=batch_size, results=2)(pictures, start)
    for field in ("codes", "shared", "alphas", "images", "start_images"):
        assert np.array_equal(getattr(result, field), getattr(found, field)), field
    assert np.array_equal(result.intermediate[4], found.intermediate[4])
    assert np.array_equal(result.losses["total"], found.losses["total"])


def test_moments_start_afresh_and_one_trace_does(networks, pictures, start):
    calls = []

    def counted(images):
        calls.append(images.shape)
        return features(images)

    multi = search(networks, features=counted, batch_size=2, steps=23)
    result = multi(pictures, start)
    traced = len(calls)
    assert traced == 2, "once for the targets, once in the loop"
    assert np.array_equal(multi(pictures, start).codes, result.codes) and len(calls) == traced


def test_progress(networks, pictures, start):
    heard = []
    result = search(networks, batch_size=2, steps=30)(pictures, start, progress=lambda *values: heard.append(values))
    shares = [share for share, _ in heard]
    assert shares == sorted(shares) and 0 < shares[0] and shares[-1] == pytest.approx(1.0) and len(heard) == 40
    assert heard[-1][1] == pytest.approx(result.losses["total"][-1, 2], rel=1e-5), "padding does not count"


# ---- gradients

@pytest.fixture
def double():
    """The tiny synthesis network in float64."""
    single = tiny.generator(resolution=8).synthesis
    mixed = getattr(keras, "mixed_precision", None)
    set_policy = mixed.set_global_policy if hasattr(mixed, "set_global_policy") else keras.config.set_dtype_policy
    set_policy("float64")
    keras.backend.set_floatx("float64")
    try:
        network = Synthesis.from_config(single.get_config())
        for (_, to, _), (_, source, _) in zip(weights.table(network), weights.table(single)):
            to.assign(np.asarray(source, "float64"))
        yield network
    finally:
        set_policy("float32")
        keras.backend.set_floatx("float32")


@pytest.mark.parametrize("which", ["codes", "shared", "alphas"])
def test_gradients(double, pictures, start, which):
    """Central differences in float64 along random directions."""
    options = MultiCodeOptions(codes=COUNT, layer=LAYER)
    multi = MultiCode(synthesis=double, degrade=Downsampling(8, 2), features=features, options=options)
    phi = Downsampling(8, 2)
    observed = tf.cast(phi(pictures), tf.float64)
    target = multi._seen_features(observed)
    variables = [tf.constant(value, tf.float64) for value in
                 (start[:, :, :LAYER], start[:, 0, LAYER:], 1 + 0.3 * normal(3, COUNT, 8, seed=9))]
    k = ("codes", "shared", "alphas").index(which)

    def loss(change):
        changed = [value + change if i == k else value for i, value in enumerate(variables)]
        return multi.losses(changed, observed, target)[3]

    zero = tf.zeros_like(variables[k])
    with tf.GradientTape() as tape:
        tape.watch(zero)
        total = loss(zero)
    gradient = tape.gradient(total, zero)
    for seed in range(3):
        direction = tf.constant(normal(*zero.shape, seed=seed), tf.float64)
        numeric = (loss(1e-5 * direction) - loss(-1e-5 * direction)) / 2e-5             # [B]
        analytic = tf.reduce_sum(tf.reshape(gradient * direction, [3, -1]), axis=1)
        assert relative(analytic, numeric) < 1e-6, "and each image's codes matter to its own loss only"


# ---- errors

@pytest.mark.parametrize("option, message", [
    (dict(codes=0), "codes must be a whole number, 1 or more; got 0"),
    (dict(layer=2.5), "layer must be a whole number, 1 or more; got 2.5"),
    (dict(steps=-1), "steps must be a whole number, 0 or more; got -1"),
    (dict(domain_weight=float("nan")), "domain_weight must be a number, 0 or more; got nan")], ids=str)
def test_options_that_are_refused(option, message):
    with pytest.raises(ValueError) as caught:
        MultiCodeOptions(**option)
    assert str(caught.value) == message


def test_networks_that_are_refused(networks):
    with pytest.raises(ValueError, match="composing layer: expected 1 to 4 in this network; got 5"):
        search(networks, layer=5)
    with pytest.raises(ValueError, match="the domain term needs an encoder"):
        search((networks[0], None), domain_weight=1.0)


@pytest.mark.parametrize("observed, start, message", [
    (np.zeros((0, 8, 8, 3)), np.zeros((0, 3, 4, 8)), "observed: expected at least one image; got none"),
    (np.zeros((8, 8, 3)), np.zeros((1, 3, 4, 8)), "observed: expected 4 axes; got shape [8, 8, 3]"),
    (np.full((1, 8, 8, 3), np.nan), np.zeros((1, 3, 4, 8)), "observed: expected finite numbers; got NaN or infinity"),
    (np.zeros((1, 8, 8, 3)), np.zeros((1, 2, 4, 8)),
     "start: expected 3 codes for each of 1 images; got shape [1, 2, 4, 8]"),
    (np.zeros((1, 4, 4, 3)), np.zeros((1, 3, 4, 8)),
     "observed: expected [8, 8, 3], as this network's degraded images; got [4, 4, 3]")])
def test_arguments_that_are_refused(networks, observed, start, message):
    with pytest.raises(ValueError) as caught:
        search(networks, features=None)(observed, start)
    assert str(caught.value) == message
