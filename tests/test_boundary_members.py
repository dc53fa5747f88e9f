"""What a boundary's file says beside its normal: name, unit, source, style channels, centre, space."""
from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
import tiny

from tf_idinvert import boundaries, editing
from tf_idinvert.boundaries import About, Boundary, BoundaryError, Styles

STYLES = Styles(np.array([[0, 3], [2, 1]]), np.array([0.5, -2], np.float32))
WIDTHS = [4, 4, 2]


def test_everything_comes_back(tmp_path):
    about = About("sourire \u00e9", "SeFa of network.pkl", 0.25)
    whole = Boundary(tiny.normal(1, 3, 8), (0, 2), about, STYLES, np.array([1, 2, 3], np.float32))
    boundaries.write(tmp_path / "a.npz", whole)
    found = boundaries.read(tmp_path / "a.npz")
    assert found.about == about and found.layers == (0, 2)
    assert np.array_equal(found.styles.channels, STYLES.channels)
    assert np.array_equal(found.styles.changes, STYLES.changes) and np.array_equal(found.centre, [1, 2, 3])
    assert np.array_equal(np.load(tmp_path / "a.npz")["boundary"], whole.normal), "plain NumPy reads the normal"


def test_styles_become_offsets_and_need_who_applies_them(tmp_path):
    boundary = Boundary(np.zeros([1, 3, 8], np.float32), styles=STYLES)
    boundaries.write(tmp_path / "s.npz", boundary)
    found = boundaries.read(tmp_path / "s.npz")
    assert found.for_network(3, 8, WIDTHS).style_move(WIDTHS).tolist() == [0, 0, 0, .5, 0, 0, 0, 0, 0, -2]
    assert found.deviation(tiny.normal(5, 3, 8)) == 1
    with pytest.raises(BoundaryError, match="cannot be applied here"):
        found.for_network(3, 8)
    with pytest.raises(BoundaryError, match="to its centre first, which cannot be applied here"):
        Boundary(tiny.normal(1, 3, 8), centre=np.ones(1, np.float32)).for_network(3, 8)
    with pytest.raises(BoundaryError, match="style channel 3 of layer 0"):
        found.for_network(3, 8, [2, 2, 2])
    with pytest.raises(BoundaryError, match="end.* .npz|ends in .npz"):
        boundaries.write(tmp_path / "s.npy", boundary)


def test_a_centre_sends_codes_to_the_same_place():
    codes, normal = tiny.normal(4, 3, 8), tiny.normal(1, 3, 8, seed=1)
    centre = np.array([0.5, 1, 2], np.float32)
    moved = editing.manipulate(codes, normal, [-1.0, 2.0], (0, 2), centre)
    along = np.einsum("nsld,ld->nsl", moved, normal[0]) / (normal[0] ** 2).sum(-1)
    np.testing.assert_allclose(along[..., 0], np.tile([-0.5, 2.5], [4, 1]), atol=1e-5)
    np.testing.assert_allclose(along[..., 2], np.tile([1.0, 4.0], [4, 1]), atol=1e-5)
    assert np.array_equal(moved[:, 0, 1], codes[:, 1]), "other layers stay as they are"


def test_z_is_not_w(tmp_path):
    boundaries.write(tmp_path / "z.npz", Boundary(tiny.normal(1, 1, 8), about=About(space="z")))
    with pytest.raises(BoundaryError, match="of z"):
        boundaries.read(tmp_path / "z.npz").for_network(6, 8)


def archive(path, about=None, **members):
    with zipfile.ZipFile(path, "w") as file:
        for name, values in {"boundary": np.ones([1, 3, 8], np.float32), **members}.items():
            data = io.BytesIO()
            np.save(data, values)
            file.writestr(f"{name}.npy", data.getvalue())
        if about is not None:
            file.writestr("about.json", about if isinstance(about, str) else json.dumps(about))


@pytest.mark.parametrize("about, members, words", [
    ("{", {}, "no JSON"), ("[" * 50_000, {}, "no JSON"), ("3", {}, "no object"), ({"version": 2}, {}, "version 2"),
    ({"name": 3}, {}, "no text"), ({"name": "x" * 201}, {}, "no text"), ({"unit": -1}, {}, "positive"),
    ({"unit": float("nan")}, {}, "positive"), ({"space": "p"}, {}, "none of w, z"),
    (None, {"centre": np.ones(2)}, "centre"), (None, {"centre": np.array([np.nan])}, "centre"),
    (None, {"style_channels": np.ones([2, 2], int)}, "style_channels"),
    (None, {"style_channels": np.ones([2, 2], int), "style_changes": np.ones(3)}, "style_channels"),
    (None, {"style_channels": -np.ones([2, 2], int), "style_changes": np.ones(2)}, "style_channels"),
    (None, {"style_channels": np.ones([2, 2], int), "style_changes": np.array([np.inf, 1])}, "style_channels")])
def test_odd_members_are_one_line(tmp_path, about, members, words):
    archive(tmp_path / "odd.npz", about, **members)
    with pytest.raises(BoundaryError, match=words) as caught:
        boundaries.read(tmp_path / "odd.npz")
    assert str(caught.value).startswith(str(tmp_path / "odd.npz")) and "\n" not in str(caught.value)
