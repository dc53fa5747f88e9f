"""--strategy of the tools for many pictures; `test_replicas` runs them on several devices and as workers."""
from __future__ import annotations

import json
import logging
import os
from types import SimpleNamespace

import evaluating
import numpy as np
import pytest
import tensorflow as tf
import tiny
import traced_once
from PIL import Image

from tf_idinvert import checkpoint
from tf_idinvert.cli import boundary as boundary_tool
from tf_idinvert.cli import devices, diffuse, invert, restore
from tf_idinvert.errors import InputError
from tf_idinvert.evaluation.papers import methods, originals, shares
from tf_idinvert.files import locks, workers

COUNT, SIDE = 5, 4
ARRAYS = {"invert": ["encoded_codes.npy", "inverted_codes.npy"],
          "diffuse": ["p0_TO_pictures_encoded_codes.npy", "p0_TO_pictures_inverted_codes.npy"],
          "restore": ["codes.npy", "shared_codes.npy", "alphas.npy"], "boundary": ["inverted_codes.npy"]}


def networks():
    """The least encoder and its generator: tracing them for two devices is most of the time."""
    return (tiny.encoder(resolution=SIDE, num_layers=2, batch_norm=False),
            tiny.generator(resolution=SIDE, mapping_layers=1))


def inputs(folder):
    """A small model and pictures for it."""
    checkpoint.save(checkpoint.Models(*networks()), folder / "model.h5")
    (folder / "pictures").mkdir()
    for i in range(COUNT):
        pixels = np.random.default_rng(i).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"pictures/p{i}.png")


def run_all(folder, name, *more, worker=workers.Worker()):
    """Call the tools with few steps, then part of an evaluation; their folders are `folder`/`name`/TOOL."""
    model, pictures, to = folder / "model.h5", folder / "pictures", folder / name
    few = ["--num_results", 0, "--batch_size", 2, "--features", "none", *more, "--num_iterations"]
    calls = {invert: [model, pictures, *few, 0],
             diffuse: [model, pictures / "p0.png", pictures, *few, 2, "--crop_size", 2],
             restore: ["colorize", model, pictures, "--degrade", "-N", 2, "-l", 1, *few, 1],
             boundary_tool: ["sample", model, "--num", COUNT, "--batch_size", 2, *more]}
    for tool, arguments in calls.items():
        output = to / tool.__name__.rpartition(".")[2]
        assert not tool.main([*map(str, arguments), "-o", str(output)]), tool
        locks.release()
    with devices.scope(SimpleNamespace(strategy="multi-worker" if more else "one")):
        evaluated(folder, to / "evaluate", worker)


def evaluated(folder, to, worker):
    """Write the codes of in-domain inversion that `evaluate.py` measures; the first worker waits for the other one."""
    bench = evaluating.make(to, roles=("in-domain",), judged=False, with_boundaries=False, optimised=3, steps=2,
                            mse_steps=2)
    pictures = np.random.default_rng(0).integers(0, 256, [3, SIDE, SIDE, 3], np.uint8)
    bench.originals = originals.Originals(pictures, {}, [0], "pictures of noise")
    models = checkpoint.load(folder / "model.h5", only=("encoder", "generator"))
    bench.networks = {"in-domain": methods.Networks("x.h5", "a digest", models.encoder, models.generator)}
    if worker.count == 1 or shares.inverted(bench, worker, ["table1"], logging.getLogger()):
        np.save(to / "codes.npy", bench.inverted("inversion").codes)


def as_worker(patch, folder, index):
    """All as one of two workers; they share the folder "shared" with the other one, who may be behind."""
    patch.setenv("TF_CONFIG", config(index))
    run_all(folder, "shared", "--strategy", "multi-worker", worker=workers.this_worker())


def one_device(folder):
    """All on one device, then as the first worker; both have the same graphs."""
    with pytest.MonkeyPatch.context() as patch:
        traced_once.share(patch)
        run_all(folder, "one")
        as_worker(patch, folder, 0)


def two_devices(folder):
    """All on two devices, in a process of two, then as the second worker, which uses both as well."""
    with pytest.MonkeyPatch.context() as patch:
        traced_once.share(patch)
        with devices.scope(SimpleNamespace(strategy="mirrored")):
            strategy = tf.distribute.get_strategy()
            assert strategy.num_replicas_in_sync == 2
        patch.setattr(tf.distribute, "MirroredStrategy", lambda _: strategy)    # one for all, which share networks
        run_all(folder, "two", "--strategy", "mirrored")
        as_worker(patch, folder, 1)


def config(index, count=2, addresses=("127.0.0.1:1", "127.0.0.1:2")):
    return json.dumps({"cluster": {"worker": addresses[:count]}, "task": {"type": "worker", "index": index}})


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
