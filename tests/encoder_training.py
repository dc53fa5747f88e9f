"""Shared by the tests of the three encoder trainings: linear networks for sums by hand, small real ones, replicas."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
import tiny

from tf_idinvert.data import pipeline
from tf_idinvert.networks.latent_discriminator import LatentDiscriminator
from tf_idinvert.training import loop, state

PICTURES = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), np.uint8)
PIXELS, LATENT, CODE = (2, 2, 1), 3, (2, 3)         # of the linear networks


# ------------------------------------------------------------------------------- linear networks and their sums

class Linear(keras.Model):
    """x [N, ...] -> reshaped(x @ matrix), [N, *outputs]; its one weight is the matrix."""

    def __init__(self, matrix, outputs):
        super().__init__()
        self.outputs_shape = outputs
        self.matrix = self.add_weight(name="matrix", shape=matrix.shape, initializer="zeros")
        self.matrix.assign(matrix)
        self.built = True

    def call(self, x, training=False):
        x = tf.matmul(tf.reshape(x, [tf.shape(x)[0], -1]), tf.convert_to_tensor(self.matrix))
        return tf.reshape(x, [-1, *self.outputs_shape])


class LinearGenerator(keras.Model):
    latent_size = LATENT

    def __init__(self, mapping, synthesis):
        super().__init__()
        self.mapping, self.synthesis = Linear(mapping, CODE), Linear(synthesis, PIXELS)


class LinearWorld:
    """E(x) = x e, FC(z) = z f, G(w) = w g, D(x) = x d, D_w(w) = w v, F(x) = x p, all flat, and how they are trained."""

    def __init__(self, rng):
        self.e, self.f, self.g = rng.standard_normal((4, 6)), rng.standard_normal((3, 6)), rng.standard_normal((6, 4))
        self.d, self.v, self.p = rng.standard_normal((4, 1)), rng.standard_normal((6, 1)), rng.standard_normal((4, 5))
        self.generator = LinearGenerator(self.f, self.g)
        self.encoder, self.discriminator = Linear(self.e, CODE), Linear(self.d, [1])
        self.latent_discriminator = Linear(self.v, [1])

    def features(self, images):
        return tf.matmul(tf.reshape(images, [-1, 4]), tf.constant(self.p, tf.float32))

    def reconstruction_terms(self, x):
        """x [N, 4] -> codes, reconstructions, pixel and feature losses [N], and the losses' gradients to the latter."""
        codes = x @ self.e
        y = codes @ self.g
        off = (y - x) @ self.p
        return (codes, y, ((y - x) ** 2).mean(1), (off ** 2).mean(1),
                2 / 4 * (y - x), 2 / 5 * off @ self.p.T)

    @staticmethod
    def discriminator_step(d, real, fake, gamma):
        """Logistic loss, R1 and gradient of a linear discriminator: means over the batch."""
        real_logits, fake_logits = real @ d, fake @ d
        gradient = (sigmoid(fake_logits) * fake - sigmoid(-real_logits) * real).mean(0)[:, None] + gamma * d
        logistic = (softplus(fake_logits) + softplus(-real_logits)).mean()
        return logistic, gamma / 2 * (d ** 2).sum(), gradient


def softplus(x):
    return np.log1p(np.exp(x))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def linear_images(rng, count=4):
    """uint8 pictures for the linear networks, and the same flat in [-1, 1]."""
    images = rng.integers(0, 256, (count, *PIXELS), np.uint8)
    return images, images.reshape(count, 4) / 127.5 - 1


# --------------------------------------------------------------------------------------------- small real networks

def networks(seed=0, resolution=8):
    """Encoder with batch norm, always the same generator, discriminator with groups of four, latent discriminator."""
    layers = 2 * resolution.bit_length() - 4
    latent = tiny.randomize(LatentDiscriminator(num_layers=layers, dlatent_size=8, mlp_layers=2, mlp_fmaps=8), seed)
    return (tiny.encoder(seed=seed + 2, resolution=resolution, num_layers=layers),
            tiny.generator(resolution=resolution, layerwise=True),
            tiny.discriminator(seed=seed + 1, resolution=resolution), latent)


def features(images):
    """8x8 averages of the image in 0..255, the stand-in for perceptual features in the reference data; or of one of
    4x4."""
    side = min(8, images.shape[1])
    return tf.reshape(tf.nn.avg_pool2d((images + 1.0) * 127.5, side, side, "VALID"), [tf.shape(images)[0], -1])


def sgd(rate):
    """Plain gradient descent, which unlike Adam shows the scale of a gradient."""
    return keras.optimizers.SGD(rate)


def picture_batches(start=0, batch_size=8, pictures=PICTURES):
    return pipeline.batches(pipeline.ArraySource(pictures), batch_size, 0, start, mirror=True)


def picture_batches_of_4_px(start=0):
    return picture_batches(start, pictures=PICTURES[:, :4, :4])


def values(model):
    return [np.asarray(variable.numpy()) for variable in model.state]


def run(model, batches):
    """Make one step per batch without tracing, which would take longer for so few steps."""
    for batch in batches:
        model.train_step(tf.convert_to_tensor(batch))
    return values(model)


def apart(before, one, other):
    """Return the largest difference between two runs' changes of the same arrays, relative to the largest change of an
    array or to 0.001.
    """
    return max(float(np.abs(a - b).max() / max(np.abs(a - first).max(), 1e-3))
               for first, a, b in zip(before, one, other))


def moved(before, after):
    """Share of arrays that changed by more than 0.001."""
    return float(np.mean([np.abs(a - b).max() > 1e-3 for a, b in zip(before, after)]))


# ---------------------------------------------------------------------------------------------- what all must hold

def check_resume(make, batches, path):
    """Check that a resumed run makes the same steps; `make(seed)` returns the model, `batches(start)` its data."""
    whole, second = make(0), make(7)
    stopped = run(whole, batches(0).take(2))
    state.save(path, whole.state)
    expected = run(whole, batches(0).skip(2).take(1))
    assert moved(stopped, expected) > 0.5
    state.load(path, second.state)
    found = run(second, batches(int(second.images_seen.numpy())).take(1))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found))


def check_compiled(make, batch):
    """Check that XLA compiles the step with one trace and the same results."""
    plain, compiled = make(0), make(0)
    before, expected = values(plain), run(plain, [batch, batch])
    step = tf.function(compiled.train_step, jit_compile=True, autograph=False)
    for _ in range(2):
        step(tf.constant(batch))
    assert step.experimental_get_tracing_count() == 1
    assert moved(before, expected) > 0.5 and apart(before, expected, values(compiled)) < 1e-3


def two_devices(of=2):
    """Return the strategy of two logical CPU devices of so many; TensorFlow must not have started in the process."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * of)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})      # for two steps: see conftest
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def run_replicas(strategy, make, batches):
    """The same steps on one device and on the replicas of a strategy; prints how far they end apart.

    `make(0, resolution=4)` returns a model of the least side, of which replicas know nothing. One device gets the two
    shares interleaved, since the discriminator's groups are every second image of eight.
    """
    with strategy.scope():
        model = make(0, resolution=4)
    loop.run(model, batches(0), 2, [])
    assert strategy.num_replicas_in_sync == 2 and int(model.images_seen.numpy()) == 16
    order, alone = [0, 4, 1, 5, 2, 6, 3, 7], make(0, resolution=4)
    before, expected = values(alone), run(alone, [np.asarray(batch)[order] for batch in batches(0).take(2)])
    print(json.dumps({"moved": moved(before, expected), "apart": apart(before, expected, values(model))}))


@contextlib.contextmanager
def eagerly():
    """Within, functions have no graphs, which take longer than a few steps; pictures are computed together."""
    tf.config.run_functions_eagerly(True)
    try:
        with mock.patch("tf_idinvert.apart.compiled", lambda function: function):
            yield
    finally:
        tf.config.run_functions_eagerly(False)


def worker_configs():
    """TF_CONFIG of two workers on this machine."""
    with contextlib.ExitStack() as stack:       # keep both sockets open, so that the ports differ
        sockets = [stack.enter_context(contextlib.closing(socket.socket())) for _ in range(2)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    return [json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}}) for i in range(2)]


# as `graph_optimisation` in conftest.py, for steps that are compared within tolerances. TensorFlow is imported once,
# and not started before the processes part.
FORKED = """import importlib, json, os, pathlib, sys, traceback
from tf_idinvert import starting
with starting.without_collections(): import tensorflow
tensorflow.config.optimizer.set_experimental_options({'disable_meta_optimizer': True})
module, calls = sys.argv[1], json.loads(sys.argv[2])
module, children = importlib.import_module(module), []
for name, folder, printed, environment in calls:
    child = os.fork()
    if child:
        children.append(child)
        continue
    try:
        os.environ.update(environment)
        sys.stdout = open(printed, 'w')
        getattr(module, name)(pathlib.Path(folder))
        sys.stdout.close()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""


def in_processes(module, folder, calls):
    """Start functions of a module of tests, each with `folder` in a process of its own.

    Args:
        calls: {name of the process: (name of the function, {environment variable: value})}.
    Returns:
        function without arguments that waits for all and returns {name of the process: what it printed of JSON}.
    """
    root = Path(__file__).parents[1]
    path = os.pathsep.join([str(root / "tests"), str(root), os.environ.get("PYTHONPATH", "")])
    files = {name: folder / f"{name}.printed" for name in calls}
    listed = [(function, str(folder), str(files[name]), more) for name, (function, more) in calls.items()]
    process = subprocess.Popen([sys.executable, "-c", FORKED, module, json.dumps(listed)], stderr=subprocess.PIPE,
                               text=True, env={**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1"},
                               start_new_session=True)

    def printed():
        try:
            _, errors = process.communicate(timeout=600)
            assert process.returncode == 0, errors[-3000:]
        finally:
            with contextlib.suppress(ProcessLookupError):       # all that it has parted into
                os.killpg(process.pid, signal.SIGKILL)
        return {name: [json.loads(line) for line in file.read_text().splitlines() if line.startswith("{")]
                for name, file in files.items()}

    return printed
