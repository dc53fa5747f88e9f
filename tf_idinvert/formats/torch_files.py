"""Read PyTorch files (.pth, .pt, .bin) without PyTorch and without executing anything from them.

`torch.save` writes a pickle that describes the tensors, and their numbers separately: since PyTorch 1.6 as members of a
zip archive, in older versions one after the other behind five pickles. `TorchMachine` interprets the pickles safely. A
tensor is only a description until `TorchFile.arrays` reads it, so from a training checkpoint only the needed networks
are read. Tensors need not be in C order: those of networks converted from TensorFlow have permuted strides.

Source: the format, as torch/serialization.py and torch/_utils.py of PyTorch document it.
"""

from __future__ import annotations

import enum
import math
import pickle
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from tf_idinvert.formats import torch_zip
from tf_idinvert.formats.pickle_machine import Machine, Refused, kind_of, shown
from tf_idinvert.formats.untrusted import MAX_BYTES, opened

MAGIC = 0x1950A86A20F9469CFC6C      # first pickle of the older container
PROTOCOL = 1001                     # second pickle of the older container
HEAD = 32                           # number of bytes that identify a PyTorch file
MAX_DIMENSIONS = 8
ZIP_NOTES = ("data.pkl", "version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id")


class TorchGlobal(enum.Enum):
    """The functions and classes that PyTorch files name, as inert enum members."""
    ORDERED_DICT, TENSOR, PARAMETER = range(3)


class StorageKind(enum.Enum):
    """The classes of storages, with NumPy's code of their element type."""
    FLOAT, DOUBLE, HALF, LONG, INT, SHORT, CHAR, BYTE, BOOL = (
        "<f4", "<f8", "<f2", "<i8", "<i4", "<i2", "|i1", "|u1", "|b1")


class Storage:
    """The flat array that tensors are views of: its key in the file, element type and number of elements."""
    __slots__ = ("key", "dtype", "count")

    def __init__(self, key, dtype, count):
        self.key, self.dtype, self.count = key, dtype, count


class Tensor:
    """A tensor that is not read yet: a view of a storage; offset and strides count elements."""
    __slots__ = ("storage", "offset", "shape", "strides")

    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    @property
    def nbytes(self):
        return math.prod(self.shape) * self.storage.dtype.itemsize


class TorchMachine(Machine):
    """The pickle machine for PyTorch's pickles; it collects the storages that a pickle names in {key: Storage}."""

    globals = {
        "collections.OrderedDict": TorchGlobal.ORDERED_DICT,
        "torch._utils._rebuild_tensor_v2": TorchGlobal.TENSOR,
        "torch._utils._rebuild_parameter": TorchGlobal.PARAMETER,
        **{f"torch.{kind.name.capitalize()}Storage": kind for kind in StorageKind},
    }
    key_types = (str, int)      # optimisers number their parameters
    longest_integer = 10        # bytes of the magic number

    def __init__(self, file, size):
        super().__init__(file, size)
        self.storages = {}
        self.actions[pickle.BINPERSID] = self.persistent

    def hint(self, module):
        return "expected tensors and plain values only, as torch.save(network.state_dict(), path) writes them"

    def makers(self):
        return {TorchGlobal.ORDERED_DICT: self.ordered_dict, TorchGlobal.TENSOR: self.tensor,
                TorchGlobal.PARAMETER: self.parameter}

    def persistent(self):
        """Return a storage; pickles name it as ('storage', its class, key, device, number of elements[, None])."""
        name = self.stack.pop()
        if type(name) is not tuple or len(name) not in (5, 6) or name[0] != "storage":
            raise Refused(f"names something other than a storage ({kind_of(name)})")
        _, kind, key, _, count = name[:5]
        if type(kind) is not StorageKind or type(key) is not str or type(count) is not int or count < 0:
            raise Refused("names a storage by something other than its class, key and size")
        if name[5:] not in ((), (None,)):
            raise Refused(f"has the storage {shown(key)} as a part of another, as PyTorch before 0.4 wrote it")
        known = self.storages.setdefault(key, Storage(key, np.dtype(kind.value), count))
        if (known.dtype, known.count) != (np.dtype(kind.value), count):
            raise Refused(f"describes the storage {shown(key)} in two ways")
        self.push(known)

    def tensor(self, storage, offset, shape, strides, requires_grad, hooks, metadata=None):
        """Return a Tensor; refuse views that exceed their storage or contain an element twice."""
        sizes = [shape, strides]
        if type(storage) is not Storage or type(offset) is not int or metadata:
            raise Refused(f"has a tensor made of {kind_of(storage)}, expected a storage")
        if any(type(each) is not tuple or any(type(n) is not int for n in each) for each in sizes):
            raise Refused("has a tensor whose sizes are not whole numbers")
        if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS or min((offset, *shape, *strides)) < 0:
            raise Refused(f"has a tensor of impossible sizes: {shown(str(shape))}, strides {shown(str(strides))}, "
                          f"offset {shown(str(offset))}")
        extent = 1 if 0 not in shape else 0
        for stride, length in sorted(zip(strides, shape)) if extent else ():
            if length > 1 and stride < extent:
                raise Refused(f"has a tensor that overlaps itself: {shown(str(shape))}, strides {shown(str(strides))}")
            extent += (length - 1) * stride
        if offset + extent > storage.count:
            raise Refused(f"has a tensor of {shown(str(shape))} that reaches beyond its storage of {storage.count} "
                          "elements")
        return Tensor(storage, offset, shape, strides)

    def parameter(self, data, requires_grad, hooks):
        if type(data) is not Tensor:
            raise Refused(f"has a parameter that is {kind_of(data)}, expected a tensor")
        return data

    def build(self):
        """Ignore the only state that PyTorch sets, the versions of modules, which belongs to a dictionary."""
        state = self.stack.pop()
        if type(self.stack[-1]) is not dict or type(state) is not dict or set(state) - {"_metadata"}:
            raise Refused(f"sets the state of {kind_of(self.stack[-1])} to {kind_of(state)}")


@dataclass
class TorchFile:
    """Contents of a PyTorch file.

    Attributes:
        path: file name.
        content: dictionaries, lists, tuples, text, numbers, None, and Tensor. The file may come from a stranger, so the
            nesting is arbitrary, and containers may contain themselves.
        members: {key of a storage: torch_zip.Member}; crc is None in the older container, which stores none.
        size: size of the file in bytes.
    """
    path: object
    content: object
    members: dict
    size: int

    def arrays(self, tensors):
        """Read tensors, {name: Tensor} -> {name: read-only array}, in the order of the file.

        Raises:
            InputError: the file is damaged or has changed, or tensors that share a storage hold more bytes than the
                file; one line.
        """
        with opened(self.path, "PyTorch file") as (file, size):
            if size != self.size:
                raise Refused("has changed while it was read")
            if sum(tensor.nbytes for tensor in tensors.values()) > size:
                raise Refused("has tensors that share their numbers: together they hold more than the file")
            wanted = {tensor.storage.key for tensor in tensors.values()}
            data = {key: _data(file, member) for key, member in sorted(self.members.items(), key=lambda each: each[1])
                    if key in wanted}
            return {name: _array(tensor, data[tensor.storage.key]) for name, tensor in tensors.items()}


def is_torch(head):
    """Return whether a file that begins with these bytes (32 or more) is a zip archive or an older PyTorch file."""
    return head.startswith(torch_zip.LOCAL) or MAGIC.to_bytes(10, "little") in head[:HEAD]


def read(path, max_bytes=MAX_BYTES):
    """Read a PyTorch file without executing anything from it; tensors remain descriptions.

    Args:
        path: file name; the file need not be trusted.
        max_bytes: larger files are refused before reading.
    Returns:
        TorchFile.
    Raises:
        InputError: the file cannot be read, is no PyTorch file, is damaged, or holds something other than tensors and
            plain values; one line.
    """
    with opened(path, "PyTorch file", max_bytes) as (file, size):
        zipped = file.read(4) == torch_zip.LOCAL
        file.seek(0)
        content, storages, members = (_from_zip if zipped else _from_pickles)(file, size)
        for key, storage in storages.items():
            if key not in members:
                raise Refused(f"lacks the storage {shown(key)}")
            expected = storage.count * storage.dtype.itemsize
            if members[key].length != expected:
                raise Refused(f"has the storage {shown(key)} of {members[key].length} bytes, expected {expected}")
        return TorchFile(path, content, {key: members[key] for key in storages}, size)


def _from_zip(file, size):
    """Return (content, {key: Storage}, {key: Member}) of the container used since PyTorch 1.6."""
    members = torch_zip.members(file, size)
    pickles = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise Refused("is a zip archive, but none of PyTorch's: it has no data.pkl of its own")
    prefix = pickles[0][:-len("data.pkl")]
    for name in members:
        inner = name[len(prefix):] if name.startswith(prefix) else None
        if inner == "constants.pkl":
            raise Refused("is a TorchScript program, not a file of weights")
        if inner not in ZIP_NOTES and not (inner or "").startswith("data/"):
            raise Refused(f"has the member {shown(name)}, which PyTorch does not write")
    order = members.get(f"{prefix}byteorder")
    if order and (order.length > 16 or _data(file, order) != b"little"):
        raise Refused("is of a big-endian machine, which is not supported")
    described = members[pickles[0]]
    _data(file, described, keep=False)
    file.seek(described.start)
    machine = TorchMachine(file, described.length)
    content = machine.run()
    data = {name[len(prefix) + 5:]: member for name, member in members.items() if name.startswith(f"{prefix}data/")}
    return content, machine.storages, data


def _from_pickles(file, size):
    """Return (content, {key: Storage}, {key: Member}) of the container used before PyTorch 1.6."""
    values, left, storages = [], size, {}
    for number in range(5):
        machine = TorchMachine(file, left)
        values.append(machine.run())
        left = machine.left
        if number == 0 and values[0] != MAGIC:
            raise Refused("is not a PyTorch file (its magic number is another)")
        if number == 3:
            storages = machine.storages
    _, protocol, system, content, keys = values
    if protocol != PROTOCOL or type(system) is not dict or system.get("little_endian") is not True:
        raise Refused("is of a big-endian machine or an unknown protocol, which are not supported")
    if type(keys) is not list or not all(type(key) is str for key in keys) or len(set(keys)) != len(keys):
        raise Refused("has a list of storages that is no list of different keys")
    members, position = {}, size - left
    for key in keys:
        if key not in storages:
            raise Refused(f"has the storage {shown(key)}, which no tensor uses")
        file.seek(position)
        head = file.read(8)
        if len(head) != 8 or struct.unpack("<q", head)[0] != storages[key].count:
            raise Refused(f"has the storage {shown(key)} of another size than its tensors need, or ends too early")
        length = storages[key].count * storages[key].dtype.itemsize
        if length > size - position - 8:
            raise Refused(f"ends too early ({length} bytes expected, {size - position - 8} left): an incomplete "
                          "download?")
        members[key] = torch_zip.Member(position + 8, length, None)
        position += 8 + length
    if position != size:
        raise Refused(f"goes on for {size - position} bytes behind its last storage")
    return content, storages, members


def _data(file, member, keep=True):
    """Return the bytes of a member after checking its CRC-32; without `keep`, only check it, in pieces."""
    file.seek(member.start)
    data, left, crc = b"", member.length, 0
    while left:
        data = file.read(left if keep else min(left, 1 << 20))
        if not data or (keep and len(data) != left):
            raise Refused("became shorter while it was read")
        left -= len(data)
        crc = zlib.crc32(data, crc) if member.crc is not None else None
    if member.length and crc != member.crc:
        raise Refused("is damaged: its checksum is another")
    return data


def _array(tensor, data):
    dtype = tensor.storage.dtype
    array = np.ndarray(tensor.shape, dtype, buffer=data, offset=tensor.offset * dtype.itemsize,
                       strides=[stride * dtype.itemsize for stride in tensor.strides])
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))
