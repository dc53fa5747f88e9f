"""What a training reads, and what it only looks at: pictures to train on, and others that are held out."""
from __future__ import annotations

import numpy as np

from tf_idinvert.data import pipeline
from tf_idinvert.errors import InputError

HELD_OUT = 64           # pictures that are set aside by default, never trained on


class Selection:
    """Some of the pictures of another source."""

    def __init__(self, source, indices):
        self.source, self.indices = source, np.asarray(indices)
        self.resolution, self.channels = source.resolution, source.channels

    def __len__(self):
        return len(self.indices)

    def read(self, indices):
        return self.source.read(self.indices[indices])


def open_training_set(path, resolutions, batch, channels=3, test_path=None, held_out=HELD_OUT):
    """Sources to train on, and the pictures that are not trained on.

    Args:
        path: see `pipeline.open_source`.
        resolutions: sides at which the same pictures are wanted.
        batch: largest number of pictures a batch, over all replicas.
        channels: of the networks' pictures.
        test_path: other pictures to hold out, in the same forms; None: some of `path`.
        held_out: how many, evenly spaced; of `path` at most a tenth of all.
    Returns:
        ({resolution: source}, function (resolution) -> uint8 [N, r, r, C]; None where there are none).
    Raises:
        InputError: nothing usable there; one line.
    """
    sources = {resolution: pipeline.open_source(path, resolution) for resolution in resolutions}
    count = len(next(iter(sources.values())))
    if test_path is None:
        tests, held = sources, spaced(count, min(held_out, count // 10))
        sources = {resolution: Selection(source, np.setdiff1d(np.arange(count), held))
                   for resolution, source in sources.items()} if len(held) else sources
    else:
        tests = {resolution: pipeline.open_source(test_path, resolution) for resolution in resolutions}
        held = spaced(len(next(iter(tests.values()))), held_out)
    for source in sources.values():
        _expect(source, path, channels, batch)
    for source in tests.values():
        _expect(source, test_path or path, channels, 1)
    return sources, (lambda resolution: tests[resolution].read(held)) if len(held) else None


def spaced(total, count):
    """Indices of `count` of `total` pictures, evenly spaced; of all where there are fewer."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))


def _expect(source, path, channels, batch):
    """InputError, one line that begins with `path`, where a training cannot use a source."""
    if source.channels != channels:
        raise InputError(f"{path}: pictures with {source.channels} channel(s); expected {channels}, as in the networks")
    if len(source) < batch:
        raise InputError(f"{path}: {len(source)} pictures to train on, fewer than a batch of {batch}; give more, or "
                         "smaller batches")
