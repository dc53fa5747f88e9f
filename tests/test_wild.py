"""Wild portraits: exact pictures, independent items, frequencies, and traits that change the right regions."""
from __future__ import annotations

import hashlib

import numpy as np
import PIL
import pytest

from tf_idinvert.errors import InputError
from tf_idinvert.portraits import sets, wild
from tf_idinvert.portraits.wild import scores, traits

NAMES = wild.ATTRIBUTES + wild.NUISANCES
WOMAN = dict(age=0.3, gender=0.1, eyeglasses=0, pose=0.2, expression=0.1, skin=0.3, hair=0.4, background=0.2,
             length=0.6, fringe=0.5, side=0.4, scene=1, garment=2, pattern=1, detail=7)
MAN = dict(WOMAN, gender=0.9, pose=-0.3, skin=0.6, hair=0.2, length=0.1, beard=0.6, side=-0.7, detail=11)
PILLOW = tuple(int(part) for part in PIL.__version__.split(".")[:2])
same_pictures = pytest.mark.one_stack      # what pictures show: the golden ones are the same on both stacks


@pytest.fixture(scope="module")
def drawn():
    return wild.sample(16, seed=0)


@pytest.fixture(scope="module")
def rows():
    """Traits of 5,000 portraits, not drawn: {name: float64 [5000]}."""
    table = np.array([traits.traits_of(traits.draw(3, index)) for index in range(5000)])
    return dict(zip(NAMES, table.T))


def change(first, second):
    """Mean absolute difference of each pixel, in levels; float64 [R, R]."""
    return np.abs(first.astype(np.float64) - second).mean(axis=2)


def digest(values):
    return hashlib.sha256(values.tobytes()).hexdigest()


def ends(name):
    return (-1 if name in wild.SIGNED else 0), min(wild.KINDS.get(name, 2) - 1, 9)


def test_golden_attributes(drawn):
    values = np.stack([drawn[1][name] for name in NAMES])
    assert digest(values.astype("<f4")) == "6c41fc897d200bbc5ee52752818294edf9ba32914392d6ae85a1c509fa2512bf"


@pytest.mark.skipif(PILLOW < (11, 2), reason="Pillow before 11.2 fills a few thin polygons otherwise")
def test_golden_pictures(drawn):
    assert digest(drawn[0]) == "e613b81c8eb9011a9a959cea19896b2b19035be46d007847189073ded8e63242"
    large, _ = wild.sample(1, seed=0, resolution=128)
    assert digest(large) == "60a7928aa693a1eeb26ac57cceb5293dd79a18fde1f084c019a62b72b856281c"


def test_golden_means_for_every_pillow(drawn):
    means = drawn[0][:4].astype(np.float64).mean(axis=(1, 2))
    expected = [[105.34, 77.18, 65.25], [138.37, 156.91, 161.49], [120.4, 98.54, 93.56], [141.34, 129.98, 121.82]]
    np.testing.assert_allclose(means, expected, atol=0.6)


def test_shapes_types_and_ranges(drawn, rows):
    images, attributes = drawn
    assert images.shape == (16, 64, 64, 3) and images.dtype == np.uint8
    assert tuple(attributes) == NAMES and wild.ATTRIBUTES == ("age", "gender", "eyeglasses", "pose", "expression")
    for name, values in rows.items():
        low, high = (-1 if name in wild.SIGNED else 0), wild.KINDS.get(name, 2) - 1
        assert values.min() >= low and values.max() <= high, name
        assert name not in wild.KINDS or np.array_equal(values, np.floor(values))
        assert np.ptp(values) > 0.5 * (high - low), name
        assert attributes[name].shape == (16,) and attributes[name].dtype == np.float32
    assert np.array_equal(rows["detail"], rows["detail"].astype(np.float32))    # so that float32 loses no portrait


def test_shorter_sample_is_a_prefix_and_render_reproduces_it(drawn):
    images, attributes = wild.sample(3, seed=0)
    assert np.array_equal(images, drawn[0][:3])
    assert all(np.array_equal(attributes[name], drawn[1][name][:3]) for name in NAMES)
    for index in range(3, 16, 4):
        assert np.array_equal(wild.render(**{name: values[index] for name, values in drawn[1].items()}),
                              drawn[0][index])
    assert wild.sample(0, seed=3, resolution=32)[0].shape == (0, 32, 32, 3)
    assert not np.array_equal(wild.sample(1, seed=1)[0], images[:1])


def test_large_sets_are_of_the_edition_asked_for():
    (images, attributes), = sets.chunks(2, seed=1, resolution=32, processes=1, sample=wild.sample)
    assert np.array_equal(images, wild.sample(2, 2 * sets.SEED_STRIDE, 32)[0])
    assert tuple(attributes) == NAMES


def test_traits_are_known_without_drawing(drawn):
    known = wild.attributes_of(5, seed=0)
    assert all(np.array_equal(known[name], drawn[1][name][:5]) for name in NAMES)
    both = sets.attributes(300, 1, wild.attributes_of)
    assert np.array_equal(both["age"][250:], wild.attributes_of(50, 2 * sets.SEED_STRIDE + 1)["age"])


def test_what_a_network_is_asked(rows):
    answers = scores.answers(rows, scores.TASKS["attributes"] + scores.TASKS["nuisances"])
    assert not set(scores.TASKS["attributes"]) & set(scores.TASKS["nuisances"])
    assert set(rows) - {"detail"} == {name.partition("-")[0] for name in answers}
    np.testing.assert_array_equal(answers["hat"], rows["hat"] > 0)
    np.testing.assert_array_equal(answers["scene-3"], rows["scene"] == 3)
    np.testing.assert_array_equal(answers["frame-5"], (rows["frame"] == 5) & (rows["eyeglasses"] == 1))
    assert all(set(np.unique(answers[name])) == {0, 1} for name in scores.BINARY)
    assert set(scores.MIRRORED) == set(wild.SIGNED) - {"expression"}


def test_main_attributes_are_independent_and_spread(rows):
    correlation = np.corrcoef(np.stack([rows[name] for name in wild.ATTRIBUTES])) - np.eye(5)
    assert np.abs(correlation).max() < 0.05
    for name in ("age", "gender"):
        assert 0.45 < rows[name].mean() < 0.55 and rows[name].std() > 0.25
    assert rows["gender"][rows["beard"] > 0].min() > 0.6 and rows["gender"][rows["bun"] > 0].max() < 0.5


@pytest.mark.parametrize("name, share", [("hat", 0.06), ("hand", 0.04), ("headphones", 0.04), ("scarf", 0.07),
                                         ("scar", 0.05), ("dye", 0.03), ("eyeglasses", 0.36), ("freckles", 0.2)])
def test_rare_things_are_rare(rows, name, share):
    assert abs((rows[name] > 0).mean() - share) < 4 * (share * (1 - share) / 5000) ** 0.5
    kinds = np.unique(rows[name]) if name in wild.KINDS else ()
    assert len(kinds) == wild.KINDS.get(name, 0)


@same_pictures
@pytest.mark.parametrize("name", NAMES)
def test_every_trait_shows(name):
    sitter = dict(MAN if name in ("beard", "cut") else WOMAN, eyeglasses=int(name == "frame"), hat=0)
    if name == "curl":
        sitter["length"] = 0.9
    first, last = (wild.render(**dict(sitter, **{name: value})) for value in ends(name))
    assert (change(first, last) > 5).sum() > dict(scar=3, earrings=3, freckles=10).get(name, 25)   # pixels


@same_pictures
@pytest.mark.parametrize("name", ["age", "gender", "pose", "expression", "side", "tilt"])
def test_small_steps_change_the_picture_little(name):
    pictures = [wild.render(**dict(WOMAN, **{name: value})) for value in np.linspace(*ends(name), 13)]
    steps = [change(a, b).mean() for a, b in zip(pictures, pictures[1:])]
    assert max(steps) < 0.4 * change(pictures[0], pictures[-1]).mean()


def test_detail_draws_another_picture_of_the_same_traits():
    first, other = wild.render(**WOMAN), wild.render(**dict(WOMAN, detail=8))
    assert change(first, other).mean() > 4.0
    means = first.mean(axis=(0, 1)) - other.mean(axis=(0, 1))
    assert np.abs(means).max() < 40.0


@pytest.mark.parametrize("name, top, bottom", [("eyeglasses", 22, 42), ("expression", 16, 56), ("hat", 0, 40)])
def test_traits_show_where_they_should(name, top, bottom):
    difference = change(*(wild.render(**dict(WOMAN, length=0.0, **{name: value})) for value in (0, 1)))
    assert difference.sum() > 3000
    assert difference[top:bottom].sum() > 0.97 * difference.sum()


def test_resolutions_show_the_same_picture():
    small = wild.render(**WOMAN).astype(np.float64)
    large = wild.render(**WOMAN, resolution=128).astype(np.float64)
    assert np.abs(large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3)) - small).mean() < 4.0


@pytest.mark.parametrize("name, value, expected", [
    ("age", 1.01, "a number from 0 to 1"), ("pose", -1.5, "a number from -1 to 1"), ("skin", float("nan"), "a number"),
    ("eyeglasses", 0.5, "a whole number from 0 to 1"), ("scene", 10, "a whole number from 0 to 9"),
    ("beard", "full", "a number from 0 to 1"), ("hair", None, "a number"), ("gender", np.zeros((3, 3)), "a number"),
    ("wings", 1, "one of the traits"), ("resolution", 48, "one of 32, 64, 128, 256"),
    ("resolution", 64.0, "one of 32, 64, 128, 256")])
def test_render_refuses(name, value, expected):
    with pytest.raises(InputError) as caught:
        wild.render(**dict(WOMAN, **{name: value}))
    message = str(caught.value)
    assert message.startswith(f"{name}: got ") and expected in message and "\n" not in message


def test_render_needs_the_attributes():
    with pytest.raises(InputError, match="^pose: got None"):
        wild.render(age=0.5, gender=0.5, eyeglasses=0, expression=0.0)


@pytest.mark.parametrize("name, value", [("count", -1), ("count", 2.5), ("seed", -3), ("seed", None),
                                         ("resolution", 8)])
def test_sample_refuses(name, value):
    with pytest.raises(InputError, match=f"^{name}: got .*expected"):
        wild.sample(**dict(dict(count=1, seed=0), **{name: value}))
