"""inversion: the steps against NumPy, independence of the batch, masks, progress, errors, the official trajectories."""
from __future__ import annotations

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import normal, relative

from tf_idinvert import apart
from tf_idinvert.checkpoint import load
from tf_idinvert.formats import weights
from tf_idinvert.inversion import TERMS, Inversion, InversionOptions, invert

SHAPE, CODES = (4, 4, 3), (2, 5)        # of an image, of its code
A = normal(10, 48, seed=1) * 0.3        # the linear networks: G(w) = w A, E(x) = x B, F(x) = x C
B = normal(48, 10, seed=2) * 0.2
C = normal(48, 7, seed=3)


def flat(x):
    return tf.reshape(x, [-1, int(np.prod(x.shape[1:]))])


def synthesis(codes):
    return tf.reshape(tf.matmul(flat(codes), A), [-1, *SHAPE])


def encoder(images):
    return tf.reshape(tf.matmul(flat(images), B), [-1, *CODES])


def features(images):
    return tf.matmul(flat(images), C)


def images_of(count, seed=4):
    return np.tanh(normal(count, *SHAPE, seed=seed))


@functools.lru_cache(maxsize=None)
def compiled(options):
    return Inversion(synthesis=synthesis, encoder=encoder, features=features, options=options)


def run(images, *, start=None, mask=None, progress=None, steps=100, results=0, batch_size=4, **options):
    """As `invert`, but compiled once for all tests, since the graph does not know these three numbers."""
    inversion = compiled(InversionOptions(**{**dict(feature_weight=0.01), **options}))
    inversion.options = dataclasses.replace(inversion.options, steps=steps, results=results, batch_size=batch_size)
    return inversion(images, start=start, mask=mask, progress=progress)


def by_hand(images, steps, mask=None, domain_weight=2.0, feature_weight=0.01, rate=0.01):
    """The optimisation of the linear networks in NumPy, one image at a time: codes and losses before each step."""
    codes, losses = [], []
    for i, image in enumerate(images):
        x, keep = image.reshape(48).astype("float64"), np.ones(48)
        if mask is not None:
            keep = np.broadcast_to(mask, (len(images), *SHAPE))[i].reshape(48)
        target, w = (x + 1) * keep - 1, x @ B
        first, second, history = 0, 0, []
        for t in range(1, steps + 1):
            made = w @ A
            seen = (made + 1) * keep - 1
            pixel, feature, domain = seen - target, (seen - target) @ C, w - made @ B
            terms = [(term ** 2).mean() for term in (pixel, feature, domain)]
            history.append([*terms, terms[0] + feature_weight * terms[1] + domain_weight * terms[2]])
            gradient = (2 / 48 * pixel * keep @ A.T + feature_weight * 2 / 7 * (feature @ C.T * keep) @ A.T
                        + domain_weight * 2 / 10 * domain @ (np.eye(10) - A @ B).T)
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient ** 2
            w = w - rate * np.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t) * first / (np.sqrt(second) + 1e-8)
        codes.append(w.reshape(CODES))
        losses.append(history)
    return np.stack(codes), np.array(losses).transpose(2, 1, 0)         # [4, steps, N]


# ----------------------------------------------------------------------------------------------------- the equations

@pytest.mark.parametrize("steps", [1, 7])
def test_steps_of_adam(steps):
    images = images_of(3)
    codes, losses = by_hand(images, steps)
    result = run(images, steps=steps)
    assert relative(result.codes, codes) < 1e-4
    assert relative(result.images, synthesis(codes.astype("float32"))) < 1e-4
    for term, expected in zip(TERMS, losses):
        assert result.losses[term].shape == (steps, 3) and relative(result.losses[term], expected) < 1e-4, term
    assert relative(result.start_codes, encoder(images)) < 1e-6
    assert relative(result.start_images, synthesis(encoder(images))) < 1e-6


@pytest.mark.parametrize("shape", [(1, 4, 4, 1), (2, 4, 4, 1), (1, 4, 4, 3), (2, 4, 4, 3)])
@pytest.mark.parametrize("domain_weight", [0.0, 0.5])
def test_mask_restricts_pixels_and_features(shape, domain_weight):
    """Outside the mask both images count as -1; the domain term, if any, sees the whole reconstruction."""
    images, mask = images_of(2), (np.random.default_rng(5).random(shape) < 0.5).astype("float32")
    codes, losses = by_hand(images, 5, mask, domain_weight)
    result = run(images, mask=mask, steps=5, masked_domain_weight=domain_weight)
    assert relative(result.codes, codes) < 1e-4
    for term in ("pixel", "feature", "total"):
        assert relative(result.losses[term], losses[TERMS.index(term)]) < 1e-4
    assert result.losses["domain"].any() == bool(domain_weight)



def test_compiled_by_xla_it_is_the_same_search(monkeypatch):
    asked, function = [], tf.function
    monkeypatch.setattr(tf, "function", lambda *args, **options: asked.append(options) or function(*args, **options))
    images = images_of(2)
    found, (codes, losses) = run(images, steps=5, jit=True), by_hand(images, 5)
    assert any(options.get("jit_compile") for options in asked)
    assert relative(found.codes, codes) < 1e-4 and relative(found.losses["total"], losses[3]) < 1e-4


def test_what_is_outside_the_mask_only_starts_the_search():
    images, mask = images_of(1), np.zeros((1, 4, 4, 1), "float32")
    mask[:, 1:3, 1:3] = 1
    other = np.where(mask, images, 0.3).astype("float32")
    start = np.asarray(encoder(images))
    results = [run(x, mask=mask, start=start, steps=5) for x in (images, other)]
    assert relative(results[0].codes, results[1].codes) < 1e-5
    assert relative(run(other, mask=mask, steps=1).start_codes, encoder(other)) < 1e-6


@pytest.mark.parametrize("without", ["feature", "domain"])
def test_terms_left_out_are_zero(without):
    images = images_of(2)
    codes, losses = by_hand(images, 3, **{f"{without}_weight": 0.0})
    result = run(images, steps=3, **{f"{without}_weight": 0.0})
    assert relative(result.codes, codes) < 1e-4 and relative(result.losses["total"], losses[3]) < 1e-4
    assert not result.losses[without].any()


def test_no_features():
    result = invert(images_of(2), synthesis=synthesis, encoder=encoder, options=InversionOptions(steps=3))
    assert relative(result.codes, by_hand(images_of(2), 3, feature_weight=0.0)[0]) < 1e-4


def test_given_start():
    images, start = images_of(3), normal(3, *CODES, seed=9)
    result = run(images, start=start, steps=0)
    assert np.array_equal(result.codes, start) and np.array_equal(result.start_codes, start)
    assert relative(result.images, synthesis(start)) < 1e-6
    one = invert(images, synthesis=synthesis, start=start, options=InversionOptions(steps=2, domain_weight=0.0))
    assert np.abs(one.codes - start).max() <= 0.0201, "two steps of at most the learning rate"


def test_no_steps():
    images = images_of(3)
    result = run(images, steps=0, results=3)
    assert relative(result.codes, encoder(images)) < 1e-6
    assert all(result.losses[term].shape == (0, 3) for term in TERMS) and result.intermediate == {}


# ------------------------------------------------------------------------------------------------- batches, progress

@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 8])
def test_results_do_not_depend_on_the_batch(batch_size):
    images, start = images_of(5), normal(5, *CODES, seed=9)
    mask = (np.random.default_rng(5).random((5, 4, 4, 1)) < 0.5).astype("float32")
    whole = run(images, start=start, mask=mask, steps=6, results=2, batch_size=5)
    result = run(images, start=start, mask=mask, steps=6, results=2, batch_size=batch_size)
    for field in ("codes", "images", "start_codes", "start_images"):
        assert np.array_equal(getattr(result, field), getattr(whole, field)), field
    for step, made in whole.intermediate.items():
        assert np.array_equal(result.intermediate[step], made)
    for term in TERMS:
        assert result.losses[term].shape == (6, 5) and np.array_equal(result.losses[term], whole.losses[term])


def test_order_does_not_matter():
    images = images_of(4)
    forward, backward = run(images, steps=5), run(images[::-1], steps=5)
    assert np.array_equal(backward.codes[::-1], forward.codes)


@pytest.mark.parametrize("with_mask", [False, True])
def test_one_trace_for_all_batches_and_steps(with_mask):
    calls = []

    def counted(codes):
        calls.append(codes.shape)
        return synthesis(codes)

    inversion = Inversion(synthesis=counted, encoder=encoder, options=InversionOptions(steps=13, batch_size=2))
    mask = np.ones((1, 4, 4, 1), "float32") if with_mask else None
    inversion(images_of(5), mask=mask)
    traced = len(calls)
    assert traced <= 2, "once in the loop, once for the images"
    inversion(images_of(3, seed=6), mask=mask)
    assert len(calls) == traced


@pytest.mark.parametrize("gpu, expected", [(False, {1}), (True, {4})])
def test_a_picture_is_always_computed_in_one_shape(monkeypatch, gpu, expected):
    """So that the same kernels run: with other shapes, sums are rounded otherwise. On a CPU that is not a full batch,
    with which one picture would cost as much as four."""
    monkeypatch.setattr(apart, "on_gpu", lambda: gpu)
    sizes = []

    def counted(codes):
        sizes.append(codes.shape[0])
        return synthesis(codes)

    inversion = Inversion(synthesis=counted, encoder=encoder, options=InversionOptions(steps=2, batch_size=4))
    results = [inversion(images_of(9)[:count]).codes for count in (1, 3, 1, 9)]
    assert set(sizes) == expected and len(sizes) == 2, "traced once in the loop, once for the images"
    assert all(np.array_equal(codes, results[-1][:len(codes)]) for codes in results)


def test_moments_start_afresh():
    inversion = Inversion(synthesis=synthesis, encoder=encoder, options=InversionOptions(steps=4))
    first, again = inversion(images_of(2)), inversion(images_of(2))
    assert np.array_equal(first.codes, again.codes)


@pytest.mark.parametrize("steps, results, kept", [
    (10, 5, [2, 4, 6, 8, 10]), (10, 3, [3, 6, 9, 10]), (3, 10, [1, 2, 3]), (7, 1, [7]), (7, 0, []), (0, 5, [])])
def test_intermediate_images(steps, results, kept):
    options = InversionOptions(steps=steps, results=results)
    assert options.result_steps() == kept
    result = run(images_of(2), **dataclasses.asdict(options))
    assert sorted(result.intermediate) == kept
    for step in kept:
        shorter = run(images_of(2), **{**dataclasses.asdict(options), "steps": step, "results": 0})
        assert relative(result.intermediate[step], shorter.images) < 1e-5


@pytest.mark.parametrize("steps", [1, 3, 25])
def test_progress(steps):
    heard = []
    result = run(images_of(5), steps=steps, batch_size=2, progress=lambda *values: heard.append(values))
    shares = [share for share, _ in heard]
    assert shares == sorted(shares) and 0 < shares[0] and shares[-1] == pytest.approx(1.0)
    assert len(heard) <= 3 * 11
    assert heard[-1][1] == pytest.approx(result.losses["total"][-1, 4], rel=1e-5), "padding does not count"


# ------------------------------------------------------------------------------------------------------------ errors

@pytest.mark.parametrize("option, message", [
    (dict(steps=-1), "steps must be a whole number, 0 or more; got -1"),
    (dict(steps=2.5), "steps must be a whole number, 0 or more; got 2.5"),
    (dict(steps=float("inf")), "steps must be a whole number, 0 or more; got inf"),
    (dict(batch_size=0), "batch_size must be a whole number, 1 or more; got 0"),
    (dict(batch_size=4.0), "batch_size must be a whole number, 1 or more; got 4.0"),
    (dict(results=-2), "results must be a whole number, 0 or more; got -2"),
    (dict(learning_rate=float("nan")), "learning_rate must be a number, 0 or more; got nan"),
    (dict(feature_weight=-1.0), "feature_weight must be a number, 0 or more; got -1.0"),
    (dict(domain_weight=float("inf")), "domain_weight must be a number, 0 or more; got inf")], ids=str)
def test_options_that_are_refused(option, message):
    with pytest.raises(ValueError) as caught:
        InversionOptions(**option)
    assert str(caught.value) == message


@pytest.mark.parametrize("arguments, message", [
    (dict(images=images_of(0)), "images: expected at least one; got none"),
    (dict(images=images_of(1)[0]), "images: expected 4 axes; got shape [4, 4, 3]"),
    (dict(images=np.linspace(0, 255, 48).reshape(1, 4, 4, 3)), "images: expected values in [-1, 1], got 0 to 255; of "
     "pictures with values from 0 to 255 take x / 127.5 - 1"),
    (dict(images=images_of(1) * np.nan), "images: expected finite numbers; got NaN or infinity"),
    (dict(images=np.zeros((1, 8, 8, 3)), start=np.zeros((1, 2, 5))),
     "images are [8, 8, 3], the network makes [4, 4, 3]"),
    (dict(start=np.zeros((3, 2, 5))), "start: expected codes for 2 images; got 3"),
    (dict(start=np.zeros((2, 5))), "start: expected 3 axes; got shape [2, 5]"),
    (dict(start=np.full((2, 2, 5), np.inf)), "start: expected finite numbers; got NaN or infinity"),
    (dict(mask=np.zeros((2, 8, 8, 1))), "mask: expected [1 or 2, 4, 4, 1]; got [2, 8, 8, 1]"),
    (dict(mask=np.zeros((3, 4, 4, 1))), "mask: expected [1 or 2, 4, 4, 1]; got [3, 4, 4, 1]"),
    (dict(encoder=None), "inversion needs an encoder, or codes to start from"),
    (dict(encoder=None, start=np.zeros((2, 2, 5))),
     "the domain term needs an encoder; give domain_weight=0 to leave the term out")])
def test_arguments_that_are_refused(arguments, message):
    with pytest.raises(ValueError) as caught:
        invert(**{**dict(images=images_of(2), synthesis=synthesis, encoder=encoder), **arguments})
    assert str(caught.value) == message


# ------------------------------------------------------------------------------------------ the official trajectories

def pooled(images):
    """The stand-in feature function of the reference data: 8x8 averages of the image in 0..255."""
    return flat(tf.nn.avg_pool2d((images + 1.0) * 127.5, 8, 8, "VALID"))


@pytest.fixture(scope="module")
def official(reference_file):
    return (load(reference_file("idinvert-128", "network.pkl"), only=("encoder", "generator")),
            dict(np.load(reference_file("idinvert-128", "expected.npz"))))


@pytest.fixture(scope="module")
def follow(official):
    """Function that follows the reference's trajectories, given a mask or None."""
    models, expected = official
    return functools.partial(Inversion(
        synthesis=models.generator.synthesis, encoder=models.encoder, features=pooled,
        options=InversionOptions(steps=10)), expected["x"])


def test_official_trajectory(official, follow):
    expected, result = official[1], follow()
    for term, name in zip(TERMS, ("inv_loss_pix", "inv_loss_feat", "inv_loss_dom", "inv_loss")):
        assert relative(result.losses[term], expected[name]) < 1e-3, term
    # One element in image 3 has a gradient of 1e-4 of the largest, which is rounding noise in float32: Adam makes a
    # full step of either sign. So one element may go its own way, and its image with it; float64, below, leaves no
    # such freedom.
    difference = np.abs(result.codes - expected["inv_codes10"]) / np.abs(expected["inv_codes10"]).max()
    assert (difference > 1e-3).sum() <= difference.size / 1000 and difference.max() < 1e-2
    agree = difference.max(axis=(1, 2)) < 1e-3
    assert agree.sum() >= 3
    assert relative(result.images[agree], expected["inv_images10"][agree]) < 1e-3


def test_official_masked_trajectory(official, follow):
    expected, result = official[1], follow(mask=official[1]["mask"])
    assert relative(result.losses["total"], expected["diff_loss"]) < 1e-3
    assert relative(result.codes, expected["diff_codes10"]) < 1e-3
    assert relative(result.images, expected["diff_images10"]) < 1e-3


@pytest.fixture
def double_networks(official):
    """Encoder and synthesis of the reference file that compute in float64."""
    mixed = getattr(keras, "mixed_precision", None)
    set_policy = mixed.set_global_policy if hasattr(mixed, "set_global_policy") else keras.config.set_dtype_policy
    set_policy("float64")
    keras.backend.set_floatx("float64")
    try:
        networks = []
        for network in (official[0].encoder, official[0].generator):
            double = type(network).from_config(network.get_config())
            for (_, to, _), (_, source, _) in zip(weights.table(double), weights.table(network)):
                to.assign(np.asarray(source, "float64"))
            networks.append(double)
        yield networks[0], networks[1].synthesis
    finally:
        set_policy("float32")
        keras.backend.set_floatx("float32")


def test_official_trajectory_in_double_precision(official, double_networks):
    """The equations without rounding: three terms and Adam, written out, reach the official codes of all images."""
    expected, (encode, synthesize) = official[1], double_networks
    x = tf.constant(expected["x"], "float64")

    @tf.function(autograph=False)
    def gradient_at(w):
        with tf.GradientTape() as tape:
            tape.watch(w)
            made = synthesize(w)
            loss = (tf.reduce_mean((x - made) ** 2, [1, 2, 3])
                    + 5e-5 * tf.reduce_mean((pooled(x) - pooled(made)) ** 2, 1)
                    + 2 * tf.reduce_mean((w - encode(made)) ** 2, [1, 2]))
        return loss, tape.gradient(loss, w)

    assert relative(encode(x), expected["codes"]) < 1e-4
    w, first, second = expected["codes"].astype("float64"), 0, 0       # exactly: that one element turns at 1e-6 already
    for t in range(1, 11):
        loss, gradient = (value.numpy() for value in gradient_at(tf.constant(w)))
        assert relative(loss, expected["inv_loss"][t - 1]) < 1e-3
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient ** 2
        w = w - 0.01 * np.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t) * first / (np.sqrt(second) + 1e-8)
    assert relative(w, expected["inv_codes10"]) < 1e-3
    assert relative(synthesize(tf.constant(w)), expected["inv_images10"]) < 1e-3
