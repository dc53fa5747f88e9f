"""Two replicas train as one does; all tests share a process in which TensorFlow starts with two devices."""
from __future__ import annotations

import json

import encoder_training as common
import pytest

MODULES = "test_traditional", "test_in_domain", "test_force_in_domain", "test_stylegan"


@pytest.fixture(scope="module")
def comparisons():
    """({module: what its `replicas` printed}, what the process said of errors)."""
    process = common.start("import importlib, encoder_training\n"
                           "strategy = encoder_training.two_devices()\n"
                           f"for name in {MODULES}: importlib.import_module(name).replicas(strategy)")
    try:
        output, errors = process.communicate(timeout=600)
    finally:
        process.kill()
    lines = [line for line in output.splitlines() if line.startswith("{")]
    return dict(zip(MODULES, map(json.loads, lines))), errors


def of(module, comparisons):
    found, errors = comparisons
    assert module in found, errors[-3000:]
    return found[module]


@pytest.mark.parametrize("module", MODULES[:3])
def test_encoders(comparisons, module):
    found = of(module, comparisons)
    assert found["moved"] > 0.5 and found["apart"] < 1e-3, found


def test_stylegan(comparisons):
    found = of("test_stylegan", comparisons)
    assert found["steps"] == 2 and found["moved"] > 0.01 and found["apart"] < 1e-3 * found["moved"], found
