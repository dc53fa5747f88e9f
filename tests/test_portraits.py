"""Rendered portraits: exact pictures, independent items, and attributes that change the right regions."""

from __future__ import annotations

import hashlib
import inspect

import numpy as np
import PIL
import pytest

from tf_idinvert.errors import InputError
from tf_idinvert.portraits import portrait
from tf_idinvert.portraits.portrait import ATTRIBUTES, NUISANCES, SIGNED, render, sample

NAMES = ATTRIBUTES + NUISANCES
WOMAN = dict(age=0.3, gender=0.1, eyeglasses=0, pose=0.2, expression=0.1, skin=0.3, hair=0.4, background=0.2,
             length=0.6, fringe=0.5, bun=0.0, beard=0.0, side=0.4)
MAN = dict(WOMAN, age=0.5, gender=0.9, pose=-0.3, skin=0.6, hair=0.2, background=0.7, length=0.1, beard=0.6, side=-0.7)
PILLOW = tuple(int(part) for part in PIL.__version__.split(".")[:2])
same_pictures = pytest.mark.one_stack      # what pictures show: the golden ones are the same on both stacks


@pytest.fixture(scope="module")
def drawn():
    return sample(64, seed=0)


def low(name):
    return -1.0 if name in SIGNED else 0.0


def change(first, second):
    """Mean absolute difference of each pixel, in levels; float64 [R, R]."""
    return np.abs(first.astype(np.float64) - second).mean(axis=2)


def digest(values):
    return hashlib.sha256(values.tobytes()).hexdigest()


def sweep(sitter, name, count):
    return [render(**dict(sitter, **{name: value})) for value in np.linspace(low(name), 1.0, count)]


def test_golden_attributes(drawn):
    values = np.stack([drawn[1][name] for name in NAMES])
    assert digest(values.astype("<f4")) == "ef23369be525309029a9858fecd00a3efe6381bda092b699b003828f6086cc97"


@pytest.mark.skipif(PILLOW < (11, 2), reason="Pillow before 11.2 fills a few thin polygons otherwise")
def test_golden_pictures(drawn):
    assert digest(drawn[0]) == "da7686db1e39ec5c1d80762708d3b86c043a032fc648c80637b79abbbc713584"
    large, _ = sample(2, seed=0, resolution=256)
    assert digest(large) == "dbfcccc47608a3098386caae888600295a70499cdd674ef63adddface7e640c1"


def test_golden_means_for_every_pillow(drawn):
    means = drawn[0][:4].astype(np.float64).mean(axis=(1, 2))
    expected = [[171.58, 148.63, 135.01], [178.72, 197.39, 187.55], [160.09, 146.17, 161.21], [201.05, 166.37, 146.27]]
    np.testing.assert_allclose(means, expected, atol=0.5)


def test_shapes_types_and_ranges(drawn):
    images, attributes = drawn
    assert images.shape == (64, 64, 64, 3) and images.dtype == np.uint8
    assert tuple(attributes) == NAMES
    for name, values in attributes.items():
        assert values.shape == (64,) and values.dtype == np.float32
        assert values.min() >= low(name) and values.max() <= 1.0
    assert set(attributes["eyeglasses"].tolist()) == {0.0, 1.0}
    assert ATTRIBUTES == ("age", "gender", "eyeglasses", "pose", "expression")
    assert tuple(inspect.signature(render).parameters) == NAMES + ("resolution",)


def test_no_portraits():
    images, attributes = sample(0, seed=3, resolution=16)
    assert images.shape == (0, 16, 16, 3) and all(values.shape == (0,) for values in attributes.values())


def test_shorter_sample_is_a_prefix(drawn):
    images, attributes = sample(10, seed=0)
    assert np.array_equal(images, drawn[0][:10])
    assert all(np.array_equal(attributes[name], drawn[1][name][:10]) for name in NAMES)


def test_seeds_differ(drawn):
    images, attributes = sample(2, seed=1)
    assert not np.array_equal(images[0], drawn[0][0])
    assert not np.intersect1d(attributes["age"], drawn[1]["age"]).size


def test_render_reproduces_the_sample(drawn):
    images, attributes = drawn
    for index in range(0, 64, 9):
        assert np.array_equal(render(**{name: values[index] for name, values in attributes.items()}), images[index])


def test_main_attributes_are_independent_and_spread(monkeypatch):
    monkeypatch.setattr(portrait, "render", lambda *_, resolution: 0)       # nobody looks at the pictures
    _, attributes = sample(600, seed=7, resolution=16)
    main = np.stack([attributes[name] for name in ATTRIBUTES])
    correlation = np.corrcoef(main) - np.eye(len(ATTRIBUTES))
    assert np.abs(correlation).max() < 0.1
    assert 0.35 < attributes["eyeglasses"].mean() < 0.45
    for name in ("age", "gender"):
        assert 0.45 < attributes[name].mean() < 0.55 and attributes[name].std() > 0.25
    assert attributes["gender"][attributes["beard"] > 0].min() > 0.6
    assert attributes["gender"][attributes["bun"] > 0].max() < 0.5
    women, men = attributes["gender"] < 0.3, attributes["gender"] > 0.7
    assert attributes["length"][women].mean() > attributes["length"][men].mean() + 0.2


@same_pictures
@pytest.mark.parametrize("sitter", [WOMAN, MAN], ids=["woman", "man"])
@pytest.mark.parametrize("name", NAMES)
def test_every_attribute_shows(sitter, name):
    first, last = sweep(sitter, name, 2)
    assert (change(first, last) > 12).sum() > 60  # a region of 8 x 8 pixels


@same_pictures
@pytest.mark.parametrize("name", [name for name in NAMES if name != "eyeglasses"])
def test_small_steps_change_the_picture_little(name):
    pictures = sweep(MAN, name, 33)
    steps = [change(a, b).mean() for a, b in zip(pictures, pictures[1:])]
    assert max(steps) < 3.5
    assert max(steps) < 0.35 * change(pictures[0], pictures[-1]).mean()


@pytest.mark.parametrize("pose", [-1.0, 0.0, 1.0])
def test_eyeglasses_stay_around_the_eyes(pose):
    difference = change(*sweep(dict(WOMAN, pose=pose), "eyeglasses", 2))
    assert difference.sum() > 5000
    assert difference[24:39].sum() > 0.98 * difference.sum()


def test_expression_stays_in_the_face():
    difference = change(*sweep(WOMAN, "expression", 2))
    assert difference[:16].sum() == 0.0 and difference[54:].sum() == 0.0
    assert difference[38:50].sum() > 0.4 * difference.sum()  # the mouth


def test_old_hair_is_grey():
    young, old = (render(**dict(WOMAN, age=age, side=0.0, pose=0.0))[8, 26:38].astype(float) for age in (0.0, 1.0))
    assert np.ptp(young.mean(axis=0)) > 60 and np.ptp(old.mean(axis=0)) < 12
    assert old.mean() > 190


def test_features_move_with_the_pose():
    centres = []
    for pose in (-1.0, 0.0, 1.0):
        mouth = change(*sweep(dict(WOMAN, pose=pose), "expression", 2))[38:50].sum(axis=0)
        centres.append((mouth * np.arange(64)).sum() / mouth.sum())
    assert centres[1] - centres[0] > 4.0 and centres[2] - centres[1] > 4.0


@pytest.mark.parametrize("sitter", [WOMAN, MAN, dict(MAN, eyeglasses=1, age=1.0)])
def test_mirror_image(sitter):
    mirrored = render(**sitter)[:, ::-1]
    other = render(**dict(sitter, pose=-sitter["pose"], side=-sitter["side"]))
    assert change(mirrored, other).mean() < 0.3
    assert change(mirrored, render(**dict(sitter, side=-sitter["side"]))).mean() > 3.0


@pytest.mark.parametrize("resolution, limit", [(32, 3.0), (128, 2.0), (256, 2.0)])
def test_resolutions_show_the_same_picture(drawn, resolution, limit):
    other = sample(4, seed=0, resolution=resolution)[0]
    side = min(resolution, 64)

    def reduced(pictures):
        cell = len(pictures[0]) // side
        return pictures.astype(np.float64).reshape(4, side, cell, side, cell, 3).mean(axis=(2, 4))

    assert np.abs(reduced(drawn[0][:4]) - reduced(other)).mean() < limit


@pytest.mark.parametrize("name, value, expected", [
    ("age", 1.01, "a number from 0 to 1"), ("pose", -1.5, "a number from -1 to 1"),
    ("skin", float("nan"), "a number from 0 to 1"), ("eyeglasses", 0.5, "0 or 1"),
    ("beard", "full", "a number from 0 to 1"), ("hair", None, "a number from 0 to 1"),
    ("gender", np.zeros((3, 3)), "a number from 0 to 1"), ("resolution", 48, "a power of two from 16 to 256"),
    ("resolution", 512, "a power of two from 16 to 256"), ("resolution", 64.0, "a power of two from 16 to 256")])
def test_render_refuses(name, value, expected):
    with pytest.raises(InputError) as caught:
        render(**dict(WOMAN, **{name: value}))
    message = str(caught.value)
    assert message.startswith(f"{name}: got ") and expected in message and "\n" not in message


@pytest.mark.parametrize("name, value", [("count", -1), ("count", 2.5), ("seed", -3), ("seed", None),
                                         ("resolution", 8)])
def test_sample_refuses(name, value):
    with pytest.raises(InputError, match=f"^{name}: got .*expected"):
        sample(**dict(dict(count=1, seed=0), **{name: value}))
    assert issubclass(InputError, ValueError)
