"""The load test of served models, on a tiny model and on faulty ones."""
from __future__ import annotations

import math

import pytest
import tensorflow as tf

from tf_idinvert.benchmarks import serving
from tf_idinvert.errors import InputError


class Model(tf.Module):
    """Doubles its input; `shift` moves rows to their neighbours' places in calls of several rows."""

    def __init__(self, shift=0):
        super().__init__()
        self.shift = shift

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "codes")])
    def double(self, codes):
        return {"images": 2 * tf.roll(codes, self.shift, axis=0)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def encode(self, image_bytes):
        return {"codes": tf.strings.length(image_bytes)}


def saved(model, path):
    tf.saved_model.save(model, str(path), signatures={"double": model.double, "encode": model.encode})
    return path


def test_figures_of_a_model_that_keeps_rows_apart(tmp_path):
    result = serving.load_test(saved(Model(), tmp_path / "1"), signature="double", callers=3, calls=50)
    assert result["mixed_rows"] == 0 and result["largest_difference"] == 0 and result["calls"] == 50
    assert 0 < result["latency_p50"] <= result["latency_p95"] <= result["latency_p99"] <= result["latency_max"]
    assert result["rows_per_second"] > result["calls_per_second"] > 0
    assert math.isnan(result["memory_before"]) or 0 < result["memory_after"] < result["memory_before"] * 1.5


def test_mixed_rows_are_found(tmp_path):
    result = serving.load_test(saved(Model(shift=1), tmp_path / "1"), signature="double", calls=30)
    assert result["mixed_rows"] > 10 and result["largest_difference"] > 0.1


@pytest.mark.parametrize("signature, words", [("absent", "has no signature 'absent'; it has double, encode"),
                                              ("encode", "no values for the input 'image_bytes'")])
def test_signatures_that_cannot_be_tested(tmp_path, signature, words):
    with pytest.raises(ValueError, match=words):
        serving.load_test(saved(Model(), tmp_path / "1"), signature=signature)


def test_one_caller_of_narrow_networks(monkeypatch):
    monkeypatch.setattr(serving.inversion, "vgg16", lambda: None)
    rows = serving.one_caller(8, {"encode": 3, "invert": 1}, fmap_base=32, fmap_max=8, latent_size=8, mapping_layers=1,
                              dlatent_size=8)
    assert [(row["px"], row["signature"], row["calls"]) for row in rows] == [(8, "encode", 3), (8, "invert", 1)]
    assert all(0 < row["latency_p50"] <= row["latency_p95"] for row in rows)


def test_what_is_no_model_is_one_line(tmp_path):
    with pytest.raises(InputError, match="saved_model.pb: no such file, expected a SavedModel's"):
        serving.load_test(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(InputError, match="TensorFlow cannot load it") as caught:
        serving.load_test(tmp_path)
    assert "\n" not in str(caught.value)
