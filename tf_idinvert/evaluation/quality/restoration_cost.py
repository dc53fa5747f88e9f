"""Cost of multi-code inversion as a function of the number of codes: seconds per iteration, and memory."""
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
    """Search for one image with the pixel term only. Call this in a new process, so that the peak memory is its own.

    Args:
        network: paths of the files of a network, or a resolution: StyleGAN as published, with random weights.
        codes, layer: N and l.
        steps_a_report: iterations that are timed together.
    Returns:
        dict: 'seconds' per iteration, the median; 'megabytes', the peak memory beyond that of the loaded network, of
        the GPU if there is one, else of the process; None if the system does not report it.
    """
    if isinstance(network, int):
        generator = Generator(network)
    else:
        generator = checkpoint.load(*network, only=("generator",)).generator
    start = np.zeros([1, codes, generator.num_layers, generator.dlatent_size], "float32")
    observed = np.zeros([1, generator.resolution, generator.resolution, 3], "float32")
    search = MultiCode(synthesis=generator.synthesis, degrade=Identity(),
                       options=MultiCodeOptions(codes=codes, layer=layer, steps=REPORTS * steps_a_report, batch_size=1))
    times, before = [], memory.peak()
    search(observed, start, progress=lambda *_: times.append(float(tf.timestamp())))
    taken = max(memory.peak() - before, 0) / 2 ** 20        # Linux updates its counter only roughly
    return {"seconds": float(np.median(np.diff(times))) / steps_a_report,
            "megabytes": taken if np.isfinite(taken) else None}


def measure_apart(*arguments):
    """Call `measure` in a new process; on a GPU in this process, which holds the GPU."""
    if tf.config.list_physical_devices("GPU"):
        return measure(*arguments)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments)
