"""--strategy of the tools for many pictures: several devices, and workers that share a folder, do what one device does.
"""
from __future__ import annotations

import json
import os
from types import SimpleNamespace

import encoder_training as common
import evaluating
import numpy as np
import pytest
import tiny
from PIL import Image

from tf_idinvert import checkpoint
from tf_idinvert.cli import boundary as boundary_tool
from tf_idinvert.cli import devices, diffuse, invert, restore
from tf_idinvert.errors import InputError
from tf_idinvert.files import images, locks, workers

COUNT = 5
ARRAYS = {"invert": ["encoded_codes.npy", "inverted_codes.npy"],
          "diffuse": ["p0_TO_pictures_encoded_codes.npy", "p0_TO_pictures_inverted_codes.npy"],
          "restore": ["codes.npy", "shared_codes.npy", "alphas.npy"], "boundary": ["inverted_codes.npy"]}


def inputs(folder):
    """A small model and pictures for it."""
    small = dict(resolution=8, mapping_layers=1)
    checkpoint.save(checkpoint.Models(encoder=tiny.encoder(resolution=8, num_layers=4),
                                      generator=tiny.generator(**small)), folder / "model.h5")
    (folder / "pictures").mkdir()
    for i in range(COUNT):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"pictures/p{i}.png")


def run_all(folder, name, *more):
    """Call the tools with few steps; their folders are `folder`/`name`/TOOL."""
    model, pictures, to = folder / "model.h5", folder / "pictures", folder / name
    few = ["--num_results", 0, "--batch_size", 2, "--features", "none", *more, "--num_iterations"]
    calls = {invert: [model, pictures, *few, 0], diffuse: [model, pictures / "p0.png", pictures, *few, 2],
             restore: ["colorize", model, pictures, "--degrade", "-N", 2, "-l", 2, *few, 1],
             boundary_tool: ["sample", model, "--num", COUNT, "--batch_size", 2, *more]}
    for tool, arguments in calls.items():
        output = to / tool.__name__.rpartition(".")[2]
        assert not tool.main([*map(str, arguments), "-o", str(output)]), tool
        locks.release()


def evaluated(folder):
    """Write the codes of in-domain inversion that `evaluate.py` measures, by tiny networks."""
    bench = evaluating.make(folder, roles=("in-domain",), judged=False, with_boundaries=False, optimised=3, steps=2)
    np.save(folder / "codes.npy", bench.inverted("inversion").codes)


def replicas(folder):
    """All tools on one device, then on two, in a process of two devices."""
    strategy = common.two_devices()
    run_all(folder, "one")
    evaluated(folder / "one/evaluate")
    with devices.scope(SimpleNamespace(strategy="mirrored")):
        evaluated(folder / "two/evaluate")
    assert devices.scope(SimpleNamespace(strategy="mirrored")) is not None and strategy.num_replicas_in_sync == 2
    run_all(folder, "two", "--strategy", "mirrored")


@pytest.fixture(scope="module")
def on_devices(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    inputs(folder)
    process = common.start(f"import pathlib, test_devices; test_devices.replicas(pathlib.Path({str(folder)!r}))")
    errors = process.communicate(timeout=600)[1]
    assert process.returncode == 0, errors[-3000:]
    return folder


@pytest.mark.parametrize("tool", ARRAYS)
def test_two_devices_find_what_one_finds(on_devices, tool):
    for name in ARRAYS[tool]:
        one, two = (np.load(on_devices / count / tool / name) for count in ("one", "two"))
        assert one.size and np.isfinite(one).all()
        assert np.abs(two - one).max() <= 1e-5 * np.abs(one).max()
    files = [sorted(path.relative_to(on_devices / count / tool) for path in (on_devices / count / tool).rglob("*"))
             for count in ("one", "two")]
    assert files[0] == files[1]
    if tool == "invert":
        assert {**options(on_devices, "two"), "device_busy": 0}.keys() >= {"device_busy", "pictures"}
        assert list(options(on_devices, "two")["pictures"]) == [f"p{i}" for i in range(COUNT)]


def test_two_devices_evaluate_what_one_evaluates(on_devices):
    one, two = (np.load(on_devices / count / "evaluate/codes.npy") for count in ("one", "two"))
    assert len(one) == 3 and np.abs(two - one).max() <= 1e-5 * np.abs(one).max()


def options(folder, name):
    return json.loads((folder / name / "invert/options.json").read_text())


def config(index, count=2, addresses=("127.0.0.1:1", "127.0.0.1:2")):
    return json.dumps({"cluster": {"worker": addresses[:count]}, "task": {"type": "worker", "index": index}})


def worker(folder):
    """All tools, as the worker of TF_CONFIG; they share the folder with the other worker, who may be behind."""
    run_all(folder, "shared", "--strategy", "multi-worker")


@pytest.fixture(scope="module")
def by_workers(on_devices):
    """The results of one device, and of two processes on this machine."""
    processes = [common.start(f"import pathlib, test_devices; test_devices.worker(pathlib.Path({str(on_devices)!r}))",
                              TF_CONFIG=config(i)) for i in range(2)]
    try:
        for process in processes:
            errors = process.communicate(timeout=600)[1]
            assert process.returncode == 0, errors[-3000:]
    finally:
        for process in processes:
            process.kill()
    return on_devices / "one", on_devices / "shared"


@pytest.mark.parametrize("tool", ARRAYS)
def test_two_worker_processes_write_what_one_writes(by_workers, tool):
    one, shared = (folder / tool for folder in by_workers)
    for name in ARRAYS[tool]:
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


@pytest.mark.parametrize("text, message", [
    ("", "names no other worker"), ("{", "expected TensorFlow's JSON"), ("[]", "expected TensorFlow's JSON"),
    (config(2), "task worker 2 is none of its 2 workers and 0 chiefs"), (config(0, 1), "names no other worker")])
def test_a_wrong_tf_config_is_one_line(monkeypatch, text, message):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match=message):
        devices.worker_of(SimpleNamespace(strategy="multi-worker"))
    assert devices.worker_of(SimpleNamespace(strategy="one")) == workers.Worker()


def test_workers_do_not_align_or_tune(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config(0))
    for more in dict(align="auto"), dict(tune=3):
        with pytest.raises(InputError, match="multi-worker: not with"):
            devices.worker_of(SimpleNamespace(strategy="multi-worker", **more))
    assert devices.worker_of(SimpleNamespace(strategy="multi-worker", align=None)) == workers.Worker(0, 2)


def test_shares_follow_each_other_and_a_chief_is_the_first(monkeypatch):
    assert [worker.share("abcdefg") for worker in workers.Worker(0, 3).all()] == ["ab", "cd", "efg"]
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"chief": ["a"], "worker": ["b"]},
                                                "task": {"type": "worker", "index": 0}}))
    assert workers.this_worker() == workers.Worker(1, 2)


@pytest.mark.parametrize("gpu_id, strategy, visible, chosen", [
    (None, None, "0", "one"), ("1", None, "1", "one"), ("0,1", None, "0,1", "mirrored"), (None, "mirrored", None,
    "mirrored"), ("0,1", "one", "0,1", "one"), (None, "multi-worker", None, "multi-worker")])
def test_gpus_that_are_visible(monkeypatch, gpu_id, strategy, visible, chosen):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    args = SimpleNamespace(gpu_id=gpu_id, strategy=strategy)
    devices.choose(args)
    assert (os.environ.pop("CUDA_VISIBLE_DEVICES", None), args.strategy) == (visible, chosen)
