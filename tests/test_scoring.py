"""Scorers from Keras models: sizes, ranges, names; files that carry code or reach files are refused, unexecuted."""
from __future__ import annotations

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from tf_idinvert import keras_files, scoring
from tf_idinvert.errors import InputError


@pytest.fixture(scope="module")
def model():
    """Maps pictures [N, 8, 8, 3] to the means of red and of green."""
    inputs = keras.Input([8, 8, 3])
    outputs = keras.layers.Dense(2, use_bias=False)(keras.layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, outputs)
    model.layers[-1].set_weights([np.eye(3, 2, dtype=np.float32)])
    return model


def saved(model, path):
    if path.suffix == ".h5":
        model.save(str(path))
    elif path.suffix == ".keras":
        model.save(str(path))
    else:
        signature = tf.function(lambda x: {"scores": model(x)}).get_concrete_function(
            tf.TensorSpec([None, 8, 8, 3], name="x"))
        tf.saved_model.save(model, str(path), signatures=signature)
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["m.h5", "m.keras", "folder"])
def test_any_form_of_a_keras_model_scores(model, tmp_path, name):
    scorer = scoring.of_keras(saved(model, tmp_path / name), ("red", "green"), "0..255")
    x = tiny.normal(3, 16, 16, 3) / 4
    assert scorer.names == ("red", "green") and scorer.resolution == 8
    np.testing.assert_allclose(scorer(x), ((x + 1) / 2 * 255).mean(axis=(1, 2))[:, :2], rtol=1e-4)
    assert scorer(tiny.normal(2, 12, 12, 3)).shape == (2, 2), "other sizes are resized"
    assert scoring.of_keras(tmp_path / name).names == (f"{name.split('.')[0]}_0", f"{name.split('.')[0]}_1")
    with pytest.raises(InputError, match="gives 2 scores"):
        scoring.of_keras(tmp_path / name, ("red",))


def config_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json")), {name: archive.read(name) for name in archive.namelist()}


def with_config(path, members, config):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else data)
    return path


@pytest.mark.parametrize("change, words", [
    ({"class_name": "Lambda"}, "Lambda layer"), ({"module": "os", "class_name": "system"}, "os.system"),
    ({"module": "builtins", "class_name": "function", "config": "eval"}, "function"),
    ({"module": "keras.src.utils.file_utils", "class_name": "get_file"}, "get_file"),
    ({"module": ["keras"], "class_name": "Dense"}, "not a layer"), ({"class_name": "TFSMLayer"}, "TFSMLayer")])
def test_what_could_carry_code_is_refused(model, tmp_path, change, words):
    config, members = config_of(saved(model, tmp_path / "m.keras"))
    config["config"]["layers"][1].update(change)
    with pytest.raises(InputError, match=words) as caught:
        keras_files.load(with_config(tmp_path / "odd.keras", members, config))
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_file_of_both_kinds_is_refused(model, tmp_path, suffix):
    """What is checked is what Keras would load: an HDF5 file may begin, and a zip archive may end, with anything."""
    archive, other = saved(model, tmp_path / "a.keras").read_bytes(), saved(model, tmp_path / "b.h5").read_bytes()
    first, second = (b"PK\3\4".ljust(512, b"\0") + other, archive) if suffix == ".h5" else (other, archive)
    path = tmp_path / f"both{suffix}"
    path.write_bytes(first + second)
    assert zipfile.is_zipfile(path) and h5py.is_hdf5(path), "both ways it can be opened"
    with pytest.raises(InputError, match="no Keras model: neither .h5, which is HDF5, nor .keras"):
        scoring.of_keras(path)


def test_lambda_in_h5_is_refused(tmp_path):
    inputs = keras.Input([8, 8, 3])
    path = saved(keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs)), tmp_path / "m.h5")
    with pytest.raises(InputError, match="Lambda"):
        keras_files.load(path)


class Writes(tf.Module):
    def __init__(self, reach):
        super().__init__()
        self.reach = reach

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3])])
    def __call__(self, x):
        self.reach()
        return {"scores": tf.reduce_mean(x, axis=[1, 2])}


@pytest.mark.parametrize("reach, words", [
    (lambda: tf.io.write_file("/tmp/never-written", "x"), "WriteFile"),
    (lambda: tf.io.read_file("/etc/passwd"), "Read"),
    (lambda: tf.py_function(lambda: 1.0, [], tf.float32), "PyFunc"), (lambda: tf.print("x"), "PrintV2"),
    (lambda: tf.raw_ops.SaveV2(prefix="/tmp/never", tensor_names=["a"], shape_and_slices=[""], tensors=[tf.ones(1)]),
     "saves or restores")], ids=["write", "read", "python", "print", "save"])
def test_saved_models_that_do_more_than_compute_are_refused(tmp_path, reach, words):
    module = Writes(reach)
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.__call__.get_concrete_function())
    with pytest.raises(InputError, match=words):
        keras_files.load(tmp_path / "m")


@pytest.mark.parametrize("name, content, words", [
    ("absent.h5", None, "no such file"), ("m.keras", b"PK\3\4 nothing", "damaged"),
    ("m.h5", b"\x89HDF nothing", "damaged"),
    ("m.bin", b"text", "neither"), ("folder", None, "without saved_model.pb")])
def test_other_files_are_one_line(tmp_path, name, content, words):
    (tmp_path / "folder").mkdir()
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        keras_files.load(tmp_path / name)


def test_weights_alone_and_other_inputs_are_refused(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="weights alone"):
        keras_files.load(tmp_path / "w.h5")
    inputs = keras.Input([5])
    keras.Model(inputs, keras.layers.Dense(1)(inputs)).save(str(tmp_path / "v.keras"))
    with pytest.raises(InputError, match="square pictures"):
        scoring.of_keras(tmp_path / "v.keras")


def test_scores_are_finite():
    scorer = scoring.Scorer(lambda x: x[:, 0, 0, :2] / 0.0, ("age", "hat"), 8)
    with pytest.raises(InputError, match="scores of age, hat that are NaN or infinite"):
        scorer(np.ones([2, 8, 8, 3], np.float32))


@pytest.mark.parametrize("data", [b"PK\x03\x04 damaged", b"PK" + bytes(300), b"\x89HDF\r\n\x1a\n" + bytes(300), b""])
def test_damaged_models_are_one_line(tmp_path, data):
    for name in "m.keras", "m.h5":
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=f"{name}: ") as caught:
            keras_files.load(tmp_path / name)
        assert "\n" not in str(caught.value)
