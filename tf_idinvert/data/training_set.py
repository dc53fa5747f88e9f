"""What a training reads, and what it only looks at: pictures to train on, and others that are held out."""
from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tf_idinvert.data import pipeline
from tf_idinvert.errors import InputError
from tf_idinvert.files import decoding
from tf_idinvert.files.progress import progress

log = logging.getLogger(__name__)

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


class InColour:
    """A grey source as one of three equal channels."""

    channels = 3

    def __init__(self, source):
        self.source, self.resolution = source, source.resolution

    def __len__(self):
        return len(self.source)

    def read(self, indices):
        return np.repeat(self.source.read(indices), 3, axis=3)


def open_training_set(path, resolutions, batch, channels=3, test_path=None, held_out=HELD_OUT, left_out=None):
    """Sources to train on, and the pictures that are not trained on.

    Args:
        path: see `pipeline.open_source`.
        resolutions: sides at which the same pictures are wanted.
        batch: largest number of pictures a batch, over all replicas.
        channels: of the networks' pictures.
        test_path: other pictures to hold out, in the same forms; None: some of `path`.
        held_out: how many, evenly spaced; of `path` at most a tenth of all.
        left_out: list that takes a line for each file that is no picture or damaged; the log has them, too. Files are
            read through before, so that a training does not end at one after hours.
    Returns:
        ({resolution: source}, function (resolution) -> uint8 [N, r, r, C]; None where there are none). Grey
        pictures become RGB where that is wanted.
    Raises:
        InputError: nothing usable there; one line.
    """
    sources = _opened(path, resolutions, channels, left_out)
    count = len(next(iter(sources.values())))
    if test_path is None:
        tests, held = sources, spaced(count, min(held_out, count // 10))
        sources = {resolution: Selection(source, np.setdiff1d(np.arange(count), held))
                   for resolution, source in sources.items()} if len(held) else sources
    else:
        tests = _opened(test_path, resolutions, channels, left_out)
        held = spaced(len(next(iter(tests.values()))), held_out)
    for source in sources.values():
        _expect(source, path, channels, batch)
    for source in tests.values():
        _expect(source, test_path or path, channels, 1)
    return sources, (lambda resolution: tests[resolution].read(held)) if len(held) else None


def _opened(path, resolutions, channels, left_out):
    """{resolution: source} of what can be used of a set."""
    sources, usable = {}, None
    for resolution in resolutions:
        source = pipeline.open_source(path, resolution)
        if isinstance(source, pipeline.FolderSource):
            usable = _usable(source.paths, left_out) if usable is None else usable
            source.paths = usable
        sources[resolution] = InColour(source) if (source.channels, channels) == (1, 3) else source
    return sources


def _usable(paths, left_out):
    """The paths of pictures that can be read; the others are named."""
    with ThreadPoolExecutor() as pool, progress(len(paths), "checking pictures", unit="img") as bar:
        errors = []
        for error in pool.map(_fault, paths):
            errors.append(error)
            bar.update()
    lines = [f"left out: {error}" for error in errors if error]
    for line in lines:
        log.error("%s", line)
    if left_out is not None:
        left_out.extend(lines)
    return [path for path, error in zip(paths, errors) if not error]


def _fault(path):
    """Why a picture cannot be read; None where it can."""
    try:
        decoding.check_whole(path)
    except decoding.ImageError as error:
        return error
    return None


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
