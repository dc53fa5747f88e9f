"""Face embeddings from graph models of TensorFlow.js: read, computed as NumPy does, refused where hostile; cosines."""
from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import evaluating
import numpy as np
import pytest
import tiny

from tf_idinvert.evaluation.identity import Embedding, cosines, identity
from tf_idinvert.evaluation.papers import methods
from tf_idinvert.formats import tfjs

SIDE = 6


def text(value):
    return {"s": base64.b64encode(value.encode()).decode()}


def texts(*values):
    return {"list": {"s": [base64.b64encode(value.encode()).decode() for value in values]}}


WINDOW = {"strides": {"list": {"i": ["1", "2", "2", "1"]}}, "dilations": {"list": {"i": ["1", "1", "1", "1"]}},
          "padding": text("SAME"), "data_format": text("NHWC"), "explicit_paddings": {"list": {}}}
NODES = [       # not in order: each is found when what it needs is done
    ("out", "_FusedMatMul", ["mean", "dense", "bias"],
     {"fused_ops": texts("BiasAdd", "Relu"), "transpose_b": {"b": True}}),
    ("gender", "Sigmoid", ["one"], {}), ("one", "MatMul", ["mean", "head"], {}), ("age", "Softmax", ["out"], {}),
    ("x", "Placeholder", [], {"shape": {"shape": {"dim": [{"size": each} for each in ("-1", "6", "6", "3")]}}}),
    ("conv", "Conv2D", ["x", "kernel"], WINDOW), ("add", "Add", ["conv", "shift"], {}), ("relu", "Relu", ["add"], {}),
    ("low", "Minimum", ["relu", "six:0", "^x"], {}), ("clip", "Maximum", ["low", "zero"], {}),
    ("depthwise", "DepthwiseConv2dNative", ["clip", "depth"], {**WINDOW, "padding": text("VALID")}),
    ("mul", "Mul", ["depthwise", "scale"], {}), ("mean", "Mean", ["mul", "axes"], {"keep_dims": {"b": False}}),
    *((name, "Const", [], {}) for name in ("kernel", "shift", "six", "zero", "depth", "scale", "axes", "dense", "bias",
                                           "head"))]
SHAPES = {"kernel": [2, 2, 3, 4], "shift": [4], "six": [], "zero": [], "depth": [2, 2, 4, 1], "scale": [4],
          "dense": [5, 4], "bias": [5], "head": [4, 1]}


def values():
    found = {name: tiny.normal(*shape, seed=i) * 0.1 for i, (name, shape) in enumerate(SHAPES.items())}
    return {**found, "six": np.float32(6), "zero": np.float32(0), "axes": np.array([1, 2], np.int32)}


def write(folder, nodes=NODES, arrays=None, change=None, stored="float16", name="model.json"):
    """A model in a folder -> path; `change` is called with its JSON and its bytes, and returns the bytes."""
    folder.mkdir(exist_ok=True)
    arrays, manifest, data = arrays or values(), [], b""
    for each, array in arrays.items():
        array = np.asarray(array)
        kind = "int32" if array.dtype == np.int32 else "float32"
        entry = {"name": each, "shape": list(array.shape), "dtype": kind}
        if kind == "float32" and stored == "float16":
            entry["quantization"], array = {"dtype": "float16", "original_dtype": "float32"}, array.astype("<f2")
        if kind == "float32" and stored == "uint8":
            low, step = float(array.min()), float(np.ptp(array)) / 255 or 1.0
            entry["quantization"] = {"dtype": "uint8", "scale": step, "min": low, "original_dtype": "float32"}
            array = np.round((array - low) / step).astype("u1")
        manifest.append(entry)
        data += array.tobytes()
    content = {"format": "graph-model", "modelTopology": {"node": [
        {"name": node, "op": op, "input": inputs, "attr": attributes} for node, op, inputs, attributes in nodes]},
        "weightsManifest": [{"paths": ["a.bin", "b.bin"], "weights": manifest}]}
    if change:
        data = change(content, data) or data
    (folder / "a.bin").write_bytes(data[:11])
    (folder / "b.bin").write_bytes(data[11:])
    (folder / name).write_text(json.dumps(content))
    return folder / name


def by_hand(x, v):
    """The same graph in NumPy, loop by loop."""
    def windows(x):
        return {(i, j): x[:, 2 * i:2 * i + 2, 2 * j:2 * j + 2] for i in range(x.shape[1] // 2)
                for j in range(x.shape[2] // 2)}

    y = np.zeros([len(x), 3, 3, 4])
    for (i, j), window in windows(x).items():
        y[:, i, j] = np.einsum("nhwc,hwco->no", window, v["kernel"])
    y = np.clip(np.maximum(y + v["shift"], 0), 0, 6)
    z = np.einsum("nhwc,hwc->nc", y[:, :2, :2], v["depth"][..., 0]) * v["scale"]
    out = np.maximum(z @ v["dense"].T + v["bias"], 0)
    return {"out": out, "gender": 1 / (1 + np.exp(-z @ v["head"])),
            "age": np.exp(out) / np.exp(out).sum(axis=1, keepdims=True)}


@pytest.mark.parametrize("stored, tolerance", [("float32", 1e-5), ("float16", 1e-5), ("uint8", 0.05)])
def test_a_graph_computes_what_numpy_does(tmp_path, stored, tolerance):
    model = tfjs.read(write(tmp_path, stored=stored))
    assert model.shape == (6, 6, 3) and set(model.outputs) == {"gender", "age"}     # out goes on to age
    assert model.output_shapes == {"gender": (1, 1), "age": (1, 5)}
    x, v = tiny.normal(3, 6, 6, 3, seed=20) * 10, values()
    if stored == "float16":
        v = {name: np.asarray(each).astype("float16").astype("float64") for name, each in v.items()}
    expected = by_hand(x, v)
    for name, tensor in model(x).items():
        assert np.abs(np.asarray(tensor) - expected[name]).max() < tolerance, name
    assert np.ptp(np.asarray(model(x)["age"])) > 1e-3


def test_outputs_of_the_signature(tmp_path):
    path = write(tmp_path, change=lambda content, data: content.update(
        signature={"outputs": {"out:0": {"name": "out:0"}, "mean": {}}}))
    model = tfjs.read(tmp_path)
    assert model.outputs == ["out", "mean"] and path.name == "model.json"
    assert [each.name for each in model.files] == ["a.bin", "b.bin"]


def test_every_operation_of_the_table_computes(tmp_path):
    """Those that the graph above does not use, against NumPy."""
    x = np.abs(tiny.normal(1, 4, 4, 2, seed=5)) + 0.1
    pool = {"ksize": {"list": {"i": ["1", "2", "2", "1"]}}, **{k: WINDOW[k] for k in ("strides", "padding")}}
    blocks = x.reshape(1, 2, 2, 2, 2, 2)
    wanted = {"Identity": x, "Rsqrt": x ** -0.5, "Tanh": np.tanh(x), "Relu6": np.minimum(x, 6), "Elu": x,
              "MaxPool": blocks.max((2, 4)), "AvgPool": blocks.mean((2, 4))}
    for name, expected in wanted.items():
        assert tiny.relative(tfjs.OPERATIONS[name](pool, x), expected) < 1e-5, name
    two = {"AddV2": x + 3, "Sub": x - 3, "RealDiv": x / 3}
    for name, expected in two.items():
        assert tiny.relative(tfjs.OPERATIONS[name]({}, x, np.float32(3)), expected) < 1e-5, name
    bias = np.array([1, -2], "float32")
    assert tiny.relative(tfjs.OPERATIONS["BiasAdd"]({}, x, bias), x + bias) < 1e-5
    assert tfjs.OPERATIONS["Reshape"]({}, x, np.array([1, -1])).shape == (1, 32)
    assert tfjs.OPERATIONS["Squeeze"]({"squeeze_dims": {"list": {"i": ["0"]}}}, x).shape == (4, 4, 2)
    kernel, depth = tiny.normal(2, 2, 2, 3, seed=6), tiny.normal(2, 2, 2, 1, seed=7)
    fused = {**WINDOW, "fused_ops": texts("BiasAdd", "Tanh")}
    cells = x.reshape(1, 2, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5)
    assert tiny.relative(tfjs.OPERATIONS["_FusedConv2D"](fused, x, kernel, np.ones(3, "float32")),
                         np.tanh(np.einsum("nijhwc,hwco->nijo", cells, kernel) + 1)) < 1e-5
    assert tiny.relative(tfjs.OPERATIONS["FusedDepthwiseConv2dNative"](fused, x, depth, np.ones(2, "float32")),
                         np.tanh(np.einsum("nijhwc,hwc->nijc", cells, depth[..., 0]) + 1)) < 1e-5
    with pytest.raises(ValueError, match="Prelu"):
        tfjs.OPERATIONS["_FusedConv2D"]({**WINDOW, "fused_ops": texts("Prelu")}, x, kernel)


def node(name, **changes):
    """NODES, one of them changed: its op, inputs or attributes."""
    def changed(each):
        return each if each[0] != name else (name, changes.get("op", each[1]), changes.get("inputs", each[2]),
                                             changes.get("attributes", each[3]))
    return dict(nodes=[changed(each) for each in NODES])


def manifest(change):
    return dict(change=lambda content, data: change(content["weightsManifest"][0]))


def large():
    """A small file whose product of two constants is large."""
    arrays = {**values(), "scale": np.ones([1, 5000, 1, 4], "float32"), "shift": np.ones([20000, 1, 1, 4], "float32")}
    return dict(arrays=arrays)


@pytest.mark.parametrize("given, words", [
    (node("relu", op="PyFunc"), "has the operation 'PyFunc', which is not one of"),
    (node("relu", op="Erf\n"), "has the operation"),
    (node("conv", inputs=["age", "kernel"]), "wait for each other"),
    (node("conv", inputs=["nothing", "kernel"]), "wait for each other or for none there is"),
    (node("age", inputs=["out:1"]), "uses output"),
    (node("conv", attributes={**WINDOW, "data_format": text("NCHW")}), "channels first"),
    (node("conv", attributes={**WINDOW, "padding": text("REFLECT")}), "padding"),
    (node("conv", attributes={"strides": 3}), "does not fit"),
    (node("add", inputs=["conv"]), "does not fit"),
    (node("x", attributes={"shape": {"shape": {"dim": [{"size": "1"}, {"size": "99999"}] * 2}}}), "sides up to"),
    (dict(nodes=NODES + NODES[:1]), "without a name of its own"),
    (dict(nodes=[each for each in NODES if each[1] != "Placeholder"]), "wait for"),
    (dict(arrays={name: each for name, each in values().items() if name != "bias"}), "has no values for 'bias'"),
    (dict(arrays={**values(), "bias": np.full(5, np.nan, "float32")}), "not finite"),
    (large(), "numbers of a picture, more than"),
    (dict(change=lambda content, data: data[:-3]), "more weights than its files hold"),
    (dict(change=lambda content, data: data + b"abc"), "bytes of its weights"),
    (manifest(lambda group: group.update(paths=["../../etc/passwd"])), "not beside it"),
    (manifest(lambda group: group.update(paths=["missing.bin"])), "no such file"),
    (manifest(lambda group: group["weights"][0].update(shape=[1 << 40])), "more weights"),
    (manifest(lambda group: group["weights"][0].update(dtype="string")), "of type"),
    (manifest(lambda group: group.update(weights=3)), "is damaged"),
    (dict(change=lambda content, data: content.pop("weightsManifest") and None), "is no graph model"),
    (dict(change=lambda content, data: content.update(signature={"outputs": {"none": {}}})), "does not have")])
def test_damaged_and_hostile_files_are_one_line(tmp_path, given, words):
    path = write(tmp_path, **given)
    with pytest.raises(tfjs.GraphError, match=words) as error:
        tfjs.read(path)
    assert "\n" not in str(error.value) and str(error.value).startswith(str(tmp_path))


def test_folders_with_several_models_or_none(tmp_path):
    with pytest.raises(tfjs.GraphError, match="found 0"):
        tfjs.read(tmp_path)
    write(tmp_path)
    (tmp_path / "other.json").write_text("{}")
    assert tfjs.read(tmp_path).shape == (6, 6, 3)
    (tmp_path / "model.json").rename(tmp_path / "third.json")
    with pytest.raises(tfjs.GraphError, match="found 2"):
        tfjs.read(tmp_path)


# ---- cosines

def test_cosines_of_every_picture_by_method_and_edit(tmp_path):
    write(tmp_path / "net")
    embed = Embedding(tmp_path / "net")
    assert embed.about == "model.json, output age of 5 numbers" and len(embed.key.split()) == 3
    bench = evaluating.make(tmp_path / "cache", roles=("in-domain",), judged=False, optimised=6)
    bench.faces, made = embed, {}

    def inverted(method, count):
        if method == "force":
            raise methods.Missing("no force-in-domain encoder was given")
        rng = np.random.default_rng(len(method))
        return made.setdefault(method, SimpleNamespace(pictures=rng.integers(0, 256, [count, 16, 16, 3], np.uint8),
                                                       codes=tiny.normal(count, 6, 8)))

    bench.inverted = inverted
    part = identity(bench)
    vectors = embed(np.asarray(bench.originals.pictures[:6]))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for method in ("encoder", "inversion"):
        inverted = embed(bench.inverted(method, 6).pictures)
        expected = [float(a @ b) for a, b in zip(vectors, inverted)]
        assert np.allclose(part.numbers[method]["inverted"], expected, atol=1e-6)
        assert set(part.numbers[method]) == {"inverted", "age", "gender"}
        assert len(part.numbers[method]["age"]) == 6
    summary, each = part.tables
    assert [len(row) for row in each.rows] == [len(each.columns)] * 6 and len(each.columns) == 7
    assert any("force" in row[0].lower() and row[2] is None for row in summary.rows)      # no such encoder: said so
    assert np.allclose(cosines(vectors, vectors), 1, atol=1e-5)
    pairs = [float(vectors[i] @ vectors[j]) for i in range(6) for j in range(i + 1, 6)]
    assert part.numbers["others"] == pytest.approx(np.mean(pairs), abs=1e-5)
