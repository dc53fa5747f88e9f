"""Files that make one set, and the final activation that they leave open: the same door in evaluation and training."""
from __future__ import annotations

import argparse

import pytest
import running
import tiny
import torch_states
import torch_writer

from tf_idinvert import checkpoint
from tf_idinvert.checkpoint import Models
from tf_idinvert.cli import command, evaluate, train_encoder
from tf_idinvert.errors import InputError
from tf_idinvert.evaluation import loading


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Generator and encoder of idinvert_pytorch, a file each."""
    folder, encoder = tmp_path_factory.mktemp("set"), tiny.encoder(generation="2020-05", resolution=8, num_layers=4)
    return [torch_writer.save(folder / f"{name}.pth", state) for name, state in (
        ("in-domain,generator", torch_states.idinvert(tiny.generator(layerwise=True, resolution=8))),
        ("encoder", torch_states.idinvert_encoder(encoder)))]


def activation(network):
    return network.get_config()["final_activation"]


def test_evaluation_takes_a_set(files):
    args = argparse.Namespace(encoders=[f"force-in-domain={files[0]}", f"in-domain={files[1]},{files[1]}"])
    paths, missing = evaluate.encoder_paths(args)
    assert paths == {"force-in-domain": [str(files[0])], "in-domain": [str(files[1])] * 2}     # a comma in a name, too
    assert list(missing) == ["in-domain-nobn", "traditional"]
    for chosen, expected in (None, "tanh"), ("none", None):
        found, notes = loading.load_networks({"in-domain": files}, chosen)
        assert activation(found["in-domain"].generator) == expected and not notes
        assert found["in-domain"].name == "in-domain,generator.pth, encoder.pth"
    with pytest.raises(InputError, match="encoder.pth: holds no generator"):
        loading.load_networks({"in-domain": files[1:]})


def test_an_argument_names_one_file_or_several(tmp_path):
    (tmp_path / "a,b").touch()
    assert command.files_of(str(tmp_path / "a,b")) == [str(tmp_path / "a,b")]
    assert command.files_of("a,b") == ["a", "b"]


def test_training_is_told_the_final_activation(files, tmp_path):
    path = tmp_path / "both.pth"
    networks = {"generator": torch_states.idinvert(tiny.generator(layerwise=True, resolution=8)),
                "discriminator": torch_states.genforce_discriminator(tiny.discriminator(resolution=8))}
    torch_writer.save(path, networks)
    for chosen, expected in (None, "tanh"), ("none", None), ("sigmoid", "sigmoid"):
        args = argparse.Namespace(generator=path, final_activation=chosen, method="in-domain")
        assert activation(train_encoder.load_generator(args).generator) == expected


@pytest.mark.one_stack      # what the tools say of odd files
@pytest.mark.parametrize("tool, arguments", [("assess_generator.py", []), ("assess_edits.py", []),
                                             ("evaluate_restoration.py", ["--quick"])])
def test_other_evaluations_take_a_set(files, tmp_path, monkeypatch, capfd, tool, arguments):
    """They get as far as what the set lacks."""
    checkpoint.save(Models(discriminator=tiny.discriminator(resolution=8)), tmp_path / "other.h5")
    monkeypatch.chdir(tmp_path)
    named = "--model", files[1], "other.h5", "--final-activation", "none"
    assert running.run(monkeypatch, tool, *named, *arguments) == 2
    assert "encoder.pth, other.h5: holds no generator" in running.error_line(capfd)


@pytest.mark.one_stack      # what the tools say of odd files
@pytest.mark.parametrize("tool, arguments", [("assess_generator.py", []), ("assess_edits.py", []),
                                             ("evaluate_restoration.py", ["--quick"])])
def test_other_evaluations_take_a_tuned_generator(tmp_path, monkeypatch, capfd, tool, arguments):
    checkpoint.save(Models(encoder=tiny.encoder(resolution=8, num_layers=4),
                           generator=tiny.generator(layerwise=True, resolution=8)), tmp_path / "model.h5")
    monkeypatch.chdir(tmp_path)
    assert running.run(monkeypatch, tool, "model.h5", "--tuned", "absent.h5", *arguments) == 2
    assert "absent.h5" in running.error_line(capfd)
