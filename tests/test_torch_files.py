"""torch_files: both containers are read as saved; no file executes anything, crashes, or needs much memory."""
from __future__ import annotations

import pickle
import struct
import subprocess
import sys
import tracemalloc

import hostile_pickles as hostile
import numpy as np
import pytest
import torch_writer as writer
from hostile_pickles import integer, several, text

from tf_idinvert.errors import InputError
from tf_idinvert.formats.torch_files import Tensor, read

CONTAINERS = {"zip": writer.zipped, "legacy": writer.legacy}
STATE = writer.ordered([("weight", writer.tensor())])
GOOD = writer.zipped(STATE)
MAGIC_OF_ANOTHER = writer.MAGIC.replace(b"l\xfc", b"m\xfc")


def saved(folder, content):
    path = folder / "x.pth"
    path.write_bytes(content)
    return path


def everything(path):
    """What a file holds, with arrays for its tensors; they are read together."""
    file, tensors = read(path), []

    def collect(value):
        if isinstance(value, Tensor):
            tensors.append(value)
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            collect(each)

    def filled(value):
        if isinstance(value, Tensor):
            return arrays[id(value)]
        if isinstance(value, dict):
            return {key: filled(each) for key, each in value.items()}
        return [filled(each) for each in value] if isinstance(value, list) else value

    collect(file.content)
    arrays = file.arrays({id(tensor): tensor for tensor in tensors})
    return filled(file.content)


def refusal(path):
    """The message with which reading a file, and all its tensors, ends; its form and the memory it took are checked."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            everything(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and len(message.splitlines()) == 1, message
    assert len(message) < 350 + len(str(path)), message
    assert peak < (8 << 20) + 3 * path.stat().st_size, f"{peak} bytes"
    return message


# ---- sound files

@pytest.mark.parametrize("container", CONTAINERS)
def test_what_was_saved(container, tmp_path, rng):
    normal = rng.standard_normal((3, 4, 2, 5)).astype("float32")
    content = {"c order": normal, "permuted": normal.transpose(3, 2, 0, 1), "flipped": normal[0, 0].T,
               "scalar": np.array(2.5, "float32"), "one": np.ones((1, 1, 3), "float32"),
               "half": normal.astype("float16"), "double": normal.astype("float64"),
               "none": np.zeros((0, 4), "float32"), "tracked": np.array(7, "int64"),
               "state": {0: {"step": np.array(3.0, "float32")}, 1: None},
               "rates": [0.5, 1, "text"]}
    loaded = everything(writer.save(tmp_path / "x.pth", content, container))
    assert list(loaded) == list(content) and loaded["rates"] == content["rates"]
    assert loaded["state"][1] is None and loaded["state"][0]["step"] == 3
    for key in list(content)[:-2]:
        assert loaded[key].dtype == content[key].dtype and loaded[key].shape == content[key].shape
        assert loaded[key].tobytes() == content[key].tobytes(), key


@pytest.mark.parametrize("container", CONTAINERS)
def test_pieces_of_one_storage(container, tmp_path):
    numbers = np.arange(12, dtype="float32")
    whole = writer.storage(count=12, view=b"N" if container == "legacy" else None)
    pairs = [("rows", writer.tensor(whole, 0, (2, 3), (3, 1))), ("columns", writer.tensor(whole, 6, (3, 2), (1, 3)))]
    made = CONTAINERS[container](writer.ordered(pairs), {"0": numbers.tobytes()})
    loaded = everything(saved(tmp_path, made))
    assert (loaded["rows"] == numbers[:6].reshape(2, 3)).all()
    assert (loaded["columns"] == numbers[6:].reshape(2, 3).T).all()


@pytest.mark.parametrize("container", CONTAINERS)
def test_parameters(container, tmp_path):
    body = writer.ordered([("weight", writer.parameter(writer.tensor()))])
    assert (everything(saved(tmp_path, CONTAINERS[container](body)))["weight"] == [1, 2]).all()


def test_python_2_pairs(tmp_path):
    pairs = hostile.listing(hostile.listing(hostile.old_text("weight"), writer.tensor()))
    body = b"ccollections\nOrderedDict\n" + several(pairs) + pickle.REDUCE
    assert (everything(saved(tmp_path, writer.legacy(body)))["weight"] == [1, 2]).all()


def test_zip64_records(tmp_path):
    assert (everything(saved(tmp_path, writer.with_zip64(GOOD)))["weight"] == [1, 2]).all()


def test_only_wanted_tensors_are_read(tmp_path):
    content = {"wanted": np.ones(1000, "float32"), "large": np.zeros(4_000_000, "float32")}
    for container in CONTAINERS:
        path = writer.save(tmp_path / "x.pth", content, container)
        tracemalloc.start()
        try:
            file = read(path)
            assert (file.arrays({"wanted": file.content["wanted"]})["wanted"] == 1).all()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 4 << 20


def test_reading_takes_no_second_copy(tmp_path):
    path = writer.save(tmp_path / "x.pth", {"large": np.zeros((2000, 2000), "float32").T})
    tracemalloc.start()
    try:
        file = read(path)
        file.arrays(file.content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * path.stat().st_size


def test_reference_files(reference_file):
    """Storage by storage against the bytes in the archives that PyTorch wrote: the two containers of one network."""
    folder, files = "idp-64", ("idp-64_generator.pth", "idp-64_generator_zip.pth")
    older, newer = (everything(reference_file(folder, name)) for name in files)
    assert list(older) == list(newer) and len(older) == 92
    assert all(older[key].tobytes() == newer[key].tobytes() for key in older)


# ---- files that call something

def places(container):
    """{where: file that has a piece there}"""
    build = CONTAINERS[container]
    found = {
        "as the content": build,
        "as a value": lambda part: build(writer.ordered([("weight", part)])),
        "as a storage": lambda part: build(writer.tensor(part)),
        "as hooks": lambda part: build(writer.tensor(hooks=part)),
        "as a storage's class": lambda part: build(writer.tensor(writer.storage(kind=part))),
        "as a storage's name": lambda part: build(writer.tensor(part + pickle.BINPERSID)),
    }
    if container == "legacy":
        found.update({"as the magic number": lambda part: writer.legacy(STATE, magic=writer.MAGIC[:-1] + part + b"."),
                      "as the system": lambda part: writer.legacy(STATE, system=part),
                      "among the keys": lambda part: writer.legacy(STATE, keys=hostile.listing(part))})
    return found


CALLS = {name: part for name, part in hostile.calls("marker").items()
         if name not in ("PyTorch", "persistent id", "class as function")}


@pytest.mark.parametrize("container, place", [(each, place) for each in CONTAINERS for place in places(each)])
def test_calls_are_refused_and_nothing_runs(container, place, tmp_path):
    marker = tmp_path / "ran"
    calls = {**hostile.calls(marker), "torch.load": b"ctorch\nload\n" + several(text("x")) + pickle.REDUCE,
             "module": b"ctorch.nn.modules.linear\nLinear\n" + several() + pickle.NEWOBJ,
             "method of a tensor": hostile.stacked("torch._utils", "_rebuild_tensor_v2.__globals__")}
    for name, part in calls.items():
        if name in ("PyTorch", "persistent id"):
            continue
        message = refusal(saved(tmp_path, places(container)[place](part)))
        assert not marker.exists(), name
        assert "refuses" in message or "calls" in message or "names" in message, (name, message)


def test_payloads_are_real(tmp_path):
    """An unpickler that knows persistent ids makes the marker: so the test above can fail."""
    marker = tmp_path / "ran"
    loader = ("import pickle, sys\n"
              "class Loader(pickle.Unpickler):\n"
              "    persistent_load = staticmethod(lambda name: name)\n"
              "Loader(sys.stdin.buffer).load()")
    for name in ("os.system", "eval", "INST"):
        body = hostile.whole(writer.ordered([("weight", hostile.calls(marker)[name])]), 2)
        subprocess.run([sys.executable, "-c", loader], input=body, capture_output=True, check=False)
        assert marker.exists(), name
        marker.unlink()


def test_refused_globals_are_named(tmp_path):
    for part, name in ((b"cposix\nsystem\n", "posix.system"), (b"ctorch\nBFloat16Storage\n", "torch.BFloat16Storage"),
                       (b"cnumpy.core.multiarray\nscalar\n", "numpy.core.multiarray.scalar")):
        assert f"refuses to load global '{name}': " in refusal(saved(tmp_path, writer.zipped(part)))


# ---- wrong contents

def wrong_tensors():
    """{name: (piece, words expected)}, for either container."""
    where, tensor = writer.storage, writer.tensor
    deep = b"}" + (text("a") + b"}") * 100_000 + b"s" * 100_000
    return {
        "name is a text": (text("0") + pickle.BINPERSID, "something other than a storage"),
        "name is short": (several(text("storage"), writer.FLOAT) + pickle.BINPERSID, "something other than a storage"),
        "name of another thing": (tensor(where(word="module")), "something other than a storage"),
        "class is a text": (tensor(where(kind=text("FloatStorage"))), "its class, key and size"),
        "class is a function": (tensor(where(kind=b"ctorch._utils\n_rebuild_tensor_v2\n")), "its class, key and size"),
        "key is a number": (tensor(where(key=integer(0))), "its class, key and size"),
        "key is a tuple": (tensor(where(key=several(text("0")))), "its class, key and size"),
        "count is negative": (tensor(where(count=-1)), "its class, key and size"),
        "count is a text": (tensor(where(count=text("2"))), "its class, key and size"),
        "count is a flag": (tensor(where(count=pickle.NEWTRUE)), "its class, key and size"),
        "count is vast": (tensor(where(count=1 << 62)), "storage '0' of"),
        "part of another": (tensor(where(view=several(text("1"), integer(0), integer(2)))), "before 0.4"),
        "two kinds": (writer.ordered([("a", tensor()), ("b", tensor(where(kind=b"ctorch\nIntStorage\n")))]),
                      "in two ways"),
        "two sizes": (writer.ordered([("a", tensor()), ("b", tensor(where(count=3)))]), "in two ways"),
        "another storage": (tensor(where(key="../../etc/passwd")), "storage '../../etc/passwd'"),
        "storage is a list": (tensor(b"]"), "made of list"),
        "storage is a tensor": (tensor(tensor()), "made of Tensor"),
        "offset is negative": (tensor(offset=-1), "impossible sizes"),
        "offset beyond": (tensor(offset=1), "beyond its storage"),
        "offset vast": (tensor(offset=1 << 62), "beyond its storage"),
        "shape beyond": (tensor(shape=(3,)), "beyond its storage"),
        "shape negative": (tensor(shape=(-2,)), "impossible sizes"),
        "shape vast": (tensor(shape=(1 << 62, 1 << 62), strides=(1 << 62, 1)), "beyond its storage"),
        "shape empty and vast": (writer.ordered([("a", tensor(shape=(0, 1 << 62, 1 << 62), strides=(1, 1, 1)))]),
                                 "damaged"),
        "stride negative": (tensor(shape=(2,), strides=(-1,)), "impossible sizes"),
        "stride zero": (tensor(shape=(1000, 2), strides=(0, 1)), "overlaps itself"),
        "stride small": (tensor(shape=(2, 2), strides=(1, 1)), "overlaps itself"),
        "stride vast": (tensor(shape=(2,), strides=(1 << 62,)), "beyond its storage"),
        "strides missing": (tensor(shape=(2,), strides=()), "impossible sizes"),
        "many dimensions": (tensor(shape=(1,) * 9, strides=(1,) * 9), "impossible sizes"),
        "sizes in a list": (tensor().replace(several(integer(2)), hostile.listing(integer(2)), 1), "whole numbers"),
        "size is a float": (tensor().replace(several(integer(2)), several(pickle.BINFLOAT + bytes(8)), 1),
                            "whole numbers"),
        "few arguments": (b"ctorch._utils\n_rebuild_tensor_v2\n" + several(where()) + pickle.REDUCE, "wrong arguments"),
        "parameter of a text": (writer.parameter(text("a")), "expected a tensor"),
        "state of a tensor": (tensor() + hostile.mapping(a=b"N") + pickle.BUILD, "sets the state of Tensor"),
        "state of a dictionary": (writer.ordered() + hostile.mapping(__class__=b"N") + pickle.BUILD,
                                  "sets the state of dict"),
        "state of a storage": (where() + hostile.mapping(_metadata=b"N") + pickle.BUILD, "sets the state of Storage"),
        "tuple as key": (b"}" + several() + b"Ns", "not text or whole numbers"),
        "deep tuple as key": (b"}" + b")" + pickle.TUPLE1 * 50_000 + b"Ns", "not text or whole numbers"),
        "flag as key": (b"}" + pickle.NEWTRUE + b"Ns", "not text or whole numbers"),
        "vast integer": (integer(1 << 90, size=12), "integer of 12 bytes"),
        "many opcodes": (b"N" * 300_000, "opcodes"),
        "dictionaries nested deeply": (deep[:-1], "opcodes"),
        "many tensors of one storage": (writer.ordered(
            [(f"{i}", tensor(where(count=1000), 0, (1000,))) for i in range(200)]), "share their numbers"),
    }


WRONG_TENSORS = wrong_tensors()


@pytest.mark.one_stack      # our own reading of bytes
@pytest.mark.parametrize("name, container", zip(WRONG_TENSORS, ["zip", "legacy"] * len(WRONG_TENSORS)))
def test_wrong_tensors_are_refused(name, container, tmp_path):
    body, words = WRONG_TENSORS[name]
    numbers = bytes(4000 if "many tensors" in name else 8)
    message = refusal(saved(tmp_path, CONTAINERS[container](body, {"0": numbers})))
    assert words in message or (container == "legacy" and "storage" in message), message


def wrong_legacy():
    """{name: (file, words expected)} of the container of five pickles."""
    legacy, good = writer.legacy, writer.legacy(STATE)
    two = writer.ordered([("a", writer.tensor()), ("b", writer.tensor(writer.storage("1")))])
    return {
        "another magic number": (legacy(STATE, magic=MAGIC_OF_ANOTHER), "magic number"),
        "another protocol": (legacy(STATE, protocol=1002), "unknown protocol"),
        "big-endian": (legacy(STATE, system=hostile.mapping(little_endian=pickle.NEWFALSE)), "big-endian"),
        "system is a text": (legacy(STATE, system=text("little")), "big-endian"),
        "keys are a text": (legacy(STATE, keys=text("0")), "list of storages"),
        "keys are numbers": (legacy(STATE, keys=hostile.listing(integer(0))), "list of storages"),
        "key twice": (legacy(STATE, keys=hostile.listing(text("0"), text("0"))), "different keys"),
        "key missing": (legacy(STATE, keys=b"]"), "behind its last storage"),
        "key unknown": (legacy(STATE, keys=hostile.listing(text("0"), text("1"))), "which no tensor uses"),
        "storage missing": (legacy(two), "lacks the storage '1'"),
        "count of another size": (legacy(STATE, counts={"0": 3}), "another size"),
        "count vast": (legacy(STATE, counts={"0": 1 << 62}), "another size"),
        "count negative": (legacy(STATE, counts={"0": -1}), "another size"),
        "vast in both": (legacy(writer.tensor(writer.storage(count=1 << 61)), counts={"0": 1 << 61}), "ends too early"),
        "more behind": (legacy(STATE, tail=b"x"), "goes on for 1 bytes"),
        "another file behind": (legacy(STATE, tail=good), "behind its last storage"),
        **{f"cut at {part}/20": (good[:len(good) * part // 20], "") for part in range(1, 20)},
    }


WRONG_LEGACY = wrong_legacy()


@pytest.mark.one_stack      # our own reading of bytes
@pytest.mark.parametrize("name", WRONG_LEGACY)
def test_wrong_older_containers_are_refused(name, tmp_path):
    content, words = WRONG_LEGACY[name]
    assert words in refusal(saved(tmp_path, content))


def wrong_archives():
    """{name: (file, words expected)} of the zip container."""
    local, central, end, patched = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", writer.patched
    two = writer.zipped(STATE, more=[("net/data/1", bytes(8))])
    numbers = GOOD.index(struct.pack("<2f", 1, 2))
    return {
        "deflated": (writer.deflated(STATE, {"0": bytes(8)}), "compressed member"),
        "deflate bomb": (writer.deflated(writer.tensor(writer.storage(count=5_000_000), shape=(5_000_000,)),
                                         {"0": bytes(20_000_000)}), "compressed member"),
        "method only in the directory": (patched(GOOD, central, 10, "<H", 8), "compressed member"),
        "method only in the header": (patched(GOOD, local, 8, "<H", 8), "not what the directory says"),
        "encrypted": (patched(GOOD, central, 8, "<H", 1), "encrypted member"),
        "encrypted header": (patched(GOOD, local, 6, "<H", 1), "not what the directory says"),
        "length lies": (patched(GOOD, central, 24, "<I", 1 << 30), "compressed member"),
        "both lengths lie": (patched(patched(GOOD, central, 24, "<I", 1 << 30), central, 20, "<I", 1 << 30),
                             "not what the directory says"),
        "length of zip64": (patched(patched(GOOD, central, 24, "<I", 0xFFFFFFFF), central, 20, "<I", 0xFFFFFFFF),
                            "zip64 size"),
        "place lies": (patched(GOOD, central, 42, "<I", 5), "not what the directory says"),
        "place beyond": (patched(GOOD, central, 42, "<I", 1 << 30), "ends too early"),
        "two at one place": (patched(two, central, 42, "<I", 0, number=3), "not what the directory says"),
        "name lies": (GOOD.replace(b"net/data/0", b"net/data/7", 1), "not what the directory says"),
        "overlap": (patched(patched(GOOD, central, 24, "<I", 800), central, 20, "<I", 800), ""),
        "name twice": (two.replace(b"net/data/1", b"net/data/0"), "two members of the name 'net/data/0'"),
        "path upwards": (writer.zipped(STATE, more=[("../../evil", b"x")]), "member '../../evil'"),
        "absolute path": (writer.zipped(STATE, more=[("/etc/passwd", b"x")]), "member '/etc/passwd'"),
        "another folder": (writer.zipped(STATE, more=[("other/data/1", b"x")]), "member 'other/data/1'"),
        "two pickles": (writer.zipped(STATE, more=[("other/data.pkl", b"x")]), "none of PyTorch's"),
        "no pickle": (writer.zipped(STATE, without=("net/data.pkl",)), "none of PyTorch's"),
        "pickle of another depth": (writer.zipped(STATE, folder="a/b"), "none of PyTorch's"),
        "TorchScript": (writer.zipped(STATE, more=[("net/constants.pkl", b"x")]), "TorchScript"),
        "big-endian": (writer.zipped(STATE, byteorder=b"big"), "big-endian"),
        "byte order vast": (writer.zipped(STATE, byteorder=b"little" * 99), "big-endian"),
        "no storage": (writer.zipped(STATE, {}), "lacks the storage '0'"),
        "storage short": (writer.zipped(STATE, {"0": bytes(4)}), "of 4 bytes, expected 8"),
        "storage long": (writer.zipped(STATE, {"0": bytes(12)}), "of 12 bytes, expected 8"),
        "number changed": (GOOD[:numbers] + b"\1" + GOOD[numbers + 1:], "checksum"),
        "pickle changed": (GOOD.replace(b"weight", b"Weight", 1), "checksum"),
        "directory elsewhere": (patched(GOOD, end, 16, "<I", 0), "directory does not lie"),
        "directory short": (patched(GOOD, end, 12, "<I", 46), "directory does not lie"),
        "directory vast": (patched(GOOD, end, 12, "<I", 1 << 31), "directory does not lie"),
        "members many": (patched(patched(GOOD, end, 8, "<H", 65_000), end, 10, "<H", 65_000), "more than the 20000"),
        "members fewer": (patched(patched(GOOD, end, 8, "<H", 2), end, 10, "<H", 2), "holds more than its members"),
        "members more": (patched(patched(GOOD, end, 8, "<H", 6), end, 10, "<H", 6), ""),
        "several disks": (patched(GOOD, end, 4, "<H", 1), "several parts"),
        "comment": (GOOD + b"x", "no zip directory"),
        "comment announced": (patched(GOOD, end, 20, "<H", 1) + b"x", "no zip directory"),
        "zip64 elsewhere": (writer.with_zip64(GOOD, record=0), "zip64 record"),
        "zip64 count": (writer.with_zip64(GOOD, count=1 << 60), "contradict"),
        "zip64 length": (writer.with_zip64(GOOD, length=1 << 60), "contradict"),
        "zip64 start": (writer.with_zip64(GOOD, start=1 << 60), "contradict"),
        "zip64 vast": (writer.with_zip64(patched(GOOD, end, 16, "<I", 0xFFFFFFFF), start=1 << 60),
                       "directory does not lie"),
        **{f"cut at {part}/10": (GOOD[:len(GOOD) * part // 10], "") for part in range(1, 10)},
        "only a beginning": (b"PK\x03\x04", "ends too early"),
    }


WRONG_ARCHIVES = wrong_archives()


@pytest.mark.one_stack      # our own reading of bytes
@pytest.mark.parametrize("name", WRONG_ARCHIVES)
def test_wrong_archives_are_refused(name, tmp_path):
    content, words = WRONG_ARCHIVES[name]
    assert words in refusal(saved(tmp_path, content))


def test_another_archive_is_named(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    assert "none of PyTorch's" in refusal(tmp_path / "x.npz")


@pytest.mark.one_stack      # our own reading of bytes
@pytest.mark.parametrize("container", CONTAINERS)
def test_flipped_bytes_give_content_or_one_line(container, tmp_path):
    whole = writer.save(tmp_path / "x.pth", {"a": np.ones((4, 3), "float32").T, "b": {"c": [1.5, None]}}, container)
    for seed in range(40):
        content, rng = bytearray(whole.read_bytes()), np.random.default_rng(seed)
        for place in rng.integers(0, len(content), size=rng.integers(1, 4)):
            content[place] = rng.integers(256)
        path = saved(tmp_path, content)
        try:
            everything(path)
        except InputError:
            refusal(path)


def test_paths_that_are_no_files(tmp_path):
    assert "is a folder, not a file" in refusal(tmp_path)
    assert "no such file" in str(pytest.raises(InputError, read, tmp_path / "absent.pth").value)
    with pytest.raises(InputError, match="more than the 10 allowed"):
        read(saved(tmp_path, GOOD), max_bytes=10)
