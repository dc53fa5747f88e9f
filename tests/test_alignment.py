"""From a photograph to the aligned square and back: geometry, crops, masks, pasting, the record."""
from __future__ import annotations

import dataclasses
import json

import numpy as np
import odd_photographs
import pytest
from PIL import Image

from tf_idinvert.alignment import pasting, quad, record, warp
from tf_idinvert.errors import InputError
from tf_idinvert.files import digests, images
from tf_idinvert.files.photographs import Photograph

FACE = np.array([(40, 50), (70, 52), (56, 66), (44, 84), (68, 85)], np.float64)


def turned(points, degrees, scale=1.0, shift=(0, 0)):
    angle = np.radians(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(points) @ turn.T + shift


def test_ffhq_by_hand():
    """Eyes level, 30 px apart, the mouth 40 px below: 1.8 * 40 = 72 > 2 * 30 px to each side of 4 px below the eyes."""
    points = [(-15, 0), (15, 0), (0, 20), (-10, 40), (10, 40)]
    np.testing.assert_allclose(quad.ffhq(points), [(-72, -68), (-72, 76), (72, 76), (72, -68)])
    wide = [(-50, 0), (50, 0), (0, 20), (-10, 40), (10, 40)]
    assert quad.side(quad.ffhq(wide)) == pytest.approx(4 * 100)


@pytest.mark.parametrize("degrees", [0, 30, 135, 180, -90])
def test_quads_turn_with_the_face(degrees):
    moved = turned(FACE, degrees, 2.5, (300, 100))
    found = quad.ffhq(moved)
    np.testing.assert_allclose(found, turned(quad.ffhq(FACE), degrees, 2.5, (300, 100)))
    assert abs((quad.angle(found) - quad.angle(quad.ffhq(FACE)) - degrees + 180) % 360 - 180) < 1e-6
    template = quad.to_crop(FACE, quad.ffhq(FACE))
    np.testing.assert_allclose(quad.from_template(moved, template), found)
    np.testing.assert_allclose(quad.to_photograph(quad.to_crop(moved, found), found), moved)


def test_five_of_68():
    points = np.random.default_rng(0).normal(size=(68, 2))
    np.testing.assert_allclose(quad.five(points)[[0, 4]], [points[36:42].mean(axis=0), points[54]])
    with pytest.raises(InputError, match="5 or 68"):
        quad.five(points[:6])


def test_an_upright_crop_is_a_cut(rng):
    pixels = odd_photographs.smooth(rng, 90, 80, 3)
    found = warp.crop(pixels, quad.of_square(20, 10, 32), 32)
    np.testing.assert_array_equal(found, pixels[10:42, 20:52])
    half = warp.crop(pixels, quad.of_square(20, 10, 64), 32)
    assert np.abs(half - pixels[10:74, 20:84].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))).max() < 6


def test_a_turned_crop_brings_back_the_picture(rng):
    """A picture placed in a larger one comes back, but for the resampling."""
    face = odd_photographs.smooth(rng, 64, 64, 3)
    there = turned(quad.of_square(-100, -100, 200), 40, shift=(170, 150))
    scene = warp.place(images.to_float(face), there, (0, 0, 340, 300))
    mask = warp.place(np.ones([64, 64, 1], np.float32), there, (0, 0, 340, 300))
    pixels = images.to_uint8(scene * mask)
    assert np.abs(warp.crop(pixels, there, 64).astype(float) - face)[4:-4, 4:-4].mean() < 1


def test_beyond_the_edge_it_goes_on_mirrored(rng):
    pixels = odd_photographs.smooth(rng, 100, 100, 3)
    found = warp.crop(pixels, quad.of_square(-20, 20, 60), 60).astype(float)
    np.testing.assert_array_equal(found[:, 26:], pixels[20:80, 6:40])       # where it is not blurred
    assert np.abs(found[:, 18] - pixels[20:80, 2]).mean() < 8               # mirrored
    assert warp.crop(pixels[:1, :1], quad.of_square(-1, -1, 3), 8).shape == (8, 8, 3)


def test_hostile_quads_are_refused():
    pixels = np.zeros([50, 60, 3], np.uint8)
    for bad, what in ((quad.of_square(0, 0, 1e6), "square of"), (quad.of_square(70, 0, 20), "outside"),
                      (np.full([4, 2], np.nan), "four corners"), (quad.of_square(0, 0, 20)[[0, 2, 1, 3]], "no square"),
                      (quad.of_square(5, 5, 0), "square of")):
        with pytest.raises(InputError, match=what):
            warp.crop(pixels, bad, 16)


def test_masks():
    outline = quad.UNIT * 0.4 + 0.3
    mask = pasting.mask_of(outline, 64, grow=0.1, feather=0.1)
    assert mask[32, 32] == 1 and mask[0].max() == 0 and 0 < mask[32, 12] < 1
    assert np.all(mask[22:42, 22:42] == 1)
    whole = pasting.mask_of([], 64, feather=0.125)
    assert whole[32, 32] == 1 and whole[0].max() < 0.02 and whole[8:56, 8:56].min() == 1
    assert pasting.mask_of([], 8, feather=0).min() == 1
    assert pasting.mask_of([(0.5, 0.5)] * 4, 8).shape == (8, 8)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return odd_photographs.write_all(tmp_path_factory.mktemp("odd"), np.random.default_rng(0))


def patch_in(size, rng, degrees=20.0, side=32, edit=0.0):
    """A patch in the middle of a photograph."""
    there = turned(quad.of_square(-0.3, -0.3, 0.6), degrees, min(size), np.array(size) / 2)
    before = rng.uniform(-1, 1, [side, side, 3]).astype(np.float32)
    return pasting.Patch(there, before + np.float32(edit), pasting.mask_of([], side), before)


def test_without_an_edit_every_photograph_keeps_its_bits(paths, tmp_path, rng):
    for path in paths:
        photograph = Photograph(path)
        before = photograph.stored.copy()
        pasting.paste(photograph, [patch_in(photograph.size, rng), patch_in(photograph.size, rng, 140)])
        assert not photograph.changed
        np.testing.assert_array_equal(photograph.stored, before, path.name)


def test_an_edit_fades_out_at_its_rim(paths, rng):
    """Lighter by a constant: the middle is, outside nothing is changed, and no step of the change is visible."""
    path = next(path for path in paths if path.name.endswith("rgb1.png"))
    photograph = Photograph(path)
    before = photograph.stored.astype(float)
    patch = patch_in(photograph.size, rng, edit=0.2)
    pasting.paste(photograph, [patch])
    change = photograph.stored - before
    middle = np.array(photograph.size) // 2
    assert abs(change[middle[1], middle[0]] - 0.2 * 127.5).max() <= 1
    inside = warp.place(np.ones([32, 32, 1], np.float32), patch.quad, (0, 0, *photograph.size))[:, :, 0] > 0
    assert np.abs(change[~inside]).max() == 0
    clipped = (before > 220).any(axis=2)
    assert np.abs(np.diff(change, axis=1))[~clipped[:, 1:]].max() < 15


def test_replacing_matches_the_colours_at_the_seam(rng):
    """The picture's own crop, darker all over: matched, it is the photograph again."""
    class Grey:
        size = (120, 100)
        pixels = odd_photographs.smooth(rng, 120, 100, 3).astype(np.float32) / 255 - 0.5

        def read(self, box):
            return self.pixels[box[1]:box[3], box[0]:box[2]]

    there, scene = turned(quad.of_square(-30, -30, 60), 30, 1, (60, 50)), Grey()
    crop = images.to_float(warp.crop(images.to_uint8(scene.pixels), there, 60))
    patch = pasting.Patch(there, crop - 0.3, pasting.mask_of([], 60))
    box = warp.box_in(there, scene.size)
    assert np.abs(pasting.replacement(scene, patch, box)).max() < 0.06


# --------------------------------------------------------------------------------------------------- record

def face(path, **changes):
    made = record.Face("a", str(path), digests.file_digest(path), (60, 40), 1, 1, quad.of_square(5, 5, 30), FACE,
                       FACE[:4], 0.9, 64)
    return dataclasses.replace(made, **changes)


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (60, 40)).save(path)
    return path


def test_records_come_back(tmp_path, photograph):
    one, edit = face(photograph), record.Edit("a_01.png", "a", "01", "../a_inv.png")
    record.write(tmp_path, [one, face(photograph, name="b", confidence=None, outline=np.zeros([0, 2]))], [edit])
    faces, edits = record.read(tmp_path)
    assert list(faces) == ["a", "b"] and edits == [edit] and faces["b"].outline.shape == (0, 2)
    for name, value in dataclasses.asdict(faces["a"]).items():
        np.testing.assert_array_equal(value, getattr(one, name))


@pytest.mark.parametrize("change, what", [
    ({"quad": [[0, 0], [0, 1e300], [1e300, 1e300], [1e300, 0]]}, "numbers"), ({"quad": "x"}, "numbers"),
    ({"quad": [[0, 0]] * 4}, "square"), ({"size": [0, 5]}, "0x5"), ({"name": 5}, "text"),
    ({"outline": [[0, 0]] * 2000}, "points"), ({"landmarks": [[0]]}, "numbers"), ({"confidence": "nan"}, "numbers")])
def test_damaged_records_are_one_line(tmp_path, photograph, change, what):
    record.write(tmp_path, [face(photograph)])
    found = json.loads((tmp_path / record.NAME).read_text())
    found["faces"][0].update(change)
    (tmp_path / record.NAME).write_text(json.dumps(found))
    with pytest.raises(InputError, match=what) as stop:
        record.read(tmp_path)
    assert "\n" not in str(stop.value) and str(stop.value).startswith(str(tmp_path / record.NAME))


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100000, "{\"format\": \"aligned photographs\"}", "\udcff"])
def test_other_files_are_no_records(tmp_path, text):
    (tmp_path / record.NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=record.NAME):
        record.read(tmp_path)


def test_edits_stay_in_their_folder(tmp_path, photograph):
    record.write(tmp_path, [face(photograph)], [record.Edit("../../a.png", "a", "01")])
    with pytest.raises(InputError, match="plain names"):
        record.read(tmp_path)


def test_only_the_photograph_that_was_aligned_is_taken(tmp_path, photograph):
    one = face(photograph)
    assert record.photograph_of(one) == photograph
    (tmp_path / "moved").mkdir()
    photograph.rename(tmp_path / "moved" / "a.png")
    with pytest.raises(InputError, match="not there"):
        record.photograph_of(one)
    assert record.photograph_of(one, [tmp_path / "moved"]) == tmp_path / "moved" / "a.png"
    Image.new("RGB", (60, 40), "red").save(photograph)
    with pytest.raises(InputError, match="changed since"):
        record.photograph_of(one)
