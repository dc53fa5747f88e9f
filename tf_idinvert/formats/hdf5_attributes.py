"""Attributes of HDF5 objects, read without the HDF5 library, which on damaged ones takes up to 4 GB or never ends.

Only what this project's files have: numbers and single texts, in headers as h5py writes them unless told otherwise.
Source: HDF5 File Format Specification 3.0, sections III.E (global heap), IV.A.1.a (object headers), IV.A.2.d (types)
and IV.A.2.m (attributes).
"""
from __future__ import annotations

import os
import struct

import h5py

from tf_idinvert.errors import InputError

_ATTRIBUTE, _CONTINUED = 0x0C, 0x10         # kinds of messages in an object header
_INTEGER, _FIXED, _VARIABLE = 0, 3, 9       # classes of types
_TEXT = 1               # kind of a type of variable length
_CHUNKS = 1000          # more parts of a header lead in a circle


def attributes(item):
    """{name: int or str} of a group or dataset in a file; attributes of other types are left out.

    Raises:
        InputError: damaged, or a form of HDF5 that h5py does not write unless it is told to; one line without the path.
    """
    path = item.file.filename
    limit = os.path.getsize(path)
    try:
        with open(path, "rb") as file:
            start = file.read(32)
            if start[8:9] != b"\0" or start[13:15] != b"\x08\x08" or any(start[24:32]):
                raise InputError("an unusual form of HDF5, which is not read")
            messages = _messages(file, h5py.h5o.get_info(item.id).addr, limit)
            found = [_attribute(file, each, limit) for each in messages]
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError) as error:
        raise InputError("damaged or truncated HDF5 file (an attribute cannot be read)") from error
    return {name: value for name, value in found if value is not None}


def _messages(file, address, limit):
    """The data of each attribute in the object header at an address."""
    version, size = struct.unpack("<B7xI", _bytes(file, address, 12))
    if version != 1:
        raise InputError("an unusual form of HDF5, which is not read")
    chunks, found = [(address + 16, size)], []
    for start, size in chunks:          # more are found meanwhile
        data, at = _bytes(file, start, min(size, limit)), 0
        while at + 8 <= len(data):
            kind, size = struct.unpack_from("<HH", data, at)
            message, at = data[at + 8:at + 8 + size], at + 8 + size
            if kind == _ATTRIBUTE:
                found.append(message)
            elif kind == _CONTINUED:
                chunks.append(struct.unpack_from("<QQ", message))
        if len(chunks) > _CHUNKS:
            raise InputError("damaged or truncated HDF5 file (a header without end)")
    return found


def _attribute(file, message, limit):
    """(name, value) of an attribute's message; the value is None where it is neither one text nor one whole number."""
    version, flags, *sizes = struct.unpack_from("<BBHHH", message)
    start, (name_size, type_size, space_size) = 9 if version == 3 else 8, sizes
    if version == 1:                    # each part is filled up to eight bytes
        name_size, type_size, space_size = (-(-size // 8) * 8 for size in sizes)
    name = message[start:start + sizes[0]].rstrip(b"\0").decode()
    kind, detail, size = struct.unpack_from("<BB2xI", message, start + name_size)
    dimensions = message[start + name_size + type_size + 1]
    value = message[start + name_size + type_size + space_size:]
    if dimensions or version > 1 and flags & 3 or len(value) < size:        # a list, or of types that are elsewhere
        return name, None
    if kind & 15 == _INTEGER:
        return name, int.from_bytes(value[:size], "big" if detail & 1 else "little", signed=bool(detail & 8))
    if kind & 15 == _FIXED:
        return name, value[:size].rstrip(b"\0").decode()
    if kind & 15 == _VARIABLE and detail & 15 == _TEXT:
        return name, _text(file, *struct.unpack_from("<IQI", value), limit).decode()
    return name, None


def _text(file, length, address, number, limit):
    """The bytes of a text of variable length, from the heap at an address."""
    signature, size = struct.unpack("<4s4xQ", _bytes(file, address, 16))
    heap, at = _bytes(file, address, min(size, limit)), 16
    while signature == b"GCOL" and at + 16 <= len(heap):
        found, size = struct.unpack_from("<H6xQ", heap, at)
        at += 16
        if found == number and length <= min(size, len(heap) - at):
            return heap[at:at + length]
        at += -(-size // 8) * 8
    raise InputError(f"damaged or truncated HDF5 file (a text of {length} bytes is not there)")


def _bytes(file, start, size):
    file.seek(start)
    return file.read(size)
