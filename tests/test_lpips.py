"""LPIPS by VGG16 from its two public files, against NumPy; files that look alike; in the tools that take it."""
from __future__ import annotations

import argparse
import json

import narrow_networks
import numpy as np
import pytest
import running
import tensorflow as tf
import tiny
import torch_writer
from PIL import Image

from tf_idinvert import checkpoint, features, inversion
from tf_idinvert.cli import inversion_options
from tf_idinvert.errors import InputError
from tf_idinvert.losses import mean_squared_difference


@pytest.fixture(scope="module")
def known():
    """(distance in NumPy, pictures x and y [2, 20, 33, 3] in [-1, 1], their distances)"""
    distance = narrow_networks.LPIPS(3)
    x, y = np.random.default_rng(0).uniform(-1, 1, [2, 2, 20, 33, 3])
    return distance, x, y, distance(*(each.transpose(0, 3, 1, 2) for each in (x, y)))


@pytest.fixture(scope="module")
def files(known, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lpips")
    return [torch_writer.save(folder / "vgg.pth", known[0].heads.state, "legacy"),
            torch_writer.save(folder / "vgg16.pth", known[0].vgg.state)]


def test_distance_and_gradient(known, files):
    distance, x, y, expected = known
    network = features.load("lpips", 32, lpips=files)
    with tf.GradientTape() as tape:
        pictures = tf.constant(x, tf.float32)
        tape.watch(pictures)
        found = mean_squared_difference(network(pictures), network(tf.constant(y, tf.float32)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    gradient = tape.gradient(found, pictures).numpy()
    towards = np.random.default_rng(1).standard_normal(x.shape)
    ahead, back = (distance(*(each.transpose(0, 3, 1, 2) for each in (x + step * towards, y)))
                   for step in (1e-6, -1e-6))
    np.testing.assert_allclose((gradient * towards).sum(axis=(1, 2, 3)), (ahead - back) / 2e-6, rtol=1e-3)


def test_equal_pictures_and_the_order_of_the_files(known, files):
    x = known[1].astype("float32")
    network = features.load_lpips(files[::-1], 32)
    np.testing.assert_array_equal(mean_squared_difference(network(x), network(x)), 0)
    assert network.weight == 0.8


def test_gradient_is_finite_where_no_channel_sees_anything(known, tmp_path):
    state = {key: np.full_like(each, -1) if key == "features.2.bias" else each * (key != "features.2.weight")
             for key, each in known[0].vgg.state.items()}
    files = [torch_writer.save(tmp_path / f"{i}.pth", each) for i, each in enumerate((known[0].heads.state, state))]
    network, pictures = features.load_lpips(files, 32), tf.constant(known[1], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(pictures)
        found = mean_squared_difference(network(pictures), network(-pictures))
    assert np.isfinite(found).all() and np.isfinite(tape.gradient(found, pictures)).all()


def test_other_files_are_one_line(known, files, tmp_path):
    heads, vgg = known[0].heads.state, known[0].vgg.state
    eleven = {f"features.{i}.{part}": np.zeros(2, "float32") for i in (0, 3, 6, 8) for part in ("weight", "bias")}
    first = {key: each for key, each in heads.items() if key == "lin0.model.1.weight"}
    cases = (
        (vgg, vgg, "VGG16 again"), (heads, heads, "heads again"), (heads, eleven, "is not VGG16: its layers"),
        (heads, {**vgg, "features.1.weight": vgg["features.0.bias"]}, "is not VGG16"),
        (heads, {**vgg, "head.bias": vgg["features.0.bias"]}, "does not know 1 key ('head.bias')"),
        (first, vgg, "lacks 4 keys ('lin1.model.1.weight'"),
        ({**heads, "lin5": first["lin0.model.1.weight"]}, vgg, "does not know 1 key ('lin5')"),
        ({**heads, "lin1.model.1.weight": first["lin0.model.1.weight"]}, vgg, "lin1: 4 weights for 3 channels"),
        ({**heads, "lin0.model.1.weight": -first["lin0.model.1.weight"]}, vgg, "lin0: weights below 0"),
        ({**heads, "lin0.model.1.weight": first["lin0.model.1.weight"][0]}, vgg, "expected [1, channels, 1, 1]"),
        (heads, {**vgg, "features.2.weight": vgg["features.7.weight"]}, "convolution 1 of VGG16: a kernel [3, 3, 3"),
        ({"net": heads["lin0.model.1.weight"]}, vgg, "is neither the heads of LPIPS"))
    for number, (*states, message) in enumerate(cases):
        paths = [torch_writer.save(tmp_path / f"{number}{i}.pth", state) for i, state in enumerate(states)]
        with pytest.raises(InputError) as error:
            features.load_lpips(paths, 32)
        assert message in str(error.value) and str(tmp_path) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(InputError, match="16 px or more; the generator's have 8"):
        features.load_lpips(files, 8)
    for path, message in zip(files, ("holds heads of LPIPS", "is a VGG as torchvision")):
        with pytest.raises(checkpoint.CheckpointError, match=message):
            checkpoint.load(path)


@pytest.fixture
def inputs(tmp_path):
    """Paths of a model and of a folder with two pictures."""
    (tmp_path / "pictures").mkdir()
    for i in range(2):
        pixels = np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"pictures/{i}.png")
    checkpoint.save(checkpoint.Models(encoder=tiny.encoder(), generator=tiny.generator()), tmp_path / "mine.h5")
    return tmp_path / "mine.h5", tmp_path / "pictures"


def test_what_contradicts_itself_is_one_line(files):
    for name, layers, message in ("none", None, "one network gives the features"), (None, {"a": 1}, "are of VGG16"):
        args = argparse.Namespace(lpips=files, features=name, feature_layers=layers, loss_weight_feat=None)
        with pytest.raises(InputError, match=message):
            inversion_options.load_features(args, None, 32)


def test_lpips_is_the_feature_term_of_inversion(known, files, eagerly):
    parser = argparse.ArgumentParser()
    inversion_options.add_optimisation_options(parser)
    network, note = inversion_options.load_features(parser.parse_args(["--lpips", *map(str, files)]), None, 32)
    assert not note

    def synthesis(codes):
        return tf.reshape(codes, [-1, 20, 33, 3])

    x, y = (each[:1].astype("float32") for each in known[1:3])
    options = inversion.InversionOptions(steps=1, domain_weight=0.0)
    start = y.reshape(1, 1, -1)
    found = inversion.invert(x, synthesis=synthesis, features=network, options=options, start=start).losses
    np.testing.assert_allclose(found["feature"][0], known[3][:1], rtol=1e-4)
    np.testing.assert_allclose(found["total"], found["pixel"] + 0.8 * found["feature"], rtol=1e-5)


def test_evaluation_measures_with_it(inputs, files, eagerly, tmp_path, monkeypatch, capfd):
    model, pictures = inputs
    narrow = narrow_networks.Inception(5)
    narrow(np.zeros([1, 3, 8, 8]))
    inception = torch_writer.save(tmp_path / "pt_inception.pth", narrow.state)
    arguments = ["--encoders", model, "--images", pictures, "--parts", "table1-force", "--features", "lpips",
                 "-o", tmp_path / "out"]
    assert running.run(monkeypatch, "evaluate.py", *arguments) == 2
    assert "--lpips HEADS VGG16" in running.error_line(capfd)
    assert running.run(monkeypatch, "evaluate.py", *arguments, "--lpips", *files, "--inception", inception) == 0
    found = json.loads((tmp_path / "out/tables.json").read_text())
    assert found["about"]["Features of in-domain inversion"] == "LPIPS, weight 0.8"
    assert "published FID values" in found["about"]["Distance"] and "version 0.1" in found["about"]["LPIPS"]
    assert any(note.startswith("FID of 2 pictures") for note in found["about"]["notes"])
    table = found["parts"]["table1-force"]["tables"][0]
    assert table["columns"][2] == "FID" and table["columns"][6] == "LPIPS"
    numbers = found["parts"]["table1-force"]["numbers"]["encoder"]
    assert numbers["likeness"][0] > 0 and numbers["frechet"][0] >= 0
    assert all(len(row) == len(table["columns"]) for row in table["rows"])
