"""Memory: what this process holds, and the most that it, or the GPU, has held."""
from __future__ import annotations

import os
import sys
from pathlib import Path

import tensorflow as tf


def resident():
    """Bytes of memory that this process holds; NaN where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return float("nan")


def peak():
    """Most bytes that were held so far: of the GPU where there is one, else of this process.

    NaN where the system does not tell. On a GPU counting starts afresh with every call; of a process it never does, so
    measure in one of its own.
    """
    if tf.config.list_physical_devices("GPU"):
        most = tf.config.experimental.get_memory_info("GPU:0")["peak"]
        tf.config.experimental.reset_memory_stats("GPU:0")
        return most
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):        # no Linux
        return _peak_by_resource()


def _peak_by_resource():
    """The same by getrusage, which on Linux begins with the peak of the process that started this one."""
    try:
        import resource
    except ImportError:     # Windows
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
