"""Speed of inversion with full-width networks and random weights, and comparison of optimisers.

StyleGAN is measured at every batch size, StyleGAN2 (configuration F, twice as wide from 64 px on) at the first. The
baseline is the paper's equation, executed eagerly in the same process. Rates are relative to the machine's rate of
matrix multiplication, measured before and after; the higher of the two counts.
"""
from __future__ import annotations

import functools
import itertools
import multiprocessing
import time

import keras
import numpy as np
import tensorflow as tf

from tf_idinvert import checkpoint, optimizers, starting
from tf_idinvert.benchmarks import matmul, memory, operations
from tf_idinvert.inversion import REPORTS, Inversion, InversionOptions
from tf_idinvert.losses import mean_squared_difference
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator
from tf_idinvert.networks.perceptual import VGG16_LAYER, LayerFeatures
from tf_idinvert.networks.stylegan2_generator import StyleGAN2Generator
from tf_idinvert.portraits import embedded, portrait

GENERATORS = {"StyleGAN": functools.partial(Generator, layerwise=True), "StyleGAN2": StyleGAN2Generator}
SIDES, BATCHES = (64, 128, 256), (1, 4)
COMPARED = (128,)       # sides at which optimisers are compared with full-width networks
EAGER_STEPS = 3
NEAR = 1.01             # losses within this factor count as equal, because searches end in different minima


def run(log, sides=SIDES, batches=BATCHES, jit=False, compared=COMPARED):
    """Return a row for every side, batch size and generator, measured in separate processes, and for every optimiser.

    Args:
        log: callable that prints a line.
        sides: resolutions in pixels.
        batches: batch sizes.
        jit: see `InversionOptions`.
        compared: sides at which optimisers are compared with full-width networks, besides the embedded model.
    Returns:
        list of dict, column -> text or number.
    """
    rows = []
    for side, batch, generator in itertools.product(sides, batches, GENERATORS):
        if generator != "StyleGAN" and batch != batches[0]:
            continue
        log(f"inversion with {generator} at {side} px, batch {batch}")
        rate = matmul.rate()
        with multiprocessing.get_context("spawn").Pool(1, starting.prepare) as child:
            row = child.apply(measure, (side, batch, time.time(), generator, jit))
        share = matmul.share(row["GFLOP"], row["s/iteration"], [rate, matmul.rate()])
        rows.append({"benchmark": "inversion", **row, **share})
    rows += _to_loss(log)
    for side in compared:
        *networks, features = full_width(side)
        rows += _compare(log, f"{side} px, full width", *networks, features, _portraits(2, side))
    return rows


def full_width(side, generator="StyleGAN", **widths):
    """Return (encoder, synthesis, features) with random weights; F has the shape of VGG16."""
    network = GENERATORS[generator](resolution=side, **widths)
    encoder = Encoder(resolution=side, num_layers=network.num_layers, dlatent_size=network.dlatent_size)
    return encoder, network.synthesis, vgg16()


def vgg16():
    """Return features of VGG16's shape, with random weights."""
    return LayerFeatures(keras.applications.VGG16(include_top=False, weights=None), VGG16_LAYER)


def measure(side, batch, started, generator="StyleGAN", jit=False, **widths):
    """Measure time, memory and operations of inversion in this process.

    Args:
        side, batch: resolution and batch size.
        started: `time.time()` at the start of this process.
        generator: one of GENERATORS.
        jit: see `InversionOptions`.
        widths: constructor arguments that make the generator narrower, for tests.
    Returns:
        dict, a row.
    """
    networks = encoder, synthesis, features = full_width(side, generator, **widths)
    images = np.random.default_rng(0).uniform(-1, 1, [batch, side, side, 3]).astype("float32")
    options, stamps = InversionOptions(steps=REPORTS, batch_size=batch, jit=jit).for_features(features), []
    inversion = Inversion(synthesis=synthesis, encoder=encoder, features=features, options=options)
    codes = inversion(images, progress=lambda *_: stamps.append(time.time())).codes
    row = {"generator": generator, "px": side, "batch": batch, "s/iteration": float(np.median(np.diff(stamps))),
           "start-up s": stamps[0] - started, "peak MB": memory.peak() / 1e6}
    row["eager s/iteration"] = _eager(images, options, *networks)
    row["faster"] = row["eager s/iteration"] / row["s/iteration"]
    row["encoder s"] = _latency(tf.function(encoder, autograph=False), images)
    row["synthesis s"] = _latency(tf.function(synthesis, autograph=False), codes)
    row["GFLOP"] = operations.count(
        lambda x, target, w: gradient(x, target, w, options, *networks), tf.constant(images),
        features(images), tf.constant(codes)) / 1e9
    return row


def gradient(x, features, w, options, encode, synthesize, features_of):
    """Return the gradient of Eq. (4) of Zhu et al. 2020; `features` are F(x)."""
    with tf.GradientTape() as tape:
        tape.watch(w)
        made = synthesize(w)
        loss = (mean_squared_difference(x, made)
                + options.feature_weight * mean_squared_difference(features, features_of(made))
                + options.domain_weight * mean_squared_difference(w, encode(made)))
    return tape.gradient(loss, w)


def _eager(images, options, *networks):
    """Return the seconds per iteration of eager execution."""
    x, features, w = tf.constant(images), networks[2](images), networks[0](images)
    adam, times = optimizers.Adam(options.learning_rate), []
    memory = adam.start(w)
    for t in range(EAGER_STEPS + 1):        # the first step is not measured
        start = time.perf_counter()
        w, memory = adam.step(t, w, memory, None, gradient(x, features, w, options, *networks))
        w.numpy()
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def _latency(function, argument, calls=5):
    """Return the median seconds of a call, after a first call that compiles."""
    argument, times = tf.constant(argument), []
    for _ in range(calls + 1):
        start = time.perf_counter()
        function(argument).numpy()
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def _to_loss(log, count=8):
    """Return the rows of `_compare` for the embedded model; none without it."""
    try:
        models = checkpoint.load(embedded.model_path(), only=("encoder", "generator"))
        attributes = checkpoint.load(embedded.attributes_path(), only=("attributes",)).attributes
    except embedded.EmbeddedError as error:
        log(f"optimisers are not compared: {error}")
        return []
    return _compare(log, "embedded", models.encoder, models.generator.synthesis, attributes.features,
                    _portraits(count, models.generator.resolution))


def _portraits(count, side):
    return portrait.sample(count, embedded.SEED, side)[0] / np.float32(127.5) - 1


def _compare(log, what, *given):
    """Return a row for every optimiser: steps until all images are within NEAR of the loss after 100 steps of Adam, as
    published. Times are relative to the time of these 100 steps.

    Args:
        log: callable that prints a line.
        what: name of the networks.
        given: encoder, synthesis, features, images [N, R, R, 3].
    """
    lowest, seconds = {}, {}        # of the optimisers: lowest losses so far [steps + 1, N], and seconds of a step
    for name in optimizers.NAMES:
        log(f"optimiser {name} on {len(given[-1])} portraits, {what}")
        lowest[name], seconds[name] = _search(name, *given)
    faithful, rows = InversionOptions.steps, []
    target = lowest[optimizers.ADAM][faithful]
    for name in optimizers.NAMES:
        needed, suits = first_below(lowest[name], NEAR * target), optimizers.recommended(name)
        rows.append({"networks": what, "optimizer": name, "to": f"{NEAR} x loss of {faithful} steps of adam",
                     "steps, mean": needed.mean(), "steps, most": needed.max(), "s/step": seconds[name],
                     "s": needed.max() * seconds[name], "recommended": suits.steps,
                     "then loss / adam's": float(np.mean(lowest[name][suits.steps] / target)),
                     "share of published": needed.max() * seconds[name] / (faithful * seconds[optimizers.ADAM])})
    return rows


def _search(name, encoder, synthesis, features, images):
    """Return (lowest losses so far [steps + 1, N], seconds per step) of an optimiser.

    Losses are those before a step, so the search makes one step more than it needs.
    """
    suits = optimizers.recommended(name)
    steps = suits.steps if name == optimizers.COSINE else InversionOptions.steps    # the decay needs them
    options = InversionOptions(steps=steps + 1, learning_rate=suits.learning_rate, optimizer=name,
                               batch_size=len(images))
    stamps = []
    result = Inversion(synthesis=synthesis, encoder=encoder, features=features, options=options)(
        images, progress=lambda *_: stamps.append(time.perf_counter()))
    return (np.minimum.accumulate(result.losses["total"], axis=0),
            float(np.median(np.diff(stamps))) * REPORTS / options.steps)


def first_below(losses, target):
    """Return the steps [N] after which the falling losses [steps + 1, N] are at most `target` [N]; NaN: never."""
    reached = losses <= target
    return np.where(reached.any(axis=0), reached.argmax(axis=0), np.nan)
