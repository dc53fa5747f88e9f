"""Memory of this process, and peak memory of the GPU or of this process."""
from __future__ import annotations

import os
import sys
from pathlib import Path

import tensorflow as tf


def resident():
    """Return the resident memory of this process in bytes; NaN if the system does not report it."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return float("nan")


def peak():
    """Return the peak memory in bytes: of the GPU if there is one, else of this process; NaN if not reported.

    On a GPU, a call resets the peak. The peak of a process is never reset, so use a separate process per measurement.
    """
    if tf.config.list_physical_devices("GPU"):
        most = tf.config.experimental.get_memory_info("GPU:0")["peak"]
        tf.config.experimental.reset_memory_stats("GPU:0")
        return most
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):        # not Linux
        return _peak_by_resource()


def _peak_by_resource():
    """Return the peak memory by getrusage, which on Linux includes the peak of the parent process."""
    try:
        import resource
    except ImportError:     # Windows
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
