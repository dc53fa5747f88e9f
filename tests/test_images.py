"""images: all kinds of picture files, exact conversions, atomic writing, lists and result names."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_idinvert.files import finding, images
from tf_idinvert.files.images import ImageError

RED, GREEN, BLUE, WHITE, BLACK = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255] * 3, [0] * 3


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def put(path, size=(4, 4), color="red"):
    Image.new("RGB", size, color).save(path)
    return path


def refused(path, *words):
    """Asserts that reading `path` fails with one line beginning with the path and holding the words."""
    with pytest.raises(ImageError) as caught:
        images.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    for word in words:
        assert word in message


def png(width, height, depth=8, colour=2, extra=b"", data=b""):
    """A PNG file of the given header, well-formed but for what the header claims."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


# ------------------------------------------------------------------------------------------------- reading

@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff"])
def test_read_is_exact_for_lossless_kinds(tmp_path, suffix):
    pixels = noise(5, 7, 3)
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}")
    result = images.read(tmp_path / f"a{suffix}")
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".gif"])
def test_read_lossy_kinds(tmp_path, suffix):
    put(tmp_path / f"a{suffix}", (6, 5), (200, 30, 40))
    result = images.read(tmp_path / f"a{suffix}")
    assert result.shape == (5, 6, 3)
    assert np.abs(result.astype(int) - [200, 30, 40]).max() <= 6


def test_read_accepts_strings_and_wrong_suffixes(tmp_path):
    Image.new("RGB", (3, 2), "blue").save(tmp_path / "a.jpg", "PNG")
    np.testing.assert_array_equal(images.read(str(tmp_path / "a.jpg")), np.full([2, 3, 3], BLUE))


def test_read_grey_palette_and_one_bit(tmp_path):
    pixels = noise(4, 4)
    Image.fromarray(pixels).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(images.read(tmp_path / "grey.png"), np.repeat(pixels[:, :, None], 3, 2))

    palette = Image.new("P", (2, 1))
    palette.putpalette(RED + GREEN)
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(images.read(tmp_path / "palette.png"), [[RED, GREEN]])

    bits = Image.new("1", (2, 1))
    bits.putpixel((1, 0), 1)
    bits.save(tmp_path / "bits.png")
    np.testing.assert_array_equal(images.read(tmp_path / "bits.png"), [[BLACK, WHITE]])


def test_read_cmyk(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), np.full([8, 8, 3], RED))
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    assert np.abs(images.read(tmp_path / "a.jpg").astype(int) - RED).max() <= 4


def test_transparency_lies_over_white(tmp_path):
    rgba = Image.new("RGBA", (3, 1), (0, 0, 255, 255))
    rgba.putpixel((1, 0), (0, 0, 255, 0))
    rgba.putpixel((2, 0), (0, 0, 255, 51))  # a fifth of blue, four of white
    rgba.save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(images.read(tmp_path / "rgba.png"), [[BLUE, WHITE, [204, 204, 255]]])

    la = Image.new("LA", (2, 1), (0, 255))
    la.putpixel((1, 0), (0, 0))
    la.save(tmp_path / "la.png")
    np.testing.assert_array_equal(images.read(tmp_path / "la.png"), [[BLACK, WHITE]])

    palette = Image.new("P", (2, 1))
    palette.putpalette(RED + GREEN)
    palette.putpixel((1, 0), 1)
    for name in ("p.png", "p.gif"):
        palette.save(tmp_path / name, transparency=1)
        np.testing.assert_array_equal(images.read(tmp_path / name), [[RED, WHITE]])

    keyed = Image.new("RGB", (2, 1), tuple(RED))
    keyed.putpixel((1, 0), tuple(GREEN))
    keyed.save(tmp_path / "key.png", transparency=tuple(GREEN))
    np.testing.assert_array_equal(images.read(tmp_path / "key.png"), [[RED, WHITE]])


def test_sixteen_bits(tmp_path):
    values = np.array([[0, 100, 257, 32896, 65535]], np.uint16)
    expected = np.repeat(np.array([[0, 0, 1, 128, 255]])[:, :, None], 3, 2)
    for name in ("a.png", "a.tif"):
        Image.fromarray(values).save(tmp_path / name)
        np.testing.assert_array_equal(images.read(tmp_path / name), expected)
    # A dark 16-bit picture stays dark.
    Image.fromarray(np.full([2, 2], 200, np.uint16)).save(tmp_path / "dark.png")
    assert images.read(tmp_path / "dark.png").max() == 1
    # 16-bit RGB, which Pillow cannot write.
    row = b"\0" + np.array([65535, 0, 0], ">u2").tobytes()
    (tmp_path / "rgb.png").write_bytes(png(1, 1, depth=16, data=row))
    np.testing.assert_array_equal(images.read(tmp_path / "rgb.png"), [[RED]])


@pytest.mark.parametrize("dtype, values, expected", [
    (np.int32, [0, 128, 255], [0, 128, 255]),
    (np.int32, [-5, 32896, 65535], [0, 128, 255]),
    (np.int32, [0, 502000, 1000000], [0, 128, 255]),
    (np.float32, [0, 0.5, 1], [0, 128, 255]),
    (np.float32, [-1, 128, 255], [0, 128, 255]),
    (np.float32, [0, 0, 0], [0, 0, 0]),
])
def test_deep_grey_guesses_white(tmp_path, dtype, values, expected):
    Image.fromarray(np.array([values], dtype)).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif")[0, :, 0], expected)


def test_float_picture_with_nan_is_refused(tmp_path):
    Image.fromarray(np.array([[0, np.nan]], np.float32)).save(tmp_path / "a.tif")
    refused(tmp_path / "a.tif", "NaN")


# EXIF orientation: how to store an upright picture so that the tag turns it back (NumPy, independent of Pillow).
STORED = {
    1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1), 6: lambda x: np.rot90(x, 1), 7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x, -1),
}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation(tmp_path, orientation, suffix):
    upright = noise(3, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.ascontiguousarray(STORED[orientation](upright))).save(path, exif=exif)
    np.testing.assert_array_equal(images.read(path), upright)


def test_exif_orientation_of_a_jpeg_and_of_deep_grey(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (16, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert images.read(tmp_path / "a.jpg").shape == (16, 8, 3)
    Image.fromarray(np.zeros([8, 16], np.uint16)).save(tmp_path / "a.png", exif=exif)
    assert images.read(tmp_path / "a.png").shape == (16, 8, 3)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_first_frame_of_an_animation(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(images.read(tmp_path / f"a{suffix}"), np.full([8, 8, 3], RED))


def test_what_is_no_picture_is_refused(tmp_path):
    refused(tmp_path / "missing.png", "no such file")
    refused(tmp_path, "folder")
    (tmp_path / "empty.png").write_bytes(b"")
    refused(tmp_path / "empty.png", "empty")
    (tmp_path / "text.png").write_text("hello")
    refused(tmp_path / "text.png", "PNG, JPEG, WebP, BMP, TIFF or GIF")
    # Other kinds that Pillow knows are not tried: EPS would start Ghostscript.
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n")
    refused(tmp_path / "a.png", "not a picture")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    refused(tmp_path / "a.png", "regular file")
    os.mkfifo(tmp_path / "a.list")
    with pytest.raises(ImageError, match="regular file"):
        finding.listing([tmp_path / "a.list"])


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about damaged metadata
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif", ".gif"])
def test_truncated_and_garbled_files_raise_only_image_errors(tmp_path, suffix):
    whole = tmp_path / f"whole{suffix}"
    Image.fromarray(noise(32, 32, 3)).save(whole)
    data = whole.read_bytes()
    part = tmp_path / f"part{suffix}"
    part.write_bytes(data[:len(data) * 2 // 3])
    refused(part)
    rng = np.random.default_rng(1)
    for _ in range(60):
        garbled = bytearray(data)
        for place in rng.integers(0, min(len(data), 200), 6):
            garbled[place] = rng.integers(256)
        part.write_bytes(garbled)
        try:
            assert images.read(part).dtype == np.uint8
        except ImageError as error:
            assert str(error).startswith(f"{part}: ") and "\n" not in str(error)


def test_bombs_are_refused(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(100000, 100000))
    refused(path, "too large", "10000000000", str(2 * Image.MAX_IMAGE_PIXELS))
    path.write_bytes(png(2 ** 31 - 1, 1))
    refused(path, "too large")
    path.write_bytes(png(0, 480))
    refused(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_pillows_warning_is_an_error_too(tmp_path, monkeypatch):
    path = put(tmp_path / "a.png", (12, 10))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 119)
    refused(path, "12x10", "120", "119")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 120)
    assert images.read(path).shape == (10, 12, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert images.read(path).shape == (10, 12, 3)


def test_a_text_chunk_bomb_is_refused(tmp_path):
    text = b"zTXt" + b"key\0\0" + zlib.compress(bytes(100 * 2 ** 20))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    (tmp_path / "a.png").write_bytes(png(1, 1, extra=chunk, data=b"\0\0\0\0"))
    refused(tmp_path / "a.png")


# ------------------------------------------------------------------------------------------ fit, conversion

def test_fit_leaves_alone_what_fits():
    pixels = noise(8, 8, 3)
    result, note = images.fit(pixels, 8)
    np.testing.assert_array_equal(result, pixels)
    assert note == ""


def test_fit_crops_the_centre():
    pixels = noise(4, 7, 3)
    result, note = images.fit(pixels, 4)
    np.testing.assert_array_equal(result, pixels[:, 1:5])
    assert note == "cropped 7x4 to its central 4x4"
    result, note = images.fit(pixels.swapaxes(0, 1), 4)
    np.testing.assert_array_equal(result, pixels.swapaxes(0, 1)[1:5])
    assert note == "cropped 4x7 to its central 4x4"


def test_fit_is_antialiased():
    stripes = np.zeros([64, 64, 3], np.uint8)
    stripes[:, ::2] = 255
    result, note = images.fit(stripes, 16)
    assert note == "" and result.shape == (16, 16, 3)
    assert np.abs(result[2:-2, 2:-2].astype(int) - 127).max() <= 2  # picking pixels would give 0 or 255


def test_fit_tells_of_enlarging():
    result, note = images.fit(np.full([5, 9, 3], 77, np.uint8), 20)
    np.testing.assert_array_equal(result, np.full([20, 20, 3], 77))
    assert note == "cropped 9x5 to its central 5x5, enlarged from 5x5"


@pytest.mark.parametrize("pixels, resolution", [
    (np.zeros([4, 4, 3]), 4), (np.zeros([4, 4], np.uint8), 4), (np.zeros([0, 4, 3], np.uint8), 4),
    (np.zeros([4, 4, 3], np.uint8), 0),
])
def test_fit_refuses(pixels, resolution):
    with pytest.raises(ImageError, match="expected"):
        images.fit(pixels, resolution)


def test_load(tmp_path):
    put(tmp_path / "a.png", (6, 4), "white")
    image, note = images.load(tmp_path / "a.png", 4)
    assert image.dtype == np.float32 and image.shape == (4, 4, 3) and (image == 1).all()
    assert note == "cropped 6x4 to its central 4x4"


def test_conversion_is_exact_both_ways():
    every = np.arange(256, dtype=np.uint8)
    floats = images.to_float(every)
    assert floats.dtype == np.float32 and floats[0] == -1 and floats[255] == 1
    np.testing.assert_allclose(floats, np.arange(256) / 127.5 - 1, atol=1e-7)
    np.testing.assert_array_equal(images.to_uint8(floats), every)
    np.testing.assert_array_equal(images.to_uint8(every), every)
    with pytest.raises(ImageError, match="float32"):
        images.to_float(floats)


def test_to_uint8_clips_and_rounds_half_up():
    x = np.array([-1.5, -1, 0, 1, 7], np.float32)
    np.testing.assert_array_equal(images.to_uint8(x), [0, 0, 128, 255, 255])    # 0 is 127.5
    assert images.to_uint8(np.float64(0.5 / 127.5 - 1 + 1e-3)) == 1
    assert images.to_uint8(np.float64(0.5 / 127.5 - 1 - 1e-3)) == 0


def test_to_uint8_refuses_nan_and_integers():
    for value in np.nan, np.inf, -np.inf:
        with pytest.raises(ImageError, match="NaN or infinity in 1 of 4"):
            images.to_uint8(np.array([0, 1, value, 0], np.float32))
    with pytest.raises(ImageError, match="int64"):
        images.to_uint8(np.zeros([2, 2, 3], np.int64))


# ------------------------------------------------------------------------------------------------- writing

def test_save_reads_back(tmp_path):
    pixels = noise(6, 5, 3)
    images.save(tmp_path / "uint8.png", pixels)
    images.save(str(tmp_path / "float.PNG"), images.to_float(pixels))
    for name in ("uint8.png", "float.PNG"):
        np.testing.assert_array_equal(images.read(tmp_path / name), pixels)
        with Image.open(tmp_path / name) as image:
            assert image.format == "PNG"
    images.save(tmp_path / "a.jpg", pixels)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize("name, image, words", [
    ("a.xyz", np.zeros([4, 4, 3], np.uint8), "suffix '.xyz'"),
    ("a", np.zeros([4, 4, 3], np.uint8), "suffix ''"),
    ("a.png", np.zeros([4, 4], np.uint8), r"got \[4, 4\]"),
    ("a.png", np.zeros([4, 4, 4], np.uint8), r"got \[4, 4, 4\]"),
    ("a.png", np.full([4, 4, 3], np.nan, np.float32), "NaN"),
    ("no/folder/a.png", np.zeros([4, 4, 3], np.uint8), "cannot be written"),
    ("file/a.png", np.zeros([4, 4, 3], np.uint8), "cannot be written"),
    ("folder.png", np.zeros([4, 4, 3], np.uint8), "cannot be written"),
])
def test_save_refuses_and_leaves_nothing(tmp_path, name, image, words):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match=words) as caught:
        images.save(tmp_path / name, image)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failing_write_keeps_the_old_file(tmp_path, monkeypatch, error):
    images.save(tmp_path / "a.png", noise(4, 4, 3))
    before = (tmp_path / "a.png").read_bytes()

    def fail(self, file, *args, **options):
        Path(file).write_bytes(b"half")
        raise error

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(ImageError if isinstance(error, OSError) else KeyboardInterrupt):
        images.save(tmp_path / "a.png", np.zeros([4, 4, 3], np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == before


def test_grid_places_pictures_row_by_row():
    pictures = noise(5, 4, 6, 3)
    sheet = images.grid(pictures)  # 3 columns, 2 rows
    assert sheet.shape == (2 * 4 + 2, 3 * 6 + 2 * 2, 3)
    np.testing.assert_array_equal(sheet[:4, 8:14], pictures[1])
    np.testing.assert_array_equal(sheet[6:, :6], pictures[3])
    assert (sheet[4:6] == 255).all() and (sheet[:, 6:8] == 255).all() and (sheet[6:, 16:] == 255).all()
    np.testing.assert_array_equal(images.grid(images.to_float(pictures)), sheet)
    np.testing.assert_array_equal(images.grid(pictures, columns=5, gap=0), np.concatenate(list(pictures), axis=1))
    assert images.grid(pictures, columns=7, gap=1).shape == (4, 7 * 7 - 1, 3)


@pytest.mark.parametrize("pictures, options", [
    (np.zeros([0, 4, 4, 3], np.uint8), {}), (np.zeros([4, 4, 3], np.uint8), {}),
    (np.zeros([2, 4, 4, 3], np.uint8), {"columns": 0}), (np.zeros([2, 4, 4, 3], np.uint8), {"gap": -1}),
    (np.full([1, 2, 2, 3], np.nan, np.float32), {}),
])
def test_grid_refuses(pictures, options):
    with pytest.raises(ImageError):
        images.grid(pictures, **options)


# ------------------------------------------------------------------------------------------------- listing

def test_listing_of_a_folder(tmp_path):
    for name in ("10.png", "9.jpg", "B2.PNG", "b10.png", "b1.png", ".hidden.png", "notes.txt", "codes.npy"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sub.png").mkdir()
    (tmp_path / "sub.png" / "deep.png").write_bytes(b"x")
    result = finding.listing([tmp_path])
    assert [path.name for _, path in result] == ["9.jpg", "10.png", "b1.png", "B2.PNG", "b10.png"]
    assert [name for name, _ in result] == ["9", "10", "b1", "B2", "b10"]


def test_listing_of_pictures_keeps_their_order(tmp_path):
    paths = [put(tmp_path / name) for name in ("z.png", "a.png")]
    assert finding.listing([str(path) for path in paths]) == [("z", paths[0]), ("a", paths[1])]


def test_listing_of_a_text_list(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there, tmp_path / "home"):
        folder.mkdir()
    for path in (here / "both.png", there / "both.png", there / "beside.png", there / "with space.png"):
        put(path)
    put(tmp_path / "home" / "mine.png")
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    lines = ["# faces", "", "both.png", "  beside.png  ", "'with space.png'", '"~/mine.png"', str(here / "both.png"),
             "missing.png", "~nobody-of-this-name/a.png"]
    (there / "faces.list").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert [(name, str(path)) for name, path in finding.listing([there / "faces.list"])] == [
        ("both", "both.png"),  # the current folder comes first
        ("beside", str(there / "beside.png")),
        ("with space", str(there / "with space.png")),
        ("mine", str(tmp_path / "home" / "mine.png")),
        ("both_2", str(here / "both.png")),
        ("missing", "missing.png"),  # `read` will say so
        ("a", "~nobody-of-this-name/a.png"),
    ]


def test_a_list_may_have_any_suffix_and_inputs_mix(tmp_path):
    put(tmp_path / "a.png")
    (tmp_path / "folder").mkdir()
    put(tmp_path / "folder" / "b.png")
    for name in ("list", "list.txt", "list.md", "list.1"):
        (tmp_path / name).write_text("a.png\n")
        result = finding.listing([tmp_path / name, tmp_path / "folder", tmp_path / "a.png"])
        assert [entry for entry, _ in result] == ["a", "b", "a_2"]


@pytest.mark.parametrize("name, data, words", [
    ("empty.list", b"", "without pictures"),
    ("comments.list", b"# nothing\n\n", "without pictures"),
    ("model.pkl", b"\x80\x04\x95\x00\x00\x00", "a network file"), ("set-r06.tfrecords", b"\0", "dataset.py extract"),
    ("model", b"\x80\x04\x95\x00\x00\x00", "neither a picture"), ("a.mp4", b"\0", "frames"), ("a.zip", b"PK", "unpack"),
    ("garbage.list", b"abc\xff\xfe\xfd", "neither a picture"),
    ("late.list", b"a.png\n" * 5000 + b"\0", "neither a picture"),
    ("utf16.txt", "a.png".encode("utf-16"), "neither a picture"),
])
def test_listing_refuses_files(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageError, match=words) as caught:
        finding.listing([tmp_path / name])
    assert str(caught.value).startswith(f"{tmp_path / name}: ") and "\n" not in str(caught.value)


def test_listing_refuses_missing_empty_and_huge(tmp_path, monkeypatch):
    for missing in ("missing.png", "missing.list", "missing"):
        with pytest.raises(ImageError, match=f"{missing}: no such file or folder"):
            finding.listing([tmp_path / missing])
    with pytest.raises(ImageError, match="no pictures in this folder"):
        finding.listing([tmp_path])
    with pytest.raises(ImageError, match="no pictures given"):
        finding.listing([])
    monkeypatch.setattr(finding, "LIST_BYTES", 10)
    (tmp_path / "a.list").write_bytes(b"a.png\nb.png\n")
    with pytest.raises(ImageError, match="12 bytes"):
        finding.listing([tmp_path / "a.list"])


def names_of(tmp_path, *lines):
    (tmp_path / "names.list").write_text("\n".join(lines), encoding="utf-8")
    return [name for name, _ in finding.listing([tmp_path / "names.list"])]


def test_names_are_unique(tmp_path):
    assert names_of(tmp_path, "a/cat.png", "b/cat.jpg", "c/cat.png") == ["cat", "cat_2", "cat_3"]
    assert names_of(tmp_path, "a/cat.png", "b/cat.png", "cat_2.png", "c/cat.png") == ["cat", "cat_3", "cat_2", "cat_4"]
    assert names_of(tmp_path, "Cat.png", "cat.png", "CAT_2.png") == ["Cat", "cat_3", "CAT_2"]
    assert names_of(tmp_path, "x_2.png", "x_2.jpg", "x.png", "x.jpg") == ["x_2", "x_2_2", "x", "x_3"]
    # One letter and letter-plus-accent are one file name on macOS.
    assert names_of(tmp_path, "caf\u00e9.png", "cafe\u0301.png") == ["caf\u00e9", "caf\u00e9_2"]
    many = names_of(tmp_path, *["image.png"] * 3000)
    assert len(set(many)) == 3000 and many[-1] == "image_3000"


def test_names_are_legal_everywhere(tmp_path):
    assert names_of(tmp_path, 'a<b>c:d"e|f?g*h.png', "back\\slash.png", "tab\there.png") == [
        "a_b_c_d_e_f_g_h", "back_slash", "tab_here"]
    assert names_of(tmp_path, "photo.v2.png", "trailing..png", ".png") == ["photo.v2", "trailing", "png"]
    assert names_of(tmp_path, "...", "/") == ["image", "image_2"]
    name, = names_of(tmp_path, "\u00e9" * 120 + ".png")
    assert name == "\u00e9" * 50  # 100 bytes, no half letter
