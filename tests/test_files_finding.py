"""Nothing that a person would take for a picture is passed over in silence, and no tool takes its own results."""
from __future__ import annotations

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tf_idinvert.cli import alignment_options, directions
from tf_idinvert.files import decoding, finding, images, results
from tf_idinvert.files.images import ImageError


@pytest.fixture(autouse=True)
def nothing_said_before():
    finding._note.cache_clear()


def put(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", (4, 4)).save(folder / name, "PNG")
    return folder


def found(folder):
    return [path.name for _, path in finding.listing([folder])]


def test_everything_that_looks_like_a_picture_is_listed(tmp_path, caplog):
    put(tmp_path, "a.png", "no_suffix", "e.jpg_large", "f.jfif")
    os.symlink(tmp_path / "nowhere.png", tmp_path / "b.png")
    for name in ("c.heic", "d.nef", "notes.txt", ".hidden.png", "codes.npy"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "album").mkdir()
    assert found(tmp_path) == ["a.png", "b.png", "c.heic", "d.nef", "e.jpg_large", "f.jfif", "no_suffix"]
    assert caplog.messages == [f"{tmp_path}: 1 sub folder (album), not looked into"]
    with pytest.raises(ImageError, match="b.png: is a link to .*nowhere.png, which is not there"):
        images.read(tmp_path / "b.png")
    with pytest.raises(ImageError, match="d.nef: a camera's raw file; develop it"):
        images.read(tmp_path / "d.nef")
    assert images.read(tmp_path / "no_suffix").shape == (4, 4, 3)
    found(tmp_path)
    assert len(caplog.messages) == 1        # said once


def test_a_folder_of_folders_says_where_its_pictures_are(tmp_path):
    put(tmp_path / "album", "a.png")
    with pytest.raises(ImageError, match=r"no pictures in this folder.*1 sub folder \(album\), not looked into"):
        finding.listing([tmp_path])


@pytest.mark.parametrize("name, words", [
    ("https://example.org/a.png", "https://example.org/a.png: is an address, expected a path: download"),
    ("nowhere/a.png", "no such file or folder"), ("a.png/b.png", "a.png is a file, not a folder")])
def test_existence_comes_first(tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(put(tmp_path, "a.png"))
    with pytest.raises(ImageError, match=words):
        finding.listing([name])


# ---- pictures in HEIC and AVIF, and of several frames

def test_heic_and_avif_are_read_or_named_with_the_remedy(tmp_path, monkeypatch):
    heic, avif = (b"\0\0\0\x18ftyp" + brand + bytes(4) + b"mif1" + bytes(60) for brand in (b"heic", b"avif"))
    (tmp_path / "a.heic").write_bytes(heic)
    (tmp_path / "b.jpg").write_bytes(avif)
    monkeypatch.setattr(decoding, "_can_read", lambda name: name not in ("HEIF", "AVIF"))
    with pytest.raises(ImageError, match="a.heic: a picture in HEIF.*pip install pillow-heif, or convert it"):
        images.read(tmp_path / "a.heic")
    with pytest.raises(ImageError, match="b.jpg: a picture in AVIF"):
        images.read(tmp_path / "b.jpg")


@pytest.mark.parametrize("kind, suffix", [("AVIF", ".avif"), ("HEIF", ".heic")])
def test_heic_and_avif_look_as_they_are(tmp_path, kind, suffix):
    if not decoding._can_read(kind):
        pytest.skip(f"this Pillow reads no {kind}")
    Image.new("RGB", (64, 48), (200, 40, 90)).save(tmp_path / f"a{suffix}", kind)
    pixels = images.read(tmp_path / f"a{suffix}")
    assert pixels.shape == (48, 64, 3) and np.abs(pixels - np.int32([200, 40, 90])).max() < 6


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".webp", ".png"])
def test_further_frames_are_noted(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    assert images.load(tmp_path / f"a{suffix}", 8)[1] == "first of several frames"
    frames[0].save(tmp_path / f"b{suffix}")
    assert images.load(tmp_path / f"b{suffix}", 8)[1] == ""


# ---- results of an earlier run

def inverted(folder, *names):
    put(folder, *(f"{name}_{kind}.png" for name in names for kind in ("ori", "enc", "inv")))
    results.write_index(folder, [f"{name}.png" for name in names], np.zeros([len(names), 2, 4]))


def test_results_are_left_out_with_a_note(tmp_path, caplog):
    inverted(put(tmp_path, "a.png", "b.png"), "a", "b_2")
    put(tmp_path, "preview.png", "preview-000010.png", "c_inv.png", "c_x.png")
    (tmp_path / "log.jsonl").write_text("")
    assert found(tmp_path) == ["a.png", "b.png", "c_inv.png", "c_x.png"]
    assert caplog.messages[0].startswith(
        f"{tmp_path}: 8 of 12 pictures left out, results of an earlier run (a_enc.png, ")


def test_results_of_a_restoration_and_of_a_killed_run_are_known(tmp_path):
    put(tmp_path, "a.png", "a_deg.png", "z_2_res.png", "k_ori.png", "k_enc.png", "b.jpg", "b_enc.png")
    (tmp_path / "options.json").write_text(json.dumps({"pictures": {"z_2": "elsewhere/z.png"}}))
    assert found(tmp_path) == ["a.png", "b.jpg"]


def test_of_results_alone_the_originals_are_meant(tmp_path):
    inverted(tmp_path / "run", "a", "b")
    assert found(tmp_path / "run") == ["a_ori.png", "b_ori.png"]
    put(tmp_path / "samples", "000000_inv.png", "000001_inv.png")
    results.write_index(tmp_path / "samples", ["000000.png", "000001.png"], np.zeros([2, 2, 4]))
    assert found(tmp_path / "samples") == ["000000_inv.png", "000001_inv.png"]


def test_results_of_tuning_recipes_alignment_and_pasting_are_known(tmp_path, caplog):
    put(tmp_path, "a.png", "a_tun.png", "a_edited.png", "b.png", "b_face1.png", "b_01.png")
    assert len(found(tmp_path)) == 6        # nothing says what they are
    assert not caplog.messages
    (tmp_path / "tuning.json").write_text("{}")
    (tmp_path / "edited_codes.npy").write_bytes(b"")
    (tmp_path / "aligned.json").write_text('{"faces": [{"name": "b_face1"}]}')
    (tmp_path / "pasted.json").write_text('{"pictures": ["b_01.png"]}')
    assert found(tmp_path) == ["a.png", "b.png"]
    assert len(caplog.messages) == 1 and "4 of 6 pictures left out" in caplog.messages[0]


def test_faces_alone_are_what_is_meant(tmp_path, caplog):
    put(tmp_path, "b_face1.png", "b_face2.png")
    (tmp_path / "aligned.json").write_text('{"faces": [{"name": "b_face1"}, {"name": "b_face2"}]}')
    assert found(tmp_path) == ["b_face1.png", "b_face2.png"] and not caplog.messages


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"faces": 3}', '{"faces": [3]}', '{"faces": [{}]}'])
def test_damaged_records_change_nothing(tmp_path, text):
    put(tmp_path, "a.png", "b.png")
    (tmp_path / "aligned.json").write_text(text)
    assert found(tmp_path) == ["a.png", "b.png"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pictures": 3}', '{"pictures": null}', "[" * 100000])
def test_damaged_options_change_nothing(tmp_path, text):
    put(tmp_path, "a.png", "b_res.png")
    (tmp_path / "options.json").write_text(text)
    (tmp_path / results.LIST).write_bytes(b"\xff\xfe")
    assert found(tmp_path) == ["a.png", "b_res.png"]


# ---- claims

def test_a_picture_that_cannot_be_in_so_few_bytes_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.jpg")
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    at = data.index(b"\xff\xc0") + 5
    data[at:at + 4] = (9400).to_bytes(2, "big") * 2          # height and width; the end marker is there
    (tmp_path / "a.jpg").write_bytes(data)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("was decoded"))
    with pytest.raises(ImageError, match=r"a.jpg: damaged or incomplete: \d+ bytes cannot hold 9400x9400 pixels"):
        images.read(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix, options", [
    (".jpg", {"quality": 1, "optimize": True, "progressive": True}), (".png", {"optimize": True}), (".gif", {}),
    (".webp", {}), (".tif", {"compression": "group4"})])
def test_plain_pictures_are_larger_than_what_is_refused(tmp_path, suffix, options):
    Image.new("1" if suffix in (".png", ".tif") else "L", (1000, 800), 1).save(tmp_path / f"a{suffix}", **options)
    assert images.read(tmp_path / f"a{suffix}").shape == (800, 1000, 3)


def test_large_pictures_say_what_takes_so_long(tmp_path, monkeypatch, caplog):
    put(tmp_path, "a.png")
    monkeypatch.setattr(decoding, "_LARGE", 15)
    images.read(tmp_path / "a.png")
    assert caplog.messages == [f"{tmp_path / 'a.png'}: 4x4 pixels, which takes some seconds to read"]


def test_pictures_converted_in_bands_are_as_in_one(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for mode, channels in (("RGB", 3), ("RGBA", 4), ("L", 1), ("I;16", 1)):
        pixels = rng.integers(0, 256, [13, 7, channels]).astype("uint16" if mode == "I;16" else "uint8") * (
            257 if mode == "I;16" else 1)
        Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(tmp_path / "a.png")
        whole = images.read(tmp_path / "a.png")
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "_BAND", 20)
            np.testing.assert_array_equal(images.read(tmp_path / "a.png"), whole)


# ---- masks

def test_the_painted_part_of_a_mask_is_what_is_opaque_else_what_is_light(tmp_path):
    painted = np.zeros([8, 8], bool)
    painted[2:5, 3:] = True
    for color in 0, 255:
        pixels = np.zeros([8, 8, 4], np.uint8)
        pixels[painted] = [color, color, color, 255]
        Image.fromarray(pixels).save(tmp_path / "m.png")
        np.testing.assert_array_equal(images.load_mask(tmp_path / "m.png", 8), painted)
    grey, opaque = painted * np.uint8(255), np.full([8, 8], 255, np.uint8)
    for pixels in grey, np.dstack([grey, grey, grey, opaque]):
        Image.fromarray(pixels).save(tmp_path / "m.png")
        np.testing.assert_array_equal(images.load_mask(tmp_path / "m.png", 8), painted)


def test_a_soft_mask_is_read_by_its_alpha_too(tmp_path):
    pixels = np.zeros([4, 4, 4], np.uint8)
    pixels[1:, 2:, 3] = 100
    Image.fromarray(pixels).save(tmp_path / "m.png")
    np.testing.assert_array_equal(images.read_mask(tmp_path / "m.png"), np.repeat(pixels[:, :, 3:], 3, axis=2))
    args = SimpleNamespace(mask=tmp_path / "m.png", mode=None, grow=0.2, feather=0.1, format="own")
    np.testing.assert_array_equal(alignment_options.paster(args, None).options.mask, pixels[:, :, 3])
    pixels[1:, 2:, 3] = 200
    Image.fromarray(pixels).save(tmp_path / "m.png")
    np.testing.assert_array_equal(directions.region_of(args) > 0, pixels[:, :, 3] > 0)


# ---- what libraries say

def test_lines_of_libtiff_stay_within_our_line(tmp_path, capfd):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, [64, 64, 3], np.uint8)).save(
        tmp_path / "a.tif", compression="tiff_lzw")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[200:8000] = bytes(7800)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ImageError) as caught:
        images.read(tmp_path / "a.tif")
    assert str(caught.value).startswith(f"{tmp_path / 'a.tif'}: ") and "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
