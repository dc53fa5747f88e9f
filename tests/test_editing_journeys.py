"""Whole runs of the editing tools, tiny: from inverted pictures, or pictures, to edited pictures, codes and a page."""
from __future__ import annotations

import dataclasses
import json

import keras
import numpy as np
import pytest
import tiny
from PIL import Image
from running import error_line, run

from tf_idinvert import boundaries, checkpoint
from tf_idinvert.files import arrays, images, results, unfinished
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator

pytestmark = pytest.mark.usefixtures("traced_once")
PAIRS = [f"p{i}_TO_q{j}" for i in range(2) for j in range(3)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Path of an official pickle (E, G, D, Gs) at 16 px, and its synthesis."""
    keras.utils.set_random_seed(0)
    models = checkpoint.Models(encoder=Encoder(**tiny.ENCODER), generator=Generator(**tiny.GENERATOR),
                               discriminator=Discriminator(**tiny.DISCRIMINATOR))
    path = tmp_path_factory.mktemp("model") / "network.pkl"
    checkpoint.save(models, path)
    return path, models.generator.synthesis


@pytest.fixture(autouse=True)
def inverted(tmp_path, monkeypatch):
    """The current folder holds `ps` and `qs`, inverted pictures as invert.py writes them, and a boundary."""
    monkeypatch.chdir(tmp_path)
    for name, count in ("p", 2), ("q", 3):
        folder = tmp_path / f"{name}s"
        folder.mkdir()
        results.write_index(folder, [f"{name}{i}.jpg" for i in range(count)], codes(name))
        for i in range(count):
            for j, kind in enumerate(("ori", "inv")):
                images.save(folder / f"{name}{i}_{kind}.png", np.full([16, 16, 3], 80 * i + 20 * j, np.uint8))
    boundaries.write(tmp_path / "age.npy", boundaries.Boundary(tiny.normal(1, 6, 8, seed=9), (1, 2)))


def codes(name):
    return tiny.normal({"p": 2, "q": 3}[name], 6, 8, seed=ord(name))


def assert_drawn(path, synthesis, code):
    """The picture is what the network draws of the code."""
    expected = images.to_uint8(np.asarray(synthesis(code[None]))[0])
    assert np.abs(np.asarray(Image.open(path), int) - expected).max() <= 1


# ---- what is written

def test_interpolation_runs_from_every_source_to_every_target(monkeypatch, tmp_path, model):
    assert run(monkeypatch, "interpolate.py", model[0], "ps", "qs", "--step", "3", "--batch_size", "2") == 0
    out = tmp_path / "results/interpolation"
    assert {path.name for path in out.iterdir()} == {
        "ps_TO_qs", "ps_TO_qs.html", "ps_TO_qs.log", "ps_TO_qs_codes.npy", "ps_TO_qs_options.json"}
    made = np.load(out / "ps_TO_qs_codes.npy", allow_pickle=False)
    assert made.shape == (2, 3, 5, 6, 8)
    np.testing.assert_allclose(made[1, 2, 1], 0.75 * codes("p")[1] + 0.25 * codes("q")[2], atol=1e-6)
    drawn = {path.name for path in (out / "ps_TO_qs").iterdir()}
    assert drawn == {f"{pair}_{k:02d}.png" for pair in PAIRS for k in range(5)}
    for k in (0, 3, 4):
        assert_drawn(out / f"ps_TO_qs/p1_TO_q2_{k:02d}.png", model[1], made[1, 2, k])
    page = (out / "ps_TO_qs.html").read_text()
    headers = "Source", "Source Inversion", "Step 01", "Step 03", "Target Inversion", "Target"
    assert all(f">{header}<" in page for header in headers) and "Step 04" not in page
    assert page.count("data:image/png;base64") == 6 * 7 and 'href="ps_TO_qs/p1_TO_q2_03.png"' in page
    assert json.loads((out / "ps_TO_qs_options.json").read_text())["arguments"]["step"] == 3


@pytest.mark.parametrize("arguments, layers", [
    ([], [1, 2]), (["--manipulate_layers", "0,3-4"], [0, 3, 4]), (["--manipulate-layers", "0-5"], [0, 1, 2, 3, 4, 5])])
def test_manipulation_moves_the_layers_of_the_boundary_or_those_given(monkeypatch, tmp_path, model, arguments, layers):
    arguments = ["--step", "3", "--end_distance", "1", *arguments]
    assert run(monkeypatch, "manipulate.py", model[0], "ps", "age.npy", *arguments) == 0
    out = tmp_path / "results/manipulation"
    made = np.load(out / "AGE_ps_codes.npy", allow_pickle=False)
    expected = np.repeat(codes("p")[:, None], 3, axis=1)
    for k, distance in enumerate((-3, -1, 1)):
        expected[:, k, layers] += distance * tiny.normal(1, 6, 8, seed=9)[:, layers]
    np.testing.assert_allclose(made, expected, atol=1e-5)
    assert_drawn(out / "AGE_ps/p1_03.png", model[1], made[1, 2])
    page = (out / "AGE_ps.html").read_text()
    assert all(header in page for header in ("Origin", "Inverted", "Step 01 (-3)", "Step 03 (1)"))
    assert page.count("data:image/png;base64") == 2 * 5
    assert json.loads((out / "AGE_ps_options.json").read_text())["layers"] == layers


def test_a_boundary_without_layers_moves_them_all(monkeypatch, tmp_path, model):
    boundaries.write(tmp_path / "w.npz", boundaries.Boundary(tiny.normal(1, 1, 8)))
    assert run(monkeypatch, "manipulate.py", model[0], "ps", "w.npz", "-o", "out") == 0
    made = np.load(tmp_path / "out/W_ps_codes.npy")
    np.testing.assert_allclose(made[:, 6] - made[:, 0], np.broadcast_to(6 * tiny.normal(1, 1, 8), [2, 6, 8]), atol=1e-5)


def test_mixing_takes_fine_layers_from_the_style(monkeypatch, tmp_path, model):
    assert run(monkeypatch, "mix_style.py", model[0], "ps", "qs") == 0
    out = tmp_path / "results/style_mixing"
    made = np.load(out / "ps_STYLIZE_qs_codes.npy", allow_pickle=False)
    assert made.shape == (2, 3, 6, 8)
    for i in range(2):
        assert np.array_equal(made[i, :, :2], codes("q")[:, :2])
        assert np.array_equal(made[i, :, 2:], np.repeat(codes("p")[i:i + 1, 2:], 3, axis=0))
    assert_drawn(out / "ps_STYLIZE_qs/p1_STYLIZE_q2.png", model[1], made[1, 2])
    page = (out / "ps_STYLIZE_qs.html").read_text()
    assert page.count("data:image/png;base64") == 3 + 2 * 4 and "Content q2" in page
    assert run(monkeypatch, "mix_style.py", model[0], "ps", "qs", "--mix_layer_start_idx", "5") == 0
    assert np.array_equal(np.load(out / "ps_STYLIZE_qs_codes.npy")[0, :, :5], codes("q")[:, :5])


DIFFUSION = "--features", "none", "--num_iterations", "4", "--num_results", "2"


def test_diffusion_puts_every_target_into_every_context(monkeypatch, tmp_path, model):
    write_pictures(tmp_path / "faces", 2)
    assert run(monkeypatch, "diffuse.py", model[0], "faces", "qs", *DIFFUSION) == 0
    out = tmp_path / "results/diffusion"
    pairs = [f"f{i}_TO_q{j}" for i in range(2) for j in range(3)]
    assert {path.name for path in (out / "faces_TO_qs").iterdir()} == {
        f"{pair}_{kind}.png" for pair in pairs for kind in ("sti", "enc", "inv")}
    encoded, made = (np.load(out / f"faces_TO_qs_{kind}_codes.npy") for kind in ("encoded", "inverted"))
    assert encoded.shape == made.shape == (2, 3, 6, 8) and 0 < np.abs(made - encoded).max() < 0.1
    stitched = np.asarray(Image.open(out / "faces_TO_qs/f1_TO_q2_sti.png"))
    expected = np.full([16, 16, 3], 160, np.uint8)
    target = np.asarray(Image.open(tmp_path / "faces/f1.png"))
    expected[6:13, 5:12] = target[6:13, 5:12]           # 7 px around x 8, y 9: 110 around 125, 145 at 256 px
    assert np.array_equal(stitched, expected)
    assert_drawn(out / "faces_TO_qs/f1_TO_q2_inv.png", model[1], made[1, 2])
    models = checkpoint.load(model[0])
    np.testing.assert_allclose(encoded[1, 2], np.asarray(models.encoder(images.to_float(expected)[None]))[0], atol=1e-4)
    options = json.loads((out / "faces_TO_qs_options.json").read_text())
    assert options["crop"] == {"top": 6, "left": 5, "side": 7} and options["options"]["masked_domain_weight"] == 0
    page = (out / "faces_TO_qs.html").read_text()
    headers = "Target Image", "Context Image", "Stitched Image", "Encoder Output", "Step 000002", "Step 000004"
    assert all(header in page for header in headers) and page.count("data:image/png;base64") == 6 * 6


@pytest.mark.one_stack
def test_only_the_crop_counts_in_diffusion(monkeypatch, tmp_path, model):
    from tf_idinvert import inversion
    seen = {}
    original = inversion.Inversion.__call__

    def spy(self, pictures, start=None, mask=None, progress=None):
        seen.update(mask=np.array(mask))
        return original(self, pictures, start=start, mask=mask, progress=progress)
    monkeypatch.setattr(inversion.Inversion, "__call__", spy)
    assert run(monkeypatch, "diffuse.py", model[0], "ps", "qs", *DIFFUSION, "-s", "4", "-x", "5", "-y", "10") == 0
    assert seen["mask"].sum() == 16 and seen["mask"][0, 8:12, 3:7, 0].all()


def write_pictures(folder, count):
    folder.mkdir()
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 256, [16, 16, 3], np.uint8)
        Image.fromarray(pixels).save(folder / f"f{i}.png")


def test_pictures_are_inverted_first(monkeypatch, tmp_path, model):
    write_pictures(tmp_path / "faces", 2)
    (tmp_path / "faces/notes.txt").write_text("a folder with other files")
    assert run(monkeypatch, "interpolate.py", model[0], "faces", "faces/f0.png", "-o", "out", *DIFFUSION) == 0
    first = results.read(tmp_path / "out/inversion/faces")
    assert first.names == ("f0", "f1") and results.read(tmp_path / "out/inversion/f0").names == ("f0",)
    made = np.load(tmp_path / "out/faces_TO_f0_codes.npy")
    assert made.shape == (2, 1, 7, 6, 8) and np.array_equal(made[:, 0, 0], first.codes)
    assert (tmp_path / "out/inversion/faces/inversion.html").exists()


@pytest.mark.one_stack
def test_inputs_of_equal_name_are_kept_apart_and_unreadable_pictures_left_out(monkeypatch, tmp_path, model, capfd):
    for parent, count in ("a", 1), ("b", 2):
        (tmp_path / parent).mkdir()
        write_pictures(tmp_path / parent / "faces", count)
    (tmp_path / "b/faces/f1.png").write_bytes(b"no picture")
    assert run(monkeypatch, "mix_style.py", model[0], "a/faces", "b/faces", "-o", "out", *DIFFUSION) == 1
    assert {path.name for path in (tmp_path / "out/inversion").iterdir()} == {"faces", "faces_2"}
    assert np.load(tmp_path / "out/faces_STYLIZE_faces_codes.npy").shape == (1, 1, 6, 8)
    assert "skipped" in capfd.readouterr().err


# ---- boundaries

def test_samples_scores_and_a_boundary_that_manipulates(monkeypatch, tmp_path, model, capsys):
    arguments = "-o", "samples", "--num", "60", "--batch_size", "25"
    assert run(monkeypatch, "boundary.py", "sample", model[0], *arguments) == 0
    found = results.read(tmp_path / "samples")
    assert len(found.names) == 60 and found.picture(59, "inv")
    assert_drawn(found.picture(59, "inv"), model[1], found.codes[59])
    scores = found.codes[:, 0] @ np.arange(8)           # this network has one w for all layers
    lines = [f"{name}_inv.png,{score},{-score}" for name, score in zip(found.names, scores)]
    (tmp_path / "scores.csv").write_text("name,age,youth\n" + "\n".join(lines[::-1]) + "\n\n")
    for attribute in "age", "youth":
        arguments = "--attribute", attribute, "-n", "0.4", "-o", f"{attribute}.npz", "--manipulate_layers", "0-2"
        assert run(monkeypatch, "boundary.py", "fit", "samples", "-s", "scores.csv", *arguments) == 0
    printed = capsys.readouterr().out
    assert "% on the right side" in printed and "[1, 6, 8]" in printed
    age, youth = (boundaries.read(tmp_path / f"{attribute}.npz") for attribute in ("age", "youth"))
    assert age.layers == (0, 1, 2) and age.normal.shape == (1, 6, 8)
    assert np.corrcoef(found.codes[:, 0] @ age.normal[0, 0], scores)[0, 1] > 0.9
    assert np.sum(age.normal * youth.normal) < -5
    assert run(monkeypatch, "manipulate.py", model[0], "samples", "age.npz", "--step", "2") == 0
    arrays.write(tmp_path / "scores.npy", scores)
    assert run(monkeypatch, "boundary.py", "fit", "samples/inverted_codes.npy", "-s", "scores.npy", "-n", "0.4", "-o",
               "new/folder/same.npy") == 0
    np.testing.assert_allclose(boundaries.read(tmp_path / "new/folder/same.npy").normal, age.normal, atol=1e-4)


def test_pictures_sorted_by_hand_give_a_boundary(monkeypatch, tmp_path):
    codes_ = tiny.normal(40, 6, 8)
    (tmp_path / "s").mkdir()
    results.write_index(tmp_path / "s", [f"{i}.png" for i in range(40)], codes_)
    for i in range(30):
        folder = tmp_path / ("with" if codes_[i, 2, 3] > 0 else "without")
        folder.mkdir(exist_ok=True)
        images.save(folder / f"{i}_inv.png", np.zeros([4, 4, 3], np.uint8))
    arguments = "fit", "s", "--positive", "with", "--negative", "without", "--unit", "all", "-o", "x.npy"
    assert run(monkeypatch, "boundary.py", *arguments) == 0
    found = boundaries.read(tmp_path / "x.npy").normal
    assert np.unravel_index(np.abs(found[0]).argmax(), [6, 8]) == (2, 3) and found[0, 2, 3] > 0


def test_conditional_boundaries_are_written(monkeypatch, tmp_path):
    boundaries.write(tmp_path / "b.npz", boundaries.Boundary(tiny.normal(1, 6, 8)))
    assert run(monkeypatch, "boundary.py", "condition", "age.npy", "b.npz", "-o", "new/c.npy") == 0
    found = boundaries.read(tmp_path / "new/c.npy")
    assert found.layers == (1, 2)
    np.testing.assert_allclose(np.sum(found.normal * tiny.normal(1, 6, 8), axis=-1), 0, atol=1e-5)


@pytest.mark.parametrize("text, words", [
    ("name,age\np0,1\nx,2\n", "'x' is none"), ("name,age\np0,old\n", "line 2"), ("", "under column names"),
    ("name,a,b\np0,1,2\n", "one of a, b"), ("age\n1\n", "1 scores for 2 codes"), ("name\np0\n", "under column names")])
def test_scores_that_do_not_fit_are_one_line(monkeypatch, tmp_path, capfd, text, words):
    (tmp_path / "s.csv").write_text(text)
    assert run(monkeypatch, "boundary.py", "fit", "ps", "-s", "s.csv", "-o", "x.npy") == 2
    assert words in error_line(capfd) and not (tmp_path / "x.npy").exists()


# ---- conversion

def test_conversion_shows_and_keeps_everything(monkeypatch, tmp_path, model, capsys):
    assert run(monkeypatch, "convert.py", model[0], "new/network.h5") == 0
    assert run(monkeypatch, "convert.py", "new/network.h5", "again.pkl") == 0
    printed = capsys.readouterr().out
    assert "Gs  Generator" in printed and "16 px" in printed and "codes 6 x 8" in printed
    assert "one w for all layers" in printed and "generation 2020-09" in printed
    before, after = (checkpoint.load(path).generator for path in (model[0], tmp_path / "again.pkl"))
    count = sum(int(np.prod(weight.shape)) for weight in before.trainable_weights)
    assert f"{count:,} parameters" in printed
    assert all(np.array_equal(one, other) for one, other in zip(before.get_weights(), after.get_weights()))


@pytest.mark.one_stack
def test_conversion_to_a_w_of_another_size_without_some_networks(monkeypatch, tmp_path, capfd):
    models = checkpoint.Models(generator=tiny.generator(), discriminator=tiny.discriminator())
    checkpoint.save(models, tmp_path / "g.h5")
    assert run(monkeypatch, "convert.py", "g.h5", "unit.h5", "--w-deviation", 0.5, "--without", "D") == 0
    found, z = checkpoint.load(tmp_path / "unit.h5"), tiny.normal(1000, 8)
    deviation = found.generator.mapping(z).numpy().std(axis=0).mean()
    assert found.discriminator is None and deviation == pytest.approx(0.5, 0.1)
    np.testing.assert_allclose(found.generator(z[:2]).numpy(), models.generator(z[:2]).numpy(), atol=1e-4)
    capfd.readouterr()
    checkpoint.save(dataclasses.replace(models, encoder=tiny.encoder()), tmp_path / "encoder.h5")
    assert run(monkeypatch, "convert.py", "encoder.h5", "unit.h5", "--w-deviation", "1") == 2
    assert "holds an encoder" in error_line(capfd)


# ---- what goes wrong

@pytest.mark.parametrize("arguments, words", [
    (["interpolate.py", "MODEL", "absent", "qs"], "absent: no such file or folder"),
    (["interpolate.py", "MODEL", "empty", "qs"], "no pictures in this folder"),
    (["interpolate.py", "MODEL", "blank.list", "qs"], "list without pictures"),
    (["interpolate.py", "MODEL", "ps", "no_codes"], "holds no inverted_codes.npy"),
    (["interpolate.py", "MODEL", "ps", "other"], "made with another"),
    (["interpolate.py", "MODEL", "ps", "qs", "-o", "age.npy/out"], "age.npy"),
    (["interpolate.py", "absent.pkl", "ps", "qs"], "absent.pkl"),
    (["manipulate.py", "MODEL", "ps", "absent.npy"], "absent.npy"),
    (["manipulate.py", "MODEL", "ps", "big.npy"], "14 layers of 512, expected 6 of 8"),
    (["manipulate.py", "MODEL", "ps", "age.npy", "--manipulate_layers", "6"], "layer 6"),
    (["manipulate.py", "MODEL", "ps", "age.npy", "--end_distance", "nan"], "--end_distance: invalid number"),
    (["manipulate.py", "MODEL", "ps", "age.npy", "--start_distance", "-1e38"], "--start_distance: invalid number"),
    (["mix_style.py", "MODEL", "ps", "qs", "--mix_layer_start_idx", "6"], "0 to 5"),
    (["diffuse.py", "MODEL", "ps", "qs", "-s", "17", "--features", "none"], "beyond the picture"),
    (["diffuse.py", "MODEL", "ps", "absent.list"], "absent.list"),
    (["diffuse.py", "no_encoder.h5", "ps", "qs"], "holds no encoder"),
    (["diffuse.py", "MODEL", "broken", "qs", "--features", "none"], "none of 1 pictures"),
    (["manipulate.py", "MODEL", "broken", "age.npy", "--features", "none"], "no picture could be inverted"),
    (["boundary.py", "fit", "ps", "-o", "x.npy"], "either --scores, or both"),
    (["boundary.py", "fit", "ps", "--positive", "qs", "--negative", "qs", "-o", "x.npy"], "none of the 2 pictures"),
    (["boundary.py", "condition", "age.npy", "age.npy", "-o", "x.npy"], "nothing is left"),
    (["boundary.py", "condition", "age.npy", "big.npy", "-o", "x.npy"], "[1, 14, 512]"),
    (["boundary.py", "sample", "MODEL", "-o", "age.npy/out"], "age.npy"),
    (["convert.py", "MODEL", "network.txt"], "network.txt"), (["convert.py", "MODEL", "empty"], "is a folder"),
])
def test_what_cannot_be_done_is_one_line(monkeypatch, tmp_path, model, capfd, arguments, words):
    for folder in "empty", "no_codes", "other", "broken":
        (tmp_path / folder).mkdir()
    (tmp_path / "blank.list").write_text("\n# nothing\n\n")
    (tmp_path / "no_codes/image_list.txt").write_text("a.png\n")
    (tmp_path / "broken/a.png").write_bytes(b"no picture")
    results.write_index(tmp_path / "other", ["a.png"], tiny.normal(1, 14, 512))
    boundaries.write(tmp_path / "big.npy", boundaries.Boundary(tiny.normal(1, 14, 512)))
    if "no_encoder.h5" in arguments:
        checkpoint.save(checkpoint.Models(generator=checkpoint.load(model[0]).generator), tmp_path / "no_encoder.h5")
    assert run(monkeypatch, *(model[0] if argument == "MODEL" else argument for argument in arguments)) == 2
    assert words in error_line(capfd)


@pytest.mark.one_stack
@pytest.mark.parametrize("error, code", [(KeyboardInterrupt, 130), (OSError(28, "No space left on device"), 2)])
@pytest.mark.parametrize("arguments, codes_file", [
    (["interpolate.py", "MODEL", "ps", "qs", "--step", "1"], "ps_TO_qs_codes.npy"),
    (["diffuse.py", "MODEL", "ps", "qs", *DIFFUSION, "--batch_size", "1"], "ps_TO_qs_inverted_codes.npy"),
])
def test_what_is_done_is_kept(monkeypatch, tmp_path, model, capfd, error, code, arguments, codes_file):
    """Ctrl-C, or a full disk, while the third pair is saved, of six with three pictures each."""
    saved, save = [], Image.Image.save

    def failing(self, *args, **settings):
        if args and str(args[0]).endswith(".png"):
            saved.append(args[0])
            if len(saved) == 8:
                raise error
        return save(self, *args, **settings)
    monkeypatch.setattr(Image.Image, "save", failing)
    arguments = [model[0] if argument == "MODEL" else argument for argument in arguments]
    assert run(monkeypatch, *arguments, "-o", "out") == code
    printed = capfd.readouterr().err
    assert ("interrupted" if code == 130 else "No space left") in printed and "Traceback" not in printed
    kept = np.load(tmp_path / "out" / codes_file, allow_pickle=False)
    finite = np.isfinite(kept.reshape(6, -1)).all(axis=1)
    assert kept.shape[:2] == (2, 3) and finite.tolist() == [True] * 2 + [False] * 4
    page = (tmp_path / "out/ps_TO_qs.html").read_text()
    assert "p0 to q1" in page and "p0 to q2" not in page
    left = [unfinished.NAME] if "diffuse.py" in arguments else []       # for the same run to continue
    assert [path.name for path in tmp_path.rglob(".*")] == left


@pytest.mark.one_stack
def test_a_full_disk_keeps_what_inversion_has_done(monkeypatch, tmp_path, model, capfd):
    write_pictures(tmp_path / "faces", 3)
    saved, save = [], Image.Image.save

    def failing(self, *args, **settings):
        saved.append(1)
        if len(saved) == 5:
            raise OSError(28, "No space left on device")
        return save(self, *args, **settings)
    monkeypatch.setattr(Image.Image, "save", failing)
    assert run(monkeypatch, "invert.py", model[0], "faces", "-o", "out", "--batch_size", "1", *DIFFUSION) == 2
    assert "No space left" in error_line(capfd)
    assert results.read(tmp_path / "out").names == ("f0",)
