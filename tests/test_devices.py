"""--strategy of the tools for many pictures: several devices, and workers that share a folder, do what one device does.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import encoder_training as common
import numpy as np
import pytest
import tiny
from PIL import Image

from tf_idinvert import checkpoint
from tf_idinvert.cli import boundary as boundary_tool
from tf_idinvert.cli import devices, diffuse, invert, restore
from tf_idinvert.errors import InputError
from tf_idinvert.files import images, workers

TOOLS = Path(__file__).parents[1] / "tools"
COUNT = 5


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


def replicas(folder):
    """All tools on one device, then on two, in a process of two devices."""
    strategy = common.two_devices()
    run_all(folder, "one")
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


@pytest.mark.parametrize("tool, arrays", [
    ("invert", ["encoded_codes.npy", "inverted_codes.npy"]),
    ("diffuse", ["p0_TO_pictures_encoded_codes.npy", "p0_TO_pictures_inverted_codes.npy"]),
    ("restore", ["codes.npy", "shared_codes.npy", "alphas.npy"]), ("boundary", ["inverted_codes.npy"])])
def test_two_devices_find_what_one_finds(on_devices, tool, arrays):
    for name in arrays:
        one, two = (np.load(on_devices / count / tool / name) for count in ("one", "two"))
        assert one.size and np.isfinite(one).all()
        assert np.abs(two - one).max() <= 1e-5 * np.abs(one).max()
    files = [sorted(path.relative_to(on_devices / count / tool) for path in (on_devices / count / tool).rglob("*"))
             for count in ("one", "two")]
    assert files[0] == files[1]
    if tool == "invert":
        assert {**options(on_devices, "two"), "device_busy": 0}.keys() >= {"device_busy", "pictures"}
        assert list(options(on_devices, "two")["pictures"]) == [f"p{i}" for i in range(COUNT)]


def options(folder, name):
    return json.loads((folder / name / "invert/options.json").read_text())


def config(index, count=2, addresses=("127.0.0.1:1", "127.0.0.1:2")):
    return json.dumps({"cluster": {"worker": addresses[:count]}, "task": {"type": "worker", "index": index}})


def test_two_worker_processes_write_one_folder(tmp_path, on_devices):
    """Encoding only; one of them is alone at the end and makes what belongs to both."""
    model, pictures = on_devices / "model.h5", on_devices / "pictures"
    command = [sys.executable, TOOLS / "invert.py", model, pictures, "--features", "none", "--num_iterations", 0,
               "--batch_size", 2, "-o", tmp_path / "shared", "--strategy", "multi-worker"]
    processes = [subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, env={
        **os.environ, "PYTHONPATH": str(TOOLS.parent), "CUDA_VISIBLE_DEVICES": "-1", "TF_CONFIG": config(i)})
        for i in range(2)]
    try:
        for process in processes:
            errors = process.communicate(timeout=300)[1]
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
    shared = tmp_path / "shared"
    assert (shared / "image_list.txt").read_text().split() == [f"p{i}.png" for i in range(COUNT)]
    expected = np.load(on_devices / "one/invert/encoded_codes.npy")
    for kind in "encoded", "inverted":
        assert np.abs(np.load(shared / f"{kind}_codes.npy") - expected).max() <= 1e-5 * np.abs(expected).max()
    assert {path.name for path in shared.glob("*.log")} == {"inversion.log", "inversion-1.log"}
    assert not list(shared.glob(".*")) and (shared / "inversion.html").exists()


def test_workers_sample_what_one_does(tmp_path, on_devices, monkeypatch):
    for index in 1, 0:
        monkeypatch.setenv("TF_CONFIG", config(index))
        boundary_tool.main(["sample", str(on_devices / "model.h5"), "--num", str(COUNT), "--batch_size", "2", "-o",
                            str(tmp_path / "shared"), "--strategy", "multi-worker"])
        locks_released()
    one = on_devices / "one/boundary"
    codes, expected = (np.load(folder / "inverted_codes.npy") for folder in (tmp_path / "shared", one))
    assert np.abs(codes - expected).max() <= 1e-5 * np.abs(expected).max()
    for i in range(COUNT):
        pictures = [images.read(folder / f"{i:06}_inv.png").astype(int) for folder in (one, tmp_path / "shared")]
        assert np.abs(pictures[0] - pictures[1]).max() <= 1


def locks_released():
    from tf_idinvert.files import locks
    locks.release()


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
