"""Load test of an exported model: several threads call it with batches of different sizes, and all results are checked.
Or its answers to one caller, one row at a time, with full-width networks.

The model runs in this process; the figures do not include what TensorFlow Serving adds (network, queues, batching).
"""
from __future__ import annotations

import concurrent.futures
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_idinvert.benchmarks import inversion, memory
from tf_idinvert.checkpoint import Models
from tf_idinvert.errors import InputError, first_line
from tf_idinvert.files.paths import require_file
from tf_idinvert.inversion import InversionOptions
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.serving import export

POOL = 32               # number of rows with known results, of which the calls consist
PERCENTILES = (50, 95, 99)
ALONE = {"encode": 30, "synthesize": 30, "invert": 3}      # signature -> calls of one caller
STEPS, LEARNING_RATE = 20, 0.01                            # of a call to `invert`


def load_test(folder, *, signature="reconstruct", callers=4, calls=200, batch_sizes=(1, 2, 3, 5), seed=0):
    """Call a SavedModel from several threads.

    Args:
        folder: folder of the SavedModel with its version: serving/NAME/1.
        signature: a signature with float inputs only: 'reconstruct', 'encode', 'synthesize' or 'sample'.
        callers: number of threads.
        calls: total number of calls.
        batch_sizes: possible numbers of rows of a call, drawn at random.
        seed: seed of the inputs and of the rows of a call.
    Returns:
        dict: 'calls_per_second', 'rows_per_second', 'latency_p50', 'latency_p95', 'latency_p99' and 'latency_max' in
        seconds, 'memory_before' and 'memory_after' (resident, in bytes; NaN if the system does not report it),
        'mixed_rows' (number of results that are nearer to another row's result than to their own; must be 0),
        'largest_difference' (between a row's result in a batch and alone, relative to the largest value), and the
        arguments.
    Raises:
        InputError: no SavedModel, or it lacks the signature, or has other inputs.
    """
    model = _loaded(folder)         # keep a reference: the variables live as long as the model
    call = _signature(model, folder, signature)
    rng = np.random.default_rng(seed)
    pool = {name: _rows(name, spec, rng) for name, spec in call.structured_input_signature[1].items()}

    def answer(rows):
        results = call(**{name: tf.constant(values[rows]) for name, values in pool.items()})
        return np.concatenate([np.reshape(value, [len(rows), -1]) for _, value in sorted(results.items())], axis=1)

    known = np.concatenate([answer([row]) for row in range(POOL)])
    plan = [rng.integers(0, POOL, rng.choice(batch_sizes)) for _ in range(calls)]
    with concurrent.futures.ThreadPoolExecutor(callers) as threads:
        list(threads.map(answer, [rng.integers(0, POOL, size) for size in batch_sizes] * 2 * callers))     # warm-up
        before, start = memory.resident(), time.perf_counter()
        found = list(threads.map(lambda rows: _compared(answer, rows, known), plan))
        seconds, after = time.perf_counter() - start, memory.resident()
    latencies, mixed, differences = zip(*found)
    return {"signature": signature, "callers": callers, "calls": calls, "batch_sizes": list(batch_sizes),
            "calls_per_second": calls / seconds, "rows_per_second": sum(map(len, plan)) / seconds,
            **{f"latency_p{q}": float(np.percentile(latencies, q)) for q in PERCENTILES},
            "latency_max": max(latencies), "memory_before": before, "memory_after": after,
            "mixed_rows": sum(mixed), "largest_difference": max(differences)}


def one_caller(side, calls=ALONE, **widths):
    """Export networks of full width with random weights, F of VGG16's shape, and call them with one row at a time.

    Args:
        side: resolution in pixels.
        calls: {signature: number of calls}.
        widths: constructor arguments that make the generator narrower, for tests.
    Returns:
        list of dict, a row for each signature: 'px', 'signature', 'calls', 'latency_p50' and 'latency_p95' in seconds.
    """
    generator = inversion.GENERATORS["StyleGAN"](resolution=side, **widths)
    features = inversion.vgg16()
    with tempfile.TemporaryDirectory() as temporary:
        model = _loaded(export.export(Models(Encoder.of(generator), generator), Path(temporary) / "model", only=ALONE,
                                      features=features, options=InversionOptions().for_features(features)))
        x = tf.constant(np.random.default_rng(0).uniform(-1, 1, [1, side, side, 3]).astype(np.float32))
        codes = model.signatures["encode"](images=x)["codes"]
        inputs = {"encode": {"images": x}, "synthesize": {"codes": codes},
                  "invert": {"images": x, "steps": tf.constant([STEPS]), "learning_rate": tf.constant([LEARNING_RATE])}}
        return [{"px": side, "signature": name, "calls": count,
                 **_latencies(model.signatures[name], inputs[name], count)} for name, count in calls.items()]


def _latencies(call, inputs, count):
    seconds = []
    for _ in range(1 + count):      # the first call starts the graph
        start = time.perf_counter()
        for result in call(**inputs).values():
            result.numpy()
        seconds.append(time.perf_counter() - start)
    return {f"latency_p{q}": float(np.percentile(seconds[1:], q)) for q in PERCENTILES[:2]}


def _loaded(folder):
    require_file(Path(folder) / "saved_model.pb", "a SavedModel's, in its folder NAME/VERSION", InputError)
    try:
        return tf.saved_model.load(str(folder))
    except Exception as error:      # damaged ones fail in many ways
        raise InputError(f"{folder}: TensorFlow cannot load it: {first_line(error)}") from error


def _signature(model, folder, name):
    if name not in model.signatures:
        raise InputError(f"{folder}: has no signature {name!r}; it has {', '.join(sorted(model.signatures))}")
    return model.signatures[name]


def _rows(name, spec, rng):
    if spec.dtype != tf.float32:
        raise InputError(f"the load test has no values for the input {name!r} of type {spec.dtype.name}")
    return rng.uniform(-1, 1, [POOL, *spec.shape[1:]]).astype(np.float32)


def _compared(answer, rows, known):
    """Return (seconds, number of rows nearer to another row's result, largest relative difference) of a call."""
    start = time.perf_counter()
    found = answer(rows)
    seconds = time.perf_counter() - start
    distances = np.stack([np.abs(known - row).max(axis=1) for row in found])        # [rows, POOL]
    own = distances[np.arange(len(rows)), rows]
    return seconds, int((distances.min(axis=1) < own).sum()), float(own.max() / np.abs(known).max())
