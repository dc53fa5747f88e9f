"""Inception of published FID values from pytorch-fid's file, against NumPy; files that look like it."""
from __future__ import annotations

import narrow_networks
import numpy as np
import pytest
import torch_writer

from tf_idinvert import checkpoint
from tf_idinvert.errors import InputError
from tf_idinvert.evaluation import loading, measures
from tf_idinvert.formats import torch_measures
from tf_idinvert.networks.inception import FIDInception


@pytest.fixture(scope="module")
def known():
    """(network in NumPy, pictures [2, 21, 30, 3], its features of them)"""
    network = narrow_networks.Inception(0)
    pictures = np.random.default_rng(1).uniform(-1, 1, [2, 21, 30, 3]).astype("float32")
    return network, pictures, network(pictures.transpose(0, 3, 1, 2).astype("float64"))


@pytest.fixture(scope="module", params=["zip", "legacy"])
def path(request, known, tmp_path_factory):
    return torch_writer.save(tmp_path_factory.mktemp("fid") / "pt_inception.pth", known[0].state, request.param)


def test_features_are_those_of_the_public_network(known, path):
    network, about = loading.load_inception(path)
    assert isinstance(network, FIDInception) and "published FID" in about and "without antialiasing" in about
    found = network(known[1]).numpy()
    assert np.ptp(known[2]) > 0.1
    np.testing.assert_allclose(found, known[2], atol=1e-4 * np.abs(known[2]).max())


def test_every_part_of_the_graph_counts(known):
    """The pooling that only the last block has, the border of mean pooling, the resize: none of them is lost."""
    network, pictures, features = known
    other = narrow_networks.Inception(0)
    other.pooled = lambda x, block, largest=False: narrow_networks.Inception.pooled(other, x, block)
    changed = other(pictures.transpose(0, 3, 1, 2).astype("float64"))
    assert set(other.state) == set(network.state)
    assert np.abs(changed - features).max() > 1e-3 * np.abs(features).max()


def test_distance_is_heusels_formula_of_these_features(known, tmp_path):
    """20 + 20 noise pictures: |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)), by eigenvalues of C C' itself."""
    rng = np.random.default_rng(2)
    sets = rng.integers(0, 256, [20, 8, 8, 3], np.uint8), rng.integers(0, 200, [20, 8, 8, 3], np.uint8)
    path = torch_writer.save(tmp_path / "pt_inception.pth", known[0].state)
    judge = measures.Judge("FID", "", loading.load_inception(path)[0])
    found = measures.compare(*(measures.measure(each, judge, 0) for each in sets))["frechet"][0]
    a, b = (np.asarray(judge.embed(each.astype("float32") / 127.5 - 1), "float64") for each in sets)
    product = np.cov(a.T) @ np.cov(b.T)
    roots = np.sqrt(np.linalg.eigvals(product).real.clip(0)).sum()
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(np.cov(a.T)) + np.trace(np.cov(b.T)) - 2 * roots
    assert found == pytest.approx(expected, rel=1e-4) and found > 0


def changed(state, **changes):
    return {key: value for key, value in {**state, **changes}.items() if value is not None}


def test_files_that_look_like_it_are_one_line(known, tmp_path):
    state = known[0].state
    cases = (
        ({"fc.weight": state["fc.weight"][:1000], "fc.bias": state["fc.bias"][:1000]}, "an InceptionV3 of 1000"),
        ({"AuxLogits.fc.weight": state["fc.bias"]}, "no auxiliary classifier"),
        ({"fc.weight": None}, "without the last layer fc"),
        ({"fc.weight": np.array(1, "f4")}, "without the last layer"),
        ({"Mixed_7c.branch1x1.bn.weight": None}, "lacks 1 key ('Mixed_7c.branch1x1.bn.weight')"),
        ({"Mixed_8a.conv.weight": state["fc.bias"]}, "does not know 1 key ('Mixed_8a.conv.weight')"),
        ({"Mixed_5b.branch1x1.bn.weight": state["fc.bias"]}, "Mixed_5b.branch1x1: its batch norm does not fit"),
        ({"Mixed_5b.branch5x5_2.conv.weight": state["Mixed_5b.branch5x5_2.conv.weight"][..., 1:].copy()},
         "Mixed_5b.branch5x5_2: a kernel [5, 4, 2, 2], expected [5, 5, 2, outputs]"),
        ({"Conv2d_1a_3x3.conv.weight": None}, "is no InceptionV3"))
    for number, (changes, message) in enumerate(cases):
        path = torch_writer.save(tmp_path / f"{number}.pth", changed(state, **changes))
        with pytest.raises(InputError) as error:
            loading.load_inception(path)
        assert message in str(error.value) and str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    (tmp_path / "page.html").write_text("<html>quota exceeded</html>" * 20)
    for path, message in (tmp_path / "page.html", "neither pytorch-fid's"), (tmp_path / "gone.pth", "no such file"):
        with pytest.raises(InputError, match=message):
            loading.load_inception(path)


def test_it_is_no_network_of_a_model(path):
    with pytest.raises(checkpoint.CheckpointError, match="evaluate.py --inception takes"):
        checkpoint.load(path)


def test_channels_beyond_inception_are_refused(known, tmp_path):
    """A small file must not ask for large activations."""
    wide = {"conv.weight": np.zeros([500, 3, 3, 3], "float32"),
            **{f"bn.{part}": np.ones(500, "float32") for part in torch_measures.BATCH_NORM}}
    state = changed(known[0].state, **{f"Conv2d_1a_3x3.{name}": value for name, value in wide.items()})
    with pytest.raises(InputError, match="500 channels, more than InceptionV3 has"):
        loading.load_inception(torch_writer.save(tmp_path / "wide.pth", state))
