"""Picture files -> pixels as a person sees them; no file is executed, none fills the memory.

Rotation, transparency, palettes and deep greys are resolved. Colour profiles are not applied, as in the original code
of the paper. What is read is bounded by what the file holds, not by what its header claims.
"""
from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from tf_idinvert.errors import InputError
from tf_idinvert.files.paths import require_file

log = logging.getLogger(__name__)

# By suffix, Pillow's name of the format. Only these decoders are ever tried: some others start programs.
FORMATS = {
    ".png": "PNG", ".apng": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".webp": "WEBP",
    ".bmp": "BMP", ".dib": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".gif": "GIF", ".avif": "AVIF", ".heic": "HEIF",
    ".heif": "HEIF", ".hif": "HEIF",
}
FORMAT_NAMES = "PNG, JPEG, WebP, BMP, TIFF or GIF"
_RAW = "a camera's raw file; develop it to TIFF, PNG or JPEG first"
_OTHER = "pictures of this kind are not read; convert it to PNG or JPEG first"
# What a person takes for a picture, too: such files are named and counted, not passed over.
UNREAD = {
    **dict.fromkeys([".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".raw", ".srw", ".pef"], _RAW),
    **dict.fromkeys([".jxl", ".jp2", ".j2k", ".jpx", ".svg", ".svgz", ".psd", ".xcf", ".eps", ".ico", ".icns", ".tga",
                     ".ppm", ".pgm", ".pbm", ".pnm", ".exr", ".hdr", ".dds", ".pcx", ".wmf", ".emf"], _OTHER),
}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")

EXIF_ORIENTATION = 0x0112
_UPRIGHT = {  # EXIF 2.3, tag 274: how the stored picture is to be turned
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pixels that a byte can hold at most. JPEG: a bit for each block of 8 x 8 (Huffman codes of ITU T.81 have one or more).
# PNG: deflate shrinks at most 1032 times, a pixel has a bit or more. GIF: a code of 12 bits stands for at most 3839.
_DENSEST = {"JPEG": 512, "MPO": 512, "PNG": 8 * 1032, "GIF": 2560}
_LARGE = 1 << 25            # pixels from which a reader says what takes so long
_MOST = 3 << 24             # pixels of what is decoded in several copies: 50 million
_BAND = 1 << 22             # pixels converted together
_stderr = threading.Lock()


class ImageError(InputError):
    """A picture or a list of pictures that cannot be used; one line, beginning with the path where there is one."""


def looks_like_picture(path):
    """Whether a file begins as a picture does that can be read, whatever its name."""
    try:
        if not os.path.isfile(path):        # opening a pipe would wait for its writer
            return False
        head = _head(path)
    except OSError:
        return False
    return head.startswith(_SIGNATURES) or head[8:12] == b"WEBP" or bool(_family(head))


def check(path):
    """Refuse at once what cannot be a picture: a look at the file's kind and first bytes, no decoding.

    Raises:
        ImageError: missing, not a regular file, empty, or of a kind that is not read; one line.
    """
    require_file(path, "a picture", ImageError)
    if os.path.getsize(path) == 0:
        raise ImageError(f"{path}: is empty, expected a picture")
    reason = UNREAD.get(Path(path).suffix.lower())
    if reason:
        raise ImageError(f"{path}: {reason}")
    try:
        family = _family(_head(path))
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from error
    if family and not _can_read(family):
        remedy = "pip install pillow-heif" if family == "HEIF" else "install Pillow with AVIF"
        raise ImageError(f"{path}: a picture in {family}, which is not read here: {remedy}, or convert it to PNG or "
                         "JPEG")


def check_whole(path):
    """Read a picture to its end at less than the cost of decoding it: JPEG at an eighth of its size, PNG by checksums.

    Raises:
        ImageError: as `decoded`; only a PNG whose checksums are right may still fail there.
    """
    with opened(path) as image:
        if image.format == "PNG":
            image.verify()
            return
        image.draft(image.mode, (1, 1))     # of JPEG alone
        loaded(path, image)


def decoded(path):
    """Pixels of a picture file, and a note for the user.

    Args:
        path: file, whatever its suffix says.
    Returns:
        uint8 [H, W, 3], RGB, and 'first of several frames' or ''.
    Raises:
        ImageError: missing, no picture, damaged, or more pixels than `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    with opened(path) as image:
        note = loaded(path, image)
        return visible(image), note


def opacity(path):
    """Alpha of a picture file: uint8 [H, W], upright; None where all of it is opaque. Raises as `decoded`."""
    with opened(path) as image:
        loaded(path, image)
        if not _has_alpha(image):
            return None
        alpha = np.array(upright(image).convert("RGBA").getchannel("A"))
        return None if (alpha == 255).all() else alpha


@contextlib.contextmanager
def opened(path):
    """Yield the Pillow image of a file, not yet loaded; what fails in the block becomes ImageError, as of `decoded`."""
    check(path)
    try:
        with _without_lines_of_libtiff(path):
            image = Image.open(path, formats=sorted(name for name in set(FORMATS.values()) if _can_read(name)))
        with image:
            _check_size(path, image)
            yield image
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not a picture that can be read, expected {FORMAT_NAMES}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{path}: too large: {error}") from None
    except Exception as error:  # on damaged data Pillow's decoders raise nearly anything
        if isinstance(error, OSError) and error.strerror:
            raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
        raise ImageError(f"{path}: damaged or incomplete, cannot be read ({one_line(error)})") from error


def loaded(path, image):
    """Load the image that `opened` has opened of a file -> 'first of several frames' or ''."""
    with _without_lines_of_libtiff(path):
        several = image.format != "MPO" and bool(getattr(image, "is_animated", False))      # MPO: JPEG and its preview
        image.load()
    return "first of several frames" if several else ""


def one_line(error):
    """An error's text without line breaks; its kind where it has no text."""
    return " ".join(str(error).split()) or type(error).__name__


# ------------------------------------------------------------------------------------------------- kinds

def _head(path):
    with open(path, "rb") as file:
        return file.read(32)


def _family(head):
    """'HEIF' or 'AVIF' of a file that begins so (ISO 14496-12), else ''."""
    if head[4:8] != b"ftyp":
        return ""
    brands = {head[8:12], *(head[at:at + 4] for at in range(16, 32, 4))}
    return "AVIF" if brands & set(_AVIF_BRANDS) else "HEIF" if brands & set(_HEIF_BRANDS) else ""


def _can_read(name):
    """Whether Pillow can read a format; AVIF depends on how it was built, HEIF on a plugin."""
    if name == "AVIF":
        return features.check("avif") is True
    if name == "HEIF":
        if importlib.util.find_spec("pillow_heif") is None:
            return False
        import pillow_heif
        pillow_heif.register_heif_opener()
    return True


# ------------------------------------------------------------------------------------------------- decoding

def _check_size(path, image):
    """Raises ImageError for a picture without pixels, or with more than Pillow's limit or than its bytes can hold."""
    (width, height), size = image.size, os.path.getsize(path)
    if width < 1 or height < 1:
        raise ImageError(f"{path}: {width}x{height} pixels, expected at least 1x1")
    limit = Image.MAX_IMAGE_PIXELS      # of which Pillow itself only warns so early
    if limit is not None and (image.format in ("WEBP", "AVIF", "HEIF") or image.mode[0] in "IF"):
        limit = min(limit, _MOST)
    if limit is not None and width * height > limit:
        raise ImageError(f"{path}: too large: {width}x{height} is {width * height} pixels, the limit is {limit}")
    if width * height > size * _DENSEST.get(image.format, width * height):
        raise ImageError(f"{path}: damaged or incomplete: {size} bytes cannot hold {width}x{height} pixels")
    if width * height > _LARGE:
        log.warning("%s: %dx%d pixels, which takes some seconds to read", path, width, height)


@contextlib.contextmanager
def _without_lines_of_libtiff(path):
    """Keep libtiff from writing to the standard error output meanwhile; its first line goes into what is raised."""
    if not _head(path).startswith((b"II", b"MM")):
        yield
        return
    sys.stderr.flush()
    with _stderr, tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        except UnidentifiedImageError:
            raise
        except Exception as error:
            file.seek(0)
            said = file.read(1000).decode("utf-8", "replace").splitlines()
            raise ValueError(f"libtiff: {said[0]}" if said else one_line(error)) from error
        finally:
            os.dup2(before, 2)
            os.close(before)


def _has_alpha(image):
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def upright(image):
    """The image, turned as its EXIF block says: only after loading, PNG may hold it behind the pixels."""
    orientation = image.getexif().get(EXIF_ORIENTATION)      # TIFF is turned by Pillow itself
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def visible(image):
    """Loaded Pillow image of any mode -> uint8 [H, W, 3], upright, over white; in bands, which bounds the memory."""
    is_png = image.format == "PNG"
    image = upright(image)
    if image.mode[0] in "IF":
        sixteen_bits = image.mode.startswith("I;16") or is_png  # Pillow before 11 reads 16-bit PNG as mode I
        return np.repeat(_deep_grey(np.asarray(image), sixteen_bits)[:, :, None], 3, axis=2)
    (width, height), alpha = image.size, _has_alpha(image)
    pixels, rows = np.empty([height, width, 3], np.uint8), max(1, _BAND // width)
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        if alpha:
            band = band.convert("RGBA")
            band = Image.alpha_composite(Image.new("RGBA", band.size, "white"), band)
        pixels[top:top + rows] = np.asarray(band.convert("RGB"))
    return pixels


def _deep_grey(values, sixteen_bits):
    """Grey of 16 bits, 32 bits or float [H, W] -> uint8 [H, W].

    16-bit grey has white at 65535. Integers of 32 bits and floats do not say where white is: it is taken as the first
    of 1 (floats), 255 and 65535 that no pixel exceeds, else as the brightest pixel. Below 0 is black.
    """
    rows = max(1, _BAND // values.shape[1])
    bands = [slice(top, top + rows) for top in range(0, len(values), rows)]
    if not all(np.isfinite(values[band]).all() for band in bands):
        raise InputError("pixels that are NaN or infinite")
    brightest = float(values.max())
    if sixteen_bits:
        white = 65535.0
    else:
        usual = (255.0, 65535.0) if np.issubdtype(values.dtype, np.integer) else (1.0, 255.0, 65535.0)
        white = next((white for white in usual if brightest <= white), brightest)
    grey = np.empty(values.shape, np.uint8)
    for band in bands:
        scaled = values[band].astype(np.float32) * np.float32(255.0 / white)
        grey[band] = np.floor(np.clip(scaled + np.float32(0.5), 0, 255)).astype(np.uint8)
    return grey
