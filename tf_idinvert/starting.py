"""What is set in a process before it imports TensorFlow: how malloc keeps memory, and whose convolutions are taken.

TensorFlow takes oneDNN's convolutions on x86 processors from AVX-512 with neural network instructions on. TensorFlow
2.15 is faster with them on AVX2, too, but not in training, whose gradients by weights take longer. Later versions are
slower with them there: they hand oneDNN the weights in a layout for which it has no fast AVX2 kernel (measured with
2.21: docs/performance.md).
"""
from __future__ import annotations

import importlib.metadata
import os
import platform
import sys

from tf_idinvert import allocator

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"        # TensorFlow's switch; what the environment says has priority


def prepare(trains=False):
    """Prepare this process for searches, or with `trains` for training; without effect once TensorFlow is imported."""
    if "tensorflow" in sys.modules:
        return
    allocator.keep_memory()
    if not trains and platform.machine() in ("x86_64", "AMD64") and _version().startswith("2.15."):
        os.environ.setdefault(ONEDNN, "1")


def _version():
    try:
        return importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:     # it has another name, such as tensorflow-cpu
        return ""
