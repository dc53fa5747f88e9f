"""Read official network and boundary pickles as inert values, without executing anything from them.

A pickle is a small program that may import and call anything, so `pickle.Unpickler` is unsafe for files from strangers.
`Machine` interprets only the opcodes that network pickles contain (Python's `pickletools` documents them). Where Python
would call a class, it builds one of the few value classes below. It imports and calls nothing that a file names, and
sets no attributes. Memory is proportional to the file's size: a length is checked against the rest of the file before
memory is allocated, and bytes that a file makes the machine copy are counted. `pickles` turns the values into records,
`boundaries` into boundaries.
"""

from __future__ import annotations

import enum
import math
import pickle
import pickletools
import struct

import numpy as np

MAX_OPCODES = 200_000     # small official files have under 10,000; the number grows with the layers only
MAX_TEXT = 1 << 20        # largest text in bytes that is not array data
NUMERIC = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


class Refused(Exception):
    """The content of a file is refused; the message is one line without the file's name."""


class Global(enum.Enum):
    """The classes and functions that official files name, as inert enum members."""
    NETWORK, EASY_DICT, ORDERED_DICT, RECONSTRUCT, SCALAR, FROM_BUFFER, NDARRAY, DTYPE, ENCODE, BYTES = range(10)


_GLOBALS = {
    "dnnlib.tflib.network.Network": Global.NETWORK,
    "dnnlib.util.EasyDict": Global.EASY_DICT,
    "collections.OrderedDict": Global.ORDERED_DICT,
    "numpy.core.multiarray._reconstruct": Global.RECONSTRUCT,
    "numpy._core.multiarray._reconstruct": Global.RECONSTRUCT,     # NumPy >= 2
    "numpy.core.multiarray.scalar": Global.SCALAR,
    "numpy._core.multiarray.scalar": Global.SCALAR,
    "numpy.core.numeric._frombuffer": Global.FROM_BUFFER,          # protocol 5
    "numpy._core.numeric._frombuffer": Global.FROM_BUFFER,
    "numpy.ndarray": Global.NDARRAY,
    "numpy.dtype": Global.DTYPE,
    "_codecs.encode": Global.ENCODE,                               # Python 3 writes bytes so in protocol 2
    "__builtin__.bytes": Global.BYTES,                             # and empty ones so
    "builtins.bytes": Global.BYTES,
}
_CONSTANTS = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False, pickle.EMPTY_TUPLE: ()}
_NUMBERS = {pickle.BININT: "<i", pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BINFLOAT: ">d"}
_SIZED = {      # opcode: format of the length, text encoding
    pickle.SHORT_BINSTRING: ("<B", "latin1"), pickle.BINSTRING: ("<i", "latin1"),
    pickle.SHORT_BINUNICODE: ("<B", "utf-8"), pickle.BINUNICODE: ("<I", "utf-8"), pickle.BINUNICODE8: ("<Q", "utf-8"),
    pickle.SHORT_BINBYTES: ("<B", None), pickle.BINBYTES: ("<I", None), pickle.BINBYTES8: ("<Q", None),
    pickle.BYTEARRAY8: ("<Q", None),
}
_PUT = {pickle.BINPUT: "<B", pickle.LONG_BINPUT: "<I"}
_GET = {pickle.BINGET: "<B", pickle.LONG_BINGET: "<I"}
_TUPLES = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}


class Network:
    """A network, not yet checked: its state, or None before the opcode BUILD."""
    __slots__ = ("state",)

    def __init__(self):
        self.state = None


class DType:
    """An element type: its code, and its dtype, which is None until the opcode BUILD sets the byte order."""
    __slots__ = ("code", "dtype")

    def __init__(self, code):
        self.code, self.dtype = code, None


class Array:
    """An array: its value, which may be None until the opcode BUILD; a list for an array of objects."""
    __slots__ = ("value",)

    def __init__(self, value=None):
        self.value = value


class Machine:
    """Interpreter of one pickle in a binary file of `size` bytes; `run` returns the value that the pickle describes.

    With `objects`, arrays of Python objects are accepted too and become lists of inert values. `torch_files` derives a
    machine for PyTorch's pickles, which use other globals.
    """

    globals = _GLOBALS
    key_types = (str,)          # allowed keys of dictionaries; hashing a deeply nested tuple would crash the process
    longest_integer = 8         # bytes

    def __init__(self, file, size, objects=False):
        self.file, self.left = file, size
        self.types = NUMERIC + ("O8",) if objects else NUMERIC
        self.spare = 2 * size + MAX_TEXT        # bytes that may still be copied
        self.stack, self.below, self.memo = [], [], {}      # below: the stacks outside the open marks
        self.actions = {
            pickle.EMPTY_LIST: lambda: self.push([]), pickle.EMPTY_DICT: lambda: self.push({}),
            pickle.MARK: self.mark, pickle.TUPLE: lambda: self.push(tuple(self.to_mark())),
            pickle.APPEND: lambda: self.extend([self.stack.pop()]), pickle.APPENDS: lambda: self.extend(self.to_mark()),
            pickle.SETITEM: lambda: self.update(self.top(2)), pickle.SETITEMS: lambda: self.update(self.to_mark()),
            pickle.MEMOIZE: lambda: self.memo.__setitem__(len(self.memo), self.stack[-1]),
            pickle.GLOBAL: self.named_global, pickle.STACK_GLOBAL: lambda: self.push_global(*self.top(2)),
            pickle.REDUCE: self.reduce, pickle.NEWOBJ: self.new_object, pickle.BUILD: self.build,
            pickle.PROTO: lambda: self.take(1), pickle.FRAME: self.frame, pickle.LONG1: self.long_integer,
        }

    def run(self):
        for _ in range(MAX_OPCODES):
            opcode = self.take(1)
            if opcode == pickle.STOP:
                return self.stack.pop()
            self.step(opcode)
        raise Refused(f"holds more than {MAX_OPCODES} pickle opcodes, far more than an official file needs")

    def step(self, opcode):
        if opcode in _CONSTANTS:
            self.push(_CONSTANTS[opcode])
        elif opcode in _NUMBERS:
            self.push(self.number(_NUMBERS[opcode]))
        elif opcode in _SIZED:
            self.push(self.sized(*_SIZED[opcode]))
        elif opcode in _PUT:
            self.memo[self.number(_PUT[opcode])] = self.stack[-1]
        elif opcode in _GET:
            self.push(self.memo[self.number(_GET[opcode])])
        elif opcode in _TUPLES:
            self.push(tuple(self.top(_TUPLES[opcode])))
        elif opcode in self.actions:
            self.actions[opcode]()
        else:
            known = pickletools.code2op.get(opcode.decode("latin1"))
            raise Refused(f"refuses opcode {known.name if known else opcode!r}, which official files do not use")

    def take(self, count):
        """Return the next `count` bytes of the file; check that they exist before allocating memory."""
        if not 0 <= count <= self.left:
            raise Refused(f"ends too early ({count} bytes expected, {self.left} left): an incomplete download?")
        data = self.file.read(count)
        if len(data) != count:
            raise Refused("became shorter while it was read")
        self.left -= count
        return data

    def spend(self, count):
        """Count bytes that will be copied; without a limit, a few opcodes could copy the same data endlessly."""
        self.spare -= count
        if self.spare < 0:
            raise Refused("copies its data more often than a network needs")

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def sized(self, form, encoding):
        data = self.take(self.number(form))
        if encoding is None:
            return data
        # Array data stored as text has no character above 255 (first byte in UTF-8 at most 0xC3); others need more.
        if encoding == "utf-8" and len(data) > MAX_TEXT and np.frombuffer(data, np.uint8).max() > 0xC3:
            raise Refused(f"holds a text of {len(data)} bytes that is not array data")
        return data.decode(encoding)

    def long_integer(self):
        count = self.number("<B")
        if count > self.longest_integer:
            raise Refused(f"holds an integer of {count} bytes, expected at most {self.longest_integer}")
        self.push(int.from_bytes(self.take(count), "little", signed=True))

    def frame(self):
        """Check that a frame is complete. Frames only help to read ahead, but a missing end shows a truncated file."""
        length = self.number("<Q")
        if length > self.left:
            raise Refused(f"ends too early ({length} bytes expected, {self.left} left): an incomplete download?")

    def push(self, value):
        self.stack.append(value)

    def top(self, count):
        """Remove and return the last `count` values."""
        values = [self.stack.pop() for _ in range(count)]
        return values[::-1]

    def mark(self):
        self.below.append(self.stack)
        self.stack = []

    def to_mark(self):
        values, self.stack = self.stack, self.below.pop()
        return values

    def extend(self, values):
        if type(self.stack[-1]) is not list:
            raise Refused(f"appends to {kind_of(self.stack[-1])}")
        self.stack[-1].extend(values)

    def update(self, values):
        target, keys = self.stack[-1], values[::2]
        if type(target) is not dict or len(values) % 2:
            raise Refused(f"sets items of {kind_of(target)}")
        if not all(type(key) in self.key_types for key in keys):
            kinds = " or ".join({str: "text", int: "whole numbers"}[kind] for kind in self.key_types)
            raise Refused(f"has a dictionary with keys that are not {kinds}")
        target.update(zip(keys, values[1::2]))

    def named_global(self):
        lines = [self.file.readline(256) for _ in range(2)]
        self.left -= sum(map(len, lines))
        if not all(line.endswith(b"\n") for line in lines):
            raise Refused("refuses to load a global whose name is cut off or longer than 255 bytes")
        self.push_global(*(line[:-1].decode("utf-8") for line in lines))

    def push_global(self, module, name):
        if type(module) is not str or type(name) is not str:
            raise Refused("names a global by something other than text")
        known = self.globals.get(f"{module}.{name}")
        # A dot inside the name would address an attribute; no accepted name has one.
        if known is None or "." in name:
            raise Refused(f"refuses to load global {shown(f'{module}.{name}')}: {self.hint(module)}")
        self.push(known)

    def hint(self, module):
        """Return what an unknown global suggests about the file, for the message."""
        return "a PyTorch network?" if module.startswith("torch") else "not part of an official file"

    def makers(self):
        """Return {global that a file may call: method that builds its value}."""
        return {
            Global.RECONSTRUCT: self.empty_array, Global.SCALAR: self.scalar, Global.FROM_BUFFER: self.from_buffer,
            Global.DTYPE: self.element_type, Global.ENCODE: self.encoded, Global.BYTES: self.no_bytes,
            Global.ORDERED_DICT: self.ordered_dict,
        }

    def reduce(self):
        function, arguments = self.top(2)
        makers = self.makers()
        if not isinstance(function, enum.Enum) or function not in makers or type(arguments) is not tuple:
            raise Refused(f"calls {kind_of(function)}, which no network pickle does")
        try:
            self.push(makers[function](*arguments))
        except TypeError:
            raise Refused(f"calls {function.name} with wrong arguments") from None

    def empty_array(self, kind, shape, code):
        if kind is not Global.NDARRAY:
            raise Refused(f"holds an array of class {kind_of(kind)}, expected numpy.ndarray")
        return Array()

    def element_type(self, code, align, copy):
        if type(code) is not str or code not in self.types:
            raise Refused(f"has an array of type {shown(code) if type(code) is str else kind_of(code)}, "
                           f"expected a number type ({', '.join(NUMERIC)})")
        return DType(code)

    def scalar(self, dtype, raw):
        return Array(self.array(raw, dtype, (), "C"))

    def from_buffer(self, raw, dtype, shape, order, axes=None):
        if order not in ("C", "F", "K") or (order == "K") != (axes is not None):
            raise Refused("has an array of unknown order")
        value = self.array(raw, dtype, shape, "F" if order == "F" else "C")
        return Array(value if axes is None else value.transpose(axes))

    def encoded(self, text, encoding):
        if type(text) is not str or encoding != "latin1":
            raise Refused("encodes something other than Latin-1 text")
        self.spend(len(text))
        return text.encode("latin1")

    def no_bytes(self):
        return b""

    def ordered_dict(self, pairs=()):
        """Return a dictionary. Python 2 passes the pairs to the constructor, Python 3 sets them as items later."""
        if type(pairs) not in (list, tuple) or not all(type(p) in (list, tuple) and len(p) == 2 for p in pairs):
            raise Refused("has an ordered dictionary made of something other than pairs")
        self.spend(100 * len(pairs))
        self.push({})
        self.update([value for pair in pairs for value in pair])
        return self.stack.pop()

    def new_object(self):
        kind, arguments = self.top(2)
        if kind not in (Global.NETWORK, Global.EASY_DICT, Global.ORDERED_DICT) or arguments != ():
            raise Refused(f"makes an object of {kind_of(kind)}")
        self.push(Network() if kind is Global.NETWORK else {})

    def build(self):
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is Network and target.state is None and type(state) is dict:
            target.state = state
        elif type(target) is DType and target.dtype is None and type(state) is tuple and len(state) == 8:
            version, order, *parts = state
            single = target.code.endswith("1") or target.code == "O8"
            if version != 3 or order not in (("|",) if single else ("<", ">")) or parts[:3] != [None] * 3:
                raise Refused(f"has an element type {target.code} that is not a plain number")
            target.dtype = np.dtype(order + target.code)
        elif type(target) is Array and target.value is None and type(state) is tuple and len(state) == 5:
            version, shape, dtype, fortran, raw = state
            if version != 1:
                raise Refused("has an array of unknown version")
            target.value = self.array(raw, dtype, shape, "F" if fortran else "C")
        else:
            raise Refused(f"sets the state of {kind_of(target)} to {kind_of(state)}")

    def array(self, raw, dtype, shape, order):
        """Return a read-only array that uses the memory of `raw`; only swapping bytes needs a copy."""
        if type(dtype) is DType and dtype.dtype is not None and dtype.dtype.hasobject:
            return self.objects(raw, shape)
        if type(dtype) is not DType or dtype.dtype is None or type(raw) not in (bytes, str):
            raise Refused(f"has an array of {kind_of(raw)} and {kind_of(dtype)}, expected bytes and a number type")
        if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 16:
            raise Refused("has an array whose shape is not a tuple of up to 16 sizes")
        expected = math.prod(shape) * dtype.dtype.itemsize
        if expected != len(raw):
            raise Refused(f"has an array of {len(raw)} bytes where its shape and type need {expected}"[:200])
        if type(raw) is str:                                # Python 2 wrote array data as text
            self.spend(len(raw))
            raw = raw.encode("latin1")
        value = np.ndarray(shape, dtype.dtype, buffer=raw, order=order)
        if not dtype.dtype.isnative:
            self.spend(value.nbytes)
            value = value.astype(dtype.dtype.newbyteorder("="))
            value.flags.writeable = False
        return value

    def objects(self, values, shape):
        """Return the values of an array of objects as a list, so that NumPy never handles the objects."""
        if type(values) is not list or type(shape) is not tuple or not all(type(n) is int for n in shape):
            raise Refused(f"has an array of objects made of {kind_of(values)}, expected a list")
        if len(values) != math.prod(shape):
            raise Refused("has an array of objects that does not fit its shape")
        return values


def kind_of(value):
    """Return what a value is, for a message; without its content, which may be huge."""
    return value.name if isinstance(value, enum.Enum) else type(value).__name__


def shown(text):
    """Return a text from a file, shortened and escaped, for a message of one line."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")
