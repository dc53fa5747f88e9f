"""What multi-code inversion costs: seconds an iteration, and memory, against the number of codes."""
from __future__ import annotations

import multiprocessing

import numpy as np
import tensorflow as tf

from tf_idinvert import checkpoint
from tf_idinvert.benchmarks import memory
from tf_idinvert.networks.generator import Generator
from tf_idinvert.restoration.degradations import Identity
from tf_idinvert.restoration.multi_code import REPORTS, MultiCode, MultiCodeOptions


def measure(network, codes, layer, steps_a_report=2):
    """Search for one image, pixel term only. Call it in a process of its own, so that the memory is its own, too.

    Args:
        network: path of a network file, or a resolution: StyleGAN as published, with random weights.
        codes, layer: N and l.
        steps_a_report: iterations that are timed together.
    Returns:
        dict: 'seconds' an iteration, the median; 'megabytes', the peak memory above what the loaded network takes: of
        the GPU where there is one, else of the process; None where the system does not tell.
    """
    if isinstance(network, int):
        generator = Generator(network)
    else:
        generator = checkpoint.load(network, only=("generator",)).generator
    start = np.zeros([1, codes, generator.num_layers, generator.dlatent_size], "float32")
    observed = np.zeros([1, generator.resolution, generator.resolution, 3], "float32")
    search = MultiCode(synthesis=generator.synthesis, degrade=Identity(),
                       options=MultiCodeOptions(codes=codes, layer=layer, steps=REPORTS * steps_a_report, batch_size=1))
    times, before = [], memory.peak()
    search(observed, start, progress=lambda *_: times.append(float(tf.timestamp())))
    taken = max(memory.peak() - before, 0) / 2 ** 20        # Linux counts roughly
    return {"seconds": float(np.median(np.diff(times))) / steps_a_report,
            "megabytes": taken if np.isfinite(taken) else None}


def measure_apart(*arguments):
    """`measure` in a process of its own, but on a GPU, which this process holds."""
    if tf.config.list_physical_devices("GPU"):
        return measure(*arguments)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments)
