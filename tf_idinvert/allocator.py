"""Memory that malloc keeps, instead of returning it to the system and asking for it again at every step.

An optimisation step allocates the same large tensors again and again. By default, glibc maps each of them anew, and the
system clears every page: at 256 px 250,000 page faults a step, a quarter of its time. Elsewhere than with glibc nothing
changes.
"""
from __future__ import annotations

import ctypes
import os

SWITCH = "IDINVERT_RETURN_MEMORY"
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX, ARENA_MAX = -1, -2, -4, -8       # of mallopt, in malloc.h


def keep_memory():
    """Make malloc keep the memory that is freed. Call it before TensorFlow is imported, which starts threads.

    The environment variable IDINVERT_RETURN_MEMORY=1 prevents it; so does a setting of malloc there, MALLOC_... or
    GLIBC_TUNABLES, which has priority.

    Returns:
        bool, whether malloc has been told.
    """
    if os.environ.get(SWITCH) or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):        # musl, macOS, Windows
        return False
    settings = ((MMAP_MAX, 0), (TRIM_THRESHOLD, -1), (TOP_PAD, 1 << 28), (ARENA_MAX, 1))     # -1: never
    return all([mallopt(*setting) for setting in settings])
