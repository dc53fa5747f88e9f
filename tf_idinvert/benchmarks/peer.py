"""Steps of inversion beside the same steps in plain PyTorch: same weights, same pictures, in turns.

Every round runs ours and the peer's forms, each in a process of its own. Losses before the first step must agree.
"""
from __future__ import annotations

import json
import multiprocessing
import subprocess
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tf_idinvert import starting
from tf_idinvert.benchmarks import matmul, memory, torch_peer
from tf_idinvert.errors import InputError
from tf_idinvert.inversion import Inversion, InversionOptions
from tf_idinvert.networks import layers
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator
from tf_idinvert.networks.perceptual import VGG16_LAYER, LayerFeatures

FORMS = ("eager", "compiled", "original")       # of the peer; see `torch_peer`
AGREE = 1e-4                                    # largest relative difference of the losses


def run(log, python, sides=(64, 128, 256), batches=(1, 4, 8), rounds=3, steps=3):
    """Return a row for every side, batch size and form: medians over rounds and steps.

    Args:
        log: callable that prints a line.
        python: a Python that has PyTorch and NumPy.
        sides, batches: resolutions in pixels, batch sizes.
        rounds, steps: of each form.
    Raises:
        InputError: no form of the peer runs, or it does not compute the same loss.
    """
    rows = []
    for side in sides:
        for batch in batches:
            found = {}
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "weights.npz"
                for _ in range(rounds):
                    for form in ("ours", *FORMS):
                        if found.get(form, True) is None:
                            continue        # has failed
                        log(f"{side} px, batch {batch}: {form}")
                        rate = matmul.rate()
                        with multiprocessing.get_context("spawn").Pool(1, starting.prepare) as child:
                            done = (child.apply(ours, (side, batch, steps, path, time.time()))
                                    if form == "ours" else theirs(python, path, steps, form, log))
                        if done is None:
                            found[form] = None
                        else:
                            found.setdefault(form, []).append({**done, "rate": max(rate, matmul.rate())})
            rows += _rows(side, batch, {form: each for form, each in found.items() if each})
    return rows


def _rows(side, batch, found):
    if len(found) == 1:
        raise InputError("the peer has not run: --peer must be a Python with torch and numpy "
                         "(pip install torch --index-url https://download.pytorch.org/whl/cpu)")
    for form, measured in found.items():
        loss, expected = measured[0]["loss"], found["ours"][0]["loss"]
        if not abs(loss - expected) <= AGREE * abs(expected):
            raise InputError(f"{form}: expected the loss {expected} of ours; got {loss}")
        every = [step for each in measured for step in each["steps"]]
        median = {name: float(np.median([step[name] for step in every])) for name in every[0]}
        yield {"benchmark": "peer", "form": form, "px": side, "batch": batch, "s, least": min(s["wall"] for s in every),
               "s, median": median["wall"], "CPU s": median["cpu"], "system s": median["system"],
               "page faults": median["faults"], "peak MB": min(each["peak"] for each in measured) / 1e6,
               "start-up s": min(each["startup"] for each in measured), "loss": loss,
               "matmul GFLOP/s": max(each["rate"] for each in measured) / 1e9}


def theirs(python, path, steps, form, log):
    """Return what `torch_peer` measures; None where it fails, such as without a compiler."""
    code = ("import json, runpy, sys; main = runpy.run_path(sys.argv[1])['main']; "
            "print(json.dumps(main(sys.argv[2], int(sys.argv[3]), sys.argv[4])))")
    done = subprocess.run([python, "-c", code, torch_peer.__file__, str(path), str(steps), form], text=True,
                          capture_output=True)
    if done.returncode:
        log(f"{form} has failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def ours(side, batch, steps, path, started):
    """Measure steps of ours in this process, like `torch_peer.main`; write the weights to `path` the first time."""
    keras.utils.set_random_seed(0)
    network = Generator(resolution=side, layerwise=True)
    encoder = Encoder(resolution=side, num_layers=network.num_layers, dlatent_size=network.dlatent_size)
    features = LayerFeatures(keras.applications.VGG16(include_top=False, weights=None), VGG16_LAYER)
    x = np.random.default_rng(0).uniform(-1, 1, [batch, side, side, 3]).astype("float32")
    options = InversionOptions(batch_size=batch).for_features(features)
    if not path.exists():
        np.savez(path, x=_first(x, 3), feature_weight=options.feature_weight, domain_weight=options.domain_weight,
                 **weights(encoder, network.synthesis, features.model))
    inversion = Inversion(synthesis=network.synthesis, encoder=encoder, features=features, options=options)
    x = tf.constant(x)
    codes, target = inversion._encode(x), inversion._features_of(x)
    memories, rows = inversion.optimizer.start(codes), []
    for i in range(steps + 1):      # the first one is not measured
        before = torch_peer.now()
        codes, memories, losses = inversion._advance((codes, memories, x, target), tf.constant(i), tf.constant(i + 1))
        losses = losses.numpy()
        rows.append(torch_peer.spent(before))
        if i == 0:
            loss, startup = float(losses[:, 0, -1].sum()), time.time() - started
    return dict(loss=loss, startup=startup, steps=rows[1:], peak=memory.peak())


def weights(encoder, synthesis, vgg):
    """Return {name: array} of the networks as `torch_peer` reads them."""
    units = {"first": encoder.from_image, "last": encoder.latent_out}
    for i, block in enumerate(encoder.blocks):
        units.update({f"block{i}/conv_a": block.conv_a, f"block{i}/conv_b": block.conv_b})
        if block.shortcut is not None:
            units[f"block{i}/shortcut"] = block.shortcut
    found = {"layers": np.array([0 if layer.conv is None else 1 + (layer.up and 1 + layer.conv.fused)
                                 for layer in synthesis.styled])}
    for name, unit in units.items():
        norm = unit.norm
        found.update({f"{name}/weight": _first(np.asarray(unit.weight), 3, 2), f"{name}/mean": norm.moving_mean,
                      f"{name}/variance": norm.moving_variance, f"{name}/gamma": norm.gamma, f"{name}/beta": norm.beta})
        if unit.bias is not None:
            found[f"{name}/bias"] = unit.bias
    for i, layer in enumerate(synthesis.styled):
        found.update(_styled(f"g{i}", layer))
    rgb, blur = synthesis.to_rgb[-1], np.outer(*[synthesis.config["blur_filter"]] * 2).astype("float32")
    found.update({"const": _first(np.asarray(synthesis.styled[0].const), 3), "blur": (blur / blur.sum())[None, None],
                  "rgb/weight": _first(np.asarray(rgb.used_weight("float32")), 3, 2), "rgb/bias": rgb.bias})
    convolutions = [layer for layer in vgg.layers if layer.weights]
    for i, layer in enumerate(convolutions):
        found.update({f"f{i}/weight": _first(np.asarray(layer.kernel), 3, 2), f"f{i}/bias": layer.bias})
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


def _styled(name, layer):
    offset = np.asarray(layer.noise) * np.asarray(layer.noise_weight) + np.asarray(layer.bias)
    found = {f"{name}/offset": _first(offset, 3), f"{name}/style_bias": layer.style.bias,
             f"{name}/style": np.asarray(layer.style.used_weight("float32")).T}
    if layer.conv is not None:
        kernel = layer.conv.used_weight("float32")
        fused = layer.up and layer.conv.fused
        kernel = np.asarray(layers.sum_of_shifts(kernel) if fused else kernel)
        found[f"{name}/weight"] = kernel.transpose(2, 3, 0, 1) if fused else _first(kernel, 3, 2)
    return found


def _first(array, *axes):
    """Move axes to the front, in PyTorch's order: [.., C] -> [N, C, ..], [k, k, I, O] -> [O, I, k, k]."""
    if array.ndim == 2:
        return array.T
    return np.moveaxis(array, axes, (0, 1) if len(axes) == 2 else (1,))
