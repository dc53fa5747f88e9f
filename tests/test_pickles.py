"""pickles: official files are read bit by bit, ordinary loaders read written files, and nothing is executed."""
from __future__ import annotations

import io
import pickle
import subprocess
import sys
import tracemalloc
import types
from pathlib import Path

import hostile_pickles as hostile
import numpy as np
import pytest

from tf_idinvert.formats.pickles import NetworkRecord, PickleError, read, write

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"
PROTOCOLS = (2, 3, 4, 5)
CALLS = sorted(hostile.calls("marker"))
CONTENTS = {**hostile.wrong_arrays(), **{f"content: {k}": v for k, v in hostile.wrong_contents().items()}}
PLACES = {
    "bare": lambda part: part,
    "in the tuple": lambda part: hostile.several(hostile.network(), part),
    "in static_kwargs": hostile.keyword,
    "in a component": lambda part: hostile.network(components=hostile.mapping(part=hostile.keyword(part))),
    "as a variable": hostile.stored,
    "as array data": lambda part: hostile.stored(hostile.array(data=hostile.listing(part))),
}


def sample():
    """Records with every kind of value."""
    rng = np.random.default_rng(0)
    floats = rng.standard_normal((3, 4, 2)).astype(np.float32)
    arrays = {"f4": floats, "f2": floats.astype(np.float16), "f8": floats.astype(np.float64),
              "fortran": np.asfortranarray(floats), "strided": floats[::2, ::-1], "transposed": floats.T,
              "i8": np.arange(-3, 3, dtype=np.int64), "u1": np.arange(256, dtype=np.uint8),
              "bool": np.array([True, False]), "lod": np.array(1.5, np.float32), "none": np.zeros((0, 5), np.float32),
              "nan": np.array([np.nan, -0.0, np.inf])}
    keywords = {"resolution": 8, "beta": 0.995, "large": -2 ** 40, "fused": "auto", "noise": False, "nothing": None,
                "blur": [1, 2, 1], "pair": (1, (2.5, "x")), "nested": {"é": []}, "empty": ()}
    part = NetworkRecord("G_synthesis", {}, {"w": floats}, {}, "G_synthesis", "# é", 3)
    return (NetworkRecord("G", keywords, arrays, {"synthesis": part}, "G_style", "raise SystemExit\n" * 30, 3),
            NetworkRecord("D", {}, {}, {}, "D_basic", "", 2))


def assert_same(one, other):
    for key in ("name", "static_kwargs", "build_func_name", "build_module_src", "version"):
        assert getattr(one, key) == getattr(other, key)
    assert list(one.variables) == list(other.variables) and list(one.components) == list(other.components)
    for name, value in one.variables.items():
        same = other.variables[name]
        assert (value.dtype, value.shape, value.tobytes()) == (same.dtype, same.shape, same.tobytes()), name
    for name, component in one.components.items():
        assert_same(component, other.components[name])


def fake_modules(monkeypatch):
    """Modules in which an ordinary pickle finds Network and EasyDict; the Network class."""
    network = type("Network", (), {"__module__": "dnnlib.tflib.network", "__getstate__": lambda self: self.state,
                                   "__setstate__": lambda self, state: setattr(self, "state", state)})
    easy = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    for name, members in {"dnnlib": {}, "dnnlib.util": {"EasyDict": easy}, "dnnlib.tflib": {},
                          "dnnlib.tflib.network": {"Network": network}}.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return network, easy


def refusal(path):
    """The message of the PickleError that reading gives, checked for its form."""
    with pytest.raises(PickleError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and len(message.splitlines()) == 1, message
    assert len(message) < 350 + len(str(path)), message
    return message


def saved(folder, content):
    path = folder / "x.pkl"
    path.write_bytes(content)
    return path


# ---- sound files

@pytest.mark.parametrize("name", ("stylegan-32", "idinvert-128", "idinvert-v1-64"))
def test_reference_files_survive_every_protocol(name, tmp_path):
    source = REFERENCE / name / "network.pkl"
    if not source.exists():
        pytest.skip("needs ../shared/reference")
    records = read(source)
    assert [record.name for record in records][-3:] == ["G", "D", "Gs"]
    assert set(records[-1].components) == {"synthesis", "mapping"}
    for protocol in PROTOCOLS:
        write(tmp_path / "x.pkl", records, protocol)
        again = read(tmp_path / "x.pkl")
        assert len(again) == len(records)
        for one, other in zip(records, again):
            assert_same(one, other)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_records_survive(protocol, tmp_path):
    write(tmp_path / "x.pkl", sample(), protocol)
    again = read(tmp_path / "x.pkl")
    for one, other in zip(sample(), again):
        assert_same(one, other)
    assert not again[0].variables["f4"].flags.writeable
    assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_ordinary_unpickler_reads_what_is_written(protocol, tmp_path):
    write(tmp_path / "x.pkl", sample(), protocol)
    seen, network = set(), type("Network", (), {"__setstate__": lambda self, state: setattr(self, "state", state)})

    class Ordinary(pickle.Unpickler):
        def find_class(self, module, name):
            seen.add(f"{module}.{name}")
            return network if module.startswith("dnnlib") else super().find_class(module, name)

    loaded = Ordinary(io.BytesIO((tmp_path / "x.pkl").read_bytes())).load()
    assert seen - {"_codecs.encode"} == {"dnnlib.tflib.network.Network", "numpy.core.multiarray._reconstruct",
                                         "numpy.core.multiarray.scalar", "numpy.dtype", "numpy.ndarray"}
    record, state = sample()[0], loaded[0].state
    assert list(state) == ["version", "name", "static_kwargs", "components", "build_module_src", "build_func_name",
                           "variables"]
    assert "components" not in loaded[1].state and type(state["components"]["synthesis"]) is network
    assert state["static_kwargs"] == record.static_kwargs and state["build_module_src"] == record.build_module_src
    for (name, value), (own, expected) in zip(state["variables"], record.variables.items()):
        assert name == own and value.dtype == expected.dtype and value.shape == expected.shape
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("protocol, core", [(protocol, None) for protocol in PROTOCOLS]
                         + [(protocol, core) for protocol in (2, 3) for core in (b"numpy.core", b"numpy._core")])
def test_what_python_and_numpy_pickle_is_read(protocol, core, tmp_path, monkeypatch):
    """Pickled by the running NumPy; in text opcodes (protocols 2 and 3) also under the other module name."""
    network, easy = fake_modules(monkeypatch)
    record, whole = sample()[0], network()
    keywords = easy(record.static_kwargs, channels=np.int64(3), flag=np.bool_(True))
    whole.state = {"version": 2, "name": "G", "static_kwargs": keywords, "build_module_src": "",
                   "build_func_name": "G_style",
                   "variables": [(n, v[()] if v.ndim == 0 else v) for n, v in record.variables.items()]}
    content = pickle.dumps(whole, protocol)
    if core is not None:
        for other in (b"numpy._core", b"numpy.core"):
            content = content.replace(b"c" + other + b".multiarray\n", b"c" + core + b".multiarray\n")
    own, = read(saved(tmp_path, content))
    assert own.static_kwargs == {**record.static_kwargs, "channels": 3, "flag": True}
    assert type(own.static_kwargs) is dict and type(own.static_kwargs["channels"]) is int
    assert list(own.variables) == list(record.variables) and own.version == 2 and own.components == {}
    for name, value in record.variables.items():
        assert own.variables[name].dtype == value.dtype
        np.testing.assert_array_equal(own.variables[name], value)


def test_python_2_file(tmp_path):
    record, = read(saved(tmp_path, hostile.python2_network()))
    assert (record.name, record.version, record.static_kwargs) == ("G", 2, {"resolution": 1024})
    assert record.build_module_src == "# caf\xe9" and record.components == {}
    np.testing.assert_array_equal(record.variables["x"], np.array([1, -2], np.float32))


@pytest.mark.parametrize("core", ("numpy.core", "numpy._core"))
def test_module_names_of_both_numpy_generations(core, tmp_path):
    body = hostile.stored(hostile.array(made=hostile.empty_array(core)))
    record, = read(saved(tmp_path, hostile.whole(body)))
    np.testing.assert_array_equal(record.variables["x"], np.array([1, 2], np.float32))


def test_orders(tmp_path):
    """Big-endian and Fortran order give the numbers meant, in native byte order."""
    data = hostile.raw(np.arange(6, dtype=">f4").tobytes())
    body = hostile.stored(hostile.array((2, 3), data, hostile.dtype(order=">"), fortran=pickle.NEWTRUE))
    value = read(saved(tmp_path, hostile.whole(body)))[0].variables["x"]
    np.testing.assert_array_equal(value, np.arange(6).reshape(3, 2).T)
    assert value.dtype == np.float32 and value.dtype.isnative and not value.flags.writeable


def test_buffer_with_permuted_axes(tmp_path):
    """NumPy 2.3 writes so, in protocol 5."""
    shape, axes = (hostile.several(*map(hostile.integer, sizes)) for sizes in ((1, 2, 3), (1, 0, 2)))
    parts = hostile.raw(np.arange(6, dtype="<f4").tobytes()), hostile.dtype(), shape, hostile.text("K"), axes
    body = hostile.stored(b"cnumpy._core.numeric\n_frombuffer\n" + hostile.several(*parts) + pickle.REDUCE)
    value = read(saved(tmp_path, hostile.whole(body, 5)))[0].variables["x"]
    np.testing.assert_array_equal(value, np.arange(6).reshape(1, 2, 3).transpose(1, 0, 2))


def test_source_text_is_carried_and_not_run(tmp_path):
    marker = tmp_path / "ran"
    record = NetworkRecord("G", {}, {}, {}, "G_style", f"open({str(marker)!r}, 'w')")
    write(tmp_path / "x.pkl", [record])
    assert read(tmp_path / "x.pkl")[0].build_module_src == record.build_module_src and not marker.exists()


# ---- hostile and broken files

def test_payloads_are_real(tmp_path):
    """The marker is made where an ordinary unpickler loads the payload: so the tests below can fail."""
    marker = tmp_path / "ran"
    for name in ("os.system", "eval", "getattr chain", "INST", "OBJ"):
        content = hostile.whole(hostile.calls(marker)[name])
        loader = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
        subprocess.run([sys.executable, "-c", loader], input=content, capture_output=True, check=False)
        assert marker.exists(), name
        marker.unlink()


@pytest.mark.one_stack      # our own reading of bytes
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", CALLS)
def test_calls_are_refused_and_nothing_runs(name, place, tmp_path):
    marker = tmp_path / "ran"
    message = refusal(saved(tmp_path, hostile.whole(PLACES[place](hostile.calls(marker)[name]))))
    assert not marker.exists()
    assert "refuses" in message or "calls" in message, message


def test_refused_globals_are_named(tmp_path):
    payload = hostile.calls(tmp_path / "ran")
    assert "refuses to load global 'posix.system': " in refusal(saved(tmp_path, hostile.whole(payload["os.system"])))
    assert "a PyTorch network?" in refusal(saved(tmp_path, hostile.whole(payload["PyTorch"])))
    assert "BINPERSID" in refusal(saved(tmp_path, hostile.whole(payload["persistent id"])))


@pytest.mark.one_stack      # our own reading of bytes
@pytest.mark.parametrize("name", CONTENTS)
def test_wrong_contents_are_refused(name, tmp_path):
    body, words = CONTENTS[name]
    assert words in refusal(saved(tmp_path, hostile.whole(body)))


@pytest.mark.parametrize("name", hostile.other_formats())
def test_other_formats_are_named(name, tmp_path):
    content, words = hostile.other_formats()[name]
    assert words in refusal(saved(tmp_path, content))


def test_paths_that_are_no_files(tmp_path):
    assert "is a folder, not a file" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "absent.pkl")
    assert "line\\nbreak" in str(pytest.raises(PickleError, read, tmp_path / "line\nbreak").value)
    with pytest.raises(PickleError, match="more than the 10 allowed"):
        read(saved(tmp_path, hostile.whole(hostile.network())), max_bytes=10)


@pytest.mark.parametrize("bomb", [f"content: {name}" for name in (
    "claimed length", "claimed length of a text", "claimed bytearray", "claimed frame", "memo far away",
    "billion laughs", "networks by doubling", "copied again and again", "pairs again and again", "keys nested deeply")]
    + ["shape whose product overflows"])
def test_bombs_take_little_memory(bomb, tmp_path):
    path = saved(tmp_path, hostile.whole(CONTENTS[bomb][0]))
    tracemalloc.start()
    try:
        refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20, f"{peak} bytes"


def test_reading_takes_no_second_copy(tmp_path):
    array = np.zeros(4_000_000, np.float32)
    write(tmp_path / "x.pkl", [NetworkRecord("G", {}, {"x": array}, {}, "G_style")])
    tracemalloc.start()
    try:
        read(tmp_path / "x.pkl")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * array.nbytes


@pytest.mark.one_stack      # our own reading of bytes
@pytest.mark.parametrize("part", range(50))
def test_a_cut_file_is_refused(part, tmp_path):
    write(tmp_path / "whole.pkl", sample())
    content = (tmp_path / "whole.pkl").read_bytes()
    refusal(saved(tmp_path, content[:len(content) * part // 50]))


@pytest.mark.one_stack      # our own reading of bytes
@pytest.mark.parametrize("protocol", (2, 5))
@pytest.mark.parametrize("seeds", [range(first, first + 20) for first in range(0, 200, 20)], ids=str)
def test_flipped_bytes_give_records_or_one_line(seeds, protocol, tmp_path):
    write(tmp_path / "x.pkl", sample(), protocol)
    whole = (tmp_path / "x.pkl").read_bytes()
    for seed in seeds:
        content, rng = bytearray(whole), np.random.default_rng(seed)
        for place in rng.integers(2, len(content), size=rng.integers(1, 6)):
            content[place] = rng.integers(256)
        path = saved(tmp_path, content)
        try:
            records = read(path)
        except PickleError:
            refusal(path)
        else:
            write(tmp_path / "again.pkl", records)      # only complete, valid records can be written
            assert len(read(tmp_path / "again.pkl")) == len(records)


# ---- what cannot be written

@pytest.mark.parametrize("change, words", [
    ({"variables": {"x": [1.0]}}, "variable 'x' is of class list"),
    ({"variables": {"x": np.array(["a"])}}, "expected an array of plain numbers"),
    ({"variables": {"x": np.array([None])}}, "expected an array of plain numbers"),
    ({"variables": {1: np.zeros(1)}}, "text as keys"),
    ({"variables": []}, "expected a dict"),
    ({"static_kwargs": {"x": np.zeros(2)}}, "static_kwargs is an array"),
    ({"static_kwargs": {"x": object()}}, "static_kwargs is of class object"),
    ({"static_kwargs": {"x": 2 ** 63}}, "value of static_kwargs is"),
    ({"static_kwargs": {"x": "\ud800"}}, "value of static_kwargs is"),
    ({"components": {"x": "y"}}, "expected a network"),
    ({"name": 3}, "name is 3"),
    ({"version": 5}, "version 5, expected 2, 3 or 4"),
    ({"version": 2, "components": {"D": sample()[1]}}, "version 2 does not know"),
])
def test_a_wrong_record_is_refused_and_the_old_file_kept(change, words, tmp_path):
    path = saved(tmp_path, b"old")
    record = NetworkRecord(**{**vars(sample()[0]), **change})
    with pytest.raises(PickleError) as caught:
        write(path, [record])
    assert words in str(caught.value) and str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("records, protocol", [
    ([], 4), (list(sample()) * 3, 4), (["G"], 4), ("G", 4), (sample()[0], 4), (sample(), 1), (sample(), 6)])
def test_wrong_arguments_of_write(records, protocol, tmp_path):
    with pytest.raises(PickleError, match=r"x\.pkl: .*expected"):
        write(tmp_path / "x.pkl", records, protocol)
    assert not list(tmp_path.iterdir())


def test_a_record_in_itself_is_not_written(tmp_path):
    record = sample()[0]
    record.components["own"] = record
    with pytest.raises(PickleError, match="contains itself"):
        write(tmp_path / "x.pkl", [record])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_absent(tmp_path):
    with pytest.raises(PickleError, match=r"x\.pkl: cannot be written"):
        write(tmp_path / "absent" / "x.pkl", sample())
