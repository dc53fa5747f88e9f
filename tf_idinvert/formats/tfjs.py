"""Graph models of TensorFlow.js (a .json file and its .bin files) as TensorFlow functions, for networks that see.

The .json file holds a frozen graph as JSON, node by node, and a manifest that says where in the .bin files which
constant is. Nothing of it is executed but the operations of the table below, and an operation that is not there is
refused by its name. What the files claim is checked against their sizes, and what the graph makes of one picture may
not exceed MOST_ELEMENTS numbers. Source: the documents of TensorFlow.js on its formats; attributes are those of
TensorFlow's operations, in the JSON form of protocol buffers.
"""
from __future__ import annotations

import base64
import json
import math
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_idinvert.formats.arguments import shown
from tf_idinvert.formats.pickle_machine import Refused
from tf_idinvert.formats.untrusted import FileError, label, opened

MAX_JSON, MAX_WEIGHTS = 32 << 20, 1 << 30               # bytes of the files
MOST_NODES, LONGEST_SIDE, MOST_ELEMENTS = 20000, 1024, 1 << 27
ITEM = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "uint8": "u1", "uint16": "<u2"}


class GraphError(FileError):
    """A graph model that cannot be read; one line that begins with the file's path."""


class GraphModel:
    """`model(x)`: float32 [N, H, W, C] -> {name of an output: tensor}.

    Attributes:
        shape: (H, W, C) of the input.
        outputs: names; output_shapes: {name: shape for one picture}.
        files: paths of its .bin files.
    """

    def __init__(self, nodes, constants, shape, outputs, files):
        self.nodes, self.constants, self.shape, self.outputs, self.files = nodes, constants, shape, outputs, files

    def __call__(self, x):
        values = dict(self.constants)
        for name, op, inputs, attributes in self.nodes:
            values[name] = x if op == "Placeholder" else OPERATIONS[op](attributes, *(values[each] for each in inputs))
        return {name: values[name] for name in self.outputs}


def read(path):
    """The model of a .json file, or of the only one in a folder.

    Raises:
        GraphError: missing, damaged, hostile, or with an operation that the table does not have; one line.
    """
    path = json_file(Path(path))
    with opened(path, "graph model", MAX_JSON, GraphError) as (file, _):
        text = file.read()
    try:
        return _model(path, text)
    except GraphError:                  # of a file beside it
        raise
    except Refused as error:
        raise GraphError(f"{label(path)}: {error}") from error
    except Exception as error:          # a damaged file can fail anywhere
        raise GraphError(f"{label(path)}: is damaged, no readable graph model ({type(error).__name__})") from error


def _model(path, text):
    try:
        content = json.loads(text)
        nodes, manifest = content["modelTopology"]["node"], content["weightsManifest"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused("is no graph model of TensorFlow.js") from None
    nodes = _sorted(nodes)
    constants, files = _constants(path, manifest)
    missing = [name for name, op, *_ in nodes if op == "Const" and name not in constants]
    if missing:
        raise Refused(f"has no values for {shown(missing[0])}")
    model = GraphModel([node for node in nodes if node[1] != "Const"], constants, _input_shape(content),
                       _outputs(content, nodes), files)
    model.output_shapes = _try(model)
    return model


def json_file(path):
    """The .json file of a model: `path` itself, or in a folder the only one, or faceres.json or model.json."""
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.json"))
    preferred = [each for each in found if each.name in ("faceres.json", "model.json")]
    if len(found) != 1 and len(preferred) != 1:
        raise GraphError(f"{path}: expected one .json file, or faceres.json or model.json; found {len(found)}")
    return (preferred or found)[0]


# ------------------------------------------------------------------------------------------------- the graph

def _sorted(nodes):
    """[(name, op, names of inputs, attributes)], each after what it needs. Refused where that cannot be."""
    if not isinstance(nodes, list) or not 0 < len(nodes) <= MOST_NODES:
        raise Refused(f"has no list of up to {MOST_NODES} nodes")
    known = {}
    for node in nodes:
        name, op = (node.get("name"), node.get("op")) if isinstance(node, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(op, str) or name in known:
            raise Refused(f"has a node without a name of its own ({shown(name)})")
        if op not in OPERATIONS and op not in ("Const", "Placeholder"):
            raise Refused(f"has the operation {shown(op)}, which is not one of {', '.join(sorted(OPERATIONS))}")
        inputs = [_tensor(each) for each in node.get("input", ()) if not str(each).startswith("^")]
        known[name] = name, op, inputs, node.get("attr", {})
    users = {}
    for name, _, inputs, _ in known.values():
        for each in set(inputs):
            users.setdefault(each, []).append(name)
    left = {name: len(set(inputs)) for name, _, inputs, _ in known.values()}
    ready = [name for name, count in left.items() if not count]
    for name in ready:                          # grows meanwhile
        for user in users.get(name, ()):
            left[user] -= 1
            if not left[user]:
                ready.append(user)
    if len(ready) < len(known):
        stuck = next(name for name in known if left[name])
        raise Refused(f"has nodes that wait for each other or for none there is, such as {shown(stuck)}")
    return [known[name] for name in ready]


def _tensor(text):
    """Name of the node whose only output is meant."""
    name, _, number = str(text).partition(":")
    if number not in ("", "0"):
        raise Refused(f"uses output {shown(number)} of {shown(name)}; nodes have one")
    return name


def _input_shape(content):
    """(H, W, C) of the only placeholder."""
    places = [node for node in content["modelTopology"]["node"] if node["op"] == "Placeholder"]
    try:
        (place,) = places
        sizes = [int(each["size"]) for each in place["attr"]["shape"]["shape"]["dim"]]
    except (ValueError, KeyError, TypeError):
        raise Refused("has no single input [N, H, W, C] of known size") from None
    if len(sizes) != 4 or not all(0 < size <= LONGEST_SIDE for size in sizes[1:]):
        raise Refused(f"has an input of {sizes}; expected [N, H, W, C], sides up to {LONGEST_SIDE}")
    return tuple(sizes[1:])


def _outputs(content, nodes):
    """Names of the outputs: those of the signature, else of the nodes that no other uses."""
    names = {name for name, *_ in nodes}
    signature = content.get("signature")
    outputs = signature.get("outputs") if isinstance(signature, dict) else None
    if isinstance(outputs, dict) and outputs:
        found = [_tensor(each["name"] if isinstance(each, dict) and "name" in each else name)
                 for name, each in outputs.items()]
    else:
        used = {each for _, _, inputs, _ in nodes for each in inputs}
        found = [name for name, op, *_ in nodes if name not in used and op != "Const"]
    if not found or not set(found) <= names:
        raise Refused("names outputs that it does not have")
    return found


def _try(model):
    """Trace the graph for one picture, without computing it -> {name of an output: its shape}. Refused where shapes do
    not fit or grow too large.
    """
    try:
        traced = tf.function(model, autograph=False).get_concrete_function(tf.TensorSpec([1, *model.shape], tf.float32))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, tf.errors.OpError) as error:
        raise Refused(f"has a node that does not fit: {(str(error) or type(error).__name__).splitlines()[0]}") from None
    total = 0
    for operation in traced.graph.get_operations():
        for tensor in operation.outputs:
            if not tensor.shape.is_fully_defined():
                raise Refused(f"has a tensor of unknown shape {tensor.shape}")
            total += tensor.shape.num_elements()
    if total > MOST_ELEMENTS:
        raise Refused(f"makes {total} numbers of a picture, more than {MOST_ELEMENTS}")
    return {name: tuple(tensor.shape) for name, tensor in traced.structured_outputs.items()}


# ------------------------------------------------------------------------------------------------- the weights

def _constants(path, manifest):
    """({name: array}, paths of files) of all groups of the manifest, whose files lie beside the .json file."""
    found, files = {}, []
    if not isinstance(manifest, list):
        raise Refused("has no list of weights")
    for group in manifest:
        parts = []
        for name in group["paths"]:
            if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
                raise Refused(f"names the file {shown(name)}, which is not beside it")
            files.append(path.parent / name)
            with opened(files[-1], "file of weights", MAX_WEIGHTS, GraphError) as (file, size):
                parts.append(file.read(size))
        data, at = b"".join(parts), 0
        for weight in group["weights"]:
            name, values, at = _weight(weight, data, at)
            if name in found:
                raise Refused(f"has two weights {shown(name)}")
            found[name] = values
        if at != len(data):
            raise Refused(f"uses {at} of the {len(data)} bytes of its weights")
    return found, files


def _weight(weight, data, at):
    """(name, array, where the next one begins)"""
    shape, dtype, quantized = weight["shape"], weight["dtype"], weight.get("quantization") or {}
    stored = quantized.get("dtype", dtype)
    if stored not in ITEM or dtype not in ("float32", "int32"):
        raise Refused(f"has weights of type {shown(dtype)}, stored as {shown(stored)}")
    if not isinstance(shape, list) or not all(type(each) is int and each >= 0 for each in shape) or len(shape) > 8:
        raise Refused(f"has weights of shape {shown(shape)}")
    end = at + math.prod(shape) * np.dtype(ITEM[stored]).itemsize
    if end > len(data):
        raise Refused("claims more weights than its files hold")
    values = np.frombuffer(data[at:end], ITEM[stored]).astype(dtype).reshape(shape)
    if stored in ("uint8", "uint16") and quantized:
        values = values * np.float32(quantized["scale"]) + np.float32(quantized["min"])
    if not np.isfinite(values).all():
        raise Refused(f"has weights {shown(weight['name'])} that are not finite")
    return weight["name"], values, end


# ------------------------------------------------------------------------------------------------- operations

def _text(attributes, name, default=""):
    """A text, which JSON holds in base 64."""
    value = attributes.get(name, {}).get("s")
    return default if value is None else base64.b64decode(value).decode("ascii")


def _whole(attributes, name, default):
    """A list of whole numbers."""
    values = attributes.get(name, {}).get("list", {}).get("i")
    return [int(each) for each in values] if values else default


def _flag(attributes, name):
    return bool(attributes.get(name, {}).get("b", False))


def _window(attributes, *names):
    """Whole numbers of a window [1, h, w, 1] -> [h, w] each, and the padding; channels last."""
    if _text(attributes, "data_format", "NHWC") != "NHWC":
        raise ValueError("channels first")
    padding = _text(attributes, "padding")
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"padding {padding!r}")
    return *(_whole(attributes, name, [1, 1, 1, 1])[1:3] for name in names), padding


def _convolve(attributes, x, kernel, *_):
    strides, dilations, padding = _window(attributes, "strides", "dilations")
    return tf.nn.conv2d(x, kernel, strides, padding, dilations=dilations)


def _convolve_depthwise(attributes, x, kernel, *_):
    strides, dilations, padding = _window(attributes, "strides", "dilations")
    return tf.nn.depthwise_conv2d(x, kernel, [1, *strides, 1], padding, dilations=dilations)


def _pool(function):
    def pool(attributes, x):
        size, strides, padding = _window(attributes, "ksize", "strides")
        return function(x, size, strides, padding)
    return pool


def _multiply(attributes, a, b, *_):
    return tf.matmul(a, b, _flag(attributes, "transpose_a"), _flag(attributes, "transpose_b"))


def _fused(operation):
    """The operation, then those that TensorFlow's optimiser has joined with it."""
    def fused(attributes, x, weight, *more):
        y, more = operation(attributes, x, weight), list(more)
        for each in attributes.get("fused_ops", {}).get("list", {}).get("s", ()):
            name = base64.b64decode(each).decode("ascii")
            y = tf.nn.bias_add(y, more.pop(0)) if name == "BiasAdd" else _activation(name)(y)
        return y
    return fused


def _activation(name):
    activations = {"Relu": tf.nn.relu, "Relu6": tf.nn.relu6, "Elu": tf.nn.elu, "Sigmoid": tf.sigmoid, "Tanh": tf.tanh}
    if name not in activations:
        raise ValueError(f"joined operation {name!r}")
    return activations[name]


def _plain(function):
    return lambda attributes, *inputs: function(*inputs)


def _mean(attributes, x, axes):
    return tf.reduce_mean(x, [int(each) for each in np.ravel(axes)], keepdims=_flag(attributes, "keep_dims"))


def _reshape(attributes, x, shape):
    return tf.reshape(x, [int(each) for each in np.ravel(shape)])


def _squeeze(attributes, x):
    return tf.squeeze(x, _whole(attributes, "squeeze_dims", None))


OPERATIONS = {
    "Identity": _plain(tf.identity), "Add": _plain(tf.add), "AddV2": _plain(tf.add), "Sub": _plain(tf.subtract),
    "Mul": _plain(tf.multiply), "RealDiv": _plain(tf.divide), "Minimum": _plain(tf.minimum),
    "Maximum": _plain(tf.maximum), "BiasAdd": _plain(tf.nn.bias_add), "Relu": _plain(tf.nn.relu),
    "Relu6": _plain(tf.nn.relu6), "Elu": _plain(tf.nn.elu), "Sigmoid": _plain(tf.sigmoid), "Tanh": _plain(tf.tanh),
    "Softmax": _plain(tf.nn.softmax), "Rsqrt": _plain(tf.math.rsqrt), "Conv2D": _convolve,
    "DepthwiseConv2dNative": _convolve_depthwise, "MatMul": _multiply, "_FusedConv2D": _fused(_convolve),
    "FusedDepthwiseConv2dNative": _fused(_convolve_depthwise), "_FusedMatMul": _fused(_multiply), "Mean": _mean,
    "Reshape": _reshape, "Squeeze": _squeeze, "MaxPool": _pool(tf.nn.max_pool2d), "AvgPool": _pool(tf.nn.avg_pool2d),
}
