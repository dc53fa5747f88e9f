"""The complete state of a training run in one file, so that a resumed run continues exactly as if never stopped.

The file is an uncompressed .npz with all variables in order. It fits only the version of Keras that wrote it, because
optimisers order their slots differently in other versions. `checkpoint` saves weights for use elsewhere.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays, atomic


def save(path, variables):
    """Write the values of `variables` (list of tf.Variable or Keras variables), atomically."""
    with atomic.replacing(path) as temporary:
        np.savez(temporary, **{f"{i:05d}": variable.numpy() for i, variable in enumerate(variables)})


def load(path, variables):
    """Assign the values of a file of `save` to the same list of variables; on an error, none is changed.

    Raises:
        InputError: the file is missing, damaged, or holds other variables.
    """
    try:
        values = [value for _, value in sorted(arrays.read_archive(path).items())]
    except arrays.ArrayError as error:
        raise InputError(f"{path}: no readable training state ({str(error)[len(f'{path}: '):]})") from error
    if len(values) != len(variables):
        raise InputError(f"{path}: holds {len(values)} variables, this run has {len(variables)}; written with other "
                         "options or another version of Keras")
    for i, (variable, value) in enumerate(zip(variables, values)):
        if tuple(variable.shape) != value.shape or variable.numpy().dtype != value.dtype:
            raise InputError(f"{path}: variable {i} is {value.dtype} {list(value.shape)}, this run has "
                             f"{variable.numpy().dtype} {list(variable.shape)}; written with other options or another "
                             "version of Keras")
    for variable, value in zip(variables, values):
        variable.assign(value)
