"""Files <-> pictures as networks take them: float32 [H, W, 3], RGB, in [-1, 1].

Reading gives what a person sees in a viewer, see `decoding`. A picture that cannot be read, or is larger than any real
one, raises `ImageError` with one line; files are never executed and never fill the memory.

The rounding to 8 bits is that of the original `invert.py` (Zhu et al. 2020, In-Domain GAN Inversion).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from tf_idinvert.files import atomic, decoding
from tf_idinvert.files.decoding import ImageError

_WRITTEN = {  # by suffix, Pillow's name of the format
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF",
    ".gif": "GIF",
}


# ------------------------------------------------------------------------------------------------- reading

def read(path):
    """Reads a picture as a person sees it.

    EXIF rotation is applied, transparency laid over white, the first frame of an animation taken; grey, palette,
    CMYK, 1-bit, 16-bit and float pictures become 8-bit RGB.

    Args:
        path: file, PNG, JPEG, WebP, BMP, TIFF, GIF, and where Pillow can, AVIF or HEIC; whatever its suffix says.
    Returns:
        uint8 [H, W, 3], RGB.
    Raises:
        ImageError: missing, no picture, damaged, or more pixels than `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    return decoding.decoded(path)[0]


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
        float32 [R, R, 3], RGB, in [-1, 1], and a note: that of `fit`, and whether only a first frame was read.
    """
    pixels, frames = decoding.decoded(path)
    pixels, note = fit(pixels, resolution)
    return to_float(pixels), ", ".join(filter(None, (frames, note)))


def read_mask(path):
    """Reads how much of each pixel of a mask is meant: uint8 [H, W, 3].

    That is its opacity where the picture has transparent parts, whatever the colours, else its brightness.
    """
    alpha = decoding.opacity(path)
    return read(path) if alpha is None else np.repeat(alpha[:, :, None], 3, axis=2)


def load_mask(path, resolution):
    """Reads a mask, `read_mask`, of which half or more counts as painted.

    Args:
        path: picture file.
        resolution: R, the network's side in pixels.
    Returns:
        float32 [R, R], 1 in the painted part, 0 elsewhere.
    """
    return (to_float(fit(read_mask(path), resolution)[0]).mean(axis=-1) >= 0).astype("float32")


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
        ImageError: not floating point, or NaN or infinity, which would otherwise turn into some colour.
    """
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    if not np.issubdtype(image.dtype, np.floating):
        raise ImageError(f"to_uint8: expected floats in [-1, 1] or uint8, got {image.dtype}")
    image = image.astype(np.float32)
    missing = image.size - int(np.isfinite(image).sum())
    if missing:
        raise ImageError(f"to_uint8: NaN or infinity in {missing} of {image.size} values, expected numbers in [-1, 1]")
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
        reason = decoding.one_line(getattr(error, "strerror", None) or error)
        raise ImageError(f"{path}: cannot be written: {reason}") from error


def format_of(path):
    """Pillow's name of the format that a file name asks for; ImageError where its suffix is no picture's."""
    path = Path(path)
    if path.suffix.lower() not in _WRITTEN:
        raise ImageError(f"{path}: suffix {path.suffix!r} is no picture's, expected one of {' '.join(_WRITTEN)}")
    return _WRITTEN[path.suffix.lower()]


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
