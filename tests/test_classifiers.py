"""classifiers: published classifiers score pictures as the published metric does."""
from __future__ import annotations

import csv

import numpy as np
import pytest
import running
import tiny
from PIL import Image

from tf_idinvert import classifiers
from tf_idinvert.checkpoint import Models, save
from tf_idinvert.errors import InputError

PAPER = dict(resolution=8, mbstd_group_size=0, blur_filter=None, fused_scale=True)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "celebahq-classifier-31-smiling.pkl", tmp_path / "hat.h5"]
    for i, path in enumerate(paths):
        save(Models(discriminator=tiny.discriminator(seed=i, **PAPER)), path)
    return paths


def test_probabilities_of_the_official_metric(reference_file):
    found = classifiers.load([reference_file("classifier-64", "classifier.pkl")])
    expected = np.load(reference_file("classifier-64", "expected.npz"))
    assert (found.names, found.resolution) == (("classifier",), 64)
    probability = found(expected["x"])
    assert probability.dtype == "float64" and tiny.relative(probability, expected["probability_mbstd0"]) < 1e-4


def test_several_files(files):
    found = classifiers.load(files)
    assert (found.names, found.resolution) == (("smiling", "hat"), 8)
    x = tiny.normal(5, 8, 8, 3)
    for i, column in enumerate(np.asarray(found(x)).T):
        logits = np.asarray(tiny.discriminator(seed=i, **PAPER)(x), "float64")[:, 0]
        shares = np.exp(logits) / (np.exp(logits) + np.exp(-logits))
        np.testing.assert_allclose(column, shares, rtol=1e-5)
    assert len(set(np.asarray(found(x))[:, 0])) == 5


def test_pictures_are_averaged_where_their_side_is_a_multiple(files, tmp_path, rng):
    found = classifiers.load(files)
    pixels = rng.integers(0, 256, (24, 24, 3), "uint8")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    mean = pixels.reshape(8, 3, 8, 3, 3).astype("float64").mean(axis=(1, 3)) / 127.5 - 1
    np.testing.assert_allclose(found.read(tmp_path / "a.png"), mean, atol=1e-5)
    for size in ((8, 8), (20, 15), (4, 4), (10, 8)):
        Image.fromarray(pixels).resize(size).save(tmp_path / "a.png")
        assert found.read(tmp_path / "a.png").shape == (8, 8, 3)


@pytest.mark.one_stack      # what is said of odd files
def test_what_is_no_classifier(files, tmp_path):
    save(Models(generator=tiny.generator(resolution=4), discriminator=tiny.discriminator(**PAPER)), tmp_path / "set.h5")
    save(Models(encoder=tiny.encoder(resolution=8)), tmp_path / "encoder.h5")
    save(Models(discriminator=tiny.discriminator(**PAPER)), tmp_path / "celebahq-classifier-02-hat.pkl")
    save(Models(discriminator=tiny.discriminator(**{**PAPER, "mbstd_group_size": 4})), tmp_path / "batch.h5")
    save(Models(discriminator=tiny.discriminator(**{**PAPER, "resolution": 4})), tmp_path / "small.h5")
    for name, message in (
            ("set.h5", "set.h5: expected one discriminator, which classifies an attribute; got a set of networks"),
            ("encoder.h5", "encoder.h5: expected one discriminator, .*; got none"), ("absent.pkl", "no such file"),
            ("celebahq-classifier-02-hat.pkl", "there are two classifiers of 'hat'"),
            ("batch.h5", "batch: scores pictures by labels or within a batch"),
            ("small.h5", "classifiers must take pictures of one size; got 4, 8 px")):
        with pytest.raises(InputError, match=message):
            classifiers.load([*files, tmp_path / name])


def test_boundary_tool_scores_with_classifiers(files, eagerly, tmp_path, monkeypatch, capfd):
    save(Models(generator=tiny.generator(resolution=8)), tmp_path / "g.h5")
    samples = tmp_path / "samples"
    assert not running.run(monkeypatch, "boundary.py", "sample", tmp_path / "g.h5", "--num", 3, "-o", samples)
    assert not running.run(monkeypatch, "boundary.py", "score", samples, "--classifier", *files)
    with open(samples / "scores.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == ["000000", "000001", "000002"]
    found = classifiers.load(files)
    expected = np.asarray(found(np.stack([found.read(samples / f"{line['name']}_inv.png") for line in lines])))
    written = [[float(line[name]) for name in ("smiling", "hat")] for line in lines]
    np.testing.assert_allclose(written, expected, rtol=1e-6)
    assert running.run(monkeypatch, "boundary.py", "score", samples, "--classifier", tmp_path / "g.h5") == 2
    assert "expected one discriminator" in running.error_line(capfd)
