"""Several devices, and workers, do what one device does: batches, trainings, tools for many pictures, evaluation.

All of it runs in few processes, in which TensorFlow starts with two devices, or as a worker.
"""
from __future__ import annotations

import contextlib
import importlib
import json
from unittest import mock

import encoder_training as common
import numpy as np
import pytest
import tensorflow as tf
import test_apart
import test_devices

from tf_idinvert import checkpoint
from tf_idinvert.cli import train, training_options
from tf_idinvert.files import images, locks

TRAININGS = {"devices": ("test_traditional", "test_in_domain", "test_force_in_domain"), "workers": ("test_stylegan",)}


def compare_trainings(kind, strategy):
    """All without graphs but the force-in-domain one, whose step has the parts of the others."""
    for name in TRAININGS[kind]:
        with contextlib.nullcontext() if name == "test_force_in_domain" else common.eagerly():
            importlib.import_module(name).replicas(strategy)


def train_encoder(folder, name, batch, *more):
    """`train.py` itself, whose step the workers trace. Without batch norm: the bias before it has no gradient but
    rounding errors, of which Adam makes steps."""
    arguments = ["--method", "traditional", "--generator", folder / "model.h5", "--kimg", 0.048, "--batch-per-replica",
                 batch, "--learning-rate", 0.001, "--encoder-filters", 4, "--encoder-filters-max", 8, "--encoder-norm",
                 "none", "--snapshot-minutes", 1000, "--output", folder / name, *more]
    assert not train.main(list(map(str, arguments)))
    locks.release()


def devices(folder):
    """In a process of its own."""
    strategy = common.two_devices(of=4)
    with mock.patch("tensorflow.config.list_logical_devices",
                    lambda kind, all_devices=tf.config.list_logical_devices: all_devices(kind)[:2]):
        test_devices.two_devices(folder)        # with four, the tools would take longer
    compare_trainings("devices", strategy)
    with common.eagerly():
        train_encoder(folder, "one/train", 16)
    test_apart.replicas()


def worker(folder):
    """In the processes of the workers."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()      # before any other use of TensorFlow
    training_options.make_strategy = lambda name: strategy      # a process has one
    compare_trainings("workers", strategy)
    train_encoder(folder, "shared/train", 8, "--strategy", "multi-worker")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    test_devices.inputs(folder)
    return folder


@pytest.fixture(scope="module")
def printed(folder):
    """{process: what the trainings printed there, then `test_apart`}. Meanwhile, the tools work in this one, too."""
    calls = {"devices": ("devices", {}),
             **{f"worker {i}": ("worker", {"TF_CONFIG": config}) for i, config in enumerate(common.worker_configs())}}
    wait = common.in_processes("test_replicas", folder, calls)
    test_devices.one_device(folder)         # it waits for the process of two devices
    return wait()


@pytest.mark.parametrize("kind, training", [(kind, each) for kind in TRAININGS for each in TRAININGS[kind]])
def test_trainings(printed, kind, training):
    for process in {"devices": ["devices"], "workers": ["worker 0", "worker 1"]}[kind]:
        assert len(printed[process]) == len(TRAININGS[kind]) + (kind == "devices")
        found = printed[process][TRAININGS[kind].index(training)]
        if training == "test_stylegan":
            assert found["steps"] == 2 and found["moved"] > 0.01 and found["apart"] < 1e-3 * found["moved"], found
        else:
            assert found["moved"] > 0.5 and found["apart"] < 1e-3, found


@pytest.mark.parametrize("count, sizes", [("1", [2, 2, 2, 1]), ("2", [4, 4]), ("4", [8])])
def test_replicas_compute_what_one_device_does_in_the_same_order(printed, count, sizes):
    found = printed["devices"][-1]
    assert found[count] == [found["1"][0], sizes]


def test_workers_train_by_the_tool_like_one(printed, folder):
    """Each takes half of the batch; the first one writes."""
    assert len(list((folder / "shared/train/tensorboard").iterdir())) == 1
    models = (checkpoint.load(folder / name / "train/network.h5") for name in ("one", "shared"))
    for a, b in zip(*(each.encoder.get_weights() for each in models)):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("tool", test_devices.ARRAYS)
def test_two_devices_find_what_one_finds(printed, folder, tool):
    for name in test_devices.ARRAYS[tool]:
        one, two = (np.load(folder / count / tool / name) for count in ("one", "two"))
        assert one.size and np.isfinite(one).all()
        assert np.abs(two - one).max() <= 1e-5 * np.abs(one).max()
    files = [sorted(path.relative_to(folder / count / tool) for path in (folder / count / tool).rglob("*"))
             for count in ("one", "two")]
    assert files[0] == files[1]
    if tool == "invert":
        options = json.loads((folder / "two/invert/options.json").read_text())
        assert "device_busy" in options
        assert list(options["pictures"]) == [f"p{i}" for i in range(test_devices.COUNT)]


def test_two_devices_evaluate_what_one_evaluates(printed, folder):
    one, two = (np.load(folder / count / "evaluate/codes.npy") for count in ("one", "two"))
    assert len(one) == 3 and np.abs(two - one).max() <= 1e-5 * np.abs(one).max()


def test_two_worker_processes_evaluate_what_one_evaluates(printed, folder):
    one, shared = (np.load(folder / name / "evaluate/codes.npy") for name in ("one", "shared"))
    assert len(one) == 3 and np.abs(shared - one).max() <= 1e-5 * np.abs(one).max()


@pytest.mark.parametrize("tool", test_devices.ARRAYS)
def test_two_worker_processes_write_what_one_writes(printed, folder, tool):
    one, shared = (folder / name / tool for name in ("one", "shared"))
    for name in test_devices.ARRAYS[tool]:
        expected, found = (np.load(folder / name) for folder in (one, shared))
        assert expected.size and np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    for path in one.rglob("*.png"):
        pictures = [images.read(folder / path.relative_to(one)).astype(int) for folder in (one, shared)]
        assert np.abs(pictures[0] - pictures[1]).max() <= 1
    names = [sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix != ".log")
             for folder in (one, shared)]
    assert names[0] == names[1]
    assert len(list(shared.glob("*.log"))) == 2 and not list(shared.glob(".*"))
    if tool == "invert":
        assert (shared / "image_list.txt").read_text() == (one / "image_list.txt").read_text()
