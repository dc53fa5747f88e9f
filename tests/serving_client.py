"""A client of served models that does not import this package: TensorFlow and NumPy only, in a separate process.

    python -I serving_client.py REQUESTS.npz ANSWERS.npz REFUSALS.json FOLDER [COMMANDS]

REQUESTS holds arrays CALL/SIGNATURE/INPUT. The SavedModel in FOLDER first answers its own warm-up requests, as in a
server, and then every call. ANSWERS holds the results, CALL/SIGNATURE/OUTPUT. A call whose name begins with 'bad' must
fail; REFUSALS holds its error message. COMMANDS are lists of arguments, as JSON, of TensorFlow's saved_model_cli, which
runs here as well, since another process would start TensorFlow again.
"""
import importlib.util
import json
import sys
import time
from pathlib import Path

sys.path[:] = [path for path in sys.path if not (Path(path) / "tf_idinvert").exists()]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
assert importlib.util.find_spec("tf_idinvert") is None

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

# every function is called a few times, and compared within tolerances
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def fields(data):
    """(number, bytes) of the fields of a protocol buffer that has only fields of bytes."""
    while data:
        number, kind, data = data[0] >> 3, data[0] & 7, data[1:]
        assert kind == 2
        length = shift = 0
        while True:
            byte, data = data[0], data[1:]
            length, shift = length | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
        yield number, data[:length]
        data = data[length:]


def warm_up_requests(model, path):
    """(name of the model, signature, {input: tensor}) of PredictionLog { predict_log { request } } in TFRecords."""
    for record in tf.data.TFRecordDataset(str(path)):
        (predict_log,) = [content for number, content in fields(record.numpy()) if number == 6]
        (request,) = [content for number, content in fields(predict_log) if number == 1]
        (spec,) = [dict(fields(content)) for number, content in fields(request) if number == 1]
        signature = spec[3].decode()
        entries = [dict(fields(content)) for number, content in fields(request) if number == 2]
        wanted = model.signatures[signature].structured_input_signature[1]
        yield spec[1].decode(), signature, {
            entry[1].decode(): tf.io.parse_tensor(entry[2], wanted[entry[1].decode()].dtype) for entry in entries}


_, requests, answers_path, refusals_path, folder, *commands = sys.argv
calls = {}
with np.load(requests) as file:
    for key in file.files:
        call, signature, name = key.split("/")
        array = file[key].astype(object) if file[key].dtype.kind == "S" else file[key]
        calls.setdefault((call, signature), {})[name] = tf.constant(array)

model = tf.saved_model.load(folder)
for name, signature, tensors in warm_up_requests(model, Path(folder, "assets.extra", "tf_serving_warmup_requests")):
    calls[f"warm-up of {name}", signature] = tensors

answers, refusals = {}, {}
for (call, signature), tensors in calls.items():
    start = time.perf_counter()
    try:
        results = model.signatures[signature](**tensors)
    except Exception as error:
        assert call.startswith("bad"), (call, signature, error)
        refusals[call] = {"text": str(error), "seconds": time.perf_counter() - start}
        continue
    assert not call.startswith("bad"), f"{call}: answered"
    for name, tensor in results.items():
        array = tensor.numpy()
        answers[f"{call}/{signature}/{name}"] = array.astype("S") if array.dtype == object else array
assert "tf_idinvert" not in sys.modules
np.savez(answers_path, **answers)
Path(refusals_path).write_text(json.dumps(refusals))

for sys.argv[1:] in json.loads(*commands or ["[]"]):
    from tensorflow.python.tools import saved_model_cli
    try:
        saved_model_cli.main()
    except SystemExit as stop:
        assert not stop.code, stop.code
