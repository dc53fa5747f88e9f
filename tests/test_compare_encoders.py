"""tools/compare_encoders.py on tiny networks: all files, all cells; errors in one line."""
from __future__ import annotations

import json
import shutil

import encoder_training
import numpy as np
import pytest
import running
import tiny

from tf_idinvert import checkpoint
from tf_idinvert.checkpoint import Models
from tf_idinvert.codes import random_codes
from tf_idinvert.files import images
from tf_idinvert.portraits import embedded, sets

NAMES = ("age", "eyeglasses", "pose", "hair")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two encoders of one generator, in files of one name, an attribute network, and files that do not fit."""
    folder, generator = tmp_path_factory.mktemp("files"), tiny.generator(layerwise=True)
    broken = tiny.encoder()
    broken.weights[0].assign(np.full(broken.weights[0].shape, np.nan))
    for path, encoder in (("first/network", tiny.encoder()), ("second/network", tiny.encoder(seed=9)),
                          ("broken", broken)):
        (folder / path).parent.mkdir(exist_ok=True)
        checkpoint.save(Models(encoder=encoder, generator=generator), folder / f"{path}.h5")
    checkpoint.save(Models(encoder=tiny.encoder(resolution=8, num_layers=4), generator=tiny.generator(resolution=8)),
                    folder / "small.h5")
    network = tiny.attributes(names=NAMES, binary=("eyeglasses",))
    checkpoint.save(Models(attributes=network), folder / "attributes.h5")
    return folder


def run(monkeypatch, files, output, *arguments):
    """The exit code of a comparison of 24 portraits, without graphs."""
    with encoder_training.eagerly():
        return running.run(monkeypatch, "compare_encoders.py", *arguments, "--attributes", files / "attributes.h5",
                           "--count", 24, "-o", output)


@pytest.fixture(scope="module")
def compared(files, tmp_path_factory):
    """What a comparison of the two encoders wrote."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, files, folder, files / "first/network.h5", files / "second/network.h5", "--seed", 7) == 0
    return folder


@pytest.fixture
def compare(files, monkeypatch, tmp_path):
    """Callable, (*arguments) -> exit code, into tmp_path / out."""
    return lambda *arguments: run(monkeypatch, files, tmp_path / "out", *arguments)


def test_two_encoders(files, compared):
    result = json.loads((compared / "encoders.json").read_text())
    found = result["encoders"]
    assert list(found) == ["first/network.h5", "second/network.h5", "none"]
    assert (result["count"], result["seed"], result["resolution"], result["range"]) == (24, 7, 16, [-1, 1])
    assert set(result["sha256"]) == {"first/network.h5", "second/network.h5", "attributes"}
    one, other, none = found.values()
    assert one["mse"] != other["mse"] and one["frechet"][0] > 5 * none["frechet"][0]
    assert set(one["agreement"]) == set(NAMES) and one["neighbours"][0] > none["neighbours"][0]
    lines = (compared / "encoders.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    assert [row[0] for row in rows] == 2 * ["encoder", "`first/network.h5`", "`second/network.h5`", "none"]
    assert len(rows[0]) == 10 and rows[4] == ["encoder", "hair (R²)"]
    assert rows[3][2] == "–" and sum(rows, []).count("–") == 1      # without an encoder, samples are not redrawn
    assert rows[1][1].startswith(f"{one['mse'][0]:.3g} (") and rows[0][5] == "eyeglasses (right)"
    models = checkpoint.load(files / "first/network.h5")
    samples = models.generator.synthesis(random_codes(models.generator, 7, 0, 24)).numpy().clip(-1, 1)
    again = models.generator.synthesis(models.encoder(samples)).numpy().clip(-1, 1)
    assert one["samples"][0] == pytest.approx(np.mean((samples - again) ** 2), rel=1e-4)
    text = "\n".join(lines)
    assert "24 portraits rendered with seed 7" in text and "16 px, values in [-1, 1]" in text
    assert "from the top: the originals, `first/network.h5`, `second/network.h5`." in text


def test_picture_has_a_row_for_the_originals_and_one_for_each_encoder(files, compared):
    sheet = images.read(compared / "encoders.png")
    assert sheet.shape == (3 * 18 - 2, 12 * 18 - 2, 3)
    original = next(sets.chunks(3, 7, 16))[0][2:]
    np.testing.assert_array_equal(sheet[:16, 36:52], original[0])
    models = checkpoint.load(files / "second/network.h5")
    drawn = models.generator.synthesis(models.encoder(images.to_float(original))).numpy()[0]
    assert np.abs(sheet[36:, 36:52].astype(int) - images.to_uint8(drawn)).max() <= 1


def test_default_is_what_the_repository_has(files, compare, monkeypatch, capfd, tmp_path):
    monkeypatch.setattr(embedded, "CHECKPOINTS", tmp_path)
    assert compare() == 2
    assert "give network files" in running.error_line(capfd)
    shutil.copy(files / "first/network.h5", tmp_path / "portraits64-in-domain-nobn.h5")
    assert compare() == 0
    assert "encoders.md" in capfd.readouterr().out
    assert list(json.loads((tmp_path / "out/encoders.json").read_text())["encoders"]) == [
        "portraits64-in-domain-nobn.h5", "none"]


@pytest.mark.parametrize("arguments, message", [
    (["attributes.h5"], "holds no encoder"),
    (["first/network.h5", "first/network.h5"], "given twice"),
    (["small.h5"], "the encoder is for pictures of 8 px; the attribute network's have 16"),
    (["absent.h5"], "absent.h5"),
    (["broken.h5"], "broken.h5: encoder: variable 'FromImg/weight' holds NaN or infinity"),
])
def test_errors_are_one_line(files, compare, capfd, tmp_path, arguments, message):
    assert compare(*(files / name for name in arguments)) == 2
    assert message in running.error_line(capfd)
    assert not (tmp_path / "out/encoders.md").exists()
