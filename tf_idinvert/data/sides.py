"""How large the pictures of a set are, without reading them; no TensorFlow."""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays, decoding, finding
from tf_idinvert.files.records import check_exists, level_of, record_files

LOOKED_AT = 100         # files of a folder


def training_resolution(path, allowed):
    """The resolution at which to train on a set where none is asked for: its own.

    Args:
        path: see `pipeline.open_source`.
        allowed: resolutions, powers of two.
    Returns:
        The largest of `allowed` that its pictures can be reduced to; of a folder or list of pictures, that the first
        hundred have; None where no name or header tells.
    Raises:
        InputError: nothing there, or nothing large enough.
    """
    check_exists(path)
    path, files = Path(path), record_files(path)
    if path.suffix == ".npy":
        shape = arrays.mapped(path).shape
        fitting = [each for each in allowed if len(shape) == 4 and shape[1] % each == 0]
    elif path.suffix == ".tfrecords" or files:
        levels = [level for level in map(level_of, files or [path]) if level is not None]
        if not levels:
            return None
        fitting = [each for each in allowed if each <= 2 ** max(levels)]
    else:
        side = min(_sides(path))
        fitting = [each for each in allowed if each <= side]
    if not fitting:
        raise InputError(f"{path}: no pictures of a resolution that can be trained, {min(allowed)} to {max(allowed)}")
    return max(fitting)


def _sides(path):
    """The shorter side of each of the first pictures that can be opened; InputError where none can."""
    sides, errors = [], []
    for _, file in finding.listing([path])[:LOOKED_AT]:
        try:
            with decoding.opened(file) as image:
                sides.append(min(image.size))
        except decoding.ImageError as error:        # its reader names it
            errors.append(error)
    if not sides:
        raise InputError(f"{path}: none of the first {len(errors)} pictures can be read; {errors[0]}")
    return sides
