"""Read and write official network pickles (StyleGAN and idinvert, "tflib" format) without executing them.

A file holds a tuple of objects of the class `dnnlib.tflib.network.Network`: `(G, D, Gs)` in StyleGAN, `(E, G, D, Gs)`
in idinvert. An object is a dictionary of hyper-parameters, source text, variables and component networks. The original
loader executes the source text; this one only keeps it.

To read, `pickle_machine` interprets the file safely, and `_checked` turns the values into records. To write, `_checked`
checks the records, and `_Writer` writes the opcodes.

Source: the published code of StyleGAN (Karras et al. 2019) and idinvert (Zhu et al. 2020).
"""

from __future__ import annotations

import pickle
import re
import struct
from dataclasses import dataclass

import numpy as np

from tf_idinvert.files.atomic import replacing
from tf_idinvert.formats.pickle_machine import NUMERIC, Array, Machine, Network, Refused, shown
from tf_idinvert.formats.untrusted import MAX_BYTES, FileError, label, opened

MAX_NETWORKS = 64         # networks in a file with their components; (E, G, D, Gs) has 8
MAX_TOGETHER = 5          # networks in a file without their components; LIA's files are (E, G, D, Gs, NE)
MAX_DEPTH = 8             # nesting of components, and of containers in a hyper-parameter
MAX_VALUES = 10_000       # hyper-parameters in a file, elements of lists included
VERSIONS = (2, 3, 4)      # versions of a network's state; StyleGAN2's code writes 4, also for StyleGAN networks
STATE_KEYS = ("version", "name", "static_kwargs", "components", "build_module_src", "build_func_name", "variables")


class PickleError(FileError):
    """A network pickle cannot be read or written."""


@dataclass(eq=False)
class NetworkRecord:
    """One network as stored in a file. Records are compared by identity, because arrays have no single truth value.

    Attributes:
        name: name of the network, such as 'Gs'.
        static_kwargs: hyper-parameters: str, int, float, bool, None, and lists, tuples and dicts of them.
        variables: {name: array} in file order, without those of components. `read` returns read-only arrays in native
            byte order; scalars are 0-d arrays.
        components: {component name: NetworkRecord}; always empty in version 2.
        build_func_name: name of the function that builds the network, such as 'G_style'.
        build_module_src: Python source text of the module with that function; kept, never executed.
        version: version of the state, 2 to 4.
    """
    name: str
    static_kwargs: dict
    variables: dict
    components: dict
    build_func_name: str
    build_module_src: str = ""
    version: int = 3


def read(path, max_bytes=MAX_BYTES):
    """Read an official pickle (protocols 2 to 5, written by Python 2 or 3) without executing anything from it.

    Args:
        path: file name; the file need not be trusted.
        max_bytes: larger files are refused before reading. Reading needs about as much memory as the file has bytes,
            at most 2.5 times as much.
    Returns:
        tuple of 1 to 5 NetworkRecord; one, if the file holds a network that is not in a tuple.
    Raises:
        PickleError: the file cannot be read, is no network pickle, or is damaged.
    """
    with opened(path, "network pickle", max_bytes, PickleError) as (file, size):
        _refuse_other_formats(file.read(512))
        file.seek(0)
        return _all_checked(Machine(file, size).run())


def write(path, records, protocol=4):
    """Write records as an official pickle, atomically. The original code and any ordinary unpickler can load the file.

    Args:
        path: file to write; an existing file is replaced only when the new one is complete.
        records: 1 to 5 NetworkRecord; a single one is written without a tuple.
        protocol: 2 to 5. Official files use 4, the highest that Python 3.6 reads, on which the original code runs. 5
            needs Python 3.8; 2 and 3 limit an array to 2 GiB.
    Raises:
        PickleError: a record violates the description of NetworkRecord, or the file cannot be written.
    """
    try:
        if protocol not in (2, 3, 4, 5):
            raise Refused(f"cannot be written with protocol {protocol!r}, expected 2, 3, 4 or 5")
        if not isinstance(records, (list, tuple)):
            raise Refused(f"cannot be written from {type(records).__name__}, expected a list or tuple of NetworkRecord")
        checked = _all_checked(tuple(records))
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(pickle.PROTO + bytes([protocol]))
            _Writer(file, protocol).put(checked if len(checked) > 1 else checked[0])
            file.write(pickle.STOP)
    except Refused as error:
        raise PickleError(f"{label(path)}: {error}") from None
    except OSError as error:
        raise PickleError(f"{label(path)}: cannot be written: {error.strerror}") from None


def _refuse_other_formats(head):
    """Raise Refused for files that users commonly mistake for a network pickle; `head`: the first 512 bytes."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        raise Refused("is empty")
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--", b"<script")):
        raise Refused("looks like a web page, not a network: download the file itself, not the page about it")
    if head.startswith(b"version https://git-lfs"):
        raise Refused("is a git-lfs pointer, not the file itself; run git lfs pull")
    if head.startswith(b"PK\x03\x04"):
        raise Refused("is a zip archive, perhaps a PyTorch checkpoint, not a TensorFlow network pickle")
    if head.startswith(b"\x1f\x8b"):
        raise Refused("is compressed with gzip; unpack it with gunzip first")
    if b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19" in head[:32]:     # the magic number of torch.save before PyTorch 1.6
        raise Refused("is a PyTorch checkpoint, not a TensorFlow network pickle")
    if head[:1] != pickle.PROTO or head[1:2] not in (b"\2", b"\3", b"\4", b"\5"):
        raise Refused("is not a network pickle (it does not start like a pickle of protocol 2 to 5)")


def _all_checked(value):
    """Check a file's value (a Network or a tuple of them) or a tuple of records; return a tuple of records."""
    networks = value if type(value) is tuple else (value,)
    ours = all(isinstance(each, (Network, NetworkRecord)) for each in networks)
    if not ours or not 1 <= len(networks) <= MAX_TOGETHER:
        held = [f"{type(each).__name__}" for each in networks[:MAX_TOGETHER + 1]]
        raise Refused(f"holds {len(networks)} values ({', '.join(held)}), expected 1 to {MAX_TOGETHER} networks")
    counts = iter(range(MAX_NETWORKS)), iter(range(MAX_VALUES))
    return tuple(_checked(each, (), *counts) for each in networks)


def _checked(source, parents, networks, values):
    """Return a complete, checked record of a Network or a record.

    Args:
        source: Network or NetworkRecord.
        parents: the sources that contain this one as a component, outermost first.
        networks, values: iterators that end when the file has too many networks or hyper-parameters. They count shared
            objects every time, because sharing could multiply both.
    """
    if any(source is parent for parent in parents):
        raise Refused("has a network that contains itself")
    if len(parents) > MAX_DEPTH or next(networks, None) is None:
        raise Refused(f"has more than {MAX_NETWORKS} networks, or components nested more than {MAX_DEPTH} deep")
    record = _unpacked(source) if isinstance(source, Network) else source
    where = _check_parts(record)
    components = {key: _checked(each, (*parents, source), networks, values) for key, each in record.components.items()}
    return NetworkRecord(record.name, _plain(record.static_kwargs, where, values), dict(record.variables), components,
                         record.build_func_name, record.build_module_src, record.version)


def _check_parts(record):
    """Check the types in a record, except in components and in values of static_kwargs; return a label for messages."""
    if type(record.version) is not int or record.version not in VERSIONS:
        raise Refused(f"has a network of version {_brief(record.version)}, expected 2, 3 or 4")
    for key in ("name", "build_module_src", "build_func_name"):
        if not _is_text(getattr(record, key)):
            raise Refused(f"has a network whose {key} is {_brief(getattr(record, key))}, expected text")
    where = f"network {shown(record.name)}"
    for key in ("static_kwargs", "variables", "components"):
        entries = getattr(record, key)
        if not isinstance(entries, dict) or not all(map(_is_text, entries)):
            raise Refused(f"{where}: {key} is {_brief(entries)}, expected a dict with text as keys")
    for name, value in record.variables.items():
        if not isinstance(value, np.ndarray) or value.dtype.str[1:] not in NUMERIC or value.ndim > 16:
            raise Refused(f"{where}: variable {shown(name)} is {_brief(value)}, expected an array of plain numbers")
    for name, value in record.components.items():
        if not isinstance(value, (Network, NetworkRecord)):
            raise Refused(f"{where}: component {shown(name)} is {_brief(value)}, expected a network")
    if record.version == 2 and record.components:
        raise Refused(f"{where}: has components, which version 2 does not know")
    return where


def _unpacked(network):
    """Return the state of a Network as a record that is not checked yet."""
    state = network.state or {}
    expected = [key for key in STATE_KEYS if key != "components" or state.get("version") != 2]
    wrong = {"lacks": [key for key in expected if key not in state],
             "has unknown": [shown(key) for key in state if key not in expected and state.get("version") in VERSIONS]}
    for fault, keys in wrong.items():
        if keys:
            raise Refused(f"has a network whose state {fault} {', '.join(keys[:4])}")
    pairs = state["variables"]
    if type(pairs) is not list or not all(type(p) in (tuple, list) and len(p) == 2 and _is_text(p[0]) for p in pairs):
        raise Refused("has a network whose variables are not a list of (name, array)")
    variables = {name: value.value if type(value) is Array else value for name, value in pairs}
    if len(variables) != len(pairs):
        raise Refused("has a network with two variables of one name")
    return NetworkRecord(**{"components": {}, **state, "variables": variables})


def _plain(value, where, values, depth=0):
    """Return a hyper-parameter as plain Python: NumPy scalars as numbers, subclasses of dict and list as these."""
    if next(values, None) is None or depth > MAX_DEPTH:
        raise Refused(f"{where}: static_kwargs nest more than {MAX_DEPTH} deep or hold over {MAX_VALUES} values")
    if type(value) is Array and value.value is not None and value.value.ndim == 0:
        value = value.value.item()
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, float) or _is_text(value):
        return value
    if type(value) is int and -2 ** 63 < value < 2 ** 63:
        return value
    if isinstance(value, (list, tuple)):
        return (tuple if isinstance(value, tuple) else list)(_plain(each, where, values, depth + 1) for each in value)
    if isinstance(value, dict) and all(map(_is_text, value)):
        return {key: _plain(each, where, values, depth + 1) for key, each in value.items()}
    raise Refused(f"{where}: a value of static_kwargs is {_brief(value)}, expected text, a number, a list or a dict")


def _is_text(value):
    """Return whether a value is text that UTF-8 can encode."""
    return type(value) is str and not re.search("[\ud800-\udfff]", value)


def _brief(value):
    """Return what a value is, for a message of one line; with its content only if that is short."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype.kind}{value.dtype.itemsize}"
    if value is None or type(value) in (bool, float) or (type(value) is int and abs(value) < 1 << 64):
        return repr(value)
    return shown(value) if type(value) is str else f"of class {type(value).__name__}"


class _Writer:
    """Writes records as opcodes, without memo and frames, which readers do not need."""

    def __init__(self, file, protocol):
        self.write, self.protocol = file.write, protocol

    def put(self, value):
        if value is None or type(value) is bool:
            self.write({None: pickle.NONE, True: pickle.NEWTRUE, False: pickle.NEWFALSE}[value])
        elif type(value) is int:
            self.integer(value)
        elif type(value) is float:
            self.write(pickle.BINFLOAT + struct.pack(">d", value))
        elif type(value) is str:
            data = value.encode("utf-8")
            self.write(pickle.BINUNICODE + struct.pack("<I", len(data)) + data)
        elif type(value) is tuple:
            self.items(pickle.MARK, value, pickle.TUPLE)
        elif type(value) is list:
            self.items(pickle.EMPTY_LIST + pickle.MARK, value, pickle.APPENDS)
        elif type(value) is dict:
            self.items(pickle.EMPTY_DICT + pickle.MARK, (x for pair in value.items() for x in pair), pickle.SETITEMS)
        elif type(value) is NetworkRecord:
            self.network(value)
        else:
            self.array(value)

    def items(self, opening, values, closing):
        self.write(opening)
        for value in values:
            self.put(value)
        self.write(closing)

    def integer(self, value):
        if -2 ** 31 <= value < 2 ** 31:
            self.write(pickle.BININT + struct.pack("<i", value))
        else:
            self.write(pickle.LONG1 + b"\x08" + struct.pack("<q", value))

    def named(self, module, name):
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode("ascii"))

    def network(self, record):
        self.named("dnnlib.tflib.network", "Network")
        self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
        state = {key: getattr(record, key) for key in STATE_KEYS if key != "components" or record.version != 2}
        self.put({**state, "variables": list(record.variables.items())})
        self.write(pickle.BUILD)

    def array(self, value):
        """Write an array as `ndarray.__reduce__` does; a 0-d array as a NumPy scalar, as in official files.

        The module names are those of NumPy 1, which the original code needs and NumPy 2 still accepts.
        """
        if value.ndim == 0:
            self.named("numpy.core.multiarray", "scalar")
            self.dtype(value.dtype)
            self.data(value)
            self.write(pickle.TUPLE2 + pickle.REDUCE)
            return
        self.named("numpy.core.multiarray", "_reconstruct")
        self.named("numpy", "ndarray")
        self.put((0,))
        self.data(np.frombuffer(b"b", np.uint8))
        self.write(pickle.TUPLE3 + pickle.REDUCE + pickle.MARK)
        self.put(1)
        self.put(value.shape)
        self.dtype(value.dtype)
        self.put(False)
        self.data(value)
        self.write(pickle.TUPLE + pickle.BUILD)

    def dtype(self, dtype):
        self.named("numpy", "dtype")
        self.put((dtype.str[1:], False, True))
        self.write(pickle.REDUCE)
        self.put((3, dtype.str[0], None, None, None, -1, -1, 0))
        self.write(pickle.BUILD)

    def data(self, value):
        """Write the bytes of an array in C order."""
        if self.protocol < 4 and value.nbytes >= 2 ** 31:
            raise Refused(f"has an array of {value.nbytes} bytes, which needs protocol 4")
        if self.protocol == 2:      # has no type for bytes: Python 3 decodes them from text
            self.named("_codecs", "encode")
            self.put((value.tobytes().decode("latin1"), "latin1"))
            self.write(pickle.REDUCE)
            return
        opcode, form = (pickle.BINBYTES, "<I") if value.nbytes < 2 ** 32 else (pickle.BINBYTES8, "<Q")
        self.write(opcode + struct.pack(form, value.nbytes))
        self.write(np.ascontiguousarray(value).data)
