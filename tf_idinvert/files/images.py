"""Files <-> pictures as networks take them: float32 [H, W, 3], RGB, in [-1, 1].

Reading gives what a person sees in a viewer (rotation, transparency, palettes and deep greys resolved). Colour
profiles are not applied, as in the original code of the paper. A picture that cannot be read, or is larger than
any real one, raises `ImageError` with one line; files are never executed and never fill the memory.

The list format (one path a line) and the rounding to 8 bits are those of the original `invert.py`
(Zhu et al. 2020, In-Domain GAN Inversion).
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import unicodedata
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic

# By suffix, Pillow's name of the format. Only these decoders are ever tried: some others start programs.
_FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP",
    ".tif": "TIFF", ".tiff": "TIFF", ".gif": "GIF",
}
_FORMAT_NAMES = "PNG, JPEG, WebP, BMP, TIFF or GIF"

EXIF_ORIENTATION = 0x0112
_UPRIGHT = {  # EXIF 2.3, tag 274: how the stored picture is to be turned
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_LIST_BYTES = 64 * 2 ** 20  # a text list larger than this is a mistake
_NAME_BYTES = 100  # leaves room, in the 255 bytes of a file name, for NAME_TO_NAME_inverted_codes.npy


class ImageError(InputError):
    """A picture or a list of pictures that cannot be used; one line, beginning with the path where there is one."""


# ------------------------------------------------------------------------------------------------- reading

def read(path):
    """Reads a picture as a person sees it.

    EXIF rotation is applied, transparency laid over white, the first frame of an animation taken; grey, palette,
    CMYK, 1-bit, 16-bit and float pictures become 8-bit RGB (see `_deep_grey` for the last two).

    Args:
        path: file, PNG, JPEG, WebP, BMP, TIFF or GIF, whatever its suffix says.
    Returns:
        uint8 [H, W, 3], RGB.
    Raises:
        ImageError: missing, no picture, damaged, or more pixels than `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    with opened(path) as image:
        image.load()
        return visible(image)


@contextlib.contextmanager
def opened(path):
    """Yields the Pillow image of a file, not yet loaded; errors in the block are those of the file, as of `read`."""
    try:
        _check_file(path)
        with Image.open(path, formats=sorted(set(_FORMATS.values()))) as image:
            _check_size(path, image.size)
            yield image
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not a picture that can be read, expected {_FORMAT_NAMES}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{path}: too large: {error}") from None
    except Exception as error:  # on damaged data Pillow's decoders raise nearly anything
        raise ImageError(f"{path}: cannot be read: {_one_line(error)}") from error


def _check_file(path):
    """Raises ImageError unless `path` is a regular file with something in it."""
    if not os.path.exists(path):
        raise ImageError(f"{path}: no such file")
    if os.path.isdir(path):
        raise ImageError(f"{path}: is a folder, expected a picture")
    if not os.path.isfile(path):
        raise ImageError(f"{path}: not a regular file, expected a picture")
    if os.path.getsize(path) == 0:
        raise ImageError(f"{path}: is empty, expected a picture")


def _check_size(path, size):
    """Raises ImageError for a picture without pixels or with more than Pillow's limit, which only warns so early."""
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{path}: {width}x{height} pixels, expected at least 1x1")
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise ImageError(f"{path}: too large: {width}x{height} is {width * height} pixels, the limit is {limit}")


def visible(image):
    """Loaded Pillow image of any mode -> uint8 [H, W, 3], upright, over white."""
    is_png = image.format == "PNG"
    # Only after loading: PNG may hold its EXIF block behind the pixels, and TIFF is turned by Pillow itself.
    orientation = image.getexif().get(EXIF_ORIENTATION)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    if image.mode[0] in "IF":
        sixteen_bits = image.mode.startswith("I;16") or is_png  # Pillow before 11 reads 16-bit PNG as mode I
        return np.repeat(_deep_grey(np.asarray(image), sixteen_bits)[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def _deep_grey(values, sixteen_bits):
    """Grey of 16 bits, 32 bits or float [H, W] -> uint8 [H, W].

    16-bit grey has white at 65535. Integers of 32 bits and floats do not say where white is: it is taken as the first
    of 1 (floats), 255 and 65535 that no pixel exceeds, else as the brightest pixel. Below 0 is black.
    """
    if not np.isfinite(values).all():
        raise InputError("pixels that are NaN or infinite")
    brightest = float(values.max())
    if sixteen_bits:
        white = 65535.0
    else:
        usual = (255.0, 65535.0) if np.issubdtype(values.dtype, np.integer) else (1.0, 255.0, 65535.0)
        white = next((white for white in usual if brightest <= white), brightest)
    scaled = values.astype(np.float32) * np.float32(255.0 / white)
    return np.floor(np.clip(scaled + np.float32(0.5), 0, 255)).astype(np.uint8)


def fit(pixels, resolution):
    """Crops a picture to its central square and resizes it, antialiased (Lanczos); untouched where it fits already.

    Args:
        pixels: uint8 [H, W, 3].
        resolution: R >= 1, the side wanted, in pixels.
    Returns:
        uint8 [R, R, 3], and a note for the user, such as 'cropped 640x480 to its central 480x480' or
        'enlarged from 40x40', '' if the picture was square and large enough.
    """
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ImageError(f"fit: expected uint8 [H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
    if resolution < 1:
        raise ImageError(f"fit: expected a resolution of at least 1, got {resolution}")
    height, width, _ = pixels.shape
    side, notes = min(height, width), []
    if height != width:
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[top:top + side, left:left + side]
        notes.append(f"cropped {width}x{height} to its central {side}x{side}")
    if side < resolution:
        notes.append(f"enlarged from {side}x{side}")
    if side != resolution:
        square = Image.fromarray(np.ascontiguousarray(pixels))
        pixels = np.array(square.resize((resolution, resolution), Image.Resampling.LANCZOS))
    return pixels, ", ".join(notes)


def load(path, resolution):
    """Reads a picture for a network: `read`, `fit`, `to_float`.

    Args:
        path: picture file.
        resolution: R, the network's side in pixels.
    Returns:
        float32 [R, R, 3], RGB, in [-1, 1], and the note of `fit`.
    Raises:
        ImageError: as `read`.
    """
    pixels, note = fit(read(path), resolution)
    return to_float(pixels), note


# --------------------------------------------------------------------------------------------- conversion

def to_float(pixels):
    """uint8, any shape -> float32 in [-1, 1]: x / 127.5 - 1."""
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8:
        raise ImageError(f"to_float: expected uint8, got {pixels.dtype}")
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_uint8(image):
    """float in [-1, 1], any shape -> uint8, clipped, rounded half up as the original does; uint8 passes unchanged.

    Raises:
        ImageError: not floating point, or NaN, which would otherwise turn into some colour.
    """
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    if not np.issubdtype(image.dtype, np.floating):
        raise ImageError(f"to_uint8: expected floats in [-1, 1] or uint8, got {image.dtype}")
    image = image.astype(np.float32)
    missing = int(np.isnan(image).sum())
    if missing:
        raise ImageError(f"to_uint8: NaN in {missing} of {image.size} values, expected numbers in [-1, 1]")
    return np.floor(np.clip((image + 1) * np.float32(127.5) + np.float32(0.5), 0, 255)).astype(np.uint8)


# ------------------------------------------------------------------------------------------------- writing

def save(path, image):
    """Writes a picture; the file appears whole or not at all, and an older one stays if writing fails.

    Args:
        path: file to write, in an existing folder. The suffix tells the format: .png, .bmp and .tif keep every pixel.
        image: float [H, W, 3] in [-1, 1], or uint8 [H, W, 3]; RGB.
    Raises:
        ImageError: unknown suffix, wrong shape, NaN, or a file that cannot be written.
    """
    path = Path(path)
    kind = format_of(path)
    try:
        pixels = to_uint8(image)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ImageError(f"{path}: expected an image [H, W, 3], got {list(pixels.shape)}")
    try:
        with atomic.replacing(path) as temporary:
            Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, kind, quality=95)
    except (OSError, ValueError) as error:  # ValueError: more pixels than the format can hold
        reason = _one_line(getattr(error, "strerror", None) or error)
        raise ImageError(f"{path}: cannot be written: {reason}") from error


def format_of(path):
    """Pillow's name of the format that a file name asks for; ImageError where its suffix is no picture's."""
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise ImageError(f"{path}: suffix {path.suffix!r} is no picture's, expected one of {' '.join(_FORMATS)}")
    return _FORMATS[path.suffix.lower()]


def grid(images, columns=None, gap=2):
    """Lays pictures out on a white sheet, row by row.

    Args:
        images: float [N, H, W, 3] in [-1, 1], or uint8 [N, H, W, 3]; N >= 1.
        columns: pictures in a row; None makes the sheet as square as can be.
        gap: white pixels between two pictures.
    Returns:
        uint8 [rows * (H + gap) - gap, columns * (W + gap) - gap, 3].
    Raises:
        ImageError: no pictures, wrong shape, or NaN.
    """
    images = to_uint8(images)
    if images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape:
        raise ImageError(f"grid: expected images [N, H, W, 3], got {list(images.shape)}")
    if gap < 0 or columns is not None and columns < 1:
        raise ImageError(f"grid: expected at least one column and no negative gap, got {columns} and {gap}")
    count, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.full([rows * (height + gap) - gap, columns * (width + gap) - gap, 3], 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top:top + height, left:left + width] = image
    return sheet


# ------------------------------------------------------------------------------------------------- listing

def listing(inputs):
    """Finds the pictures that a user names, and a name for the results of each.

    A folder gives the pictures directly in it, by suffix, hidden ones left out, `2.png` before `10.png`. A text list
    has one path a line; blank lines and those that begin with # are skipped, quotes around a path are dropped, and
    a relative path is looked up from the current folder, then from the list's. A file that a list names and that is
    missing is still returned: `read` reports it, and the other pictures need not wait for it.

    Args:
        inputs: paths, each of a picture, a folder, or a text list (UTF-8).
    Returns:
        List of (name, path). Names are file names without suffix, fit for any file system, and unique even where
        capitals do not count: cat, cat_2, ...
    Raises:
        ImageError: an input that is missing or none of the three, or no picture in all of them.
    """
    paths = [path for given in inputs for path in _expand(given)]
    if not paths:
        raise ImageError("no pictures given, expected pictures, folders or text lists")
    return list(zip(unique([clean(path) for path in paths]), paths))


def _expand(given):
    """One input -> list of paths."""
    path = _home(given)
    if not os.path.exists(path):
        raise ImageError(f"{path}: no such file or folder")
    if path.is_dir():
        return _in_folder(path)
    if path.suffix.lower() in _FORMATS:
        return [path]
    return _in_list(path)


def _in_folder(folder):
    """Pictures directly in a folder, numbers in their names ordered as numbers."""
    def natural(path):
        parts = re.split("([0-9]+)", path.name.casefold())  # text and digits in turn
        return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name

    try:
        found = [path for path in folder.iterdir()
                 if path.suffix.lower() in _FORMATS and not path.name.startswith(".") and path.is_file()]
    except OSError as error:
        raise ImageError(f"{folder}: cannot be read: {_one_line(error.strerror)}") from error
    if not found:
        raise ImageError(f"{folder}: no pictures in this folder, expected files with {' '.join(_FORMATS)}")
    return sorted(found, key=natural)


def _in_list(path):
    """Paths named by a text list."""
    if not path.is_file():
        raise ImageError(f"{path}: not a regular file, expected a picture, a folder or a text list")
    if path.stat().st_size > _LIST_BYTES:
        raise ImageError(f"{path}: {path.stat().st_size} bytes, expected a text list of at most {_LIST_BYTES}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {_one_line(error.strerror)}") from error
    if "\0" in text:
        raise ImageError(f"{path}: neither a picture by its suffix ({' '.join(_FORMATS)}) nor a text list in UTF-8")
    lines = [line.strip() for line in text.split("\n")]  # strip takes the \r of Windows too
    found = [_resolve(line, path.parent) for line in lines if line and not line.startswith("#")]
    if not found:
        raise ImageError(f"{path}: a list without pictures, expected one path a line")
    return found


def _resolve(line, folder):
    """One line of a list -> path."""
    if len(line) > 2 and line[0] == line[-1] and line[0] in "\"'":
        line = line[1:-1]
    path = _home(line)
    if not os.path.exists(path) and os.path.exists(folder / path):
        return folder / path
    return path


def _home(path):
    """Path with a leading ~ expanded where that user exists."""
    path = Path(path)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def clean(path):
    """A result name for a path: its base name without suffix, legal on Linux, macOS and Windows, not too long."""
    name = unicodedata.normalize("NFC", path.stem.encode("utf-8", "replace").decode("utf-8"))
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]', "_", name)
    name = name.encode("utf-8")[:_NAME_BYTES].decode("utf-8", "ignore").strip(". ")
    return name or "image"


def unique(names):
    """The same names, repeated ones numbered from 2; a picture whose own name is cat_2 keeps it."""
    taken = {name.casefold() for name in names}
    seen, numbers, unique = set(), {}, []
    for name in names:
        key, candidate = name.casefold(), name
        if key in seen:
            number = numbers.get(key, 2)
            while f"{key}_{number}" in taken:
                number += 1
            candidate, numbers[key] = f"{name}_{number}", number + 1
            taken.add(candidate.casefold())
        seen.add(key)
        unique.append(candidate)
    return unique


def _one_line(error):
    """An error's text without line breaks; its kind where it has no text."""
    return " ".join(str(error).split()) or type(error).__name__
