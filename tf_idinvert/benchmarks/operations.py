"""Count the floating-point operations of convolutions and matrix products in the graph of a function.

Everything else (normalisation, activations, Adam) is ignored; it is a few per cent of these networks' work.
"""
from __future__ import annotations

import math

import tensorflow as tf

CALLS = {"PartitionedCall": "f", "StatefulPartitionedCall": "f", "While": "body", "StatelessWhile": "body"}


def count(function, *arguments):
    """Return the operations of one call, including called functions; bodies of loops count once.

    Args:
        function: callable of tensors; it is traced.
        arguments: tensors or arrays with the shapes to count for; all shapes must be known.
    """
    return of_graph(traced(function, *arguments).graph)


def traced(function, *arguments):
    """The concrete function for tensors or arrays of these shapes; no shape may be unknown."""
    specs = [tf.TensorSpec(argument.shape, tf.float32) for argument in arguments]
    return tf.function(function, autograph=False).get_concrete_function(*specs)


def of_graph(graph):
    """Return the floating-point operations of a graph; bodies of loops count once."""
    return sum(map(of_operation, needed(graph)))


def needed(graph):
    """Yield the operations that the outputs depend on; others, such as unused gradients of weights, never run."""
    seen, pending = set(), [output.op for output in graph.outputs]
    while pending:
        operation = pending.pop()
        if operation in seen:
            continue
        seen.add(operation)
        pending += [each.op for each in operation.inputs]
        attribute = CALLS.get(operation.type)
        if attribute:
            yield from needed(graph._get_function(operation.get_attr(attribute).name).graph)
        else:
            yield operation


def of_operation(operation):
    """Return the floating-point operations of an operation: 2 for every multiplication and addition."""
    def shape(tensor):
        return tensor.shape.as_list()

    if operation.type == "MatMul":
        rows, inner = shape(operation.inputs[0])[::-1 if operation.get_attr("transpose_a") else 1]
        return 2 * rows * inner * shape(operation.outputs[0])[1]
    if operation.type in ("Conv2D", "DepthwiseConv2dNative"):
        height, width, inputs, _ = shape(operation.inputs[1])
        channels = inputs if operation.type == "Conv2D" else 1
        return 2 * math.prod(shape(operation.outputs[0])) * height * width * channels
    if operation.type in ("Conv2DBackpropInput", "DepthwiseConv2dNativeBackpropInput"):    # also transposed ones
        height, width, inputs, _ = shape(operation.inputs[1])
        channels = inputs if operation.type == "Conv2DBackpropInput" else 1
        return 2 * math.prod(shape(operation.inputs[2])) * height * width * channels
    if operation.type == "Conv2DBackpropFilter":
        height, width, inputs, _ = shape(operation.outputs[0])
        return 2 * math.prod(shape(operation.inputs[2])) * height * width * inputs
    return 0
