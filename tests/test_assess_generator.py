"""tools/assess_generator.py on a tiny generator: all files, all numbers, one-line errors."""
from __future__ import annotations

import json

import pytest
import running
import tiny

from tf_idinvert import checkpoint
from tf_idinvert.cli import assess_generator
from tf_idinvert.evaluation.quality import generator, generator_page
from tf_idinvert.files import images


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    checkpoint.save(checkpoint.Models(generator=tiny.generator()), folder / "g.h5")
    network = tiny.attributes(names=("age", "eyeglasses", "pose"), binary=("eyeglasses",))
    checkpoint.save(checkpoint.Models(attributes=network), folder / "a.h5")
    return folder


def test_report_of_a_tiny_generator(files, monkeypatch, capfd, tmp_path):
    assert running.run(monkeypatch, "assess_generator.py", files / "g.h5", files / "a.h5", "--count", 64, "--seed", 7,
                       "-o", tmp_path / "out") == 0
    assert "quality.md" in capfd.readouterr().out
    result = json.loads((tmp_path / "out" / "quality.json").read_text())
    assert result["samples"]["frechet_extrapolated"] is None        # eight pictures in a part
    assert result["floor"]["sliced_wasserstein"]["16"] < result["samples"]["sliced_wasserstein"]["16"]
    assert 0 < result["floor"]["frechet"] < result["samples"]["frechet"]
    assert set(result["agreement"]) == {"age", "eyeglasses", "pose"} > set(result["separability"])
    assert result["path"]["length"] > 0 and result["count"] == 64
    text = (tmp_path / "out" / "quality.md").read_text()
    for expected in ("SWD x 1000, 16 px", "times the floor", "| pose |", "Path length", "TF-GAN",
                     "| pose | not predictable by the network |"):
        assert expected in text
    side = 8 * 16 + 7 * 2
    assert images.read(tmp_path / "out" / "samples.png").shape == (side, 3 * side + 2 * 12, 3)
    assert images.read(tmp_path / "out" / "interpolations.png").shape == (6 * 16 + 5 * 2, 10 * 16 + 9 * 2, 3)


def test_report_of_a_generator_of_wild_portraits(tmp_path, monkeypatch):
    """A judge of half the side sees parts; it may be asked for any trait. What no world changes, the test above shows.
    """
    monkeypatch.setattr(assess_generator, "FEWEST", 32)
    monkeypatch.setattr(generator, "by_tfgan", lambda *_: {"failure": "left out"})
    monkeypatch.setattr(generator, "path_length", lambda *_: {"length": 1.0, "straight": 1.0, "ratio": 1.0})
    monkeypatch.setattr(generator_page, "draw_sheets", lambda *_: None)
    checkpoint.save(checkpoint.Models(generator=tiny.generator(resolution=32)), tmp_path / "g.h5")
    network = tiny.attributes(names=("scene-3", "hat", "tilt"), binary=("scene-3", "hat"))
    checkpoint.save(checkpoint.Models(attributes=network), tmp_path / "a.h5")
    assert running.run(monkeypatch, "assess_generator.py", tmp_path / "g.h5", tmp_path / "a.h5", "--world", "wild",
                       "--count", 32, "-o", tmp_path / "out") == 0
    result = json.loads((tmp_path / "out" / "quality.json").read_text())
    assert set(result["agreement"]) == {"scene-3", "hat", "tilt"} and result["resolution"] == 32
    assert 0 < result["floor"]["frechet"] < result["samples"]["frechet"]


def test_networks_of_wild_portraits_must_be_given(monkeypatch, capfd):
    assert running.run(monkeypatch, "assess_generator.py", "--world", "wild") == 2
    assert "give the files of a generator" in running.error_line(capfd)


@pytest.mark.parametrize("config, message", [
    (dict(names=("age",), binary=(), resolution=32), "for pictures of 32 px"),
    (dict(names=("wings",), binary=()), "'wings' is none of the portraits'")])
def test_attribute_network_that_does_not_fit_is_one_line(files, monkeypatch, capfd, tmp_path, config, message):
    checkpoint.save(checkpoint.Models(attributes=tiny.attributes(**config)), tmp_path / "a.h5")
    assert running.run(monkeypatch, "assess_generator.py", files / "g.h5", tmp_path / "a.h5", "-o",
                       tmp_path / "out") == 2
    assert message in running.error_line(capfd)


def test_files_without_the_network_are_one_line(files, monkeypatch, capfd, tmp_path):
    assert running.run(monkeypatch, "assess_generator.py", files / "a.h5", files / "a.h5", "-o", tmp_path / "out") == 2
    assert "holds no generator" in running.error_line(capfd)
    assert running.run(monkeypatch, "assess_generator.py", files / "g.h5", files / "g.h5", "-o", tmp_path / "out") == 2
    assert "holds no attribute net" in running.error_line(capfd)
