"""The benchmark of training, with tiny networks: all rows, and operations against counts by hand."""
from __future__ import annotations

import contextlib
import dataclasses
import functools

import pytest
import tensorflow as tf
import tiny
from encoder_training import eagerly

from tf_idinvert import starting
from tf_idinvert.benchmarks import matmul, operations, training
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.training import encoder_recipes, stylegan_recipes

GENERATOR = dict(tiny.GENERATOR, resolution=8, latent_size=16, layerwise=True)


def recipes():
    """(recipe of StyleGAN, recipe of the encoders), both for batches of four at 8 px."""
    stage = dataclasses.replace(stylegan_recipes.portraits().stages[-1], resolution=8, batch_size=4)
    recipe = dataclasses.replace(stylegan_recipes.portraits(), generator=GENERATOR, stages=(stage,), r1_interval=2,
                                 discriminator=dict(tiny.DISCRIMINATOR, resolution=8))
    encoders = dataclasses.replace(
        encoder_recipes.portraits(), encoder=dict(filters=4, filters_max=8), batch_per_replica=4,
        latent_discriminator=dict(mlp_layers=2, mlp_fmaps=8))
    return recipe, encoders


SMALL = recipes()


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Features for pictures of 8 px, where the default ones need 16, and few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "WARM_UP", 1)
        patch.setattr(training, "STEPS", 1)
        patch.setattr(training, "Attributes", functools.partial(Attributes, widths=(4, 6), hidden=8))
        yield


@functools.lru_cache(maxsize=None)
def rows_of(method):
    """Rows of the benchmark of a method on one replica, measured once; only the quickest step is traced."""
    with contextlib.nullcontext() if method == "traditional" else eagerly():
        return training.measure(method, 1, *SMALL)


def at_4_px():
    """The recipe of StyleGAN for 4 px, while networks for 8 px grow."""
    recipe = SMALL[0]
    stages = tuple(dataclasses.replace(recipe.stages[-1], resolution=side) for side in (4, 4, 8))
    smaller, = training._smaller(dataclasses.replace(recipe, stages=stages))
    return smaller


@functools.lru_cache(maxsize=None)
def rows_at_4_px():
    with eagerly():
        return training.measure("stylegan", 1, at_4_px(), SMALL[1])


@functools.lru_cache(maxsize=None)
def found_parts(method):
    model = training.make_model(method, *SMALL)
    return model, training.parts(method, model, training.arguments(model, 4), *SMALL)


@pytest.mark.parametrize("method, names", [
    ("traditional", ["FC, G", "E"]), ("force-in-domain", ["E", "D", "R1", "D_w", "R1 of D_w"]),
    ("stylegan", ["G", "D", "R1"])])
def test_rows_of_a_step_and_its_parts(method, names):
    rows = rows_of(method)
    assert [row["part"] for row in rows] == ["step", *names]
    assert all(row["method"] == method and (row["replicas"], row["batch"]) == (1, 4) for row in rows)
    assert all(row["s"] > 0 and row["images/s"] == 4 / row["s"] and row["GFLOP"] > 0 for row in rows)
    times = {"R1": 1 / 2} if method == "stylegan" else {}
    assert rows[0]["GFLOP"] == pytest.approx(sum(row["GFLOP"] * times.get(row["part"], 1) for row in rows[1:]))


@pytest.mark.one_stack
def test_stylegan_while_it_grows():
    assert [each.resolution for each in at_4_px().stages] == [4]
    whole, half = rows_of("stylegan"), rows_at_4_px()
    assert (whole[0]["px"], half[0]["px"], half[0]["part"]) == (8, 4, "step")
    assert all(large["GFLOP"] > 2 * little["GFLOP"] for large, little in zip(whole, half))


def test_operations_by_hand():
    """A perceptron's gradient in its weights takes twice the products of a call, but for its first layer's inputs."""
    model, parts = found_parts("force-in-domain")
    counted = {row["part"]: round(1e9 * row["GFLOP"]) for row in rows_of("force-in-domain")}
    codes, rows = 8, 4 * model.generator.num_layers
    call = 2 * rows * (codes * 8 + 8 * 8 + 8)
    first = 2 * rows * codes * 8
    mapping = operations.count(model.generator.mapping, parts["D_w"][1][0])
    assert counted["D_w"] == 2 * (3 * call - first) + mapping
    call = operations.count(model.discriminator, parts["D"][1][0])
    assert 2 * 2.5 * call < counted["D"] <= 2 * 3 * call


def test_parts_are_gradients_of_the_networks_that_learn():
    for method in training.METHODS:
        model, parts = found_parts(method)
        assert method != "in-domain" or list(parts) == ["E", "D", "R1"]
        for name, (function, given, _) in parts.items():
            if name == "FC, G":
                continue
            network = {"E": "encoder", "G": "generator", "D": "discriminator", "R1": "discriminator"}.get(
                name, "latent_discriminator")
            shapes = {tuple(variable.shape) for variable in getattr(model, network).trainable_variables}
            gradients = function(*given)
            assert {tuple(each.shape) for each in gradients} <= shapes, (method, name)
            assert max(float(tf.reduce_max(tf.abs(each))) for each in gradients) > 0, (method, name)


def prepare_for_few_steps(trains, prepare=starting.prepare):
    """As `quick` and conftest's `graph_optimisation`, in the other process."""
    prepare(trains)
    training.WARM_UP = training.STEPS = 1
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.mark.one_stack
def test_two_replicas_in_a_process_of_their_own(monkeypatch):
    """StyleGAN, the step of which no other test traces on replicas: R1 in a branch, which updates D."""
    monkeypatch.setattr(matmul, "rate", functools.partial(matmul.rate, size=256, seconds=0.1))     # is tested elsewhere
    monkeypatch.setattr(training, "REPLICAS", (2,))
    monkeypatch.setattr(starting, "prepare", prepare_for_few_steps)
    lines, one = [], rows_at_4_px()[0]
    two, = training.run(lines.append, at_4_px(), SMALL[1], methods=["stylegan"])
    assert (two["part"], two["px"], two["replicas"], two["batch"]) == ("step", 4, 2, 8)
    assert two["GFLOP"] == pytest.approx(2 * one["GFLOP"]) and set(one) < set(two)
    assert two["of matmul rate"] == pytest.approx(two["GFLOP"] / two["s"] / two["matmul GFLOP/s"])
    assert len(lines) == 1
