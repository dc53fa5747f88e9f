"""Fixtures that several tests share."""
from __future__ import annotations

import os

# before TensorFlow is imported by a test
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")        # a step then compiles in half the time

from pathlib import Path

import numpy as np
import pytest

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"


@pytest.fixture(scope="session")
def reference_file():
    """Callable, (network, file name) -> path of official reference data; skips where they are absent."""
    def path(network, name):
        file = REFERENCE / network / name
        if not file.is_file():
            pytest.skip(f"needs the official reference data: {REFERENCE.name}/{network}/{name} beside the checkout")
        return file

    return path


@pytest.fixture
def rng():
    return np.random.default_rng(0)
