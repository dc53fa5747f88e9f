"""tools/train.py: options, what a folder with a run in it means, errors in one line. Training itself: test_stylegan."""
from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tf_idinvert import checkpoint
from tf_idinvert.training import recipes

SCRIPT = Path(__file__).parents[1] / "tools" / "train.py"


@pytest.fixture
def train():
    spec = importlib.util.spec_from_file_location("train", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def parse(train, monkeypatch, tmp_path):
    def parsed(*arguments):
        monkeypatch.setattr(sys, "argv", ["train.py", "--output", str(tmp_path), *arguments])
        return train.parse_arguments()
    return parsed


def test_help_needs_no_tensorflow():
    code = (f"import runpy, sys; sys.argv = ['train.py', '--help']\ntry: runpy.run_path({str(SCRIPT)!r}, "
            "run_name='__main__')\nexcept SystemExit: print('tensorflow' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                          env={"PYTHONPATH": str(SCRIPT.parents[1]), "PATH": ""})
    assert "--preset" in done.stdout and done.stdout.endswith("False\n"), done.stderr


def test_data_is_needed_but_for_the_portraits(parse, capsys):
    assert parse("--preset", "portraits").data == "portraits"
    with pytest.raises(SystemExit):
        parse()
    assert "--data is needed" in capsys.readouterr().err


def test_options_reach_the_recipe(train, parse):
    recipe = train.make_recipe(parse("--data", "x", "--resolution", "256", "--kimg", "100", "--batch-size", "7"))
    assert recipe.generator["resolution"] == 256
    assert [(stage.kimg, stage.batch_size) for stage in recipe.stages] == [(100, 7)]
    assert train.make_recipe(parse("--preset", "portraits")) == recipes.portraits()
    fixed = train.make_recipe(parse("--preset", "portraits", "--structure", "fixed"))
    assert [stage.resolution for stage in fixed.stages] == [64]


def test_run_is_taken_up_by_the_same_options_only(train, parse, tmp_path):
    assert not train.check_options(parse("--preset", "portraits"))
    assert json.loads((tmp_path / "options.json").read_text())["preset"] == "portraits"
    (tmp_path / "state.npz").touch()
    assert train.check_options(parse("--preset", "portraits", "--kimg", "2000"))        # a longer run is the same run
    with pytest.raises(ValueError, match="holds a run with seed 0, now 1; give the same options"):
        train.check_options(parse("--preset", "portraits", "--seed", "1"))
    assert json.loads((tmp_path / "options.json").read_text())["seed"] == 0
    assert not train.check_options(parse("--preset", "portraits", "--seed", "1", "--no-resume"))


def test_damaged_options_are_one_line(train, parse, tmp_path):
    (tmp_path / "state.npz").touch()
    (tmp_path / "options.json").write_text("[")
    with pytest.raises(ValueError, match="options.json: damaged"):
        train.check_options(parse("--preset", "portraits"))


def test_missing_data_is_one_line(tmp_path):
    done = subprocess.run([sys.executable, str(SCRIPT), "--data", str(tmp_path / "none"), "--resolution", "8",
                           "--output", str(tmp_path / "run")], capture_output=True, text=True, timeout=300,
                          env={"PYTHONPATH": str(SCRIPT.parents[1]), "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"})
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ") and "none" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def tiny_recipe(width):
    shared = dict(resolution=8, fmap_base=16, fmap_max=width)
    generator = dict(shared, latent_size=4, dlatent_size=4, mapping_layers=1, mapping_fmaps=4)
    return recipes.Recipe(generator=generator, discriminator=shared, stages=(), r1_interval=1, mirror=False)


def test_a_run_can_start_from_a_network_file(train, parse, tmp_path):
    before, after = (train.make_model(tiny_recipe(4), seed=0) for _ in range(2))
    path, before.level = tmp_path / "network.h5", 1
    checkpoint.save(train.networks_of(before), path)
    assert checkpoint.load(path).generator.synthesis.lod == checkpoint.load(path).discriminator.lod == 1
    args = parse("--preset", "portraits", "--initial", str(path), "--initial-kimg", "1.5")
    train.start_from(after, checkpoint.load(path), args)
    for one, other in zip(before.weights[:-2], after.weights[:-2]):
        np.testing.assert_array_equal(one, other)
    assert int(after.images_seen.numpy()) == 1500
    with pytest.raises(ValueError, match="no generator of the sizes"):
        train.start_from(train.make_model(tiny_recipe(8), seed=0), checkpoint.load(path), args)
