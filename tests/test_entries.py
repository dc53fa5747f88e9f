"""A network is one file and one entry: with one line in the tuple, files and tools take a new encoder."""
from __future__ import annotations

import dataclasses
import inspect
import json

import h5py
import keras
import numpy as np
import pytest
import running
import tensorflow as tf
import tiny
from PIL import Image

from tf_idinvert import checkpoint
from tf_idinvert.errors import InputError
from tf_idinvert.formats import pickles, weights
from tf_idinvert.inversion import InversionOptions, invert
from tf_idinvert.networks.entry import Entry, Official


class ToyEncoder(keras.Model):
    """The mean colour of a picture, times a matrix; as a network's own file would have it."""

    def __init__(self, resolution=8, num_layers=4, dlatent_size=8, offset=0, **kwargs):
        super().__init__(**kwargs)
        self.resolution, self.num_layers, self.dlatent_size, self.offset = resolution, num_layers, dlatent_size, offset
        self.matrix = self.add_weight(name="matrix", shape=(3, num_layers * dlatent_size), initializer="zeros")
        self.built = True

    def call(self, x, training=False):
        codes = tf.matmul(tf.reduce_mean(x, axis=[1, 2]), tf.convert_to_tensor(self.matrix)) + self.offset
        return tf.reshape(codes, [-1, self.num_layers, self.dlatent_size])

    def get_config(self):
        return dict(resolution=self.resolution, num_layers=self.num_layers, dlatent_size=self.dlatent_size,
                    offset=self.offset)


ENTRY = Entry(
    network=ToyEncoder, fields=("encoder",),
    kinds={"resolution": "size", "num_layers": "size", "dlatent_size": "size", "offset": "number"},
    weights=lambda encoder: [("Toy/weight", encoder.matrix, "")],
    sizes=lambda config: [("Toy/weight", [3, config["num_layers"] * config["dlatent_size"]])],
    late={"offset": 0},
    official=(Official(
        maker="toy", builder="ToyEncoder", module="training.networks_toy",
        arguments={"size": ("resolution", 256), "num_layers": ("num_layers", 14),
                   "dlatent_size": ("dlatent_size", 512)},
        told=lambda variables, given: {"offset": 0},
        refused=lambda config: "has an offset" if config["offset"] else None),))


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(weights, "ENTRIES", (*weights.ENTRIES, ENTRY))
    return tiny.randomize(ToyEncoder(), 7)


@pytest.fixture
def models(toy):
    return checkpoint.Models(encoder=toy, generator=tiny.generator(layerwise=True, resolution=8),
                             discriminator=tiny.discriminator(resolution=8))


def assert_is(network, toy):
    assert type(network) is ToyEncoder and network.get_config() == toy.get_config()
    assert np.array_equal(network.matrix, toy.matrix)


@pytest.mark.parametrize("suffix", [".h5", ".pkl"])
def test_saved_and_loaded(models, toy, tmp_path, suffix):
    checkpoint.save(models, tmp_path / f"x{suffix}")
    assert_is(checkpoint.load(tmp_path / f"x{suffix}", only=("encoder",)).encoder, toy)


def test_late_arguments_are_left_out_and_kept(models, tmp_path):
    for offset in (0, 3):
        models.encoder = tiny.randomize(ToyEncoder(offset=offset), 7)
        checkpoint.save(models, tmp_path / "x.h5")
        assert_is(checkpoint.load(tmp_path / "x.h5", only=("encoder",)).encoder, models.encoder)
        with h5py.File(tmp_path / "x.h5") as file:
            assert ("offset" in json.loads(file["encoder"].attrs["config"])) == bool(offset)
    with pytest.raises(checkpoint.CheckpointError, match="x.pkl: ToyEncoder: has an offset"):
        checkpoint.save(models, tmp_path / "x.pkl")


def test_converted(models, toy, tmp_path, monkeypatch, capfd):
    models.training_generator = models.generator        # as in every pickle
    checkpoint.save(models, tmp_path / "x.h5")
    assert not running.run(monkeypatch, "convert.py", tmp_path / "x.h5", tmp_path / "x.pkl")
    assert not running.run(monkeypatch, "convert.py", tmp_path / "x.pkl", tmp_path / "y.h5")
    assert "ToyEncoder" in capfd.readouterr().out
    assert (tmp_path / "y.h5").read_bytes() == (tmp_path / "x.h5").read_bytes()
    record = pickles.read(tmp_path / "x.pkl")[0]
    assert (record.build_func_name, record.static_kwargs["size"]) == ("ToyEncoder", 8)


def test_inverts(models, toy, eagerly, tmp_path, monkeypatch):
    checkpoint.save(models, tmp_path / "x.h5")
    Image.new("RGB", (8, 8), (200, 90, 40)).save(tmp_path / "a.png")
    assert not running.run(monkeypatch, "invert.py", tmp_path / "x.h5", tmp_path / "a.png", "-o", tmp_path / "out",
                           "--num_iterations", "2", "--loss_weight_feat", "0")
    picture = np.full((1, 8, 8, 3), np.float32([200, 90, 40]) / 127.5 - 1, "float32")
    assert np.allclose(np.load(tmp_path / "out/encoded_codes.npy"), toy(picture), atol=1e-4)
    options = InversionOptions(steps=2, feature_weight=0)
    result = invert(picture, synthesis=models.generator.synthesis, encoder=toy, options=options)
    assert np.allclose(np.load(tmp_path / "out/inverted_codes.npy"), result.codes, atol=1e-3)


def test_without_its_line_nothing_takes_it(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(weights, "ENTRIES", (*weights.ENTRIES, ENTRY))
        encoder = tiny.randomize(ToyEncoder(), 7)
        models = checkpoint.Models(encoder, tiny.generator(resolution=8), tiny.discriminator(resolution=8))
        for suffix in (".h5", ".pkl"):
            checkpoint.save(models, tmp_path / f"x{suffix}")
    for suffix, message in ((".h5", "'encoder' is of the class 'ToyEncoder'; known are Encoder"),
                            (".pkl", "network 'E' is built by 'ToyEncoder'; known builders are Encoder, G_style")):
        with pytest.raises(checkpoint.CheckpointError, match=message):
            checkpoint.load(tmp_path / f"x{suffix}")
    with pytest.raises(InputError, match="ToyEncoder: no file format has such a network"):
        checkpoint.save(models, tmp_path / "y.h5")


@pytest.mark.parametrize("entry", [*weights.ENTRIES, ENTRY], ids=lambda entry: entry.network.__name__)
def test_entries_are_complete(entry):
    """Kinds for exactly the constructor's arguments, and official arguments that are arguments of ours."""
    own = [name for name, parameter in inspect.signature(entry.network).parameters.items()
           if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
    assert sorted(entry.kinds) == sorted(own) and set(entry.late) <= set(own)
    for official in entry.official:
        assert {ours for ours, _ in official.arguments.values()} <= set(own)


def test_fields_are_those_of_models():
    fields = {field for entry in weights.ENTRIES for field in entry.fields}
    assert fields == {field.name for field in dataclasses.fields(checkpoint.Models)}
