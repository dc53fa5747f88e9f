"""Encoded pictures for the tests of serving: usual, unusual and hostile ones."""
from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def pixels(height, width, channels=3, seed=0):
    """Smooth random picture, uint8 [height, width, channels], [height, width] for one channel."""
    rng = np.random.default_rng([seed, height, width])
    coarse = rng.integers(0, 256, [4, 5, channels], np.uint8)
    planes = [np.asarray(Image.fromarray(coarse[:, :, i]).resize((width, height), Image.Resampling.BICUBIC))
              for i in range(channels)]
    return planes[0] if channels == 1 else np.stack(planes, axis=-1)


def encoded(picture, kind, **settings):
    """Pillow image or array -> bytes of 'PNG', 'JPEG', ..."""
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, kind, **settings)
    return file.getvalue()


def turned(orientation, kind, picture=None):
    """Return a picture whose EXIF data tell readers to turn it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(pixels(30, 44) if picture is None else picture, kind, exif=exif)


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, depth, colour, lines, interlaced=0, extra=b""):
    """A PNG written by hand; `lines`: bytes of the scan lines, each with its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return (PNG_SIGNATURE + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def interlaced(picture):
    """uint8 [H, W, 3] as a PNG in Adam7's seven passes."""
    passes = (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
    parts = [picture[top::down, left::right] for top, left, down, right in passes]
    lines = b"".join(b"\0" + line.tobytes() for part in parts if part.shape[1] for line in part)
    return png(picture.shape[1], picture.shape[0], 8, 2, lines, interlaced=1)


def shallow(depth, colour=0, extra=b""):
    """A PNG of 16 x 16 grey or palette pixels of fewer than 8 bits."""
    values = np.random.default_rng(depth).integers(0, 2 ** depth, [16, 16])
    lines = [b"\0" + int("".join(f"{value:0{depth}b}" for value in line), 2).to_bytes(2 * depth, "big")
             for line in values]
    return png(16, 16, depth, colour, b"".join(lines), extra=extra)


def deep(colour, channels):
    """A PNG of 16 x 16 pixels of 16 bits a channel."""
    values = np.random.default_rng(colour).integers(0, 65536, [16, 16, channels]).astype(">u2")
    return png(16, 16, 16, colour, b"".join(b"\0" + line.tobytes() for line in values))


def usual():
    """{name: bytes} of pictures that the graph reads as `images` does, to the last bit."""
    rgb, grey = pixels(47, 61), pixels(40, 40, 1)
    palette = Image.fromarray(rgb).quantize(200)
    found = {"same size": encoded(pixels(16, 16), "PNG"), "wide": encoded(rgb, "PNG"),
             "tall": encoded(pixels(70, 33), "PNG"), "small": encoded(pixels(7, 5), "PNG"),
             "one pixel": encoded(pixels(1, 1), "PNG"), "large": encoded(pixels(300, 411), "PNG"),
             "jpeg": encoded(rgb, "JPEG", quality=85), "jpeg 4:4:4": encoded(rgb, "JPEG", subsampling=0),
             "jpeg progressive": encoded(rgb, "JPEG", progressive=True), "jpeg grey": encoded(grey, "JPEG"),
             "grey": encoded(grey, "PNG"), "alpha": encoded(pixels(40, 52, 4), "PNG"),
             "grey and alpha": encoded(Image.fromarray(pixels(40, 52, 2), "LA"), "PNG"),
             "black and white": encoded(Image.fromarray(grey > 128), "PNG"), "palette": encoded(palette, "PNG"),
             "palette, transparent": encoded(palette, "PNG", transparency=3),
             "palette of 4 bits": encoded(Image.fromarray(rgb).quantize(9), "PNG"),
             "colour, transparent": encoded(rgb // 64 * 64, "PNG", transparency=(64, 64, 64)),
             "interlaced": interlaced(pixels(21, 26)), "grey of 2 bits": shallow(2), "grey of 4 bits": shallow(4),
             "deep grey": deep(0, 1), "deep colour": deep(2, 3), "deep alpha": deep(6, 4)}
    for orientation in range(1, 9):
        found[f"jpeg turned {orientation}"] = turned(orientation, "JPEG")
        found[f"png turned {orientation}"] = turned(orientation, "PNG")
    return found


def hostile():
    """{name: (bytes, words of the refusal)}"""
    jpeg, good = encoded(pixels(40, 40), "JPEG"), encoded(pixels(40, 40), "PNG")
    frame = jpeg.index(b"\xff\xc0")
    huge_jpeg = jpeg[:frame + 5] + struct.pack(">HH", 65500, 65500) + jpeg[frame + 9:]
    scans = encoded(pixels(40, 40), "JPEG", progressive=True)
    last = scans.rindex(b"\xff\xda")
    return {"empty": (b"", "expected a PNG or JPEG"), "text": (b"<svg/>", "expected a PNG or JPEG"),
            "gif": (encoded(pixels(9, 9, 1), "GIF"), "expected a PNG or JPEG"),
            "signature": (PNG_SIGNATURE, "expected a PNG or JPEG"), "no jpeg": (b"\xff\xd8\xff", "JPEG"),
            "cut png": (good[:len(good) // 2], "PNG"), "cut jpeg": (jpeg[:len(jpeg) // 2], "JPEG"),
            "damaged png": (good[:60] + b"\0\1\2" + good[63:], "PNG"),
            "huge png": (png(100_000, 100_000, 8, 2, b""), "16777216 pixels"),
            "wide png": (png(2 ** 31 - 1, 1, 8, 2, b""), "16777216 pixels"),
            "no pixels": (png(0, 5, 8, 2, b""), "16777216 pixels"),
            "huge jpeg": (huge_jpeg, "16777216 pixels"),
            "scans": (scans[:last] + (scans[last:-2]) * 120 + scans[-2:], "more than 100 scans"),
            "inks": (encoded(Image.fromarray(pixels(9, 9)).convert("CMYK"), "JPEG"), "CMYK"),
            "bytes": (good + b"\0" * (1 << 24), "at most 16777216 bytes")}


def damaged_exif():
    """Pictures whose metadata are damaged, circular or endless: they are read, upright."""
    good, jpeg = encoded(pixels(16, 16), "PNG"), turned(6, "JPEG", pixels(16, 16))
    start = jpeg.index(b"Exif\0\0") + 6
    wild = [b"MM\0*\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"II*\0\x08\0\0\0", b"", b"\xff" * 40]
    found = [good[:33] + chunk(b"eXIf", content) + good[33:] for content in wild]
    # a segment that claims to be longer than the file, and a directory that begins behind it
    return found + [jpeg[:start + 4] + b"\x7f\xff\xff\xff" + jpeg[start + 8:]]
