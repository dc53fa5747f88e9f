"""Whole runs of the tools on a StyleGAN2 pickle: an encoder is trained for it, and the editing tools use both."""
from __future__ import annotations

import json

import encoder_training
import evaluating
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image
from running import error_line, run

from tf_idinvert import boundaries, checkpoint
from tf_idinvert.checkpoint import Models
from tf_idinvert.codes import mean_code, random_codes
from tf_idinvert.files import images
from tf_idinvert.networks.stylegan2_discriminator import StyleGAN2Discriminator
from tf_idinvert.networks.stylegan2_generator import StyleGAN2Generator
from tf_idinvert.restoration.multi_code import compose
from tf_idinvert.serving import export, half_weights
from tf_idinvert.training import callbacks

GENERATOR, DISCRIMINATOR = dict(tiny.GENERATOR, resolution=8), dict(tiny.DISCRIMINATOR, resolution=8)
FAST = "--features", "none", "--num_iterations", "4", "--num_results", "2"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Path of an official StyleGAN2 pickle (G, D, Gs) at 8 px."""
    keras.utils.set_random_seed(0)
    models = Models(generator=StyleGAN2Generator(**GENERATOR),
                    discriminator=StyleGAN2Discriminator(**DISCRIMINATOR))
    w = random_codes(models.generator, 0, 0, 100)
    models.generator.dlatent_avg.assign(w[:, 0].mean(axis=0))
    path = tmp_path_factory.mktemp("stylegan2") / "stylegan2.pkl"
    checkpoint.save(models, path)
    return path


@pytest.fixture(scope="module")
def generator(model):
    return checkpoint.load(model, only=("generator",)).generator


@pytest.fixture(scope="module")
def pictures(generator):
    """uint8 [8, 8, 8, 3] that the generator draws."""
    return images.to_uint8(np.asarray(generator.synthesis(random_codes(generator, 5, 0, 8))))


@pytest.fixture(scope="module")
def trained(model, pictures, tmp_path_factory):
    """Folder of a run that trained an encoder on the pickle: six steps, without graphs."""
    folder = tmp_path_factory.mktemp("trained")
    np.save(folder / "pictures.npy", pictures)
    with pytest.MonkeyPatch.context() as patch, encoder_training.eagerly():
        patch.setattr(callbacks.Log.__init__, "__defaults__", (8, dict))
        assert run(patch, "train.py", "--method", "force-in-domain", "--generator", model, "--data",
                   folder / "pictures.npy", "--features", "none", "--kimg", "0.048", "--batch-per-replica", "8",
                   "--learning-rate", "0.006", "--encoder-filters", "8", "--encoder-filters-max", "8",
                   "--snapshot-minutes", "1000", "--output", folder / "run") == 0
    return folder / "run"


@pytest.fixture(autouse=True)
def faces(tmp_path, monkeypatch, pictures):
    """The current folder holds `faces`, two pictures."""
    monkeypatch.chdir(tmp_path)
    write_faces(tmp_path / "faces", pictures)


def write_faces(folder, pictures):
    folder.mkdir()
    for i in range(2):
        Image.fromarray(pictures[i]).save(folder / f"f{i}.png")


def test_an_encoder_learns(trained, model):
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 6 and lines[-1]["pixel"] < 0.7 * lines[0]["pixel"] and lines[-1]["e_loss"] < lines[0]["e_loss"]
    start, models = checkpoint.load(model), checkpoint.load(trained / "network.h5")
    assert type(models.generator) is StyleGAN2Generator and type(models.discriminator) is StyleGAN2Discriminator
    for one, other in zip(models.generator.get_weights(), start.generator.get_weights()):
        np.testing.assert_array_equal(one, other)
    trained_too = [not np.array_equal(one, other) for one, other in zip(models.discriminator.get_weights(),
                                                                        start.discriminator.get_weights())]
    assert all(trained_too)


@pytest.fixture(scope="module")
def inverted(trained, pictures, tmp_path_factory):
    """Folder of two pictures inverted with the encoder."""
    folder = tmp_path_factory.mktemp("inverted")
    write_faces(folder / "faces", pictures)
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, "invert.py", trained / "network.h5", folder / "faces", "-o", folder / "out", *FAST) == 0
    return folder / "out"


def test_inverts_with_the_encoder(generator, inverted):
    folder = inverted
    encoded, inverted = (np.load(folder / f"{kind}_codes.npy") for kind in ("encoded", "inverted"))
    assert encoded.shape == (2, 4, 8) and 0 < np.abs(inverted - encoded).max() < 0.1
    drawn = generator.synthesis(inverted)       # which the run leaves as it is
    for i in range(2):
        shown = np.asarray(Image.open(folder / f"f{i}_inv.png"), int)
        assert np.abs(shown - images.to_uint8(np.asarray(drawn))[i]).max() <= 1


@pytest.mark.one_stack
def test_inverts_without_an_encoder(monkeypatch, tmp_path, model, generator, eagerly):
    assert run(monkeypatch, "invert.py", model, "faces", "-o", "out", "--start", "mean", "--no-domain-regularizer",
               *FAST) == 0
    codes = np.load(tmp_path / "out/encoded_codes.npy")
    assert codes.shape == (2, 4, 8) and np.allclose(codes, mean_code(generator), atol=1e-5)


def test_needs_an_encoder_to_start_from(monkeypatch, model, capfd):
    assert run(monkeypatch, "invert.py", model, "faces", "-o", "out") == 2
    assert "holds no encoder" in error_line(capfd)


@pytest.mark.one_stack
def test_edits(monkeypatch, tmp_path, trained, inverted, eagerly):
    network = trained / "network.h5"
    boundaries.write(tmp_path / "age.npz", boundaries.Boundary(tiny.normal(1, 4, 8, seed=9), (1, 2)))
    assert run(monkeypatch, "interpolate.py", network, inverted, inverted, "-o", "between", "--step", "3") == 0
    assert run(monkeypatch, "manipulate.py", network, inverted, "age.npz", "-o", "older", "--step", "3") == 0
    assert run(monkeypatch, "mix_style.py", network, inverted, inverted, "-o", "mixed", "--mix_layer_start_idx",
               "2") == 0
    for folder in ("between", "older", "mixed"):
        assert list((tmp_path / folder).rglob("*.html")), folder


def test_samples_for_boundaries(monkeypatch, tmp_path, model, generator):
    assert run(monkeypatch, "boundary.py", "sample", model, "-o", "drawn", "--num", "5") == 0
    codes = np.load(tmp_path / "drawn/inverted_codes.npy")
    shown = np.asarray(Image.open(tmp_path / "drawn/000003_inv.png"), int)
    drawn = images.to_uint8(np.asarray(generator.synthesis(codes)))[3]
    assert codes.shape == (5, 4, 8) and np.abs(shown - drawn).max() <= 1


@pytest.mark.one_stack
@pytest.mark.parametrize("layer", [1, 3])
def test_restores_with_several_codes(monkeypatch, tmp_path, model, generator, layer, eagerly):
    assert run(monkeypatch, "restore.py", "inpaint", model, "faces", "-o", "out", *FAST, "-N", "3", "-l", layer) == 0
    found = [np.load(tmp_path / f"out/{name}.npy") for name in ("codes", "shared_codes", "alphas")]
    channels = 8 if layer == 1 else 8 + 3       # 'skip': the colours so far are composed, too
    assert [each.shape for each in found] == [(2, 3, layer, 8), (2, 4 - layer, 8), (2, 3, channels)]
    restored = images.to_uint8(np.asarray(compose(generator.synthesis, *found)))
    assert np.abs(np.asarray(Image.open(tmp_path / "out/f1_res.png"), int) - restored[1]).max() <= 1


def test_there_is_nothing_to_compose_after_the_last_layer(monkeypatch, model, capfd):
    assert run(monkeypatch, "restore.py", "inpaint", model, "faces", "-o", "out", *FAST, "-l", "4") == 2
    assert "composing layer: expected 1 to 3 in this network; got 4" in error_line(capfd)


def test_evaluates(monkeypatch, tmp_path, trained):
    few = [text for name, value in evaluating.SIZES.items() for text in (f"--{name}", value)]
    assert run(monkeypatch, "evaluate.py", "-o", "out", *few, "--encoders", trained / "network.h5", "--images", "faces",
               "--count", "2", "--features", "none", "--parts", "table1-force") == 0
    table = json.loads((tmp_path / "out/tables.json").read_text())["parts"]["table1-force"]["numbers"]
    assert 0 < table["encoder"]["mse"][0] < 2


def test_is_served(monkeypatch, tmp_path, model, generator):
    """As arrays: what is done for encoded pictures is the same for all networks."""
    monkeypatch.setattr(export, "_both", lambda signatures, generator: signatures)
    assert run(monkeypatch, "export.py", model, "-o", "served") == 0
    served = tf.saved_model.load(str(tmp_path / "served/1")).signatures
    codes, z = tiny.normal(2, 4, 8), tiny.normal(2, 8, seed=1)
    pictures = np.asarray(generator.synthesis(codes))
    assert tiny.relative(served["synthesize"](codes=tf.constant(codes))["images"], pictures) < 1e-4
    drawn = served["sample"](z=tf.constant(z), psi=tf.constant([0.5, 0.5]))["images"]
    assert tiny.relative(drawn, generator(z)) < 1e-4
    assert 0 < tiny.relative(half_weights.halved(generator).synthesis(codes), pictures) < 0.02


@pytest.mark.one_stack      # what a tool says of an odd file
def test_its_own_training_is_not_offered(monkeypatch, model, pictures, capfd):
    np.save("pictures.npy", pictures)
    assert run(monkeypatch, "train.py", "--method", "stylegan", "--initial", model, "--data", "pictures.npy",
               "--resolution", "8", "--batch-size", "8", "--output", "run") == 2
    assert "holds a StyleGAN2Generator; --method stylegan trains StyleGAN" in error_line(capfd)


@pytest.mark.one_stack
def test_is_shown_and_converted(monkeypatch, tmp_path, model, capfd):
    assert run(monkeypatch, "convert.py", model, "ours.h5") == 0
    printed = capfd.readouterr().out
    assert "StyleGAN2Generator" in printed and "codes 4 x 8" in printed and "architecture skip" in printed
    assert run(monkeypatch, "convert.py", "ours.h5", "again.pkl") == 0
    assert (tmp_path / "again.pkl").read_bytes() == model.read_bytes()
    assert run(monkeypatch, "convert.py", "ours.h5", "scaled.h5", "--w-deviation", "0.5") == 0
    one, other = (checkpoint.load(path, only=("generator",)).generator for path in ("ours.h5", "scaled.h5"))
    z = tiny.normal(2, 8)
    assert tiny.relative(other(z), one(z)) < 1e-3
