"""StyleGAN training from options: recipe, start from a file, whole small run. The training itself: test_stylegan."""
from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest
import running

from tf_idinvert import checkpoint
from tf_idinvert.cli import train_stylegan, training_options
from tf_idinvert.files import images
from tf_idinvert.training import callbacks, generator, record, stylegan_recipes
from tf_idinvert.training.pairs import PairedStage
from tf_idinvert.training.stylegan import Stage


@pytest.fixture
def parse(monkeypatch, tmp_path):
    def parsed(*arguments):
        monkeypatch.setattr(sys, "argv", ["train.py", "--output", str(tmp_path), *arguments])
        return training_options.parse_arguments("")
    return parsed


def test_options_reach_the_recipe(parse):
    recipe = train_stylegan.make_recipe(
        parse("--data", "x", "--resolution", "256", "--kimg", "100", "--batch-size", "7"))
    assert recipe.generator["resolution"] == 256
    assert [(stage.kimg, stage.batch_size) for stage in recipe.stages] == [(100, 7)]
    assert train_stylegan.make_recipe(parse("--preset", "portraits")) == stylegan_recipes.portraits()
    fixed = train_stylegan.make_recipe(parse("--preset", "portraits", "--structure", "fixed"))
    assert [stage.resolution for stage in fixed.stages] == [64]
    other = train_stylegan.make_recipe(parse("--preset", "portraits", "--data", "photographs"))
    assert other == stylegan_recipes.portraits(paired=False)


@pytest.mark.parametrize("options, mirror", [
    ([], False), (["--mirror"], True), (["--preset", "faces"], True), (["--preset", "faces", "--no-mirror"], False)])
def test_only_faces_are_mirrored_unless_told(parse, options, mirror):
    assert train_stylegan.make_recipe(parse("--data", "x", *options)).mirror == mirror


def test_batch_sizes_are_those_of_as_many_gpus_as_replicas(parse):
    args = parse("--data", "x", "--resolution", "256", "--w-per-layer")
    found = [train_stylegan.make_recipe(args, replicas) for replicas in (1, 8)]
    assert [recipe.stages[-1].batch_size for recipe in found] == [8, 32]
    assert found[0].generator == {"resolution": 256, "layerwise": True}
    args = parse("--data", "x", "--resolution", "256", "--gpus", "8")
    assert train_stylegan.make_recipe(args, 1).stages[-1].batch_size == 32


@pytest.mark.parametrize("option, message", [
    (["--resolution", "100"], "invalid choice"), (["--preset", "portraits", "--w-per-layer"], "has a w per layer")])
def test_options_that_cannot_be_are_one_line(parse, capsys, option, message):
    with pytest.raises(SystemExit):
        parse("--data", "x", *option)
    assert message in capsys.readouterr().err.splitlines()[-1]


def tiny_recipe(width):
    shared = dict(resolution=8, fmap_base=16, fmap_max=width)
    generator = dict(shared, latent_size=4, dlatent_size=4, mapping_layers=1, mapping_fmaps=4)
    return stylegan_recipes.Recipe(generator=generator, discriminator=shared, stages=(Stage(8, 1),), r1_interval=1,
                                   mirror=False)


def made(width):
    return generator.make_model(train_stylegan.make_networks(tiny_recipe(width)), tiny_recipe(width))


def test_a_run_can_start_from_a_network_file(tmp_path):
    networks = train_stylegan.make_networks(tiny_recipe(4))
    before, after, wider = generator.make_model(networks, tiny_recipe(4)), made(4), made(8)
    path, before.level = tmp_path / "network.h5", 1
    generator.saving(before, lambda path: checkpoint.save(networks, path))(path)
    initial = checkpoint.load(path)
    assert initial.generator.synthesis.lod == initial.discriminator.lod == 1
    generator.start_from(after, initial, 1.5)
    for one, other in zip(before.weights[:-2], after.weights[:-2]):
        np.testing.assert_array_equal(one, other)
    assert int(after.images_seen.numpy()) == 1500
    with pytest.raises(ValueError, match="no generator of the sizes"):
        generator.start_from(wider, initial, 0)


@pytest.fixture(scope="module")
def model():
    return made(4)


@pytest.mark.parametrize("name, value", [("fused_scale", True), ("blur_filter", None), ("final_activation", "tanh"),
                                         ("mapping_lrmul", 0.5)])
def test_a_run_does_not_start_from_networks_of_another_function(model, name, value):
    """Weights of the same shapes, which would draw other pictures."""
    recipe, latent = tiny_recipe(4), ("mapping_lrmul", "final_activation")
    other = dataclasses.replace(recipe, generator={**recipe.generator, name: value},
                                discriminator={**recipe.discriminator, **({} if name in latent else {name: value})})
    with pytest.raises(ValueError, match=f"the initial generator has {name} {value}, this training has"):
        generator.start_from(model, train_stylegan.make_networks(other), 0)


def test_whole_small_run(eagerly, monkeypatch, tmp_path):
    stages = (PairedStage(8, kimg=0.016, batch_size=8, adversarial=False, pair_weight=1.0),
              PairedStage(16, kimg=0.016, batch_size=8))
    shared = dict(resolution=16, fmap_base=16, fmap_max=4)
    latent = dict(latent_size=16, dlatent_size=4, mapping_layers=1, mapping_fmaps=4)
    recipe = dataclasses.replace(tiny_recipe(4), stages=stages, discriminator=shared, generator=dict(
        shared, **latent))
    monkeypatch.setattr(train_stylegan, "make_recipe", lambda args, replicas: recipe)
    for _ in range(2):      # the second time, nothing is left to do
        assert running.run(monkeypatch, "train.py", "--preset", "portraits", "--pictures", "10", "--output",
                           tmp_path / "run") == 0
    assert np.load(tmp_path / "portraits16-10-seed1.npy").shape == (10, 16, 16, 3)
    models = checkpoint.load(tmp_path / "run/network.h5")
    assert models.generator.synthesis.lod == 0 and models.discriminator.resolution == 16


def test_own_pictures_make_a_generator_with_a_w_per_layer(monkeypatch, tmp_path, rng, capfd):
    """As encoders and inversion expect one, with graphs. Held-out pictures show in the log, what is no picture in the
    exit code.
    """
    (tmp_path / "own").mkdir()
    for i in range(20):
        images.save(tmp_path / f"own/{i}.png", rng.integers(0, 256, (9, 8, 3), np.uint8))
    (tmp_path / "own/20.png").write_bytes(b"damaged")
    official, small = stylegan_recipes.official, dict(fmap_base=16, fmap_max=4)
    latent = dict(latent_size=4, dlatent_size=4, mapping_layers=1, mapping_fmaps=4)

    def narrow(*arguments, **options):
        recipe = official(*arguments, **options)
        return dataclasses.replace(recipe, generator={**recipe.generator, **small, **latent},
                                   discriminator={**recipe.discriminator, **small})

    monkeypatch.setattr(stylegan_recipes, "official", narrow)
    monkeypatch.setattr(callbacks.Log.__init__, "__defaults__", (16, dict))
    assert running.run(monkeypatch, "train.py", "--data", tmp_path / "own", "--resolution", "8", "--w-per-layer",
                       "--batch-size", "8", "--kimg", "0.016", "-o", tmp_path / "run") == 1
    assert capfd.readouterr().err.endswith("1 file left out, named above\n")
    generator = checkpoint.load(tmp_path / "run/network.h5").generator
    w = generator.mapping(np.ones([1, 4], "float32")).numpy()[0]
    assert w.shape == (4, 4) and len(np.unique(w[:, 0])) == 4
    entry = json.loads((tmp_path / "run/log.jsonl").read_text())
    assert entry["images"] == 16 and np.isfinite(entry["test_score"])
    assert record.read(tmp_path / "run")["recipe"]["mirror"] is False
