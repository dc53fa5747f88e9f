"""tools/train.py as it is run: help, errors in one line, whole small runs of encoders and the attribute network."""
from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import running
import tensorflow as tf
import tiny

from tf_idinvert import checkpoint
from tf_idinvert.checkpoint import Models
from tf_idinvert.cli import precision, train_attributes, train_encoder
from tf_idinvert.training import callbacks, force_in_domain, loop

SCRIPT = running.TOOLS / "train.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3",
               "CUDA_VISIBLE_DEVICES": "-1"}
SNAPSHOTS = "--snapshot-kimg", "0.016"


def test_help_needs_no_tensorflow():
    code = (f"import runpy, sys; sys.argv = ['train.py', '--help']\ntry: runpy.run_path({str(SCRIPT)!r}, "
            "run_name='__main__')\nexcept SystemExit: print('tensorflow' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                          env={"PYTHONPATH": str(SCRIPT.parents[1]), "PATH": ""})
    assert "--preset" in done.stdout and done.stdout.endswith("False\n"), done.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a generator file, pictures, and an attribute network, all of 8 px."""
    folder = tmp_path_factory.mktemp("files")
    models = Models(generator=tiny.generator(layerwise=True, resolution=8),
                    discriminator=tiny.discriminator(resolution=8))
    checkpoint.save(models, folder / "generator.h5")
    checkpoint.save(Models(attributes=tiny.attributes(resolution=8)), folder / "attributes.h5")
    np.save(folder / "pictures.npy", np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8))
    np.save(folder / "few.npy", np.zeros((5, 8, 8, 3), np.uint8))
    return folder


@pytest.fixture
def train(files, monkeypatch, tmp_path):
    """Callable, (method, *options) -> exit code of a small run in `tmp_path / output`."""
    def run(method, *options, output="run"):
        own = ["--features", files / "attributes.h5"] if method != "traditional" else []
        return running.run(monkeypatch, "train.py", *arguments(files, method), *own, "--output", tmp_path / output,
                           *options)
    return run


def arguments(files, method):
    return ["--method", method, "--generator", files / "generator.h5", "--data", files / "pictures.npy",
            "--kimg", "0.048", "--batch-per-replica", "8", "--learning-rate", "0.001", "--encoder-filters", "4",
            "--encoder-filters-max", "8", "--snapshot-minutes", "1000"]


@pytest.fixture(scope="module")
def whole(files, tmp_path_factory):
    """(folder of a force-in-domain run that nothing interrupted, its record as of `recording`, and what a run that is
    killed after 24 images leaves)."""
    folder, killed, runs = tmp_path_factory.mktemp("whole") / "run", tmp_path_factory.mktemp("killed") / "run", []

    def copied(self, batch, logs=None):
        if callbacks.seen(self.model) == 24:
            shutil.copytree(folder, killed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "run", recording(loop.run, runs))
        patch.setattr(callbacks.Progress, "on_train_batch_end", copied)
        assert running.run(patch, "train.py", *arguments(files, "force-in-domain"), "--features",
                           files / "attributes.h5", "--output", folder, *SNAPSHOTS) == 0
    return folder, runs[0], killed


@pytest.mark.parametrize("method, extra", [("traditional", set()), ("in-domain", set()),
                                           ("force-in-domain", {"latent_discriminator"})])
def test_run_writes_all_that_was_promised(request, train, files, tmp_path, method, extra):
    if method == "force-in-domain":
        folder = request.getfixturevalue("whole")[0]
    else:
        request.getfixturevalue("eagerly")
        folder = tmp_path / "run"
        assert train(method, "--encoder-norm", "none", "--kimg", "0.016") == 0
    assert {path.name for path in folder.iterdir()} == {"network.h5", "options.json", "preview.png",
                                                        "preview-000000.png", "state.npz", "tensorboard"}
    models, initial = checkpoint.load(folder / "network.h5"), checkpoint.load(files / "generator.h5")
    present = {field.name for field in dataclasses.fields(models) if getattr(models, field.name) is not None}
    assert present == {"encoder", "generator", "discriminator"} | extra
    for one, other in zip(models.generator.get_weights(), initial.generator.get_weights()):
        np.testing.assert_array_equal(one, other)
    same = [np.array_equal(a, b) for a, b in zip(models.discriminator.get_weights(),
                                                 initial.discriminator.get_weights())]
    assert all(same) if method == "traditional" else not any(same[-4:])
    config = models.encoder.get_config()
    assert (config["batch_norm"], config["filters"], config["num_layers"]) == (False, 4, 4)
    options = json.loads((folder / "options.json").read_text())
    assert options["method"] == method and len(options["generator_sha256"]) == 64 and "structure" not in options


def test_run_that_was_killed_ends_in_the_same_weights(train, whole, tmp_path, monkeypatch):
    """Step by step, so that it shows what differs: the pictures, the state that was taken up, or the arithmetic."""
    folder, whole, killed = whole
    shutil.copytree(killed, tmp_path / "run")
    assert [int(np.load(path / "state.npz")[last(path)]) for path in (tmp_path / "run", folder)] == [16, 48]
    runs = []
    monkeypatch.setattr(loop, "run", recording(loop.run, runs))
    assert train("force-in-domain", *SNAPSHOTS) == 0
    assert [sorted(run) for run in (whole, *runs)] == [[0, 8, 16, 24, 32, 40, 48], [16, 24, 32, 40, 48]]
    check_same(runs[0], whole)
    with np.load(tmp_path / "run/state.npz") as one, np.load(folder / "state.npz") as other:
        assert all(one[name].tobytes() == other[name].tobytes() for name in other.files)
    found, expected = (checkpoint.load(path / "network.h5").encoder for path in (tmp_path / "run", folder))
    assert all(np.array_equal(a, b) for a, b in zip(found.get_weights(), expected.get_weights()))


def test_run_begins_alike_and_may_be_interrupted(train, whole, tmp_path, monkeypatch):
    def interrupt(self, logs=None):
        raise KeyboardInterrupt

    runs = []
    monkeypatch.setattr(loop, "run", recording(loop.run, runs))
    monkeypatch.setattr(callbacks.Snapshots, "on_train_begin", interrupt)
    assert train("force-in-domain", *SNAPSHOTS) == 130
    assert sorted(runs[0]) == [0]
    check_same(runs[0], whole[1])


def check_same(run, whole):
    for images in run:
        assert run[images]["pictures"] == whole[images]["pictures"], f"other pictures after {images}"
        differing = [i for i, (a, b) in enumerate(zip(run[images]["state"], whole[images]["state"])) if a != b]
        assert not differing, f"other variables after {images} images: {differing}"


def recording(run, runs):
    """`loop.run`, which adds to `runs` {images seen: their next pictures, and the state then}, as bytes."""
    def recorded(model, batches, steps, observers):
        record = {}
        runs.append(record)

        def note(*_):
            seen = callbacks.seen(model)
            record[seen] = {"pictures": pictures.get(seen), "state": [value.numpy().tobytes() for value in model.state]}

        pictures = {callbacks.seen(model) + 8 * i: batch.numpy().tobytes() for i, batch in zip(range(steps), batches)}
        note()
        run(model, batches, steps, [keras.callbacks.LambdaCallback(on_train_batch_end=note), *observers])
    return recorded


def last(folder):
    with np.load(folder / "state.npz") as file:
        return sorted(file.files)[-1]


def test_other_options_or_files_do_not_take_up_a_run(train, whole, tmp_path, capfd):
    shutil.copytree(whole[0], tmp_path / "run")
    assert train("force-in-domain", "--kimg", "0.1") == 2
    assert "holds a run with kimg 0.048, now 0.1" in running.error_line(capfd)
    assert train("force-in-domain", "--features", "none") == 2
    line = running.error_line(capfd)
    assert "holds a run with features " in line and ", now none" in line
    path = tmp_path / "run/options.json"
    path.write_text(path.read_text().replace('"generator_sha256": "', '"generator_sha256": "x'))
    assert train("force-in-domain") == 2
    assert "generator_sha256" in running.error_line(capfd)


def test_divergence_is_one_line_that_says_what_to_try(train, eagerly, tmp_path, capfd):
    assert train("traditional", "--learning-rate", "1e30", "--encoder-norm", "none") == 2
    assert "Try a lower learning rate" in running.error_line(capfd)
    assert not (tmp_path / "run/state.npz").exists()


def test_mixed_precision_trains_the_encoder_in_bfloat16_and_keeps_float32_weights(train, eagerly, tmp_path,
                                                                                  monkeypatch):
    if not precision.convolves_in_bfloat16():
        pytest.skip("TensorFlow has no convolution in bfloat16 on this processor, which the tool says")
    seen = []
    penalty = force_in_domain.losses.r1_penalty
    monkeypatch.setattr(force_in_domain.losses, "r1_penalty",
                        lambda network, x, gamma: seen.append(x.dtype.name) or penalty(network, x, gamma))
    for name, *chosen in ("mixed", "--precision", "mixed"), ("full",):
        assert train("force-in-domain", *chosen, "--features", "none", "--kimg", "0.008", output=name) == 0
    assert set(seen) == {"float32"}
    mixed, full = (checkpoint.load(tmp_path / name / "network.h5").encoder.get_weights() for name in ("mixed", "full"))
    assert all(weight.dtype == "float32" for weight in mixed)
    differences = [np.abs(a - b).max() for a, b in zip(mixed, full)]
    assert 0 < max(differences) < 0.1


def test_a_processor_without_bfloat16_is_one_line(train, tmp_path, monkeypatch, capfd):
    def refuse(*_, **__):
        raise tf.errors.AbortedError(None, None, "could not create a primitive descriptor")

    monkeypatch.setattr(precision.tf.nn, "conv2d", refuse)
    assert train("in-domain", "--precision", "mixed") == 2
    assert "no convolution in bfloat16 on this processor" in running.error_line(capfd)
    assert not (tmp_path / "run/state.npz").exists()


@pytest.fixture(scope="module")
def trained(files):
    """Path of a file like a published one: encoder, generator and discriminator, the latter trained on."""
    models = checkpoint.load(files / "generator.h5")
    models.encoder = tiny.encoder(resolution=8, num_layers=4)
    models.discriminator = tiny.discriminator(seed=9, resolution=8)
    checkpoint.save(models, files / "trained.h5")
    return files / "trained.h5"


def test_encoder_is_trained_on_from_a_file(eagerly, files, trained, monkeypatch, tmp_path):
    """Not from fresh weights: after a step of 1e-9, the networks are still those of the file."""
    shared = ["--method", "force-in-domain", "--features", "none", "--data", files / "pictures.npy", "--kimg", "0.008",
              "--batch-per-replica", "8", "--learning-rate", "1e-9", "--initial-encoder", trained]
    assert running.run(monkeypatch, "train.py", *shared, "--output", tmp_path / "run") == 0
    initial, found = checkpoint.load(trained), checkpoint.load(tmp_path / "run/network.h5")
    assert found.encoder.get_config() == initial.encoder.get_config() and found.latent_discriminator is not None
    for name in "encoder", "generator", "discriminator":
        weights = getattr(found, name).trainable_variables, getattr(initial, name).trainable_variables
        assert all(np.abs(a.numpy() - b.numpy()).max() < 1e-6 for a, b in zip(*weights)), name


def initial(files, encoder, generator):
    """The networks of a training that goes on from a file."""
    args = types.SimpleNamespace(initial_encoder=files / encoder, generator=files / generator, method="in-domain",
                                 precision="float32", final_activation=None)
    models = train_encoder.load_generator(args)
    train_encoder.add_networks(models, args, None)
    return models


def test_the_encoders_own_generator_may_be_given_too(files, trained):
    found, expected = initial(files, "trained.h5", "generator.h5"), checkpoint.load(trained)
    for name in "encoder", "generator":
        weights = getattr(found, name).get_weights(), getattr(expected, name).get_weights()
        assert all(map(np.array_equal, *weights)), name


def test_encoder_of_another_generator_is_refused(files, trained):
    other = Models(generator=tiny.generator(seed=5, layerwise=True, resolution=8),
                   discriminator=tiny.discriminator(resolution=8))
    checkpoint.save(other, files / "other.h5")
    larger = Models(generator=tiny.generator(layerwise=True), discriminator=tiny.discriminator())
    checkpoint.save(larger, files / "larger.h5")
    for generator, encoder, message in (
            ("other.h5", "trained.h5", "trained.h5: its encoder is of another generator than that of"),
            ("larger.h5", "trained.h5", "trained.h5: an encoder of 8 px, codes 4 x 8; the generator of"),
            ("generator.h5", "generator.h5", "generator.h5: holds no encoder")):
        with pytest.raises(ValueError, match=message):
            initial(files, encoder, generator)


@pytest.mark.parametrize("method, options, message", [
    ("in-domain", ["--data", "{files}/few.npy"], "5 pictures to train on, fewer than a batch of 8"),
    ("in-domain", ["--data", "{files}/none-r03.tfrecords"], "none-r03.tfrecords: no such file or folder"),
    ("in-domain", ["--generator", "none.h5"], "none.h5"),
    ("in-domain", ["--features", "{files}/pictures.npy"], "neither a network file of ours"),
    ("in-domain", ["--features", "{files}/generator.h5"], "holds no attribute network"),
    ("in-domain", ["--generator", "{files}/attributes.h5"], "holds no generator"),
    ("in-domain", ["--data", "{files}/none"], "none"),
    ("in-domain", ["--batch-per-replica", "6"], "expected a multiple of 4, the group size of"),
])
def test_errors_are_one_line(train, files, capfd, method, options, message):
    assert train(method, *(option.format(files=files) for option in options)) == 2
    assert message in running.error_line(capfd)


def test_missing_data_is_one_line(tmp_path):
    done = subprocess.run([sys.executable, str(SCRIPT), "--data", str(tmp_path / "none"), "--resolution", "8",
                           "--output", str(tmp_path / "run")], capture_output=True, text=True, timeout=300,
                          env={**ENVIRONMENT, "PATH": ""})
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ") and "none" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_attribute_network(tmp_path, monkeypatch):
    train = train_attributes.train
    monkeypatch.setattr(train_attributes, "train", lambda args: train(
        args, resolution=16, held_out=10, widths=(4, 8), hidden=8))
    for _ in range(2):      # the second time, nothing is left to do
        assert running.run(monkeypatch, "train.py", "--method", "attributes", "--kimg", "0.1", "--pictures", "32",
                           "--output", tmp_path / "run") == 0
    network = checkpoint.load(tmp_path / "run/network.h5").attributes
    assert network.names[:3] == ("age", "gender", "eyeglasses") and network.binary == ("eyeglasses",)
    found = json.loads((tmp_path / "run/agreement.json").read_text())
    assert list(found) == list(network.names) and all(value <= 1 for value in found.values())


@pytest.mark.one_stack
def test_attribute_network_of_the_wild_world(tmp_path, monkeypatch):
    """What the second task asks for, from parts of half the side."""
    train = train_attributes.train
    monkeypatch.setattr(train_attributes, "train", lambda args: train(
        args, resolution=32, held_out=10, widths=(4, 8), hidden=8))
    assert running.run(monkeypatch, "train.py", "--method", "attributes", "--world", "wild", "--task", "nuisances",
                       "--kimg", "0.1", "--pictures", "32", "--output", tmp_path / "run") == 0
    network = checkpoint.load(tmp_path / "run/network.h5").attributes
    assert network.resolution == 16 and "scene-3" in network.names and "age" not in network.names
    assert np.load(tmp_path / "wild32-32-seed1.npy").shape == (32, 32, 32, 3)
    assert list(json.loads((tmp_path / "run/agreement.json").read_text())) == list(network.names)
