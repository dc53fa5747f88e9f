"""Whole runs of restore.py and evaluate_restoration.py, tiny: every task, what is written, interrupts, errors."""
from __future__ import annotations

import json

import keras
import narrow_networks
import numpy as np
import pytest
import tiny
import torch_writer
from PIL import Image
from running import error_line, run

from tf_idinvert import checkpoint
from tf_idinvert.cli import restore
from tf_idinvert.features import load_lpips
from tf_idinvert.files import images
from tf_idinvert.metrics import intervals
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator
from tf_idinvert.portraits import embedded
from tf_idinvert.restoration import tasks as restoration
from tf_idinvert.restoration.degradations import Downsampling, Luminance
from tf_idinvert.restoration.multi_code import MultiCode, compose

pytestmark = pytest.mark.usefixtures("traced_once", "eagerly")
SIDE = 8
SETTINGS = "--features", "none", "--num_iterations", "2", "--num_results", "2", "-N", "3", "-l", "2"


def write_model(path, with_encoder):
    keras.utils.set_random_seed(0)
    encoder = Encoder(**dict(tiny.ENCODER, resolution=SIDE, num_layers=4)) if with_encoder else None
    checkpoint.save(checkpoint.Models(encoder=encoder, generator=Generator(**dict(tiny.GENERATOR, resolution=SIDE)),
                                      discriminator=Discriminator(**dict(tiny.DISCRIMINATOR, resolution=SIDE))), path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Path of a network file with an encoder."""
    return write_model(tmp_path_factory.mktemp("model") / "network.h5", True)


@pytest.fixture(scope="module")
def bare_model(tmp_path_factory):
    """Path of a network file without an encoder."""
    return write_model(tmp_path_factory.mktemp("model") / "bare.h5", False)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with 3 pictures in `faces`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, [SIDE, SIDE, 3], np.uint8)
        Image.fromarray(pixels).save(tmp_path / "faces" / f"f{i}.png")
    return tmp_path


def picture(path):
    return images.to_float(np.asarray(Image.open(path)))


def names(folder):
    return {path.name for path in folder.iterdir()}


# ---- the tasks

def test_inpainting_writes_pictures_codes_and_a_page(monkeypatch, folder, model):
    arguments = "--box", "1,2,3,4", "--degrade", "--batch_size", "2"
    assert run(monkeypatch, "restore.py", "inpaint", model, "faces", *SETTINGS, *arguments) == 0
    out = folder / "results/restoration/inpaint"
    assert names(out) == {f"f{i}_{kind}.png" for i in range(3) for kind in ("ori", "deg", "res", "com")} | {
        "codes.npy", "shared_codes.npy", "alphas.npy", "options.json", "restoration.html", "restoration.log",
        "restoration_mask.png"}
    codes, shared, alphas = (np.load(out / f"{name}.npy") for name in ("codes", "shared_codes", "alphas"))
    assert codes.shape == (3, 3, 2, 8) and shared.shape == (3, 2, 8) and alphas.shape == (3, 3, 8)
    generator = checkpoint.load(model).generator
    restored = np.clip(np.asarray(compose(generator.synthesis, codes, shared, alphas)), -1, 1)
    hole = np.zeros([SIDE, SIDE], bool)
    hole[2:6, 1:4] = True
    for i in range(3):
        original, degraded, made, composite = (picture(out / f"f{i}_{kind}.png")
                                               for kind in ("ori", "deg", "res", "com"))
        assert np.abs(made - restored[i]).max() < 0.01
        assert np.array_equal(degraded[~hole], original[~hole]) and (degraded[hole] == -1).all()
        assert np.array_equal(composite[~hole], original[~hole]) and np.array_equal(composite[hole], made[hole])
    options = json.loads((out / "options.json").read_text())
    assert options["options"]["codes"] == 3 and list(options["pictures"]) == ["f0", "f1", "f2"]
    page = (out / "restoration.html").read_text()
    assert all(f">{header}<" in page for header in
               ("Original", "Degraded", "Step 000001", "Restored", "Composite", "PSNR restored", "SSIM composite"))
    assert "Step 000002" not in page and page.count("data:image/png;base64") == 3 * 6 + 1       # the mask


@pytest.mark.parametrize("arguments, kinds", [
    (["inversion"], ["ori", "deg", "res"]), (["colorize"], ["deg", "res"]),
    (["colorize", "--keep-input", "--degrade"], ["ori", "deg", "res", "com"]), (["denoise"], ["deg", "res"]),
    (["denoise", "--degrade", "--noise", "0.5"], ["ori", "deg", "res"]), (["super-resolve", "--factor", "2"],
                                                                         ["deg", "res"])], ids=" ".join)
def test_other_tasks(monkeypatch, folder, model, bare_model, arguments, kinds):
    task, *options = arguments
    network = bare_model if task == "denoise" else model
    assert run(monkeypatch, "restore.py", task, network, "faces/f1.png", *SETTINGS, *options) == 0
    out = folder / "results/restoration" / task
    assert {name for name in names(out) if name.endswith(".png")} == {f"f1_{kind}.png" for kind in kinds}
    original, made = picture("faces/f1.png"), {kind: picture(out / f"f1_{kind}.png") for kind in kinds}
    expected = {"inversion": original, "colorize": np.asarray(Luminance()(original[None]))[0]}
    if task in expected:
        assert np.abs(made["deg"] - expected[task]).max() < 0.01
    elif task == "denoise":
        assert (np.abs(made["deg"] - original).mean() > 0.1) == ("--degrade" in options)
    else:
        assert made["deg"].shape == (4, 4, 3) and made["res"].shape == (SIDE, SIDE, 3)
    assert ("PSNR" in (out / "restoration.html").read_text()) == ("ori" in kinds)


@pytest.mark.one_stack
def test_small_pictures_are_taken_as_they_are_and_intact_ones_shrunk(monkeypatch, folder, model):
    arguments = "--factor", "2", "--keep-input"
    small = np.asarray(Downsampling(SIDE, 2)(picture("faces/f0.png")[None]))[0]
    images.save("small.png", small)
    for given, degrade, out in ("small.png", [], "a"), ("faces/f0.png", ["--degrade"], "b"):
        assert run(monkeypatch, "restore.py", "super-resolve", model, given, *SETTINGS, *arguments, *degrade, "-o",
                   out) == 0
    assert np.array_equal(picture("a/small_deg.png"), picture("b/f0_deg.png"))
    assert np.abs(picture("a/small_res.png") - picture("b/f0_res.png")).mean() < 0.02, "but for 8 bits"


@pytest.mark.one_stack
def test_the_mask_is_white_where_pictures_are_missing(monkeypatch, folder, model):
    mask = np.zeros([32, 32, 3], np.uint8)
    mask[8:24, 4:16] = 255
    images.save("mask.png", mask)
    assert run(monkeypatch, "restore.py", "inpaint", model, "faces/f0.png", "--mask", "mask.png", *SETTINGS) == 0
    degraded, missing = picture("results/restoration/inpaint/f0_deg.png"), np.zeros([SIDE, SIDE], bool)
    missing[2:6, 1:4] = True
    assert (degraded[missing] == -1).all() and np.array_equal(degraded[~missing], picture("faces/f0.png")[~missing])


@pytest.mark.one_stack
def test_without_arguments_it_inpaints_rendered_portraits(monkeypatch, folder, model):
    monkeypatch.setattr(embedded, "model_path", lambda: model)
    assert run(monkeypatch, "restore.py", "inpaint", *SETTINGS) == 0
    out = folder / "results/restoration/inpaint"
    assert {f"portrait{i}_{kind}.png" for i in range(1, 5) for kind in ("ori", "deg", "res", "com")} <= names(out)


# ---- starts

def test_searches_start_at_the_encoders_code_or_the_mean():
    models, pictures = tiny.models(), np.tanh(tiny.normal(2, 16, 16, 3))
    generator = models.generator
    codes = restoration.start_codes(generator, models.encoder, pictures, 3, 7)
    assert codes.shape == (2, 3, 6, 8) and tiny.relative(codes[:, 0], models.encoder(pictures)) < 1e-5
    assert np.array_equal(restoration.start_codes(generator, models.encoder, pictures, 2, 7), codes[:, :2])
    assert not np.array_equal(restoration.start_codes(generator, models.encoder, pictures, 3, 8)[:, 1], codes[:, 1])
    mean = restoration.start_codes(generator, None, pictures, 1, 7)
    assert np.array_equal(mean, np.broadcast_to(np.asarray(generator.dlatent_avg), [2, 1, 6, 8]))


def test_scores_by_hand():
    a, b = np.tanh(tiny.normal(2, 16, 16, 3)), np.tanh(tiny.normal(2, 16, 16, 3, seed=1))
    found = restoration.scores(a * 1.5, b)
    mse = np.square(np.clip(a * 1.5, -1, 1) - b).mean(axis=(1, 2, 3))
    assert tiny.relative(found["mse"], mse) < 1e-5 and tiny.relative(found["psnr"], 10 * np.log10(4 / mse)) < 1e-5
    assert restoration.scores(a, a)["ssim"] == pytest.approx([1, 1]) and (found["ssim"] < 0.5).all()
    small = restoration.scores(a[:, :8, :8], a[:, :8, :8])["ssim"]
    assert small == pytest.approx([1, 1]), "pictures smaller than the window have one of their size"


# ---- what goes wrong

@pytest.mark.one_stack
def test_interrupts_keep_what_is_done(monkeypatch, folder, model):
    original, calls = MultiCode.__call__, []

    def interrupted(self, observed, start, progress=None):
        calls.append(len(observed))
        if len(calls) > 1:
            raise KeyboardInterrupt
        return original(self, observed, start, progress=progress)

    monkeypatch.setattr(MultiCode, "__call__", interrupted)
    assert run(monkeypatch, "restore.py", "colorize", model, "faces", *SETTINGS, "--batch_size", "2") == 130
    out = folder / "results/restoration/colorize"
    assert np.load(out / "codes.npy").shape[0] == 2 and (out / "f1_res.png").exists()
    assert list(json.loads((out / "options.json").read_text())["pictures"]) == ["f0", "f1"]
    assert (out / "restoration.html").exists() and not (out / "f2_res.png").exists()


@pytest.mark.one_stack
def test_unreadable_pictures_are_left_out(monkeypatch, folder, model, capfd):
    (folder / "faces/f1.png").write_bytes(b"no picture")
    assert run(monkeypatch, "restore.py", "colorize", model, "faces", *SETTINGS) == 1
    assert np.load(folder / "results/restoration/colorize/codes.npy").shape[0] == 2
    assert "skipped" in capfd.readouterr().err


@pytest.mark.parametrize("arguments, message", [
    (["super-resolve", "--factor", "3"], "downsampling: expected a factor from 2 to 16 that divides 8; got 3"),
    (["inpaint", "--box", "12,0,8,4"], "box: expected left, top, width, height inside 8x8; got 12,0,8,4"),
    (["inpaint", "--mask", "none.png"], "none.png: no such file"),
    (["colorize", "-l", "5"], "composing layer: expected 1 to 4 in this network; got 5"),
    (["colorize", "-l", "2", "--loss_weight_enc", "2"], "the domain term needs an encoder")])
def test_errors_are_one_line(monkeypatch, folder, bare_model, capfd, arguments, message):
    task, *options = arguments
    assert run(monkeypatch, "restore.py", task, bare_model, "faces", "--features", "none", *options) == 2
    assert message in error_line(capfd)


@pytest.mark.one_stack
def test_as_published(monkeypatch, folder, bare_model, caplog):
    """What --published sets, what it leaves as given, and the pictures that come of it."""
    assert run(monkeypatch, "restore.py", "colorize", bare_model, "faces/f0.png", "--published", "--features", "none",
               "-N", "2", "-l", "2", "--num_iterations", "3") == 0
    out = folder / "results/restoration/colorize"
    options = json.loads((out / "options.json").read_text())["options"]
    assert options["codes"] == 2 and options["layer"] == 2 and options["steps"] == 3, "as given"
    assert options["optimizer"] == "gd" and options["learning_rate"] == 1 and options["absolute_features"]
    grey, made = (np.asarray(Luminance()(picture(out / f"f0_{kind}.png")[None]))[0] for kind in ("deg", "com"))
    inside = np.abs(picture(out / "f0_com.png")).max(axis=-1) < 1
    assert np.abs(made - grey)[inside].max() < 0.02, "the grey values of the input"
    assert "rate 1." in (out / "restoration.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments, expected", [
    (["inversion"], (30, 6, 3000, "gd", 1.0)), (["colorize"], (20, 4, 1500, "gd", 1.0)),
    (["super-resolve"], (30, 6, 2000, "gd", 1.0)), (["inpaint"], (30, 4, 3000, "gd", 1.0)),
    (["inpaint", "-N", "5", "--optimizer", "adam", "--num_iterations", "0"], (5, 4, 0, "adam", 0.05)),
    (["super-resolve", "--learning_rate", "2", "-l", "8"], (30, 8, 2000, "gd", 2.0))], ids=str)
def test_numbers_of_the_published_code(arguments, expected):
    args = restore.parse_arguments([*arguments, "--published"])
    assert (args.num_codes, args.composing_layer, args.num_iterations, args.optimizer, args.learning_rate) == expected
    assert args.factor == 16 and restore.parse_arguments(arguments[:1]).factor == 4


def test_weight_of_the_published_feature_term(tmp_path):
    """By torchvision's VGG16: conv3_3 after the ReLU, of pictures at 256 px; by another network: with its own scale."""
    lpips = narrow_networks.LPIPS(3)
    lpips(*tiny.normal(2, 1, 3, 16, 16))        # draws its weights
    files = [torch_writer.save(tmp_path / name, each.state) for name, each in (("a", lpips.heads), ("b", lpips.vgg))]
    network, x = load_lpips(files, 32), np.tanh(tiny.normal(1, 32, 32, 3))
    args = restore.parse_arguments(["inpaint", "--published"])
    features, weight, note = restore.published_features(args, network, "more")
    assert weight == pytest.approx(1e-4) and "torchvision's VGG16, weight 0.0001" in note and note.endswith(" more")
    enlarged = x.repeat(8, axis=1).repeat(8, axis=2)
    assert np.array_equal(features(x), list(network._layers(enlarged))[2]) and features(x).shape[1:3] == (64, 64)
    features, weight, note = restore.published_features(args, np.mean, "")
    assert features is np.mean and weight == 0.1 and "attribute network" in note


@pytest.mark.parametrize("arguments", [["deblur"], ["inversion", "--keep_input"], ["inpaint", "--box", "1,2,3"],
                                       ["denoise", "--published"],
                                       ["inpaint", "--box", "1,2,3,4", "--mask", "m.png"]], ids=" ".join)
def test_arguments_that_are_refused(monkeypatch, capfd, arguments):
    assert run(monkeypatch, "restore.py", *arguments) == 2
    assert "error: " in capfd.readouterr().err


# ---- the measurements

@pytest.mark.one_stack
def test_evaluation_goes_on_where_it_was_ended(monkeypatch, folder, model):
    arguments = [model, "--pictures", "faces", "-o", "out", "--parts", "codes", "tasks", "photographs", "--tasks",
                 "colorize", "--features", "none", "-l", "2", "-N", "3", "--codes", "1", "3", "--num_iterations", "2",
                 "--count", "2"]
    assert run(monkeypatch, "evaluate_restoration.py", *arguments) == 0
    tables = json.loads((folder / "out/tables.json").read_text())
    found = {name: part["numbers"] for name, part in tables["parts"].items()}
    assert [row["N"] for row in found["codes"]] == [1, 3] and tables["missing"] == ["photographs: give --photographs"]
    tasks = {(row["task"], row["method"]): row for row in found["tasks"]}
    assert set(tasks) == {("colorize", method) for method in (
        "without a network", "one code", "one code, composite", "one code, domain term",
        "one code, domain term, composite", "3 codes", "3 codes, composite")}
    grey = np.stack([np.asarray(Luminance()(picture(f"faces/f{i}.png")[None]))[0] for i in range(2)])
    originals = np.stack([picture(f"faces/f{i}.png") for i in range(2)])
    errors = np.square(grey - originals).mean(axis=(1, 2, 3))
    assert tasks["colorize", "without a network"]["mse"] == pytest.approx(intervals.mean(errors), rel=1e-4)
    assert tasks["colorize", "one code"]["better than one code"] == "0 of 2"
    written = names(folder / "out")
    assert {"tables.md", "index.html", "figures", "cache"} <= written
    assert {"codes.png", "codes-inversion-number-of-codes.png", "tasks-colorize.png"} == names(folder / "out/figures")
    assert "| colorize | without a network |" in (folder / "out/tables.md").read_text(encoding="utf-8")
    monkeypatch.setattr(MultiCode, "__call__", None)            # nothing is searched again
    assert run(monkeypatch, "evaluate_restoration.py", *arguments) == 0
    assert json.loads((folder / "out/tables.json").read_text()) == tables


@pytest.mark.one_stack
def test_costs(monkeypatch, folder, model):
    from tf_idinvert.evaluation.quality import restoration_cost
    calls = []

    def measure(network, codes, layer, **settings):
        calls.append(codes)
        return {"seconds": 0.5 + 0.1 * codes, "megabytes": 10.0 * codes}

    class Here:
        """A pool that stays in this process, where `measure` is replaced."""

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def apply(self, function, arguments):
            return function(*arguments)

    found = restoration_cost.measure([str(model)], 2, 2, steps_a_report=1)
    assert 0 < found["seconds"] < 10 and (found["megabytes"] is None or found["megabytes"] >= 0)
    monkeypatch.setattr(restoration_cost, "measure", measure)
    monkeypatch.setattr("multiprocessing.get_context", lambda _: type("Context", (), {"Pool": lambda *_: Here()}))
    assert run(monkeypatch, "evaluate_restoration.py", model, "--pictures", "faces", "--quick", "-o", "out", "--parts",
               "cost", "--features", "none") == 0
    rows = json.loads((folder / "out/tables.json").read_text())["parts"]["cost"]["numbers"]
    assert calls == [1, 3] and rows[1]["of N single searches"] == pytest.approx(0.8 / (3 * 0.6))
    assert rows[1]["megabytes"] == 30 and (folder / "out/figures/cost.png").exists()
