"""Pivotal tuning: its equations recomputed, a run that goes on, files of tuned weights, and whole runs of the tools."""
from __future__ import annotations

import dataclasses
import json

import h5py
import numpy as np
import pytest
import tensorflow as tf
import tiny
from running import error_line, run

from tf_idinvert import boundaries, checkpoint, tuning
from tf_idinvert.files import arrays, images, results
from tf_idinvert.formats import tuned, weights
from tf_idinvert.tunable import Tunable
from tf_idinvert.tuning import PivotalTuning, TuningOptions

SMALL = dict(resolution=8, fmap_base=16, fmap_max=4)
OPTIONS = TuningOptions(steps=6, learning_rate=0.02, feature_weight=0.5, locality_weight=0.3, locality_distance=2.0,
                        batch_size=2)


def features(x):
    return tf.nn.avg_pool2d(x, 2, 2, "VALID")


def random_code(first, count):
    return np.stack([tiny.normal(4, 8, seed=100 + first + i) for i in range(count)])


@pytest.fixture(scope="module")
def generator():
    return tiny.generator(**SMALL)


@pytest.fixture(scope="module")
def pictures():
    """Three pictures [3, 8, 8, 3] and their pivots [3, 4, 8]."""
    return np.tanh(tiny.normal(3, 8, 8, 3, seed=7)), tiny.normal(3, 4, 8, seed=8)


@pytest.fixture(scope="module")
def run_whole(generator, pictures):
    """Six steps on three pictures, two a step -> (tuning, theta, losses)."""
    found = PivotalTuning(generator.synthesis, features=features, codes=random_code, options=OPTIONS)
    found.begin(*pictures)
    found.advance(6)
    return found, [each.numpy() for each in found.theta], found.losses


# ---- the equations

def test_neighbours_are_at_their_distance_on_the_way_to_another_code():
    pivot, other = tiny.normal(2, 4, 8, seed=1), tiny.normal(1, 4, 8, seed=2)
    found = np.asarray(tuning.neighbour(tf.constant(pivot), tf.constant(other), 3.0))
    way = other - pivot
    expected = pivot + 3 * way / np.sqrt((way ** 2).sum(axis=(1, 2), keepdims=True) / 4)
    assert tiny.relative(found, expected) < 1e-6
    repeated = np.repeat(tiny.normal(1, 1, 8, seed=3), 4, axis=1)       # one w for all layers: the paper's norm of w
    found = np.asarray(tuning.neighbour(tf.zeros([1, 4, 8]), tf.constant(repeated), 3.0))
    assert np.linalg.norm(found[0, 0]) == pytest.approx(3, rel=1e-5)
    assert not np.asarray(tuning.neighbour(tf.constant(pivot), tf.constant(pivot), 3.0) - pivot).any()


def test_the_steps_are_those_of_the_paper_with_adam(generator, pictures, run_whole):
    """Recomputed step by step: the loss of the pictures that take part, its gradient, Adam in NumPy."""
    _, theta, losses = run_whole
    copy = tiny.copy(generator).synthesis
    variables = tuning._variables(copy.trainable_variables)
    first, second, steep = ([np.full(each.shape, start, "float64") for each in variables] for start in (0, 0, np.inf))

    def mean_square(a, b):
        return tf.reduce_mean(tf.square(a - b), axis=[1, 2, 3])

    for step in range(6):
        rows = [(2 * step) % 3, (2 * step + 1) % 3]
        target, pivot = (tf.constant(each[rows]) for each in pictures)
        near = tuning.neighbour(pivot[:1], random_code(step, 1), 2.0)
        with tf.GradientTape() as tape:
            drawn, moved, before = copy(pivot), copy(near), generator.synthesis(near)
            pixel, feature = mean_square(target, drawn), mean_square(features(target), features(drawn))
            locality = mean_square(before, moved) + 0.5 * mean_square(features(before), features(moved))
            total = tf.reduce_mean(pixel + 0.5 * feature) + 0.3 * locality[0]
        expected = [tf.reduce_mean(pixel), tf.reduce_mean(feature), locality[0], total]
        assert tiny.relative(losses[step], [float(each) for each in expected]) < 1e-3
        for i, gradient in enumerate(tape.gradient(total, variables)):
            if gradient is not None:
                first[i] = 0.9 * first[i] + 0.1 * gradient.numpy()
                second[i] = 0.999 * second[i] + 0.001 * gradient.numpy() ** 2
                mean, square = first[i] / (1 - 0.9 ** (step + 1)), second[i] / (1 - 0.999 ** (step + 1))
                steep[i] = np.minimum(steep[i], np.abs(gradient))
                variables[i].assign_sub((0.02 * mean / (np.sqrt(square) + 1e-8)).astype("float32"))
    compared = [each > 1e-4 for each in steep]      # Adam makes as long a step of a gradient that is rounding alone
    assert np.concatenate([each.ravel() for each in compared]).mean() > 0.5
    for found, variable, rows in zip(theta, variables, compared):
        assert np.abs(found - variable.numpy())[rows].max(initial=0) < 1e-3
    assert losses[0, 2] < 1e-10 and (losses[1:, 2] > 0).all()      # at first the generator is the original


def test_a_run_goes_on_with_the_same_bits(generator, pictures, run_whole):
    found, theta, losses = run_whole
    found.begin(*pictures)
    found.advance(4)
    state = found.state()
    found.begin(*pictures)
    assert found.restore(state) and not found.restore(state[:-1]) and not found.restore(state[:50])
    found.advance(10)
    assert found.done() and np.array_equal(found.losses, losses)
    assert all(np.array_equal(a, b) for a, b in zip((each.numpy() for each in found.theta), theta))


def test_the_original_stays(generator, run_whole):
    before, after = (weights.export_arrays(each.synthesis) for each in (tiny.generator(**SMALL), generator))
    assert all(np.array_equal(array, after[name]) for name, array in before.items())
    assert any(np.abs(array - after[name]).max() for name, array in weights.export_arrays(run_whole[0].tuned).items())


def test_it_stops_at_a_loss_of_as_many_steps_as_show_all_pictures(pictures, run_whole, monkeypatch):
    found, _, losses = run_whole
    fit = losses[:, 0] + 0.5 * losses[:, 1]
    means = (fit[1:] + fit[:-1]) / 2            # three pictures, two a step
    at = int(np.argmax(means < means[0]))       # the first that is lower than the one before all
    monkeypatch.setattr(found, "options", dataclasses.replace(OPTIONS, stop_loss=float(means[at]) * 1.0001))
    found.begin(*pictures)
    found.advance(6)
    assert found.done() and len(found.losses) == at + 2 < 6
    found.advance(6)
    assert np.array_equal(found.losses, losses[:at + 2])


def test_stylegan2_is_tuned_too(eagerly):
    generator = tiny.stylegan2_generator(resolution=4)
    found = PivotalTuning(generator.synthesis, options=TuningOptions(steps=3, learning_rate=0.01))
    found.begin(np.tanh(tiny.normal(1, 4, 4, 3)), tiny.normal(1, generator.num_layers, 8))
    found.advance(3)
    assert found.losses[-1, 0] < found.losses[0, 0]
    assert len(Tunable(generator.synthesis).original) > 3


@pytest.mark.parametrize("options, words", [
    (dict(steps=-1), "steps"), (dict(learning_rate=float("nan")), "learning_rate"), (dict(batch_size=0), "batch_size")])
def test_options_that_make_no_sense(options, words):
    with pytest.raises(ValueError, match=words):
        TuningOptions(**options)


def test_what_does_not_fit_is_refused(generator, pictures):
    found = PivotalTuning(generator.synthesis)
    with pytest.raises(ValueError, match="the network draws"):
        found.begin(pictures[0][:, :4], pictures[1])
    with pytest.raises(ValueError, match="locality"):
        PivotalTuning(generator.synthesis, options=TuningOptions(locality_weight=0.1))


# ---- files

@pytest.fixture(scope="module")
def tuned_file(generator, run_whole, tmp_path_factory):
    """A file of tuned weights, with what it holds."""
    path, copy = tmp_path_factory.mktemp("tuned") / "one.h5", tuning.copy_of(generator.synthesis)
    store = Tunable(copy)
    for variable, value in zip(tuning._variables(copy.trainable_variables), run_whole[1]):
        variable.assign(value)
    differences = store.differences()
    store.write(path, differences, {"key": "abc", "pictures": ["p"]})
    return path, differences, weights.export_arrays(copy)


def test_a_file_holds_float16_differences_and_gives_the_weights_back(generator, tuned_file, tmp_path):
    path, differences, wanted = tuned_file
    digest, record, found = tuned.read(path)
    assert record == {"key": "abc", "pictures": ["p"]} and set(found) == set(differences)
    assert all(each.dtype == np.float16 for each in differences.values())
    assert not any(name.startswith("noise") for name in found) and "ToRGB_lod1/weight" not in found     # not tuned
    synthesis = tuning.copy_of(generator.synthesis)
    store = Tunable(synthesis)
    assert store.digest == digest
    store.apply(path)
    for name, array in weights.export_arrays(synthesis).items():
        assert np.abs(array - wanted[name]).max() <= 1e-4, name     # half a unit of float16 at 0.1
    store.apply(path)       # from the original again
    assert np.abs(weights.export_arrays(synthesis)["4x4/Conv/bias"] - wanted["4x4/Conv/bias"]).max() <= 1e-4
    store.restore()
    assert np.array_equal(weights.export_arrays(synthesis)["4x4/Conv/bias"],
                          weights.export_arrays(generator.synthesis)["4x4/Conv/bias"])
    size = sum(each.size for each in differences.values())
    assert path.stat().st_size < 2 * size + 40000


def test_a_model_is_loaded_with_it(generator, tuned_file, tmp_path):
    checkpoint.save(checkpoint.Models(generator=generator), tmp_path / "network.h5")
    found = checkpoint.load(tmp_path / "network.h5", tuned=tuned_file[0]).generator
    assert np.abs(weights.export_arrays(found.synthesis)["8x8/Conv1/weight"]
                  - tuned_file[2]["8x8/Conv1/weight"]).max() <= 1e-4
    checkpoint.save(checkpoint.Models(generator=tiny.generator(seed=5, **SMALL)), tmp_path / "other.h5")
    with pytest.raises(tuned.TunedError, match="tuned from another generator") as error:
        checkpoint.load(tmp_path / "other.h5", tuned=tuned_file[0])
    assert "\n" not in str(error.value) and str(tuned_file[0]) in str(error.value)
    checkpoint.save(checkpoint.Models(encoder=tiny.encoder()), tmp_path / "encoder.h5")
    with pytest.raises(checkpoint.CheckpointError, match="holds no generator"):
        checkpoint.load(tmp_path / "encoder.h5", tuned=tuned_file[0])


def changed(change):
    def make(path, source):
        path.write_bytes(source.read_bytes())
        with h5py.File(path, "r+") as file:
            change(file)
    return make


def put(name, **more):
    def change(file):
        del file["synthesis/4x4/Conv/bias"]
        file["synthesis"].create_dataset(name, **more)
    return changed(change)


def attribute(name, value):
    return changed(lambda file: file.attrs.__setitem__(name, value))


@pytest.mark.parametrize("make, words", [
    (lambda path, source: None, "no such file"),
    (lambda path, source: path.mkdir(), "is a folder, not a file"),
    (lambda path, source: path.write_bytes(b"\x80\x04cos\nsystem\n"), "is no file of a tuned generator"),
    (lambda path, source: path.write_bytes(source.read_bytes()[:3000]), "damaged or truncated"),
    (attribute("format", "tf_idinvert"), "which --model takes"),
    (attribute("format_version", 7), "of format version"),
    (attribute("record", "{"), "does not say what it was made of"),
    (attribute("original", 3), "does not say what it was made of"),
    (changed(lambda file: file.create_group("more")), "something else"),
    (put("4x4/Conv/bias", data=np.zeros(3, "float16")), "the generator has"),
    (put("surprise\n", data=np.zeros(3, "float16")), "the generator has none"),
    (put("4x4/Conv/bias", data=np.full(4, np.nan, "float16")), "not finite"),
    (put("4x4/Conv/bias", shape=(1 << 40,), dtype="float16", chunks=(1 << 20,), compression="gzip"), "no plain"),
    (changed(lambda file: file["synthesis"].__setitem__("link", h5py.SoftLink("/synthesis"))), "link to elsewhere"),
    (changed(lambda file: file["synthesis"].__setitem__("twice", file["synthesis/4x4"])), "another name")])
def test_damaged_and_hostile_files_are_one_line(generator, tuned_file, tmp_path, make, words):
    path = tmp_path / "tuned.h5"
    make(path, tuned_file[0])
    store = Tunable(generator.synthesis)
    before = weights.export_arrays(generator.synthesis)
    with pytest.raises(tuned.TunedError, match=words) as error:
        store.apply(path)
    assert "\n" not in str(error.value) and str(error.value).startswith(str(path))
    assert all(np.array_equal(before[name], each) for name, each in weights.export_arrays(generator.synthesis).items())


def test_weights_that_float16_cannot_hold_are_refused(generator):
    copy = tuning.copy_of(generator.synthesis)
    store = Tunable(copy)
    copy.styled[1].bias.assign(np.full(4, 1e6, "float32"))
    with pytest.raises(ValueError, match="lower the learning rate"):
        store.differences()


# ---- the tools

@pytest.fixture
def inverted(eagerly, tmp_path, monkeypatch):
    """The current folder holds network.h5 and `ps`, two pictures as invert.py writes them."""
    monkeypatch.chdir(tmp_path)
    checkpoint.save(checkpoint.Models(generator=tiny.generator(resolution=4)), "network.h5")
    folder = tmp_path / "ps"
    folder.mkdir()
    results.write_index(folder, ["p0.jpg", "p1.jpg"], tiny.normal(2, 2, 8, seed=4))
    results.write_options(folder / "options.json", {"model": "network.h5", "arguments": {"model": None}})
    for i in range(2):
        images.save(folder / f"p{i}_ori.png", np.tanh(tiny.normal(4, 4, 3, seed=i)))
        images.save(folder / f"p{i}_inv.png", np.zeros([4, 4, 3], np.uint8))
    return folder


@pytest.mark.one_stack
def test_tuning_results_and_editing_with_their_generators(monkeypatch, tmp_path, inverted):
    arguments = ["ps", "--tune", "4", "--tune_rate", "0.01", "--features", "none"]
    assert run(monkeypatch, "tune.py", *arguments) == 0
    folder = inverted / "tuned"
    record = json.loads((folder / "tuning.json").read_text())
    assert record["model"] == "network.h5"
    for name, each in record["generators"].items():
        assert each["pictures"] == [name] and each["steps"] == 4 and each["mse_after"][0] < each["mse_before"][0]
    assert "<h1>Pivotal tuning" in (folder / "tuning.html").read_text()
    assert not list(folder.glob(".*"))
    written = {path: path.stat().st_mtime_ns for path in folder.glob("*.h5")}
    assert run(monkeypatch, "tune.py", *arguments) == 0     # nothing is left to do
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.h5")} == written
    boundaries.write("age.npy", boundaries.Boundary(tiny.normal(1, 2, 8, seed=9), None))
    edit = ["network.h5", "ps", "age.npy", "--step", "1", "--start_distance", "0", "--end_distance", "0", "-o"]
    assert run(monkeypatch, "manipulate.py", *edit, "each", "--tuned", folder) == 0
    assert run(monkeypatch, "manipulate.py", *edit, "one", "--tuned", folder / "p1.h5") == 0
    found = {(where, i): np.asarray(images.read(f"{where}/AGE_ps/p{i}_01.png"), int)
             for where in ("each", "one") for i in range(2)}
    wanted = [np.asarray(images.read(folder / f"p{i}_tun.png"), int) for i in range(2)]
    assert all(np.abs(found["each", i] - wanted[i]).max() <= 1 for i in range(2))
    assert np.abs(found["one", 1] - wanted[1]).max() <= 1 < np.abs(found["one", 0] - wanted[0]).max()


def test_a_stopped_run_goes_on_with_the_same_result(monkeypatch, inverted):
    arguments = ["network.h5", "ps", "--together", "--tune", "6", "--features", "none", "-o"]
    assert run(monkeypatch, "tune.py", *arguments, "whole") == 0
    with monkeypatch.context() as patched:
        patched.setattr("tf_idinvert.jobs.tune.SAVED_EVERY", 2)
        write = arrays.write

        def stop(path, array, left=[2]):
            write(path, array)
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
        patched.setattr(arrays, "write", stop)
        assert run(patched, "tune.py", *arguments, "parts") == 130
    assert len(list((inverted.parent / "parts").glob(".together-*.npy"))) == 1
    assert run(monkeypatch, "tune.py", *arguments, "parts") == 0
    assert not list((inverted.parent / "parts").glob(".*"))
    (_, one, whole), (_, other, parts) = (tuned.read(f"{where}/together.h5") for where in ("whole", "parts"))
    assert all(np.array_equal(whole[name], parts[name]) for name in whole) and set(whole) == set(parts)
    assert one["mse_after"] == other["mse_after"] and one["pictures"] == ["p0", "p1"]


@pytest.mark.one_stack
def test_inversion_tunes_afterwards_and_what_cannot_be_tuned_is_one_line(monkeypatch, tmp_path, inverted, capfd):
    assert run(monkeypatch, "invert.py", "network.h5", inverted / "p0_ori.png", "--start", "mean", "-E",
               "--num_iterations", "1", "--features", "none", "--tune", "1", "-o", "out") == 0
    assert (tmp_path / "out" / "tuned" / "p0_ori.h5").is_file()
    capfd.readouterr()
    assert run(monkeypatch, "tune.py", "network.h5", "ps", "--tuned", "out/tuned/p0_ori.h5") == 2
    assert "is tuned already" in error_line(capfd)
    (inverted / "p1_ori.png").unlink()
    assert run(monkeypatch, "tune.py", "network.h5", "ps", "--features", "none") == 2
    assert "holds no p1_ori.png" in error_line(capfd)
    (inverted / "options.json").write_text("[]")
    assert run(monkeypatch, "tune.py", "ps") == 2
    assert "give it as the first argument" in error_line(capfd)
    boundaries.write("age.npy", boundaries.Boundary(tiny.normal(1, 2, 8, seed=9), None))
    assert run(monkeypatch, "manipulate.py", "network.h5", "ps", "age.npy", "--tuned", "out/tuned") == 2
    assert "holds no p0.h5" in error_line(capfd)
