"""What PNG and JPEG files hold beside their pixels, carried from one file to another as it stands.

Sources: PNG (third edition), sections 5, 9 and 11; JPEG, ITU-T T.81, annex B; JFIF 1.02.
"""
from __future__ import annotations

import struct
import zlib

import numpy as np

from tf_idinvert.errors import InputError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}             # by the number of channels: grey, with alpha, RGB, RGBA
OF_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"bKGD", b"hIST", b"sBIT", b"acTL", b"fcTL", b"fdAT")
LARGEST = 64 << 20              # of the metadata of a file, in bytes
START_OF_SCAN, APP0, APP14, COMMENT = 0xDA, 0xE0, 0xEE, 0xFE
OUR_ROWS = 64


def png_chunks(path):
    """The chunks of a PNG file that do not depend on its pixels: (before them, after them), each [(type, data)].

    Raises:
        InputError: damaged, or more than 64 MiB of them.
    """
    found, total, at = ([], []), 0, 0
    with open(path, "rb") as file:
        if file.read(8) != PNG_SIGNATURE:
            raise InputError(f"{path}: no PNG file")
        while True:
            head = file.read(8)
            if len(head) < 8:
                break
            size, kind = struct.unpack(">I4s", head)
            if kind == b"IEND":
                break
            if kind == b"IDAT":
                at = 1
            if kind in OF_PIXELS:
                file.seek(size + 4, 1)
                continue
            total += size
            if total > LARGEST:
                raise InputError(f"{path}: more than {LARGEST} bytes of metadata")
            found[at].append((kind, file.read(size)))
            file.seek(4, 1)
    return found


def png_of(profile, exif):
    """Chunks as of `png_chunks` for an ICC profile and an EXIF block, bytes or None."""
    chunks = [(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))] if profile else []
    if exif:
        chunks.append((b"eXIf", exif[6:] if exif.startswith(b"Exif\0\0") else exif))
    return chunks, []


def write_png(path, values, chunks=((), ())):
    """Write a PNG file of 8 or 16 bits a channel; Pillow's has 8 for colours.

    Args:
        path: file name.
        values: uint8 or uint16 [H, W, C], C of 1 (grey), 2 (with alpha), 3 (RGB), 4 (RGBA).
        chunks: what else it holds, as `png_chunks` gives it.
    Raises:
        OSError: the file cannot be written.
    """
    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 8 * values.itemsize, COLOUR_TYPES[channels], 0, 0, 0)
    with open(path, "wb") as file:
        file.write(PNG_SIGNATURE)
        _chunk(file, b"IHDR", header)
        for kind, data in chunks[0]:
            _chunk(file, kind, data)
        packer, before = zlib.compressobj(6), np.zeros([1, width * channels * values.itemsize], np.uint8)
        for top in range(0, height, OUR_ROWS):
            rows = values[top:top + OUR_ROWS].astype(f">u{values.itemsize}", order="C")
            rows = rows.view(np.uint8).reshape(len(rows), -1)
            filtered = rows - np.concatenate([before, rows[:-1]])       # "up": what changes from row to row
            before = rows[-1:]
            data = packer.compress(np.pad(filtered, [(0, 0), (1, 0)], constant_values=2).tobytes())
            if data:
                _chunk(file, b"IDAT", data)
        _chunk(file, b"IDAT", packer.flush())
        for kind, data in chunks[1]:
            _chunk(file, kind, data)
        _chunk(file, b"IEND", b"")


def _chunk(file, kind, data):
    file.write(struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def copy_jpeg_metadata(source, target):
    """Give a JPEG file the application segments and comments of another: EXIF, XMP, ICC, IPTC.

    Each file keeps its own JFIF and Adobe segments, which say how its pixels are stored. The index of further pictures
    in the file (MPF) is left out, since they are.
    """
    with open(target, "rb") as file:
        new = file.read()
    own, rest = _jpeg_segments(new)
    with open(source, "rb") as file:
        others, _ = _jpeg_segments(file.read())
    keep = [data for marker, data in own if marker in (APP0, APP14)]
    keep += [data for marker, data in others if (APP0 < marker <= APP0 + 15 and marker != APP14 or marker == COMMENT)
             and not data[4:].startswith(b"MPF\0")]
    keep += [data for marker, data in own if not (APP0 <= marker <= APP0 + 15 or marker == COMMENT)]
    with open(target, "wb") as file:
        file.write(b"\xff\xd8" + b"".join(keep) + new[rest:])


def _jpeg_segments(data):
    """[(marker, bytes)] of a JPEG file up to its first scan, and where that begins."""
    found, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != START_OF_SCAN:
        if data[at + 1] == 0xFF:                    # a fill byte
            at += 1
            continue
        size = 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
        if size < 4 or at + size > len(data):       # damaged
            break
        found.append((data[at + 1], data[at:at + size]))
        at += size
    return found, at
