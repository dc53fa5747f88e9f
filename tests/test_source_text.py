"""source_text: what a pickle's text says of a final activation, read as text; nothing of it runs."""
from __future__ import annotations

import sys
import time
import types

import numpy as np
import pytest
import tensorflow as tf

from tf_idinvert.errors import InputError
from tf_idinvert.formats.source_text import BUILT, final_activation, with_final_activation
from tf_idinvert.networks import layers

MODULE = "training.networks_stylegan"
PLAIN = '''
import tensorflow as tf

def leaky_relu(x, alpha=0.2):
    return tf.maximum(x, x * alpha)

def lerp_clip(a, b, t):
    return a + (b - a) * tf.clip_by_value(t, 0.0, 1.0)

def G_synthesis(dlatents_in, nonlinearity='lrelu', **kwargs):
    """Image of codes."""
    act = {'relu': (tf.nn.relu, 1.4), 'lrelu': (leaky_relu, 1.4)}[nonlinearity]
    images_out = lerp_clip(dlatents_in, act(dlatents_in), 0.5)
    return tf.identity(images_out, name='images_out')

def D_basic(images_in):
    return tf.reduce_mean(images_in)
'''
LAST = "    return tf.identity(images_out, name='images_out')"


def changed(old, new):
    assert PLAIN.count(old) == 1
    return PLAIN.replace(old, new)


def seen(text):
    return final_activation(text, "G_synthesis", MODULE)


@pytest.mark.parametrize("text", [PLAIN, f"from {MODULE} import *\n", f"from {MODULE} import *  # tanh\n"])
def test_published_texts_decide_for_none(text):
    assert seen(text) == (None, None)


@pytest.mark.parametrize("text, name", [
    (changed(LAST, "    return tf.nn.tanh(images_out)"), "tanh"),
    (changed(LAST, f"    images_out = tf.math.sigmoid(images_out)\n{LAST}"), "sigmoid"),
    (changed(LAST, f"    images_out = tf.nn.softsign(\n        images_out)\n{LAST}"), "softsign"),
    (changed("def G_synthesis", "from tensorflow import tanh as squash\ndef G_synthesis").replace(
        LAST, f"    images_out = squash(images_out)\n{LAST}"), "tanh"),
    (changed("def G_synthesis", "def to_image(x):\n    return tf.tanh(x)\n\ndef G_synthesis").replace(
        LAST, "    return to_image(images_out)"), "tanh"),
    (changed(LAST, f"    return (tf.\n        tanh)(images_out)\n{LAST}"), "tanh"),
    ("images_out = tf.nn.tanh(x)", "tanh")])
def test_activations_that_are_seen(text, name):
    found, note = seen(text)
    assert found == name and (note is None or "it is applied last" in note)


@pytest.mark.parametrize("text", [
    changed("    return tf.reduce_mean(images_in)", "    return tf.tanh(tf.reduce_mean(images_in))"),
    changed(LAST, f"    # images_out = tf.tanh(images_out)\n{LAST}"),
    changed('"""Image of codes."""', '"""Image of codes.\n\n    There is no tf.tanh( here.\n    """'),
    changed("{'relu'", "{'tanh': (tf.tanh, 1.0), 'relu'")])
def test_what_is_no_final_activation(text):
    assert seen(text) == (None, None)


@pytest.mark.parametrize("text, name, note", [
    ("", None, "there is no source text of G_synthesis"), ("# left out\n", None, "there is no source text"),
    ("def other():\n    pass\n", None, "there is no source text of G_synthesis, which alone could show"),
    (changed(LAST, f"    if final_tanh:\n        images_out = tf.tanh(images_out)\n{LAST}"), "tanh",
     "names tanh and final_tanh, which may decide whether; it is applied last"),
    (changed(LAST, f"    images_out = tf.tanh(tf.sigmoid(images_out))\n{LAST}"), None,
     "names sigmoid and tanh; which is"),
    (changed(LAST, f"    images_out = getattr(tf, 'tanh')(images_out)\n{LAST}"), None, "names text_tanh; which"),
    (changed("    images_out =", "    act = tf.tanh\n    images_out ="), "tanh", "not where it makes the image")])
def test_what_a_text_leaves_open(text, name, note):
    found, said = seen(text)
    assert found == name and note in said and len(said.splitlines()) == 1


def test_activations_that_are_not_built():
    with pytest.raises(InputError, match="passes the image through 'erf', which is not built here"):
        seen(changed(LAST, "    return tf.math.erf(images_out)"))


@pytest.mark.one_stack      # Python's own tokens
@pytest.mark.parametrize("text", [
    "(" * 300_000, '"' * 300_000, "'''" * 100_000, "\\" * 300_000, "def G_synthesis(\n" * 20_000, "a=b\n" * 80_000,
    "".join(f"a{i}=a{i + 1}\n" for i in range(20_000)) + "def G_synthesis(x):\n    a0\n", "#" * 300_000,
    "import a\n" * 30_000 + "def G_synthesis(x):\n    return a\n", "text_:" * 50_000, "\0" * 300_000])
def test_hostile_texts_are_read_in_no_time(text):
    start = time.process_time()
    assert seen(text)[0] is None
    assert time.process_time() - start < 3


def test_nothing_is_executed(tmp_path):
    trap = tmp_path / "trap"
    write = f"open({str(trap)!r}, 'w')\n"
    text = write + changed(LAST, f"    {write}    return tf.tanh(images_out)")
    assert seen(text)[0] == "tanh" and not trap.exists()


@pytest.mark.parametrize("name", [None, *BUILT])
def test_written_text_does_it_in_the_original_loader(monkeypatch, name):
    """The loader executes the text in a fresh module and calls the builder with its input and keyword arguments."""
    published = types.ModuleType(MODULE)
    published.G_synthesis = lambda dlatents_in, **kwargs: dlatents_in * kwargs["factor"]
    monkeypatch.setitem(sys.modules, "training", types.ModuleType("training"))
    monkeypatch.setitem(sys.modules, MODULE, published)
    text = with_final_activation(MODULE, "G_synthesis", name)
    module = types.ModuleType("loaded")
    exec(text, module.__dict__)     # what the original does; the text is our own
    x = np.linspace(-3, 3, 7, dtype="float32")
    expected = layers.final_activation(tf.constant(x * 2), name)
    assert np.allclose(module.G_synthesis(x, factor=2), expected, atol=1e-6)
    assert seen(text) == (name, None)


def test_the_same_activations_are_seen_and_built():
    assert set(BUILT) == set(layers.FINAL_ACTIVATIONS)
