"""Writes PyTorch files by hand, both containers, and hostile ones: every part is a piece of a file as bytes.

An array that is a transposed view becomes a tensor with permuted strides, as `var.permute(...)` does in PyTorch.
"""
from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib

import hostile_pickles as hostile
import numpy as np
from hostile_pickles import integer, several, text

MAGIC = pickle.PROTO + b"\x02" + pickle.LONG1 + b"\x0al\xfc\x9cF\xf9 j\xa8P\x19" + pickle.STOP
FLOAT = b"ctorch\nFloatStorage\n"
KINDS = {"f4": FLOAT, "f8": b"ctorch\nDoubleStorage\n", "f2": b"ctorch\nHalfStorage\n", "i8": b"ctorch\nLongStorage\n",
         "i4": b"ctorch\nIntStorage\n"}


def ordered(pairs=(), metadata=b""):
    """An OrderedDict of (key, value piece) pairs, as Python 3 writes it."""
    items = b"".join((text(key) if isinstance(key, str) else integer(key)) + value for key, value in pairs)
    made = b"ccollections\nOrderedDict\n" + several() + pickle.REDUCE
    return made + pickle.MARK + items + pickle.SETITEMS + metadata


def storage(key="0", count=2, kind=FLOAT, *, word="storage", view=None, persist=pickle.BINPERSID):
    parts = [text(word), kind, key if isinstance(key, bytes) else text(key), text("cpu"),
             count if isinstance(count, bytes) else integer(count)]
    return several(*parts, *([] if view is None else [view])) + persist


def tensor(where=None, offset=0, shape=(2,), strides=(1,), hooks=None, function=b"ctorch._utils\n_rebuild_tensor_v2\n"):
    """The tensor [1, 2] of the storage '0' unless told otherwise."""
    sizes = [several(*map(integer, each)) for each in (shape, strides)]
    return function + several(where or storage(), integer(offset), *sizes, pickle.NEWFALSE,
                              hooks or ordered()) + pickle.REDUCE


def parameter(data):
    return b"ctorch._utils\n_rebuild_parameter\n" + several(data, pickle.NEWTRUE, ordered()) + pickle.REDUCE


class Content:
    """Collects the storages of nested dictionaries, lists and arrays while it makes their pickle."""

    def __init__(self, legacy):
        self.storages, self.view = {}, b"N" if legacy else None

    def piece(self, value):
        if isinstance(value, np.ndarray):
            key = str(1000 + len(self.storages))
            self.storages[key] = _memory(value)
            where = storage(key, value.size, KINDS[value.dtype.str[1:]], view=self.view)
            return tensor(where, shape=value.shape, strides=[each // value.itemsize for each in value.strides])
        if isinstance(value, dict):
            metadata = b"}" + text("_metadata") + ordered([("", b"}" + text("version") + integer(1) + b"s")]) + b"sb"
            return ordered([(key, self.piece(each)) for key, each in value.items()], metadata)
        if isinstance(value, list):
            return hostile.listing(*map(self.piece, value))
        if isinstance(value, str):
            return text(value)
        return {type(None): b"N", int: integer(value) if isinstance(value, int) else b"",
                float: pickle.BINFLOAT + struct.pack(">d", value or 0)}[type(value)]


def _memory(array):
    """The bytes of a permuted view in the order of its memory."""
    axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    return np.ascontiguousarray(array.transpose(axes)).tobytes()


def save(path, content, container="zip"):
    """Write nested dictionaries of arrays as torch.save writes tensors -> path."""
    made = Content(container == "legacy")
    body = made.piece(content)
    write = legacy if container == "legacy" else zipped
    path.write_bytes(write(body, made.storages))
    return path


def legacy(body, storages=None, *, magic=MAGIC, protocol=1001, system=None, keys=None, counts=None, tail=b""):
    """A file of five pickles and the storages {key: bytes}, a float32 for every four of them."""
    storages = {"0": struct.pack("<2f", 1, 2)} if storages is None else storages
    system = hostile.mapping(protocol_version=integer(1001), little_endian=pickle.NEWTRUE) if system is None else system
    keys = hostile.listing(*map(text, storages)) if keys is None else keys
    pickles = [hostile.whole(each, 2) for each in (integer(protocol), system, body, keys)]
    counts = counts or {}
    sizes = {key: struct.pack("<q", counts.get(key, _count(body, key, data))) for key, data in storages.items()}
    return magic + b"".join(pickles) + b"".join(sizes[key] + data for key, data in storages.items()) + tail


def _count(body, key, data):
    """Elements of a storage: what the pickle says of it, by its kind."""
    before = body.split(text(key))[0]
    last = max(KINDS, key=lambda code: before.rfind(KINDS[code]))
    return len(data) // int(last[1:])


def zipped(body, storages=None, *, folder="net", more=(), without=(), byteorder=b"little"):
    """A zip archive with the pickle, the storages {key: bytes}, and `more` (name, bytes) as members."""
    storages = {"0": struct.pack("<2f", 1, 2)} if storages is None else storages
    members = [(f"{folder}/data.pkl", hostile.whole(body, 2)), (f"{folder}/byteorder", byteorder),
               *((f"{folder}/data/{key}", data) for key, data in storages.items()), (f"{folder}/version", b"3\n"),
               (f"{folder}/.data/serialization_id", b"0" * 40), *more]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members:
            if name not in without:
                archive.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


def deflated(body, storages):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", hostile.whole(body, 2))
        for key, data in storages.items():
            archive.writestr(f"net/data/{key}", data)
    return file.getvalue()


def patched(content, mark, at, form, value, number=0):
    """A zip archive with one field changed: `at` bytes behind the `number`-th mark of a record."""
    place = -1
    for _ in range(number + 1):
        place = content.index(mark, place + 1)
    made = bytearray(content)
    struct.pack_into(form, made, place + at, value)
    return bytes(made)


def with_zip64(content, **changes):
    """The archive with records of zip64 in front of its end, as PyTorch writes them; fields changed by name."""
    end = content.rindex(b"PK\x05\x06")
    _, _, _, _, count, length, start, _ = struct.unpack("<4s4H2IH", content[end:])
    fields = {"count": count, "length": length, "start": start, "record": end, **changes}
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 30, 45, 0, 0, fields["count"], fields["count"],
                         fields["length"], fields["start"])
    return content[:end] + record + struct.pack("<4sIQI", b"PK\x06\x07", 0, fields["record"], 1) + content[end:]


def crc(data):
    return zlib.crc32(data)
