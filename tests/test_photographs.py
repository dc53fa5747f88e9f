"""Photographs that are changed in places: what is not touched keeps its bits, and the file what it held."""
from __future__ import annotations

import io

import numpy as np
import odd_photographs
import pytest
from PIL import Image, JpegImagePlugin

from tf_idinvert.files import images, photographs, segments
from tf_idinvert.files.photographs import Photograph


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return odd_photographs.write_all(tmp_path_factory.mktemp("odd"), np.random.default_rng(0))


def by_name(paths, ending):
    return [path for path in paths if path.name.endswith(ending)]


def test_unchanged_is_the_same_file(paths, tmp_path):
    assert len(paths) >= 50
    for path in paths:
        photograph = Photograph(path)
        photograph.add((0, 0, *photograph.size), np.zeros([*photograph.size[::-1], 3], np.float32))
        target = tmp_path / f"{path.name}{photograph.suffix}"
        photograph.save(target)
        if photograph.suffix[:4] == path.suffix[:4]:
            assert target.read_bytes() == path.read_bytes(), path.name
        else:
            np.testing.assert_array_equal(images.read(target), images.read(path), path.name)


def test_pixels_are_those_that_are_read(paths):
    """In every mode and orientation, but for what lies behind transparency."""
    for path in paths:
        photograph = Photograph(path)
        seen = images.read(path)
        assert photograph.size == seen.shape[1::-1], path.name
        if photograph.mode not in ("LA", "RGBA"):
            found = photograph.read((0, 0, *photograph.size))
            assert np.abs(found - images.to_float(seen)).max() <= 1.01 / 127.5, path.name


def test_a_change_stays_in_its_box(paths, tmp_path):
    """Written without loss: outside not a bit has changed, transparency nowhere, inside it is what was added."""
    for path in paths:
        if path.suffix in (".jpg", ".webp"):
            continue
        photograph, before = Photograph(path), Photograph(path).stored
        photograph.add((3, 2, 11, 9), np.full([7, 8, 3], 0.5, np.float32))
        target = tmp_path / f"{path.name}{photograph.suffix}"
        photograph.save(target)
        after = Photograph(target)
        assert (after.mode, after.stored.dtype) == (photograph.mode, before.dtype), path.name
        before, upright = (photographs.upright(each, photograph.orientation) for each in (before, after.stored))
        np.testing.assert_array_equal(np.delete(upright, np.s_[2:9], axis=0), np.delete(before, np.s_[2:9], axis=0))
        np.testing.assert_array_equal(np.delete(upright, np.s_[3:11], axis=1), np.delete(before, np.s_[3:11], axis=1))
        colours = {1: 1, 2: 1, 3: 3, 4: 3}[before.shape[2]]
        white = np.iinfo(before.dtype).max
        expected = np.floor(np.clip(before[2:9, 3:11, :colours] + white / 4 + 0.5, 0, white))
        assert np.abs(upright[2:9, 3:11, :colours] - expected).max() <= 1, path.name
        np.testing.assert_array_equal(upright[:, :, colours:], before[:, :, colours:])


def changed(path, target):
    photograph = Photograph(path)
    photograph.add((3, 2, 11, 9), np.full([7, 8, 3], 0.5, np.float32))
    photograph.save(target)
    return target


@pytest.mark.parametrize("ending", ["rgb6.jpg", "rgb1.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg"])
def test_jpeg_keeps_tables_and_metadata(paths, tmp_path, ending):
    path = by_name(paths, ending)[0]
    with Image.open(path) as before, Image.open(changed(path, tmp_path / "new.jpg")) as after:
        assert before.quantization == after.quantization and before.mode == after.mode
        assert JpegImagePlugin.get_sampling(before) == JpegImagePlugin.get_sampling(after)
        for name in "exif", "icc_profile", "comment", "progressive":
            assert before.info.get(name) == after.info.get(name), name


@pytest.mark.parametrize("ending", ["rgb6.png", "alpha.png", "deep3.png", "alpha.tif"])
def test_others_keep_profile_and_exif(paths, tmp_path, ending):
    path = by_name(paths, ending)[0]
    with Image.open(path) as before, Image.open(changed(path, tmp_path / f"new{path.suffix}")) as after:
        before.load(), after.load()
        assert after.info["icc_profile"] == before.info["icc_profile"]
        assert after.info.get("exif") == before.info.get("exif") and after.mode == before.mode


def test_a_second_picture_in_a_jpeg_is_left_out(tmp_path, rng):
    """As phones write them (MPO): the index of what is no longer there goes, too."""
    first, second = (Image.fromarray(odd_photographs.smooth(rng, 40, 30, 3)) for _ in range(2))
    first.save(tmp_path / "two.jpg", "MPO", save_all=True, append_images=[second])
    assert b"MPF\0" in (tmp_path / "two.jpg").read_bytes()
    changed(tmp_path / "two.jpg", tmp_path / "new.jpg")
    assert b"MPF\0" not in (tmp_path / "new.jpg").read_bytes()
    with Image.open(tmp_path / "new.jpg") as image:
        assert image.format == "JPEG" and image.size == (40, 30)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_is_written_exactly(tmp_path, rng, channels, dtype):
    values = rng.integers(0, np.iinfo(dtype).max + 1, [70, 9, channels]).astype(dtype)
    segments.write_png(tmp_path / "a.png", values)
    np.testing.assert_array_equal(Photograph(tmp_path / "a.png").stored, values)


def test_damaged_jpeg_segments_end(tmp_path, rng):
    """Segments that claim more than there is, and of length 0, do not loop or fail."""
    Image.fromarray(odd_photographs.smooth(rng, 20, 20, 3)).save(tmp_path / "good.jpg")
    good = (tmp_path / "good.jpg").read_bytes()
    for evil in b"\xff\xd8\xff\xe1\xff\xff", b"\xff\xd8" + b"\xff\xe1\0\0" * 9, b"\xff\xd8\xff\xff\xff", b"":
        (tmp_path / "bad.jpg").write_bytes(evil)
        (tmp_path / "copy.jpg").write_bytes(good)
        segments.copy_jpeg_metadata(tmp_path / "bad.jpg", tmp_path / "copy.jpg")
        Image.open(io.BytesIO((tmp_path / "copy.jpg").read_bytes())).size


def test_refusals(paths, tmp_path):
    with pytest.raises(images.ImageError, match="16 bits"):
        changed(by_name(paths, "deep3.png")[0], tmp_path / "deep.jpg")
    with pytest.raises(images.ImageError, match="suffix"):
        changed(paths[0], tmp_path / "a.xyz")
    with pytest.raises(images.ImageError, match="no such file"):
        Photograph(tmp_path / "absent.jpg")
