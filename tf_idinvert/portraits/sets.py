"""Render large sets of portraits in several processes."""
from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from tf_idinvert.files import arrays, atomic, parallel
from tf_idinvert.portraits import portrait

CHUNK = 250         # portraits per task of a process
SEED_STRIDE = 2 ** 32


def chunks(count, seed, resolution=64, processes=None, sample=portrait.sample):
    """Yield (images, attributes) of `sample` in order, in chunks, for `count` portraits.

    Chunk c is `sample(CHUNK, (seed + 1) * 2^32 + c)`, so `sample` itself never gives these portraits for a seed below
    2^32.

    Args:
        count: number of portraits N.
        seed: whole number >= 0.
        resolution: as in `portraits.sample`.
        processes: as in `parallel.in_order`.
        sample: `portraits.sample`, or another function of this kind, such as `wild.sample`.
    """
    tasks = [(sample, *task, resolution) for task in _tasks(count, seed)]
    yield from parallel.in_order(_sample, tasks, processes)


def codes(count, seed):
    """Return standard normal numbers that identify the portraits of `chunks(count, seed)`, as z of a generator.

    Returns:
        float32 [N, 13], independent N(0, 1): the normal quantiles of `portraits.draws`.
    """
    uniform = [portrait.draws(*task) for task in _tasks(count, seed)]
    return ndtri(np.concatenate(uniform).clip(1e-6, 1 - 1e-6)).astype(np.float32)


def attributes(count, seed, of):
    """Return the attributes of the portraits of `chunks` without rendering them.

    Args:
        count, seed: as in `chunks`.
        of: function (count, seed) -> {name: float32 [N]}, such as `wild.attributes_of`.
    Returns:
        {name: float32 [N]}
    """
    parts = [of(*task) for task in _tasks(count, seed)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def write(path, count, seed, resolution=64, processes=None, progress=None, sample=portrait.sample):
    """Render portraits into a .npy file of uint8 [N, R, R, 3], atomically.

    Args:
        path: file name, ending in .npy.
        count, seed, resolution, processes, sample: as in `chunks`.
        progress: None, or a function that is called with the number of portraits just rendered.
    """
    with atomic.replacing(path) as temporary:
        pictures = arrays.create(temporary, (count, resolution, resolution, 3), np.uint8)
        at = 0
        for drawn, _ in chunks(count, seed, resolution, processes, sample):
            pictures[at:at + len(drawn)] = drawn
            at += len(drawn)
            if progress:
                progress(len(drawn))
        pictures.flush()


def _tasks(count, seed):
    """Return (count, seed) of the chunks."""
    return [(min(CHUNK, count - start), (seed + 1) * SEED_STRIDE + start // CHUNK) for start in range(0, count, CHUNK)]


def _sample(task):
    sample, *arguments = task
    return sample(*arguments)
