"""What is set in a process before it imports TensorFlow: how memory is kept, and whose convolutions are taken.

TensorFlow takes oneDNN's convolutions on x86 processors from AVX-512 with neural network instructions on. TensorFlow
2.15 is faster with them on AVX2, too, but not in training, whose gradients by weights take longer. Later versions are
slower with them there: they hand oneDNN the weights in a layout for which it has no fast AVX2 kernel (measured with
2.21: docs/performance.md).
"""
from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import os
import platform
import sys

from tf_idinvert import allocator

COLLECTIONS = 20_000, 10, 10            # gc's thresholds: graphs are many small objects, of which few become garbage
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"        # TensorFlow's switch; what the environment says has priority


def prepare(trains=False):
    """Prepare this process for searches, or with `trains` for training; without effect once TensorFlow is imported."""
    if "tensorflow" in sys.modules:
        return
    allocator.keep_memory()
    gc.set_threshold(*COLLECTIONS)
    if not trains and platform.machine() in ("x86_64", "AMD64") and _version().startswith("2.15."):
        os.environ.setdefault(ONEDNN, "1")


@contextlib.contextmanager
def without_collections():
    """Context manager for large imports: what they make stays, so that no collection looks through it, then or later.

    Importing TensorFlow takes a fifth less time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if enabled:
            gc.enable()


def _version():
    try:
        return importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:     # it has another name, such as tensorflow-cpu
        return ""
