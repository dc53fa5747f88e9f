"""A photograph that is changed in places and written back as what it was: depth, transparency, profile, metadata.

Pixels are reached upright, as a person sees them, and stored as the file has them. What nothing was added to keeps its
bits. Grey stays grey, CMYK keeps its black, a palette becomes RGB.
"""
from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image, JpegImagePlugin

from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic, decoding, images, segments

LUMA = np.array([0.299, 0.587, 0.114], np.float32)      # BT.601, as Pillow
SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "TIFF": ".tif", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".png",
            "AVIF": ".png", "HEIF": ".png"}

# of TIFF 6.0: description, maker, model, resolution and its unit, software, date, artist, copyright; XMP, IPTC
TIFF_TAGS = (270, 271, 272, 282, 283, 296, 305, 306, 315, 33432, 700, 33723)
LOSSLESS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")


class Photograph:
    """An opened photograph.

    Args:
        path: of a picture file.
    Attributes:
        size: (width, height), upright.
        orientation: EXIF's, 1 to 8.
        suffix: of the file that `save` writes by default.
        note: what of the file is not kept, '' if nothing.
    Raises:
        ImageError: as `images.read`.
    """

    def __init__(self, path):
        self.path, self.note, self.changed = Path(path), "", False
        with decoding.opened(path) as image:
            deep = _deep(path, image)
            image.load()
            self.kind = image.format
            self.orientation = image.getexif().get(decoding.EXIF_ORIENTATION, 1) if self.kind != "TIFF" else 1
            self.stored = self._values(image, deep)
            self.info = {**image.info, "quantization": getattr(image, "quantization", None)}
            if self.kind in ("JPEG", "MPO"):
                self.info["sampling"] = JpegImagePlugin.get_sampling(image)
        self.upright = upright(self.stored, self.orientation)
        self.size = self.upright.shape[1::-1]
        self.white = 65535.0 if self.stored.dtype == np.uint16 else 255.0
        self.suffix = SUFFIXES[self.kind]
        if self.kind == "TIFF" and self.stored.dtype == np.uint16 and self.stored.shape[2] > 1:
            self.suffix = ".png"

    def _values(self, image, deep):
        """The pixels as stored, uint8 or uint16 [H, W, C]; sets `mode`."""
        if deep is not None:
            values, self.mode = deep
            return values
        if image.mode.startswith("I;16"):
            self.mode = "L"
            return np.array(image).astype(np.uint16)[:, :, None]
        if image.mode[0] in "IF":
            self.note = f"of mode {image.mode} it is written with 8 bits"
            image = Image.fromarray(decoding.visible(image)[:, :, 0])
        elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("LA" if image.mode in ("LA", "L", "1") else "RGBA")
        elif image.mode in ("L", "1"):
            image = image.convert("L")
        elif image.mode != "CMYK":
            image = image.convert("RGB")
        self.mode = image.mode
        values = np.array(image)
        return values[:, :, None] if values.ndim == 2 else values

    def visible(self):
        """uint8 [H, W, 3], upright, as `images.read`: what faces are looked for in."""
        return images.read(self.path)

    def read(self, box):
        """Colours in a box (left, top, right, bottom): float32 [h, w, 3] in [-1, 1], RGB, whatever their alpha."""
        values = self._part(box).astype(np.float32)
        if self.mode == "CMYK":
            values = (255 - values[:, :, :3]) * (255 - values[:, :, 3:]) / 255
        elif self.mode in ("L", "LA"):
            values = np.repeat(values[:, :, :1], 3, axis=2)
        return values[:, :, :3] * np.float32(2 / self.white) - 1

    def add(self, box, difference):
        """Add a difference of colours to a box; a pixel whose difference is 0 keeps its bits.

        Args:
            box: left, top, right, bottom.
            difference: float32 [h, w, 3], of values in [-1, 1].
        """
        part, levels = self._part(box), difference * np.float32(self.white / 2)
        if self.mode == "CMYK":
            levels = -levels * 255 / np.maximum(255.0 - part[:, :, 3:], 1.0)
        elif self.mode in ("L", "LA"):
            levels = levels @ LUMA[:, None]
        colours = part[:, :, :levels.shape[2]]
        new = np.clip(np.floor(colours + levels + 0.5), 0, self.white).astype(colours.dtype)
        self.changed = self.changed or bool((new != colours).any())
        colours[...] = new

    def _part(self, box):
        left, top, right, bottom = box
        return self.upright[top:bottom, left:right]

    def save(self, path):
        """Write the photograph; one that nothing has changed is copied byte for byte, where the suffix is its own.

        Args:
            path: its suffix says the format: .jpg of a JPEG has the quantisation of the original, .png keeps all.
        Raises:
            ImageError: the file cannot be written.
        """
        path = Path(path)
        kind = images.format_of(path)
        try:
            with atomic.replacing(path) as temporary:
                if not self.changed and kind == self.kind.replace("MPO", "JPEG"):
                    shutil.copyfile(self.path, temporary)
                elif kind == "PNG":
                    segments.write_png(temporary, self.stored, self._png_chunks())
                else:
                    self._save(temporary, kind)
        except (OSError, ValueError) as error:
            raise images.ImageError(f"{path}: cannot be written: {error}") from error

    def _png_chunks(self):
        if self.kind == "PNG":
            return segments.png_chunks(self.path)
        return segments.png_of(self.info.get("icc_profile"), self.info.get("exif"))

    def _save(self, path, kind):
        if self.stored.dtype == np.uint16 and (kind != "TIFF" or self.mode != "L"):
            raise InputError(f"pictures of 16 bits are written as .png, not as {kind}")
        image = Image.fromarray(self.stored[:, :, 0] if self.mode == "L" else self.stored, *self._named_mode())
        kept = {name: self.info[name] for name in ("icc_profile", "exif", "dpi", "comment") if self.info.get(name)}
        if kind == "JPEG":
            if self.mode not in ("L", "RGB", "CMYK"):
                image = image.convert("RGB")
            self._save_jpeg(image, path, kept)
        elif kind == "TIFF":
            image.save(path, kind, **kept, **self._tiff_tags())
        elif kind == "WEBP":
            image.save(path, kind, lossless=True, exact=True, **kept)
        else:
            image.save(path, kind, **kept)

    def _named_mode(self):
        return ("CMYK",) if self.mode == "CMYK" else ()

    def _save_jpeg(self, image, path, kept):
        """With the tables and sampling of the original, and its metadata segments as they stood there."""
        if self.kind not in ("JPEG", "MPO"):
            image.save(path, "JPEG", quality=95, subsampling=0, **kept)
            return
        sampling = {"subsampling": self.info["sampling"]} if self.info["sampling"] >= 0 else {"subsampling": 0}
        image.save(path, "JPEG", qtables=self.info["quantization"], progressive=bool(self.info.get("progressive")),
                   **(sampling if self.mode == "RGB" else {}))
        segments.copy_jpeg_metadata(self.path, path)

    def _tiff_tags(self):
        if self.kind != "TIFF":
            return {}
        with decoding.opened(self.path) as image:
            compression = image.info.get("compression", "raw")
            return {"tiffinfo": {tag: image.tag_v2[tag] for tag in TIFF_TAGS if tag in image.tag_v2},
                    "compression": compression if compression in LOSSLESS else "tiff_lzw"}


def upright(values, orientation):
    """A view of stored pixels [H, W, C] as a person sees them, by EXIF's orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return values[::rows, ::columns]


def _deep(path, image):
    """Colours of 16 bits, of which Pillow reads the high bytes alone: (uint16 [H, W, C], mode); None for other files.

    Told that the bytes stand in the other order, it takes the low ones for the high ones. Of grey with alpha it gives
    all four bytes as they are.
    """
    arguments = image.tile[0][3] if image.tile else ""
    raw = arguments if isinstance(arguments, str) else str(arguments[0])
    if image.format not in ("PNG", "TIFF") or not raw.startswith(("RGB;16", "RGBA;16", "LA;16")):
        return None
    name, order = raw.split(";16")
    if name == "LA":
        values = _decoded(path, "RGBA").astype(np.uint16)
        return values[:, :, 0::2] << 8 | values[:, :, 1::2], name
    native, other = ("L", "B") if sys.byteorder == "little" else ("B", "L")
    low = _decoded(path, f"{name};16" + {"B": "L", "L": "B", "N": other}[order])
    return _decoded(path, f"{name};16" + order.replace("N", native)).astype(np.uint16) << 8 | low, name


def _decoded(path, raw):
    """A file's pixels, its bytes being taken for those of another raw mode of Pillow's."""
    with decoding.opened(path) as image:
        image.tile = [(*tile[:3], raw if isinstance(tile[3], str) else (raw, *tile[3][1:])) for tile in image.tile]
        image.load()
        return np.array(image)
