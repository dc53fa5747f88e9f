"""editing: every edit recomputed in NumPy; errors for layers, crops and shapes that do not fit."""
from __future__ import annotations

import numpy as np
import pytest
from tiny import normal

from tf_idinvert import editing
from tf_idinvert.errors import InputError


def test_interpolation_runs_straight_from_source_to_target():
    source, target = normal(2, 4, 3), normal(2, 4, 3, seed=1)
    codes = editing.interpolate(source, target, 5)
    assert codes.shape == (2, 5, 4, 3) and codes.dtype == np.float32
    assert np.array_equal(codes[:, 0], source) and np.array_equal(codes[:, -1], target)
    for k in range(5):
        np.testing.assert_allclose(codes[1, k], source[1] + (target[1] - source[1]) * k / 4, atol=1e-6)


def test_manipulation_moves_the_chosen_layers_only():
    codes, direction = normal(3, 4, 5), normal(1, 4, 5, seed=1)
    moved = editing.manipulate(codes, direction, [-2.0, 0.0, 3.0], layers=(1, 3))
    assert moved.shape == (3, 3, 4, 5)
    assert np.array_equal(moved[:, 1], codes) and np.array_equal(moved[:, 2, [0, 2]], codes[:, [0, 2]])
    for n in range(3):
        for layer in (1, 3):
            np.testing.assert_allclose(moved[n, 2, layer], codes[n, layer] + 3 * direction[0, layer], atol=1e-6)


def test_manipulation_moves_all_layers_by_default_and_repeats_a_direction_of_w():
    codes, direction = normal(2, 4, 5), normal(1, 1, 5, seed=1)
    moved = editing.manipulate(codes, direction, [1.5])
    np.testing.assert_allclose(moved[:, 0], codes + 1.5 * direction, atol=1e-6)


def test_mixing_takes_the_chosen_layers_from_the_style():
    content, style = normal(3, 4, 5), normal(1, 4, 5, seed=1)
    mixed = editing.mix_styles(content, style, [2, 3])
    assert np.array_equal(mixed[:, :2], content[:, :2])
    assert all(np.array_equal(mixed[n, 2:], style[0, 2:]) for n in range(3))
    assert np.array_equal(editing.mix_styles(content, content[::-1], range(4)), content[::-1])


@pytest.mark.parametrize("text, layers", [
    ("0,1,2-5", (0, 1, 2, 3, 4, 5)), ("3", (3,)), (" 5 , 1 - 2 ,", (1, 2, 5)),
    ("2,2,1-2", (1, 2)), ("", None), (",", None)])
def test_layers_as_people_write_them(text, layers):
    assert editing.parse_layers(text, 6) == layers


@pytest.mark.parametrize("text", ["6", "0-6", "-1", "5-2", "a", "1..3", "1-2-3", "1e3", "99999999999", "\u0661\u0661"])
def test_layers_that_are_none(text):
    with pytest.raises(InputError, match="layer"):
        editing.parse_layers(text, 6)


def test_the_crop_is_that_of_the_published_code_at_256_px_and_scaled_elsewhere():
    assert editing.crop_box(256) == (145 - 55, 125 - 55, 110)
    top, left, side = editing.crop_box(64)
    assert side == 28 and left + side // 2 == 31 and top + side // 2 == 36
    assert editing.crop_box(64, size=10, center_x=30) == (36 - 5, 25, 10)


@pytest.mark.parametrize("size, x, y", [(300, None, None), (10, 2, None), (10, None, 254), (256, 128, 129)])
def test_a_crop_beyond_the_picture_is_refused(size, x, y):
    with pytest.raises(InputError, match="beyond the picture of 256 px"):
        editing.crop_box(256, size, x, y)


def test_stitching_copies_the_square_and_leaves_its_inputs():
    target, context = normal(2, 8, 8, 3), normal(2, 8, 8, 3, seed=1)
    before = context.copy()
    stitched = editing.stitch(target, context, (1, 2, 3))
    inside = editing.box_mask(8, (1, 2, 3))
    assert inside.shape == (1, 8, 8, 1) and inside.sum() == 9 and inside[0, 1, 2, 0] == inside[0, 3, 4, 0] == 1
    assert np.array_equal(stitched, np.where(inside > 0, target, context)) and np.array_equal(context, before)


@pytest.mark.parametrize("call, words", [
    (lambda: editing.interpolate(normal(1, 4, 5), normal(1, 4, 6), 3), "same shape"),
    (lambda: editing.interpolate(normal(1, 4, 5), normal(1, 4, 5), 1), "at least 2"),
    (lambda: editing.manipulate(normal(4, 5), normal(1, 4, 5), [1.0]), "expected [N, L, D]"),
    (lambda: editing.manipulate(normal(1, 4, 5), normal(1, 3, 5), [1.0]), "expected [1, 4, 5]"),
    (lambda: editing.manipulate(normal(1, 4, 5), normal(1, 4, 5), [1.0], layers=[4]), "0 to 3"),
    (lambda: editing.mix_styles(normal(2, 4, 5), normal(3, 4, 5), [1]), "do not fit"),
    (lambda: editing.stitch(normal(8, 8, 3), normal(4, 4, 3), (0, 0, 2)), "do not fit"),
])
def test_what_does_not_fit_is_one_line(call, words):
    with pytest.raises(InputError) as caught:
        call()
    assert words in str(caught.value) and len(str(caught.value).splitlines()) == 1
