"""Models of others in Keras' own files: .keras, .h5 and SavedModel, read with care.

A Keras file may carry Python code (Lambda layers) and names of functions to call; Keras' safe mode refuses the first,
in .keras only, and some versions of it miss the second. So the configuration is read first, as JSON, and refused unless
all that it names are layers and their parts of Keras itself; then Keras loads it, safe mode on.

A SavedModel is a program: TensorFlow runs its graph. Safe can only mean that the graph does nothing but compute. All of
its operations are read first, and a model is refused that has one which reaches files, networks, Python or other
processes; reading and writing variables is let through, and saving and restoring them in functions that no signature
calls. It may still take all memory and time: files from strangers belong in a container.
"""
from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import h5py
import keras
import tensorflow as tf

from tf_idinvert.errors import InputError, first_line
from tf_idinvert.files.paths import require_file
from tf_idinvert.formats.hdf5_attributes import attributes

MAX_CONFIG, MAX_GRAPH, MAX_WEIGHTS = 16 << 20, 512 << 20, 4 << 30     # bytes
MODULES = re.compile(r"(keras|tf_keras|builtins)(\.src)?(\.(layers|models|engine|initializers|regularizers|constraints|"
                     r"dtype_policies|mixed_precision|activations)(\..*)?)?")
REFUSED = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer", "function", "TFOpLambda",
           "SlicingOpLambda", "__lambda__"}
STATE = {"VarHandleOp", "DisableCopyOnRead", "ReadVariableOp", "AssignVariableOp", "VarIsInitializedOp",
         "StatefulPartitionedCall", "PartitionedCall", "StatefulIf", "If", "While", "Placeholder", "Assert"}
SAVING = {"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"}
# TensorFlow marks most operations that reach beyond the graph as stateful; these not, or not in all versions:
REACHING = re.compile("ReadFile|MatchingFiles|EagerPyFunc|PyFunc.*|Copy|CopyHost|Debug.*|.*(Dataset|Iterator|Rpc).*")


def load(path):
    """(callable of pictures, shape of its input) of a model's file or folder.

    Raises:
        InputError: missing, of another kind, damaged, or refused; nothing in it was executed then.
    """
    path = Path(path)
    if path.is_dir():
        return _saved_model(path)
    require_file(path, "a Keras model (.h5, .keras, or a SavedModel's folder)", InputError)
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if not head:
        raise InputError(f"{path}: is empty, expected a Keras model (.h5, .keras, or a SavedModel's folder)")
    zipped = path.suffix == ".keras"        # as Keras chooses; a file can be both
    if not head.startswith(b"PK" if zipped else b"\x89HDF"):
        raise InputError(f"{path}: no Keras model: neither .h5, which is HDF5, nor .keras, which is a zip archive")
    _check(_config_of_keras(path) if zipped else _config_of_h5(path), path)
    try:
        model = keras.models.load_model(str(path), compile=False, safe_mode=True)
        shape = tuple(model.input_shape)
    except Exception as error:      # other versions' files fail in many ways
        raise InputError(f"{path}: Keras {keras.__version__} cannot read it: {first_line(error)}") \
            from error
    return lambda x: model(x, training=False), shape


def _config_of_keras(path):
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if sum(sizes.values()) > MAX_WEIGHTS or sizes.get("config.json", MAX_CONFIG + 1) > MAX_CONFIG:
                raise InputError(f"{path}: no Keras model of at most {MAX_WEIGHTS >> 30} GB with a config.json")
            return json.loads(archive.read("config.json"))
    except InputError:
        raise
    except Exception as error:      # archives have many ways to be damaged
        raise InputError(f"{path}: damaged: {first_line(error)}") from error


def _config_of_h5(path):
    try:
        with h5py.File(path, "r") as file:
            text = attributes(file).get("model_config")
        if not text or len(text) > MAX_CONFIG:
            raise InputError("holds no model's configuration: weights alone are not enough")
        return json.loads(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:      # a damaged file can fail anywhere in the HDF5 library
        raise InputError(f"{path}: damaged: {first_line(error)}") from error


def _check(config, path):
    """InputError where a configuration names anything but layers and their parts of Keras itself."""
    waiting = [config]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            name, module = each.get("class_name"), each.get("module")
            if name in REFUSED:
                raise InputError(f"{path}: has a {name} layer, which can carry code of its own: refused")
            if "class_name" in each and module is not None and not (isinstance(module, str) and
                                                                     MODULES.fullmatch(module)):
                raise InputError(f"{path}: names {str(module)[:60]}.{str(name)[:40]}, which is not a layer of Keras: "
                                 "refused")
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


# ------------------------------------------------------------------------------------------------- SavedModel

def _saved_model(path):
    from tensorflow.core.protobuf import saved_model_pb2
    file = path / "saved_model.pb"
    if not file.is_file():
        raise InputError(f"{path}: a folder without saved_model.pb, expected a SavedModel")
    if file.stat().st_size > MAX_GRAPH:
        raise InputError(f"{file}: {file.stat().st_size} bytes, expected at most {MAX_GRAPH}")
    try:
        content = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    except Exception as error:      # of the protocol buffers' own kinds
        raise InputError(f"{file}: damaged") from error
    for graph in content.meta_graphs:
        _check_graph(graph, path)
    try:
        model = tf.saved_model.load(str(path))
        signatures = model.signatures
        signature = signatures.get("serving_default") or next(iter(signatures.values()))
        (name, spec), = signature.structured_input_signature[1].items()
        outputs = list(signature.structured_outputs)
    except Exception as error:
        raise InputError(f"{path}: TensorFlow cannot use it as a model of one input: "
                         f"{first_line(error)}") from error
    if len(outputs) != 1:
        raise InputError(f"{path}: its signature gives {', '.join(outputs)}; expected one output of scores")
    call = lambda x: signature(**{name: tf.cast(x, spec.dtype)})[outputs[0]]    # noqa: E731
    call.model = model      # TensorFlow drops the variables of what nobody holds
    return call, tuple(spec.shape.as_list())


def _check_graph(graph, path):
    """InputError where a SavedModel's graph has an operation that does more than compute."""
    kinds = {node.WhichOneof("kind") for node in graph.object_graph_def.nodes}
    if kinds & {"resource", "asset"}:
        raise InputError(f"{path}: has tables or files of its own, which run when it is loaded: refused")
    functions = {each.signature.name: list(each.node_def) for each in graph.graph_def.library.function}
    saving = set()
    for name, nodes in [("", list(graph.graph_def.node)), *functions.items()]:
        for node in nodes:
            if node.op in SAVING:
                saving.add(name)
            elif node.op not in functions and not _only_computes(node.op):
                raise InputError(f"{path}: has the operation {node.op}, which does more than compute: refused")
    called = set()
    waiting = [name for name in functions if "signature_wrapper" in name]
    while waiting:
        name = waiting.pop()
        if name in called:
            continue
        called.add(name)
        for node in functions.get(name, ()):
            waiting += [attribute.func.name for attribute in node.attr.values() if attribute.func.name]
            waiting += [node.op] if node.op in functions else []
    if saving & called:
        raise InputError(f"{path}: saves or restores files when it is called: refused")


def _only_computes(op):
    from tensorflow.python.framework import op_def_registry
    known = op_def_registry.get(op)
    if REACHING.fullmatch(op) or known is None:
        return False
    return op in STATE or not known.is_stateful
