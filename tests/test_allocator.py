"""allocator: large memory that is freed and allocated again costs no page faults; the switches."""
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tf_idinvert import allocator

ROOT = Path(__file__).parents[1]
CODE = """
import resource
from tf_idinvert import allocator
told, size = allocator.keep_memory(), 1 << 26
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"1" * size
before = faults()
for _ in range(5):
    b"1" * size
print(told, faults() - before)
"""


def has_mallopt():
    try:
        return bool(ctypes.CDLL(None).mallopt)
    except (AttributeError, OSError, TypeError):
        return False


def told_and_faults(**environment):
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(("MALLOC_", "GLIBC_TUNABLES", allocator.SWITCH))}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env={**clean, **environment}, text=True,
                          capture_output=True, timeout=60, check=True)
    told, faults = done.stdout.split()
    return told == "True", int(faults)


@pytest.mark.skipif(not has_mallopt(), reason="the C library has no mallopt")
def test_memory_is_kept_unless_a_switch_says_otherwise():
    told, kept = told_and_faults()
    assert told
    for switch in allocator.SWITCH, "MALLOC_ARENA_MAX":
        told, returned = told_and_faults(**{switch: "1"})
        assert not told and returned > 10 * max(kept, 1)


def test_other_systems_are_left_alone(monkeypatch):
    def without(_):
        raise OSError
    monkeypatch.setattr(allocator.ctypes, "CDLL", without)
    assert not allocator.keep_memory()
