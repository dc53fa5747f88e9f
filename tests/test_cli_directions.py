"""The tool `directions` on small networks: its files and page, names, pictures of one's own, odd input in one line."""
from __future__ import annotations

import numpy as np
import pytest
import tiny
from running import error_line, run

from tf_idinvert import boundaries, checkpoint
from tf_idinvert.files import images, results

pytestmark = pytest.mark.usefixtures("traced_once", "eagerly")

@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Folder with network.h5 (encoder and generator), attributes.h5, and inverted/ with four pictures and codes."""
    folder = tmp_path_factory.mktemp("directions")
    models = checkpoint.Models(encoder=tiny.encoder(), generator=tiny.generator())
    checkpoint.save(models, folder / "network.h5")
    checkpoint.save(checkpoint.Models(attributes=tiny.attributes()), folder / "attributes.h5")
    (folder / "inverted").mkdir()
    results.write_index(folder / "inverted", [f"p{i}.png" for i in range(4)], tiny.normal(4, 6, 8))
    for i in range(4):
        images.save(folder / f"inverted/p{i}_inv.png", tiny.normal(16, 16, 3, seed=i))
    return folder


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def directions(monkeypatch, files, verb, *arguments):
    return run(monkeypatch, "directions.py", verb, files / "network.h5", "-o", "out", "-k", "2", "--shown", "1",
               "--step", "2", *arguments)


def test_sefa_writes_files_and_page_and_names_them(monkeypatch, files, tmp_path, capfd):
    assert directions(monkeypatch, files, "sefa", "--layers", "0-2", "--attributes", files / "attributes.h5",
                      "--images", files / "inverted") == 0
    found = boundaries.read("out/sefa_01.npz")
    assert found.layers == (0, 1, 2) and found.about.unit > 0 and "SeFa, network.h5" == found.about.source
    page = (tmp_path / "out/index.html").read_text()
    assert "1: sefa_01" in page and "glasses" in page and "p0" in page and page.count("<img") == 4
    assert run(monkeypatch, "directions.py", "sefa", "-o", "out", "--name", "1=smile", "--name=-0=frown") == 0
    named, turned = (boundaries.read(f"out/named/{name}.npz") for name in ("smile", "frown"))
    assert named.about.name == "smile" and np.array_equal(named.normal, found.normal)
    assert np.array_equal(turned.normal, -boundaries.read("out/sefa_00.npz").normal)
    capfd.readouterr()
    assert run(monkeypatch, "directions.py", "sefa", files / "network.h5", "-o", "out", "-k", "2", "--shown", "0",
               "--name", "7=x") == 2
    assert "sefa_07" in error_line(capfd)


@pytest.mark.parametrize("verb, options", [
    ("pca", ["--samples", "50", "--centre"]), ("pca", ["--activations", "2", "--samples", "20"]),
    ("regions", ["--box", "2,2,4,4", "--codes", "1"]),
    ("styles", ["--positive", "{}/inverted"])], ids=["pca", "layer", "regions", "styles"])
def test_the_other_methods(monkeypatch, files, tmp_path, verb, options):
    assert directions(monkeypatch, files, verb, *(each.format(files) for each in options)) == 0
    found = boundaries.read(f"out/{verb}_01.npz").for_network(6, 8, tiny.generator().synthesis.style_widths)
    assert (found.styles is not None) == (verb == "styles") and (found.centre is not None) == ("--centre" in options)
    assert (tmp_path / "out/index.html").is_file()


def test_style_edits_reach_the_pictures_of_manipulate(monkeypatch, files, tmp_path):
    change = boundaries.Styles(np.array([[1, 0]]), np.array([3], np.float32))
    boundaries.write("one.npz", boundaries.Boundary(np.zeros([1, 6, 8], np.float32), styles=change))
    assert run(monkeypatch, "manipulate.py", files / "network.h5", files / "inverted", "one.npz", "--step", "2") == 0
    codes = np.load("results/manipulation/ONE_inverted_codes.npy")
    assert np.array_equal(codes[:, 0], codes[:, 1]), "the code stays what it is"
    generator = checkpoint.load(files / "network.h5").generator
    offset = np.zeros([1, sum(generator.synthesis.style_widths)], np.float32)
    offset[0, generator.synthesis.style_widths[0]] = 9
    expected = generator.synthesis(codes[:1, 1], style_offsets=offset)[0].numpy()
    images.save("expected.png", expected)
    assert np.abs(images.read("results/manipulation/ONE_inverted/p0_02.png").astype(int) -
                  images.read("expected.png").astype(int)).max() <= 1


@pytest.mark.parametrize("verb, options, words", [
    ("sefa", ["--layers", "9"], "layer 9"), ("sefa", ["-k", "9"], "1 to 8 directions"),
    ("sefa", ["--name", "a/b"], "N=NAME"), ("sefa", ["--name", "auto", "-k", "2"], "somebody who scores"),
    ("pca", ["--samples", "2", "--activations", "1", "-k", "5"], "2 codes"),
    ("pca", ["--activations", "6"], "layers 0 to"), ("pca", ["--activations", "1", "--centre"], "neither"),
    ("regions", [], "--box or --mask"), ("regions", ["--box", "1,2,3"], "LEFT,TOP"),
    ("regions", ["--box", "10,10,9,1"], "reaches beyond"), ("styles", [], "needs --positive"),
    ("styles", ["--positive", "nowhere"], "nowhere"),
    ("styles", ["--positive", "{}/inverted", "--negative", "{}/inverted"], "the same pictures"),
    ("styles", ["--attribute", "x", "--attributes", "{}/attributes.h5"], "scores of age, glasses")])
def test_odd_input_is_one_line(monkeypatch, files, capfd, verb, options, words):
    assert run(monkeypatch, "directions.py", verb, files / "network.h5", "--shown", "0",
               *(each.format(files) for each in options)) == 2
    assert words in error_line(capfd)


def test_served_moves_are_those_of_manipulate():
    import tensorflow as tf

    from tf_idinvert.directions import effects
    from tf_idinvert.serving.moves import Moves
    generator, codes = tiny.generator(), tiny.normal(3, 6, 8)
    widths = generator.synthesis.style_widths
    change = boundaries.Styles(np.array([[1, 0], [4, 1]]), np.array([3, 2], np.float32))
    given = {"plain": boundaries.Boundary(tiny.normal(1, 6, 8), (1, 2)),
             "centred": boundaries.Boundary(tiny.normal(1, 6, 8, seed=1), centre=tiny.normal(6)),
             "styles": boundaries.Boundary(np.zeros([1, 6, 8], np.float32), (0, 1), styles=change)}
    moves = Moves(given, generator)
    found, offsets = moves(tf.constant(codes), tf.constant([2, 0, 1]), tf.constant([1.0, -2.0, 0.5]))
    for i, (name, far) in enumerate([("styles", 1.0), ("plain", -2.0), ("centred", 0.5)]):
        expected, added = effects.moved(codes[i:i + 1], given[name].for_network(6, 8, widths), [far], widths)
        np.testing.assert_allclose(found[i], expected[0, 0], atol=1e-5)
        np.testing.assert_allclose(offsets[i], np.zeros(sum(widths)) if added is None else added[0], atol=1e-6)
    assert np.count_nonzero(offsets[0]) == 1, "styles of layers that the boundary leaves alone stay"
    assert Moves({"plain": given["plain"]}, generator)(tf.constant(codes), [0, 0, 0], tf.constant([1.0] * 3))[1] is None


def test_auto_chooses_layers_by_what_the_scorer_sees(monkeypatch, files, capfd):
    boundaries.write("age.npz", boundaries.Boundary(tiny.normal(1, 6, 8), (1, 3)))
    options = "--manipulate_layers", "auto", "--step", "2"
    assert run(monkeypatch, "manipulate.py", files / "network.h5", files / "inverted", "age.npz", *options) == 2
    assert "somebody who scores" in error_line(capfd)
    options = *options, "--attributes", files / "attributes.h5"
    code = run(monkeypatch, "manipulate.py", files / "network.h5", files / "inverted", "age.npz", *options)
    printed = capfd.readouterr().err
    if code:        # random networks: the edit may lower the score, which is told
        assert "does not raise 'age'" in printed
        turned = boundaries.Boundary(-boundaries.read("age.npz").normal, (1, 3))
        boundaries.write("age.npz", turned)
        assert run(monkeypatch, "manipulate.py", files / "network.h5", files / "inverted", "age.npz", *options) == 0
        printed = capfd.readouterr().err
    assert "change age by +" in printed
    codes = np.load("results/manipulation/AGE_inverted_codes.npy")
    moved = set(np.flatnonzero(np.abs(codes[:, 1] - codes[:, 0]).max(axis=(0, 2))))
    assert moved and moved <= {1, 3}


def test_a_boundary_of_two_folders_of_inverted_pictures(monkeypatch, files, tmp_path, capfd):
    for name, shift in ("with", 4), ("without", -4):
        (tmp_path / name).mkdir()
        codes = tiny.normal(12, 6, 8, seed=shift + 9)
        codes[:, 2, 3] += shift
        results.write_index(tmp_path / name, [f"{i}.png" for i in range(12)], codes)
    arguments = "--positive", "with", "--negative", "without", "-o", "hat.npz"
    assert run(monkeypatch, "boundary.py", "fit", *arguments) == 0
    found = boundaries.read("hat.npz").normal[0]
    assert np.unravel_index(np.abs(found).argmax(), [6, 8]) == (2, 3) and found[2, 3] > 0
    capfd.readouterr()
    assert run(monkeypatch, "boundary.py", "fit", "--positive", "with", "--negative", "nowhere", "-o", "x.npz") == 2
    assert "nowhere" in error_line(capfd)


def test_invalid_scores_are_left_out(monkeypatch, tmp_path, capfd):
    codes = tiny.normal(60, 8)
    scores = codes[:, 1].copy()
    scores[::3] = -1e6
    np.save("codes.npy", codes)
    np.save("scores.npy", scores)
    arguments = "fit", "codes.npy", "-s", "scores.npy", "-n", "0.4"
    assert run(monkeypatch, "boundary.py", *arguments, "-V", "-1000000", "-o", "a.npz") == 0
    assert np.abs(boundaries.read("a.npz").normal[0, 0]).argmax() == 1
    assert "40 codes" in "".join(f"{sum(map(int, _numbers(capfd)))} codes"), "of 60, 20 are invalid"


def _numbers(capfd):
    return [line.split(" codes")[0].split()[-1] for line in capfd.readouterr().out.splitlines() if " codes" in line]


def test_samples_move_in_z(monkeypatch, files, tmp_path, capfd):
    assert run(monkeypatch, "boundary.py", "sample", files / "network.h5", "-o", "s", "--num", "20", "--latents") == 0
    z, generator = np.load("s/latent_codes.npy"), checkpoint.load(files / "network.h5").generator
    expected = generator.truncate(generator.mapping(z), 0.7)
    np.testing.assert_allclose(np.load("s/inverted_codes.npy"), expected, atol=1e-5)
    np.save("scores.npy", z[:, 5])
    arguments = "fit", "s", "-s", "scores.npy", "-n", "0.4", "--space", "z", "-o", "five.npz"
    assert run(monkeypatch, "boundary.py", *arguments) == 0
    normal = boundaries.read("five.npz").normal
    assert normal.shape == (1, 1, 8) and normal[0, 0].argmax() == 5
    assert run(monkeypatch, "manipulate.py", files / "network.h5", "s", "five.npz", "--step", "2") == 0
    codes = np.load("results/manipulation/FIVE_s_codes.npy")
    np.testing.assert_allclose(codes[:, 1], generator.truncate(generator.mapping(z + 3 * normal[0]), 0.7), atol=1e-4)
    capfd.readouterr()
    assert run(monkeypatch, "manipulate.py", files / "network.h5", files / "inverted", "five.npz") == 2
    assert "--latents" in error_line(capfd)
