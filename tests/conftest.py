"""Fixtures that several tests share."""
from __future__ import annotations

import gc
import os
import sys

gc.disable()        # until everything is imported, see below

# before TensorFlow is imported by a test
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("IDINVERT_RETURN_MEMORY", "1")        # hundreds of models come and go in a process
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")       # tiny products: what threads share is less than it costs
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")        # a step then compiles in half the time

from pathlib import Path

import numpy as np
import pytest

from tf_idinvert import starting

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"

# Files that keep a core busy for half a minute or so, the longest first. They begin first, so that processes which
# share the files out (`-n 2 --dist loadfile --no-loadscope-reorder`) end at about the same time.
LONGEST = ("test_evaluate", "test_train", "test_export", "test_editor_page", "test_benchmark_training",
           "test_optimizers", "test_restore", "test_stylegan2_journeys", "test_replicas", "test_tuning",
           "test_multi_code", "test_journeys", "test_editing_journeys", "test_in_domain", "test_inversion",
           "test_tool_defaults", "test_benchmark_inversion", "test_stylegan")


def pytest_make_parametrize_id(val):
    """Names of tests travel between processes with every report: not with the million characters of some parameters."""
    return ascii(val[:60]) if isinstance(val, (str, bytes)) and len(val) > 60 else None


def pytest_collection_finish():
    """What all imports have left stays: collections need not look through it again and again. And graphs are many small
    objects, of which few become garbage: collections as rare as the tools' save a twentieth of the time."""
    gc.freeze()
    gc.set_threshold(*starting.COLLECTIONS)
    gc.enable()


def pytest_sessionfinish():
    """pytest collects garbage five times as it ends: for a process about to end, some seconds of nothing."""
    gc.freeze()


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


# Files about bits, trajectories and speed of what users run: TensorFlow optimises their graphs (Grappler) as for users.
# For the others, which run a graph a few times and compare within tolerances, that is a fifth of their time.
OPTIMISED = {"test_benchmark_inversion", "test_embedded", "test_export", "test_in_domain",
             "test_interrupts", "test_inversion", "test_journeys", "test_loop", "test_multi_code", "test_optimizers",
             "test_pairs", "test_state", "test_stylegan", "test_train", "test_training_from_python"}


@pytest.fixture(scope="module", autouse=True)
def graph_optimisation(request):
    tensorflow = sys.modules.get("tensorflow")      # where no file imports it, nothing is to be set
    if tensorflow is not None:
        tensorflow.config.optimizer.set_experimental_options(
            {"disable_meta_optimizer": request.path.stem not in OPTIMISED})


@pytest.fixture(scope="session")
def reference_file():
    """Callable, (network, file name) -> path of official reference data; skips where they are absent."""
    def path(network, name):
        file = REFERENCE / network / name
        if not file.is_file():
            pytest.skip(f"needs the official reference data: {REFERENCE.name}/{network}/{name} beside the checkout")
        return file

    return path


@pytest.fixture(scope="module")
def traced_once():
    """Runs of tools in a file of tests share what they trace; see `traced_once.py`."""
    import traced_once
    with pytest.MonkeyPatch.context() as patch:
        traced_once.share(patch)
        yield


@pytest.fixture
def eagerly():
    """A test within `encoder_training.eagerly`."""
    import encoder_training
    with encoder_training.eagerly():
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)
