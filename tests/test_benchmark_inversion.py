"""The measurements of inversion and the tool that prints them, in small."""
import dataclasses
import functools
import json
import time

import keras
import numpy as np
import pytest
from running import run

from tf_idinvert import checkpoint, optimizers
from tf_idinvert.benchmarks import inversion, serving
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator
from tf_idinvert.portraits import embedded, portrait

SMALL = dict(resolution=16, dlatent_size=8)
FEW = 10        # steps


@pytest.mark.parametrize("generator", inversion.GENERATORS)
def test_a_row_of_figures(monkeypatch, generator):
    monkeypatch.setattr(keras.applications, "VGG16", lambda **_: keras.Sequential([
        keras.Input([8, 8, 3]), keras.layers.Conv2D(64, 3, padding="same"),
        keras.layers.Conv2D(128, 3, padding="same", name=inversion.VGG16_LAYER)]))
    before = time.time()
    row = inversion.measure(8, 1, before, generator, latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8,
                            fmap_base=64, fmap_max=8)
    assert row.pop("generator") == generator
    assert all(value > 0 for value in row.values()) and row["start-up s"] < time.time() - before
    assert row["px"] == 8 and row["batch"] == 1 and row["GFLOP"] > 0.02 and row["peak MB"] > 100


@pytest.mark.parametrize("losses, target, steps", [([5, 4, 4, 2], 4, 1), ([5, 4, 3, 2], 2.5, 3), ([5, 4], 1, np.nan)])
def test_first_step_below_a_loss(losses, target, steps):
    found = inversion.first_below(np.array([losses, losses]).T, np.array([target, 9]))
    np.testing.assert_array_equal(found, [steps, 0])


@pytest.mark.one_stack
@pytest.mark.usefixtures("eagerly")
def test_optimisers_are_compared_on_the_embedded_model(monkeypatch, tmp_path):
    """In a tenth of the steps, without graphs: searches of real length are those of test_optimizers."""
    recommended = optimizers.recommended
    monkeypatch.setattr(inversion.InversionOptions, "steps", FEW)
    monkeypatch.setattr(optimizers, "recommended", lambda name: dataclasses.replace(recommended(name), steps=FEW))
    monkeypatch.setattr(embedded, "CHECKPOINTS", tmp_path)
    assert inversion.run(print, sides=(), compared=()) == [], "without a model there is nothing to compare"
    checkpoint.save(checkpoint.Models(
        encoder=Encoder(num_layers=6, filters=4, filters_max=8, **SMALL),
        generator=Generator(latent_size=8, mapping_layers=1, mapping_fmaps=8, fmap_base=64, fmap_max=8, **SMALL)),
        tmp_path / embedded.MODELS[0])
    network = Attributes(portrait.ATTRIBUTES, resolution=16, widths=(4, 8), hidden=8)
    checkpoint.save(checkpoint.Models(attributes=network), tmp_path / embedded.ATTRIBUTES)
    said = []
    monkeypatch.setattr(inversion, "_to_loss", functools.partial(inversion._to_loss, count=2))
    adam, cosine, lbfgs = inversion.run(said.append, sides=(), compared=())
    assert adam["steps, most"] <= FEW and 0 < adam["share of published"] <= 1 and adam["then loss / adam's"] == 1
    assert lbfgs["optimizer"] == "lbfgs" and 0 < lbfgs["s/step"]
    assert said[0] == "optimiser adam on 2 portraits, embedded"


def test_the_tool_prints_tables_and_writes_json(monkeypatch, tmp_path, capsys):
    rows = [{"px": 64, "s": 1.23456}, {"optimizer": "lbfgs", "steps": float("nan")}, {"px": 256, "s": 22.0}]
    asked = {}

    def fake(log, **given):
        asked.update(given)
        return rows
    monkeypatch.setattr(inversion, "run", fake)
    out = tmp_path / "speed.json"
    assert run(monkeypatch, "benchmark.py", "inversion", "--sides", "64", "256", "--jit", "--json", out) == 0
    assert capsys.readouterr().out == " px      s\n 64  1.235\n256     22\n\noptimizer  steps\n    lbfgs    nan\n"
    assert len(json.loads(out.read_text())) == 3 and asked == {"sides": [64, 256], "jit": True}


def test_the_tool_loads_a_served_model(monkeypatch, capsys):
    called = []

    def fake(folder, signature):
        called.append((folder, signature))
        return {"signature": signature, "batch_sizes": [1, 2]}
    monkeypatch.setattr(serving, "load_test", fake)
    assert run(monkeypatch, "benchmark.py", "serving", "served/1") == 0
    assert called == [("served/1", each) for each in ("encode", "synthesize", "reconstruct")]
    assert "reconstruct" in capsys.readouterr().out
    assert run(monkeypatch, "benchmark.py", "inversion", "served/1") == 2
