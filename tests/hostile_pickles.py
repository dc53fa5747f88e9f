"""Build network pickles opcode by opcode: valid ones in forms that this Python does not write, and hostile ones.

Every function returns a piece of a pickle as bytes, so that tests can combine them freely. A payload would run a shell
command that creates a file if a reader called anything in it.
"""
from __future__ import annotations

import pickle
import struct

NETWORK = b"cdnnlib.tflib.network\nNetwork\n"


def whole(body, protocol=4):
    return pickle.PROTO + bytes([protocol]) + body + pickle.STOP


def text(value):
    data = value.encode("utf-8")
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def old_text(value):
    """A Python 2 str."""
    return pickle.SHORT_BINSTRING + bytes([len(value)]) + value.encode("latin1")


def raw(data):
    return pickle.BINBYTES + struct.pack("<I", len(data)) + data


def integer(value, size=8):
    return pickle.LONG1 + bytes([size]) + value.to_bytes(size, "little", signed=True)


def several(*parts):
    """A tuple."""
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def mapping(**parts):
    items = b"".join(text(key) + part for key, part in parts.items())
    return pickle.EMPTY_DICT + pickle.MARK + items + pickle.SETITEMS


def listing(*parts):
    return pickle.EMPTY_LIST + pickle.MARK + b"".join(parts) + pickle.APPENDS


def stacked(module, name):
    return text(module) + text(name) + pickle.STACK_GLOBAL


def dtype(code="f4", order="<", version=3, fields=b"N"):
    made = b"cnumpy\ndtype\n" + several(text(code), pickle.NEWFALSE, pickle.NEWTRUE) + pickle.REDUCE
    return made + several(integer(version), text(order), b"N", b"N", fields, *map(integer, (-1, -1, 0))) + pickle.BUILD


def empty_array(core="numpy.core", kind=b"cnumpy\nndarray\n"):
    arguments = several(kind, several(integer(0)), raw(b"b"))
    return f"c{core}.multiarray\n_reconstruct\n".encode() + arguments + pickle.REDUCE


def array(shape=(2,), data=raw(b"\0\0\x80?\0\0\0@"), kind=None, made=None, fortran=pickle.NEWFALSE):
    """The array [1, 2] unless told otherwise."""
    sizes = several(*map(integer, shape))
    return (made or empty_array()) + several(integer(1), sizes, kind or dtype(), fortran, data) + pickle.BUILD


def variable(value, name="x"):
    return listing(several(text(name), value))


def network(*, without=(), before_build=b"", **parts):
    """A network 'G' with the variable x = [1, 2]; parts replace or add entries of its state."""
    state = {"version": integer(3), "name": text("G"), "static_kwargs": mapping(resolution=integer(8)),
             "components": b"}", "build_module_src": text("raise SystemExit"), "build_func_name": text("G_style"),
             "variables": variable(array()), **parts}
    kept = {key: part for key, part in state.items() if key not in without}
    return NETWORK + b")\x81" + before_build + mapping(**kept) + pickle.BUILD


def python2_network():
    """The form of Python 2 in protocol 2: everything, also array data, is a byte string in the memo."""
    made = b"cnumpy.core.multiarray\n_reconstruct\nq\1cnumpy\nndarray\nq\2K\0\x85U\1b\x87R"
    kind = b"cnumpy\ndtype\nq\3U\2f4K\0K\1\x87R(K\3U\1<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    data = b"T" + struct.pack("<i", 8) + struct.pack("<2f", 1.0, -2.0)
    value = made + b"(K\1K\2\x85" + kind + b"\x89" + data + b"q\4tb"
    keywords = b"cdnnlib.util\nEasyDict\nq\5)\x81" + old_text("resolution") + b"M\0\4s"
    entries = {"version": b"K\2", "name": old_text("G"), "static_kwargs": keywords,
               "build_func_name": old_text("G_style"), "build_module_src": old_text("# caf\xe9"),
               "variables": b"](" + old_text("x") + value + b"\x86e"}
    state = b"".join(old_text(key) + part for key, part in entries.items())
    return whole(NETWORK + b")\x81q\0}(" + state + b"ub", protocol=2)


def calls(marker):
    """Yield (name, value) pieces that call something in an ordinary unpickler, which creates the file `marker`."""
    command = several(text(f"touch '{marker}'"))
    system = b"cposix\nsystem\n"
    evaluate = several(text(f"open({str(marker)!r}, 'w')"))
    getattr_os = b"cbuiltins\ngetattr\n" + several(b"cos\npath\n", text("os")) + pickle.REDUCE
    return {
        "os.system": system + command + pickle.REDUCE,
        "os.system by STACK_GLOBAL": stacked("os", "system") + command + pickle.REDUCE,
        "subprocess": b"csubprocess\nPopen\n" + several(listing(text("touch"), text(str(marker)))) + pickle.REDUCE,
        "eval": b"cbuiltins\neval\n" + evaluate + pickle.REDUCE,
        "eval of Python 2": b"c__builtin__\neval\n" + evaluate + pickle.REDUCE,
        "INST": pickle.MARK + text(f"touch '{marker}'") + b"iposix\nsystem\n",
        "OBJ": pickle.MARK + system + text(f"touch '{marker}'") + pickle.OBJ,
        "NEWOBJ": b"csubprocess\nPopen\n" + command + pickle.NEWOBJ,
        "NEWOBJ_EX": b"csubprocess\nPopen\n" + command + b"}" + pickle.NEWOBJ_EX,
        "getattr chain": b"cbuiltins\ngetattr\n" + several(getattr_os, text("system")) + pickle.REDUCE + command + b"R",
        "dotted name": stacked("numpy.core.multiarray", "_reconstruct.__globals__"),
        "dotted name of an admitted module": stacked("dnnlib", "tflib.network.Network"),
        "admitted name of another module": stacked("evil", "Network"),
        "copyreg": b"ccopyreg\n_reconstructor\n" + several(b"cbuiltins\nobject\n", b"cbuiltins\nobject\n", b"N") + b"R",
        "partial": b"cfunctools\npartial\n" + several(system, text(f"touch '{marker}'")) + pickle.REDUCE,
        "numpy.load": b"cnumpy\nload\n" + several(text(str(marker)), b"N", pickle.NEWTRUE) + pickle.REDUCE,
        "runstring": b"cnumpy.testing._private.utils\nrunstring\n" + several(text("1"), b"}") + pickle.REDUCE,
        "PyTorch": b"ctorch._utils\n_rebuild_tensor_v2\n" + several() + pickle.REDUCE,
        "persistent id": text("id") + pickle.BINPERSID,
        "persistent id as text": pickle.PERSID + b"id\n",
        "extension code": pickle.EXT1 + b"\x01",
        "large extension code": pickle.EXT4 + b"\x01\x00\x00\x00",
        "out-of-band buffer": pickle.NEXT_BUFFER,
        "class as function": NETWORK + command + pickle.REDUCE,
        "text as function": text("os.system") + command + pickle.REDUCE,
        "global with an empty name": b"c\n\n",
        "global over many lines": b"c" + b"x" * 5000,
    }


def put(index):
    return pickle.BINPUT + bytes([index])


def get(index):
    return pickle.BINGET + bytes([index])


def keyword(value):
    """A network with `value` as a hyper-parameter."""
    return network(static_kwargs=mapping(resolution=value))


def stored(value):
    """A network with `value` as a variable."""
    return network(variables=variable(value))


def doubled(levels):
    """Components that each hold the next one twice: 2 ** levels networks in a few kilobytes."""
    made = network()
    for level in range(levels):
        made = network(components=mapping(a=made + put(level), b=get(level)))
    return made


def laughs(levels):
    """A tuple that holds 9 times a tuple that holds 9 times ..."""
    made = text("ha")
    for level in range(levels):
        made = several(made + put(level), *[get(level)] * 8)
    return made


def nested_components(levels):
    made = network()
    for _ in range(levels):
        made = network(components=mapping(part=made))
    return made


def wrong_arrays():
    """{name: (body, words expected in the message)}: arrays whose parts do not fit together."""
    objects = dtype("O8", "|")
    return {
        "object array": (stored(array(kind=objects, data=listing(b"cposix\nsystem\n"))), "'O8'"),
        "structured type": (stored(array(kind=dtype("V8", "|", fields=several(text("f0"))))), "'V8'"),
        "number type with fields": (stored(array(kind=dtype(fields=several(text("f0"))))), "not a plain number"),
        "type by expression": (stored(array(kind=dtype("f4,O"))), "'f4,O'"),
        "type by a long text": (stored(array(kind=dtype("f4\n" * 5000))), "expected a number type"),
        "dates": (stored(array(kind=dtype("M8"))), "'M8'"),
        "type of unknown version": (stored(array(kind=dtype(version=9))), "not a plain number"),
        "byte order unknown": (stored(array(kind=dtype(order="="))), "not a plain number"),
        "type never built": (stored(array(kind=dtype()[:dtype().index(b"R") + 1])), "DType"),
        "type is a text": (stored(array(kind=text("f4"))), "str"),
        "shape too large": (stored(array(shape=(3,))), "8 bytes where its shape and type need 12"),
        "shape too small": (stored(array(shape=(1,))), "need 4"),
        "shape negative": (stored(array(shape=(-1, -2))), "shape"),
        "shape whose product overflows": (stored(array(shape=(1 << 62, 1 << 62))), "need"),
        "shape empty and vast": (stored(array(shape=(0, 1 << 62, 1 << 62), data=raw(b""))), "damaged"),
        "shape of many sizes": (stored(array(shape=(1,) * 17)), "up to 16 sizes"),
        "data is a list": (stored(array(data=listing(integer(1)))), "bytes and a number type"),
        "data is text beyond Latin-1": (stored(array(data=text("\u20ac" * 8))), "damaged"),
        "built twice": (stored(array(made=array())), "sets the state of Array"),
        "never built": (stored(empty_array()), "variable 'x'"),
        "another class": (stored(array(made=empty_array(kind=NETWORK))), "NETWORK"),
        "buffer in unknown order": (stored(b"cnumpy.core.numeric\n_frombuffer\n" + several(
            raw(b"1234"), dtype(), several(integer(1)), text("X")) + pickle.REDUCE), "unknown order"),
    }


def wrong_contents():
    """{name: (body, words expected in the message)}: nothing to call, but wrong, looping or oversized content."""
    itself = network(before_build=put(0), components=mapping(own=get(0)))
    loop = pickle.EMPTY_LIST + put(0) + get(0) + pickle.APPEND
    deep_key = pickle.EMPTY_TUPLE + pickle.TUPLE1 * 50_000
    encode = b"c_codecs\nencode\n" + several(get(0), text("latin1")) + pickle.REDUCE
    pairs = b"ccollections\nOrderedDict\n" + several(get(0)) + pickle.REDUCE
    many_pairs = listing(*[several(text("k"), b"N")] * 2000)
    return {
        "a list": (listing(network()), "expected 1 to 5 networks"),
        "a dict": (mapping(G=network()), "expected 1 to 5 networks"),
        "an integer": (integer(3), "expected 1 to 5 networks"),
        "an empty tuple": (b")", "expected 1 to 5 networks"),
        "six networks": (several(*[network()] * 6), "expected 1 to 5 networks"),
        "a tuple with a text": (several(network(), text("D")), "expected 1 to 5 networks"),
        "a bare class": (NETWORK, "expected 1 to 5 networks"),
        "never built": (NETWORK + b")\x81", "lacks"),
        "built twice": (network() + mapping(name=text("H")) + pickle.BUILD, "sets the state of Network"),
        "state with slots": (NETWORK + b")\x81" + several(mapping(name=text("G")), mapping(state=b"N")) + b"b",
                             "sets the state of Network to tuple"),
        "state of a dict": (keyword(b"}" + mapping(a=b"N") + pickle.BUILD), "sets the state of dict"),
        "state of a function": (keyword(b"c_codecs\nencode\n" + mapping(__doc__=b"N") + pickle.BUILD), "ENCODE"),
        "state of a class": (NETWORK + mapping(__class__=b"N") + pickle.BUILD, "sets the state of NETWORK"),
        "items of a list": (keyword(pickle.EMPTY_LIST + integer(0) + b"N" + pickle.SETITEM), "sets items of list"),
        "items of a network": (network() + text("a") + b"N" + pickle.SETITEM, "sets items of Network"),
        "appended to a text": (keyword(text("a") + b"N" + pickle.APPEND), "appends to str"),
        "version 5": (network(version=integer(5)), "version 5, expected 2, 3 or 4"),
        "version True": (network(version=pickle.NEWTRUE), "version True"),
        "version 2 with components": (network(version=integer(2)), "unknown 'components'"),
        "no variables": (network(without=("variables",)), "lacks variables"),
        "unknown state": (network(extra=b"N"), "unknown 'extra'"),
        "name is a number": (network(name=integer(1)), "name is 1"),
        "components is a list": (network(components=b"]"), "components is of class list"),
        "component is a text": (network(components=mapping(a=text("b"))), "component 'a' is 'b'"),
        "variables is a dict": (network(variables=b"}"), "list of (name, array)"),
        "variable without a name": (network(variables=listing(several(b"N", array()))), "list of (name, array)"),
        "variable is a text": (stored(text("evil\nline")), "variable 'x' is 'evil\\nline'"),
        "variable twice": (network(variables=listing(*[several(text("x"), array())] * 2)), "two variables"),
        "array as hyper-parameter": (keyword(array()), "value of static_kwargs is"),
        "bytes as hyper-parameter": (keyword(raw(b"a")), "value of static_kwargs is"),
        "network as hyper-parameter": (keyword(network()), "value of static_kwargs is"),
        "class as hyper-parameter": (keyword(NETWORK), "value of static_kwargs is"),
        "keys that are numbers": (keyword(b"}" + integer(1) + b"Ns"), "keys that are not text"),
        "keys nested deeply": (keyword(b"}" + deep_key + b"Ns"), "keys that are not text"),
        "hyper-parameter nested deeply": (keyword(deep_key), "nest more than"),
        "lists nested deeply": (keyword(b"]" * 50_000 + b"a" * 49_999), "nest more than"),
        "list in itself": (keyword(loop), "nest more than"),
        "network in itself": (itself, "contains itself"),
        "networks nested deeply": (nested_components(9), "nested more than"),
        "networks by doubling": (doubled(7), "more than 64 networks"),
        "billion laughs": (keyword(laughs(7)), "over 10000 values"),
        "many opcodes": (b"N" * 300_000, "opcodes"),
        "huge integer": (integer(1 << 64, size=9), "integer of 9 bytes"),
        "huge integer in 4 bytes": (pickle.LONG4 + struct.pack("<i", 1 << 30), "LONG4"),
        "negative length": (pickle.BINSTRING + struct.pack("<i", -1), "ends too early"),
        "claimed length": (pickle.BINBYTES8 + struct.pack("<Q", 1 << 62), "ends too early"),
        "claimed length of a text": (pickle.BINUNICODE + struct.pack("<I", (1 << 32) - 1), "ends too early"),
        "claimed bytearray": (pickle.BYTEARRAY8 + struct.pack("<Q", (1 << 64) - 1), "ends too early"),
        "claimed frame": (pickle.FRAME + struct.pack("<Q", 1 << 40), "ends too early"),
        "memo far away": (network() + pickle.LONG_BINPUT + b"\xff" * 4 + pickle.LONG_BINGET + b"\0" * 4, "damaged"),
        "copied again and again": (text("a" * 500_000) + put(0) + encode * 1000, "copies its data"),
        "pairs again and again": (many_pairs + put(0) + pairs * 1000, "copies its data"),
        "text that takes fourfold room": (text("a" * 2_000_000 + "\U0001f600"), "not array data"),
        "nothing to pop": (b"tRb", "damaged"),
        "text not UTF-8": (pickle.SHORT_BINUNICODE + b"\x01\xff", "damaged"),
    }


def other_formats():
    """{name: (content, words expected in the message)}: what users have in place of the file."""
    return {
        "empty": (b"", "is empty"),
        "web page": (b"\n<!DOCTYPE html><html><body>Quota exceeded</body></html>", "looks like a web page"),
        "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "run git lfs pull"),
        "zip": (b"PK\x03\x04" + bytes(60), "zip archive"),
        "gzip": (b"\x1f\x8b\x08" + bytes(60), "gzip"),
        "old PyTorch": (pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2), "PyTorch"),
        "plain text": (b"hello\n", "not a network pickle"),
        "protocol 0": (pickle.dumps((1, 2), protocol=0), "not a network pickle"),
        "protocol of the future": (whole(network(), protocol=9), "not a network pickle"),
        "zeros": (bytes(1000), "not a network pickle"),
    }
