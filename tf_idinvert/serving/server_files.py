"""What TensorFlow Serving reads beside a SavedModel: warm-up requests, the list of models, parameters of batching.

Sources: the guides of TensorFlow Serving (SavedModel Warmup; Serving Configuration; Batching Guide); its protocol
buffers apis/prediction_log.proto, predict.proto and model.proto, of which a request needs a few fields, written here by
the rules of their encoding, so that its package is not needed.
"""
from __future__ import annotations

import re
from pathlib import Path

import tensorflow as tf

from tf_idinvert.files import atomic

WARM_UP = "tf_serving_warmup_requests"          # in assets.extra
CONFIG, BATCHING = "models.config", "batching_parameters.txt"
MARK = "# Written by tools/export.py, anew each time; without this line the file is left as it is.\n"
BATCHING_TEXT = """\
# For --enable_batching: calls of one signature that arrive within 2 ms are computed together.
max_batch_size { value: 16 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
"""


def write_warm_up(path, model, requests):
    """Write requests that a server runs before the model answers: a list of (signature, {input: array})."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            writer.write(_prediction_log(model, signature, inputs))


def _prediction_log(model, signature, inputs):
    """PredictionLog { predict_log { request { model_spec { name, signature_name }, inputs } } }, serialized."""
    spec = _field(1, model.encode()) + _field(3, signature.encode())
    request = _field(1, spec)
    for name, array in inputs.items():      # a map is a repeated message of key and value
        tensor = tf.make_tensor_proto(array).SerializeToString()
        request += _field(2, _field(1, name.encode()) + _field(2, tensor))
    return _field(6, _field(1, request))


def _field(number, content):
    """A field of bytes: its number and kind (2), its length in groups of 7 bits, lowest first, and its content."""
    length, left = b"", len(content)
    while left > 0x7F:
        length, left = length + bytes([left & 0x7F | 0x80]), left >> 7
    return bytes([number << 3 | 2]) + length + bytes([left]) + content


def write_configs(folder):
    """Write `models.config`, which lists all models in a folder, and `batching_parameters.txt` where there is none.

    Both are for a server that has the folder as /models. A `models.config` that someone has made their own is left.
    """
    folder = Path(folder)
    names = sorted({path.parent.parent.name for path in folder.glob("*/*/saved_model.pb")
                    if path.parent.name.isdecimal()})
    models = "".join(f'  config {{ name: "{name}" base_path: "/models/{name}" model_platform: "tensorflow" }}\n'
                     for name in names if is_name(name))
    config = folder / CONFIG
    if not config.exists() or config.is_file() and config.read_bytes().startswith(MARK.encode()):
        atomic.write_text(config, f"{MARK}model_config_list {{\n{models}}}\n")
    if not (folder / BATCHING).exists():
        atomic.write_text(folder / BATCHING, BATCHING_TEXT)


def is_name(text):
    """Whether a text can be a model's name, in files and addresses."""
    return bool(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", text))
