"""Tools without arguments: the embedded model, its attribute network and boundaries, rendered portraits."""
import csv
import json

import keras
import numpy as np
import pytest
import tiny
from running import error_line, run

from tf_idinvert import boundaries, checkpoint
from tf_idinvert.cli import boundary
from tf_idinvert.files import results
from tf_idinvert.inversion import Inversion, InversionResult
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator
from tf_idinvert.portraits import embedded, portrait

pytestmark = pytest.mark.usefixtures("traced_once")
SHORT = "--num_iterations", "2"


@pytest.fixture(scope="module")
def small_checkpoints(tmp_path_factory):
    """The repository's folder of checkpoints, with networks for 8 px."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("repository") / "checkpoints"
    (folder / "boundaries").mkdir(parents=True)
    checkpoint.save(checkpoint.Models(encoder=Encoder(**{**tiny.ENCODER, "resolution": 8, "num_layers": 4}),
                                      generator=Generator(**{**tiny.GENERATOR, "resolution": 8})),
                    folder / embedded.MODELS[0])
    network = Attributes(portrait.ATTRIBUTES, binary=["eyeglasses"], resolution=8, widths=(4, 8), hidden=8)
    checkpoint.save(checkpoint.Models(attributes=network), folder / embedded.ATTRIBUTES)
    for i, name in enumerate(["pose", "age"]):
        boundaries.write(folder / f"boundaries/{name}.npz", boundaries.Boundary(tiny.normal(1, 4, 8, seed=i)))
    return folder


@pytest.fixture(autouse=True)
def workplace(small_checkpoints, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(embedded, "CHECKPOINTS", small_checkpoints)


@pytest.fixture
def no_search(monkeypatch):
    """Inversion ends at its start, at once; gives the list of options of those that were called."""
    def end(inversion, pictures, start=None, **_):
        seen.append(inversion.options)
        codes = np.asarray(inversion.encoder(np.asarray(pictures))) if start is None else start
        drawn = np.asarray(inversion.synthesis(codes))
        shown = {step: drawn for step in inversion.options.result_steps()}
        return InversionResult(codes, drawn, {}, codes, drawn, shown)

    seen = []
    monkeypatch.setattr(Inversion, "__call__", end)
    return seen


def test_inversion(eagerly, monkeypatch, tmp_path, small_checkpoints):
    assert run(monkeypatch, "invert.py", *SHORT) == 0
    assert results.read(tmp_path / "results/inversion/portraits").names == tuple(f"portrait{i}" for i in range(1, 5))
    record = json.loads((tmp_path / "results/inversion/portraits/options.json").read_text())
    assert record["model"] == str(small_checkpoints / embedded.MODELS[0])
    assert record["options"]["feature_weight"] == 20.0, "the embedded attribute network gives the features"


@pytest.mark.one_stack
@pytest.mark.parametrize("tool, job, shape", [
    ("interpolate.py", "interpolation/portraits_TO_others_codes.npy", (4, 2, 7, 4, 8)),
    ("mix_style.py", "style_mixing/others_STYLIZE_portraits_codes.npy", (2, 4, 4, 8)),
    ("diffuse.py", "diffusion/others_TO_portraits_inverted_codes.npy", (2, 4, 4, 8))])
def test_pairs_of_pictures(monkeypatch, tmp_path, tool, job, shape):
    assert run(monkeypatch, tool, *SHORT) == 0
    assert np.load(tmp_path / "results" / job).shape == shape
    one, other = (tmp_path / f"results/pictures/{name}/portrait1.png" for name in ("portraits", "others"))
    assert one.read_bytes() != other.read_bytes()


@pytest.mark.one_stack
def test_manipulation_along_every_boundary(monkeypatch, tmp_path, small_checkpoints):
    assert run(monkeypatch, "manipulate.py", *SHORT) == 0
    out = tmp_path / "results/manipulation"
    assert {path.stem for path in out.glob("*.html")} == {"AGE_portraits", "POSE_portraits"}
    age, pose = (np.load(out / f"{name}_portraits_codes.npy") for name in ("AGE", "POSE"))
    assert age.shape == (4, 7, 4, 8)
    np.testing.assert_allclose(age[:, 6] - age[:, 0], np.repeat(6 * tiny.normal(1, 4, 8, seed=1), 4, 0), atol=1e-4)
    np.testing.assert_allclose(age[:, 3], pose[:, 3], atol=1e-6)
    assert [path.name for path in (out / "inversion").iterdir()] == ["portraits"], "inverted once"
    model = small_checkpoints / embedded.MODELS[0]
    assert run(monkeypatch, "manipulate.py", model, out / "inversion/portraits", "-o", "again") == 0
    assert (tmp_path / "again/POSE_portraits.html").exists()


def test_conversion_shows_the_embedded_model(monkeypatch, capsys):
    assert run(monkeypatch, "convert.py") == 0
    assert embedded.MODELS[0] in capsys.readouterr().out


def test_boundaries_of_all_attributes(monkeypatch, tmp_path, small_checkpoints, capsys):
    monkeypatch.setattr(boundary, "COUNT", 200)
    assert run(monkeypatch, "boundary.py") == 0
    for name in portrait.ATTRIBUTES:
        assert boundaries.read(tmp_path / f"results/boundaries/{name}.npz").normal.shape == (1, 4, 8)
    with open(tmp_path / "results/samples/scores.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 200 and lines[7]["name"] == "000007"
    network = checkpoint.load(small_checkpoints / embedded.ATTRIBUTES).attributes
    picture = checkpoint.load(small_checkpoints / embedded.MODELS[0]).generator.synthesis(
        np.load(tmp_path / "results/samples/inverted_codes.npy")[7:8])
    expected = np.asarray(network(np.clip(picture, -1, 1)))[0]
    np.testing.assert_allclose([float(lines[7][name]) for name in portrait.ATTRIBUTES], expected, atol=0.02)
    assert "boundary.py fit results/samples" in capsys.readouterr().out


# ---- parts of the command line

def test_options_may_stand_between_model_and_pictures(monkeypatch, tmp_path, small_checkpoints, no_search):
    model, folder = small_checkpoints / embedded.MODELS[0], embedded.sample_pictures(tmp_path / "mine", 1)
    assert run(monkeypatch, "invert.py", model, "-o", "a", folder, *SHORT) == 0
    assert run(monkeypatch, "invert.py", "-o", "b", *SHORT, model, folder / "portrait1.png", folder) == 0
    assert [len(results.read(tmp_path / each).names) for each in "ab"] == [1, 2]


def test_a_model_alone_takes_the_sample_pictures(monkeypatch, tmp_path, small_checkpoints, no_search):
    assert run(monkeypatch, "mix_style.py", small_checkpoints / embedded.MODELS[0], *SHORT) == 0
    assert (tmp_path / "results/style_mixing/others_STYLIZE_portraits.html").exists()


@pytest.mark.parametrize("tool, second", [("interpolate.py", "dst_dir"), ("mix_style.py", "content_dir"),
                                          ("diffuse.py", "context_list")])
def test_one_of_two_inputs_is_not_enough(monkeypatch, capfd, tool, second):
    assert run(monkeypatch, tool, "model.h5", "pictures") == 2
    assert f"the following arguments are required: {second}" in capfd.readouterr().err


@pytest.mark.parametrize("tool", ["invert.py", "interpolate.py", "mix_style.py", "manipulate.py", "diffuse.py",
                                  "convert.py", "boundary.py"])
def test_without_an_embedded_model_there_is_one_line(monkeypatch, tmp_path, capfd, tool):
    monkeypatch.setattr(embedded, "CHECKPOINTS", tmp_path / "absent")
    assert run(monkeypatch, tool) == 2
    assert "give a network file as the first argument" in error_line(capfd)
    assert not list(tmp_path.iterdir()), "nothing is written"


# ---- options of inversion

@pytest.mark.parametrize("arguments, expected", [
    ([], dict(optimizer="adam", steps=100, learning_rate=0.01, keep_best=False, cut_rising=False, tolerance=0.0)),
    (["--optimizer", "lbfgs"], dict(optimizer="lbfgs", steps=33, learning_rate=0.02)),
    (["--optimizer", "cosine", "--learning_rate", "0.2"], dict(optimizer="cosine", steps=75, learning_rate=0.2)),
    (["--keep-best", "--cut_rising", "--tolerance", "0.01", *SHORT],
     dict(steps=2, keep_best=True, cut_rising=True, tolerance=0.01)),
    (["--features", "none"], dict(feature_weight=0.0)), (["--loss_weight_feat", "3"], dict(feature_weight=3.0))])
def test_options(monkeypatch, tmp_path, no_search, arguments, expected):
    assert run(monkeypatch, "invert.py", *arguments) == 0
    assert {name: getattr(no_search[0], name) for name in expected} == expected
    options = json.loads((tmp_path / "results/inversion/portraits/options.json").read_text())["options"]
    assert {name: options[name] for name in expected} == expected


@pytest.mark.one_stack
def test_baselines(eagerly, monkeypatch, tmp_path, small_checkpoints):
    """The encoder alone; and from the mean code, without encoder and features: Image2StyleGAN."""
    models = checkpoint.load(small_checkpoints / embedded.MODELS[0])
    assert run(monkeypatch, "invert.py", "--num_iterations", "0", "-o", "encoder") == 0
    encoded, codes = (np.load(tmp_path / f"encoder/{kind}_codes.npy") for kind in ("encoded", "inverted"))
    assert np.array_equal(encoded, codes)
    checkpoint.save(checkpoint.Models(generator=models.generator), "generator.h5")
    arguments = "--start", "mean", "--no-domain-regularizer", "--features", "none", *SHORT
    assert run(monkeypatch, "invert.py", "generator.h5", "results/pictures/portraits", "-o", "mean", *arguments) == 0
    start = np.load(tmp_path / "mean/encoded_codes.npy")
    assert (start == start[:1]).all()
    z = np.random.default_rng(5).standard_normal([4096, models.generator.latent_size]).astype("float32")
    samples = np.asarray(models.generator.mapping(z))
    assert np.abs(start[0] - samples.mean(0)).max() < 0.1 * samples.std(axis=0).mean()
    assert "Mean Start" in (tmp_path / "mean/inversion.html").read_text()
    assert run(monkeypatch, "invert.py", "--start", "random", "-o", "a", *SHORT) == 0
    assert run(monkeypatch, "invert.py", "-R", "-o", "b", *SHORT) == 0
    assert np.array_equal(*(np.load(tmp_path / f"{name}/inverted_codes.npy") for name in "ab"))


@pytest.mark.parametrize("arguments, words", [
    (["--features", "page.h5"], "page.h5"), (["--features", "MODEL"], "holds no attribute network"),
    (["--feature_layers", "block1_conv2"], "--feature_layers are of VGG16")])
def test_features_that_do_not_fit_are_one_line(monkeypatch, tmp_path, small_checkpoints, capfd, arguments, words):
    (tmp_path / "page.h5").write_text("<html>not found</html>")
    arguments = [small_checkpoints / embedded.MODELS[0] if each == "MODEL" else each for each in arguments]
    assert run(monkeypatch, "invert.py", *arguments) == 2
    assert words in error_line(capfd)


@pytest.mark.parametrize("text", ["block1_conv2:0", "block1_conv2:x", "block1_conv2:-1"])
def test_weights_of_layers_that_make_no_sense_are_refused(monkeypatch, capfd, text):
    assert run(monkeypatch, "invert.py", "--feature_layers", text) == 2
    assert "--feature_layers" in capfd.readouterr().err
