"""No step changes a weight while something of the same step has still to read it, whatever TensorFlow's optimisation of
the graph leaves out.

Control edges order reads and updates of a variable. TensorFlow removes those that the flow of data implies, and later
parts of that flow whose values it knows, such as R1's gradient to a bias, which is zero. R1 then reads the bias before
or after its update, as the threads happen to run.
"""
from __future__ import annotations

import dataclasses
import types

import pytest
import tensorflow as tf
import test_feature_discriminators
import test_force_in_domain
import test_in_domain
import test_pairs
import test_stylegan
import test_traditional
from encoder_training import PICTURES
from stylegan_training import SOURCE
from stylegan_training import small as small_stylegan
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.framework import meta_graph
from tensorflow.python.grappler import tf_optimizer

from tf_idinvert.data import pipeline
from tf_idinvert.training import stylegan


def optimised(function, *arguments):
    """Nodes {name: node} of the graph of `function`, optimised as before it runs."""
    graph = tf.function(function, autograph=False).get_concrete_function(*arguments).graph
    meta = meta_graph.create_meta_graph_def(graph_def=graph.as_graph_def(), graph=graph)
    kept = meta.collection_def["train_op"].node_list.value
    kept.extend(each.name for each in [*graph.outputs, *graph.control_outputs])
    return {node.name: node for node in tf_optimizer.OptimizeGraph(config_pb2.ConfigProto(), meta).node}


def unordered(nodes):
    """[(read, update)] of the same variable between which the graph sets no order, and the number of all pairs."""
    inputs = {name: [each.lstrip("^").split(":")[0] for each in node.input] for name, node in nodes.items()}
    bits = {name: 1 << i for i, name in enumerate(nodes)}
    ancestors = {}      # as bits
    stack = list(nodes)
    while stack:
        waiting = [each for each in inputs[stack[-1]] if each not in ancestors]
        if waiting:
            stack.extend(waiting)
        else:
            name = stack.pop()
            ancestors[name] = bits[name]
            for each in inputs[name]:
                ancestors[name] |= ancestors[each]
    reads = [node for node in nodes.values() if node.op == "ReadVariableOp"]
    updates = [node for node in nodes.values() if node.op.startswith("Assign")]
    pairs = [(a.name, b.name) for a in reads for b in updates if a.input[0] == b.input[0]]
    return [(a, b) for a, b in pairs if not (ancestors[b] & bits[a] or ancestors[a] & bits[b])], len(pairs)


def of_stylegan(model, stages, batch):
    model.begin(stylegan.schedule(stages)[-1])
    return model, batch


TRAININGS = {
    "traditional": lambda: (test_traditional.small(), next(iter(test_traditional.batches()))),
    "in-domain": lambda: (test_in_domain.small(), tf.constant(PICTURES[:8])),
    "force-in-domain": lambda: (test_force_in_domain.small(), tf.constant(PICTURES[:8])),
    "stylegan": lambda: of_stylegan(small_stylegan(), test_stylegan.STAGES[:1],
                                    tf.constant(pipeline.reduced(SOURCE[:4], 4))),
    "pairs and feature discriminators": lambda: of_stylegan(
        test_feature_discriminators.small(), [dataclasses.replace(test_pairs.PAIRED[-1], feature_weight=2.0)],
        (tf.constant(SOURCE[:4]), tf.constant(test_pairs.CODES[:4]))),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_step_reads_a_weight_before_or_after_its_update(name):
    model, batch = TRAININGS[name]()
    strategy = tf.distribute.get_strategy()
    found, pairs = unordered(optimised(lambda batch: strategy.run(model.train_step, args=(batch,)), batch))
    assert not found and pairs > 10


@pytest.mark.parametrize("update, expected", [(["weight"], [("read", "update")]), (["weight", "^read"], [])])
def test_what_has_no_order_is_found(update, expected):
    nodes = {name: types.SimpleNamespace(name=name, op=op, input=inputs) for name, op, inputs in (
        ("weight", "Placeholder", []), ("read", "ReadVariableOp", ["weight"]),
        ("update", "AssignSubVariableOp", update))}
    assert unordered(nodes) == (expected, 1)
