"""The whole state of a training run in one file: every variable, bit by bit, so that a run goes on as if not stopped.

One uncompressed .npz with the variables in order. Weights to be used elsewhere are saved by `checkpoint`; the slots of
an optimiser have another order in other versions of Keras, so a state is for the version that wrote it.
"""
from __future__ import annotations

import zipfile

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic


def save(path, variables):
    """Write the values of `variables` (list of tf.Variable or Keras variables), atomically."""
    with atomic.replacing(path) as temporary:
        np.savez(temporary, **{f"{i:05d}": variable.numpy() for i, variable in enumerate(variables)})


def load(path, variables):
    """Assign to `variables` what `save` wrote of the same list; nothing is assigned unless all fits.

    Raises:
        InputError: a file that is missing, damaged, or of other variables.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            values = [file[name] for name in sorted(file.files)]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: no readable training state ({error})") from error
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
