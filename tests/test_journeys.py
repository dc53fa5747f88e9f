"""Whole runs of the tools, tiny: from a file and pictures to codes, pictures and a page."""
import json
import os
import re
import shutil
import signal
import threading

import keras
import numpy as np
import pytest
import tiny
import torch_states
import torch_writer
from PIL import Image
from running import run

from tf_idinvert import checkpoint
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator

pytestmark = pytest.mark.usefixtures("traced_once")


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    """An official pickle (E, G, D, Gs) at 8 px."""
    keras.utils.set_random_seed(0)
    models = checkpoint.Models(
        encoder=Encoder(resolution=8, num_layers=4, dlatent_size=8, filters=4, filters_max=8),
        generator=Generator(resolution=8, latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8,
                            fmap_base=64, fmap_max=8, layerwise=True),
        discriminator=Discriminator(resolution=8, fmap_base=64, fmap_max=8))
    path = tmp_path_factory.mktemp("model") / "network.pkl"
    checkpoint.save(models, path)
    return path


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, [8, 8, 3], np.uint8)
        Image.fromarray(pixels).save(folder / f"p{i}.png")
    return folder


def invert(monkeypatch, *arguments):
    return run(monkeypatch, "invert.py", *arguments, "--features", "none", "--num_iterations", "4",
               "--num_results", "2")


def test_inversion_writes_the_files_of_the_original(monkeypatch, tmp_path, model_path, pictures):
    assert invert(monkeypatch, model_path, pictures, "-o", tmp_path / "out", "--batch_size", "2") == 0
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {f"p{i}_{kind}.png" for i in range(3) for kind in ("ori", "enc", "inv")} | {
        "encoded_codes.npy", "inverted_codes.npy", "image_list.txt", "inversion.html", "inversion.log", "options.json"}
    encoded, inverted = (np.load(tmp_path / f"out/{kind}_codes.npy") for kind in ("encoded", "inverted"))
    assert encoded.shape == inverted.shape == (3, 4, 8) and 0 < np.abs(inverted - encoded).max() < 0.1
    models = checkpoint.load(model_path)
    originals = np.stack([np.asarray(Image.open(pictures / f"p{i}.png")) for i in range(3)])
    np.testing.assert_allclose(encoded, models.encoder(originals / np.float32(127.5) - 1), atol=1e-4)
    assert np.array_equal(Image.open(tmp_path / "out/p1_ori.png"), originals[1])
    drawn = np.asarray(models.generator.synthesis(inverted))[1]
    shown = np.asarray(Image.open(tmp_path / "out/p1_inv.png"), "float32") / 127.5 - 1
    np.testing.assert_allclose(shown, np.clip(drawn, -1, 1), atol=1.5 / 127.5)
    assert (tmp_path / "out/image_list.txt").read_text() == "p0.png\np1.png\np2.png\n"
    options = json.loads((tmp_path / "out/options.json").read_text())["options"]
    assert options["steps"] == 4 and options["domain_weight"] == 2.0 and options["feature_weight"] == 0.0
    page = (tmp_path / "out/inversion.html").read_text()
    assert all(header in page for header in ("Original Image", "Encoder Output", "Step 000002", "Step 000004"))
    assert page.count("data:image/png;base64") == 3 * 4


def test_two_files_of_pytorch_make_one_model(eagerly, monkeypatch, tmp_path, pictures, caplog):
    generator = tiny.generator(resolution=8, layerwise=True)
    encoder = tiny.encoder(resolution=8, num_layers=4, generation="2020-05")
    files = [torch_writer.save(tmp_path / "generator.pth", torch_states.idinvert(generator), "legacy"),
             torch_writer.save(tmp_path / "encoder.pth", torch_states.idinvert_encoder(encoder), "legacy")]
    assert invert(monkeypatch, pictures, "-o", tmp_path / "out", "--model", *files) == 0
    assert caplog.text.count("tanh is taken") == 1
    assert "tanh is taken" in (tmp_path / "out/inversion.html").read_text()
    options = json.loads((tmp_path / "out/options.json").read_text())
    assert options["model"] == str(files[0]) and options["arguments"]["model"] == list(map(str, files))
    shown = np.asarray(Image.open(tmp_path / "out/p0_enc.png"), "float32") / 127.5 - 1
    drawn = np.tanh(generator.synthesis(np.load(tmp_path / "out/encoded_codes.npy")[:1])[0])
    np.testing.assert_allclose(shown, drawn, atol=1.5 / 127.5)
    before = caplog.text.count("tanh")
    assert invert(monkeypatch, pictures, "-o", tmp_path / "bare", "--model", *files, "--final-activation", "none") == 0
    assert caplog.text.count("tanh") == before


@pytest.mark.one_stack
def test_pictures_that_cannot_be_read_are_skipped(monkeypatch, tmp_path, model_path, pictures, capfd):
    (pictures / "p1.png").write_bytes(b"no picture")
    names = "\n# a comment\n".join(["pictures/p0.png", "pictures/p1.png", "pictures/absent.png", "pictures/p2.png"])
    (tmp_path / "my.list").write_text(names)
    monkeypatch.chdir(tmp_path)
    assert invert(monkeypatch, model_path, "my.list") == 1
    out = tmp_path / "results/inversion/my"
    assert np.load(out / "inverted_codes.npy").shape[0] == 2
    assert (out / "image_list.txt").read_text() == "p0.png\np2.png\n"
    printed = capfd.readouterr().err
    assert "absent.png" in printed and "p1.png" in printed and "Traceback" not in printed
    assert "skipped" in (out / "inversion.html").read_text()


@pytest.mark.one_stack
def test_equal_names_do_not_overwrite_each_other(monkeypatch, tmp_path, model_path, pictures):
    (tmp_path / "other").mkdir()
    (pictures / "p0.png").rename(tmp_path / "other/p1.png")
    assert invert(monkeypatch, model_path, pictures, tmp_path / "other", "-o", tmp_path / "out") == 0
    assert (tmp_path / "out/image_list.txt").read_text() == "p1.png\np2.png\np1_2.png\n"
    assert (tmp_path / "out/p1_2_inv.png").exists()


def test_result_of_a_picture_does_not_depend_on_the_batch(monkeypatch, tmp_path, model_path, pictures):
    for size in "13":
        assert invert(monkeypatch, model_path, pictures, "-o", tmp_path / size, "--batch_size", size) == 0
    one, three = (np.load(tmp_path / size / "inverted_codes.npy") for size in "13")
    assert np.array_equal(one, three)


@pytest.mark.parametrize("flag", ["-E", "--no-domain-regularizer"])
def test_the_domain_term_can_be_switched_off(monkeypatch, tmp_path, model_path, pictures, flag):
    assert invert(monkeypatch, model_path, pictures / "p0.png", "-o", tmp_path / "out", flag) == 0
    assert json.loads((tmp_path / "out/options.json").read_text())["options"]["domain_weight"] == 0.0


@pytest.mark.one_stack
def test_a_random_start_needs_no_encoder(eagerly, monkeypatch, tmp_path, model_path, pictures, capfd):
    models = checkpoint.load(model_path)
    models.encoder = None
    checkpoint.save(models, tmp_path / "no_encoder.h5")
    assert invert(monkeypatch, tmp_path / "no_encoder.h5", pictures, "-o", tmp_path / "a") == 2
    assert "--random_init" in capfd.readouterr().err
    for folder, seed in ("b", 1), ("c", 1), ("d", 2):
        assert invert(monkeypatch, tmp_path / "no_encoder.h5", pictures, "-o", tmp_path / folder, "-R", "-E",
                      "--seed", seed) == 0
    b, c, d = (np.load(tmp_path / folder / "encoded_codes.npy") for folder in "bcd")
    assert np.array_equal(b, c) and not np.allclose(b, d)


@pytest.mark.parametrize("arguments, line", [
    (["absent.pkl", "pictures"], "absent.pkl"),
    (["page.pkl", "pictures"], "web page"),
    (["MODEL", "absent.list"], "absent.list"),
    (["MODEL", "empty.list"], "empty.list"),
    (["MODEL", "pictures", "-o", "page.pkl/out"], "page.pkl"),
    (["MODEL", "pictures", "--features", "page.pkl"], "page.pkl"),
])
def test_what_cannot_be_done_is_one_line(monkeypatch, tmp_path, model_path, pictures, capfd, arguments, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.pkl").write_text("<!DOCTYPE html><html>Quota exceeded</html>")
    (tmp_path / "empty.list").write_text("\n\n# nothing\n")
    arguments = [model_path if argument == "MODEL" else argument for argument in arguments]
    assert run(monkeypatch, "invert.py", *arguments) == 2
    errors = [text for text in capfd.readouterr().err.splitlines() if text.startswith("error: ")]
    assert len(errors) == 1 and line in errors[0]


@pytest.mark.one_stack
def test_without_vgg16_it_goes_on_and_says_so(monkeypatch, tmp_path, model_path, pictures, capfd):
    def offline(**kwargs):
        raise OSError("name or service not known")
    monkeypatch.setattr(keras.applications, "VGG16", offline)
    arguments = [model_path, pictures / "p0.png", "-o", tmp_path / "out", "--num_iterations", "1"]
    assert run(monkeypatch, "invert.py", *arguments) == 0
    assert len(re.findall("without the feature term", capfd.readouterr().err)) == 1
    assert "left out" in (tmp_path / "out/inversion.html").read_text()
    assert run(monkeypatch, "invert.py", *arguments, "--features", "imagenet") == 2


@pytest.mark.one_stack
@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
def test_interrupted_runs_keep_what_is_done(monkeypatch, tmp_path, model_path, pictures, capfd):
    """Ctrl-C at any time. In this process; how one ends is in test_command."""
    for i in range(3, 60):      # so many that the signal comes in the middle, however busy the machine is
        shutil.copy(pictures / "p0.png", pictures / f"p{i}.png")
    ended = threading.Event()

    def press():
        while not (tmp_path / "out/p1_inv.png").exists() and not ended.wait(0.02):
            pass
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    before, pressing = signal.signal(signal.SIGINT, signal.default_int_handler), threading.Thread(target=press)
    pressing.start()        # tests in the background ignore SIGINT, but for this handler
    try:
        code = run(monkeypatch, "invert.py", model_path, pictures, "-o", tmp_path / "out", "--features", "none",
                   "--num_iterations", "200", "--batch_size", "1")
    finally:
        ended.set()
        pressing.join()
        signal.signal(signal.SIGINT, before)
    assert code == 130 and "Traceback" not in capfd.readouterr().err
    done = len(np.load(tmp_path / "out/inverted_codes.npy"))
    assert 1 <= done < 60 and len((tmp_path / "out/image_list.txt").read_text().split()) == done
    assert (tmp_path / "out/inversion.html").exists()
