"""The convolutions of a step of inversion, each on its own: how long they take, with oneDNN and without.

Together they are what a step cannot go below, with these kernels; the rest of it is everything else.
"""
from __future__ import annotations

import collections
import multiprocessing
import os
import time

import numpy as np
import tensorflow as tf

from tf_idinvert.benchmarks import inversion, matmul, operations
from tf_idinvert.inversion import InversionOptions
from tf_idinvert.starting import ONEDNN

CALLS = 6
BACK = "Conv2DBackpropInput"        # the gradient by the picture; as a forward pass, the transposed convolution


def run(log, sides=(256,), batch=1, **widths):
    """Return a row for every distinct convolution of a step, longest first, and one for their sum.

    Args:
        log: callable that prints a line.
        sides: resolutions in pixels.
        batch: batch size.
        widths: see `inversion.full_width`.
    """
    rows = []
    for side in sides:
        for switch in "01":
            log(f"convolutions at {side} px, oneDNN {'on' if switch == '1' else 'off'}")
            with multiprocessing.get_context("spawn").Pool(1, os.putenv, [ONEDNN, switch]) as child:
                rows += child.apply(measure, (side, batch, switch), widths)
    return rows


def measure(side, batch, switch, **widths):
    """Return the rows of this process, whose environment has the `switch` of oneDNN."""
    networks = inversion.full_width(side, **widths)
    encoder, _, features = networks
    images = tf.zeros([batch, side, side, 3])
    step = operations.traced(
        lambda x, target, w: inversion.gradient(x, target, w, InversionOptions().for_features(features), *networks),
        images, features(images), encoder(images))
    found = [each for each in operations.needed(step.graph) if each.type in ("Conv2D", BACK)]
    times = collections.Counter(map(_shape, found))
    rate, rows = matmul.rate(), []
    for operation in {_shape(each): each for each in found}.values():
        kind, maps, kernel, stride = shape = _shape(operation)
        seconds, work = _seconds(operation), operations.of_operation(operation)
        rows.append({"benchmark": "convolutions", "px": side, "oneDNN": switch, "operation": kind, "map": str(maps),
                     "kernel": str(kernel), "stride": stride, "a step": times[shape], "ms": 1e3 * seconds,
                     "GFLOP": work / 1e9, **matmul.share(work / 1e9, seconds, [rate])})
    rows.sort(key=lambda row: -row["ms"] * row["a step"])
    ms, gflop = (sum(row[name] * row["a step"] for row in rows) for name in ("ms", "GFLOP"))
    return rows + [{"benchmark": "convolutions", "px": side, "oneDNN": switch, "operation": "all", "map": "",
                    "kernel": "", "stride": "", "a step": len(found), "ms": ms, "GFLOP": gflop,
                    **matmul.share(gflop, ms / 1e3, [rate])}]


def _shape(operation):
    """Return (kind, [h, w, channels] of what goes in, kernel, stride)."""
    return (operation.type, tuple(_given(operation).shape[1:]), tuple(operation.inputs[1].shape),
            operation.get_attr("strides")[1])


def _given(operation):
    """Return the maps that go in: of a gradient those of the output."""
    return operation.inputs[2 if operation.type == BACK else 0]


def _seconds(operation):
    """Return the least seconds of some calls of an operation, with random numbers, after one that is not measured."""
    rng = np.random.default_rng(0)
    strides, padding = operation.get_attr("strides"), operation.get_attr("padding").decode()
    given, kernel = (tf.constant(rng.standard_normal(each.shape).astype("float32"))
                     for each in (_given(operation), operation.inputs[1]))
    if operation.type == BACK:
        def call(x):
            return tf.raw_ops.Conv2DBackpropInput(input_sizes=operation.outputs[0].shape, filter=kernel, out_backprop=x,
                                                  strides=strides, padding=padding)
    else:
        def call(x):
            return tf.nn.conv2d(x, kernel, strides, padding)
    call, times = tf.function(call, autograph=False), []
    for _ in range(CALLS + 1):
        start = time.perf_counter()
        call(given)
        times.append(time.perf_counter() - start)
    return min(times[1:])
