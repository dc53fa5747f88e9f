"""Encoded pictures in the graph: the same pixels as `images` reads, bit for bit; what is refused, and why."""
from __future__ import annotations

import io

import numpy as np
import pytest
import served_pictures
import tensorflow as tf
from PIL import Image

from tf_idinvert.files import images
from tf_idinvert.serving import picture_bytes

SIDE = 16
USUAL, HOSTILE, DAMAGED = served_pictures.usual(), served_pictures.hostile(), served_pictures.damaged_exif()


@pytest.fixture(scope="module")
def graph():
    """Callable, list of bytes -> float32 [N, SIDE, SIDE, 3]."""
    return tf.function(lambda data: picture_bytes.load(data, SIDE), autograph=False,
                       input_signature=[tf.TensorSpec([None], tf.string)])


@pytest.fixture(scope="module")
def load(graph):
    """Callable, bytes -> float32 [SIDE, SIDE, 3]."""
    return lambda data: graph([data]).numpy()[0]


@pytest.mark.parametrize("name", USUAL)
def test_pictures_are_read_as_the_tools_read_them(load, tmp_path, name):
    (tmp_path / "picture").write_bytes(USUAL[name])
    expected, _ = images.load(tmp_path / "picture", SIDE)
    assert expected.std() > 0.05 or name == "one pixel"
    # x / 127.5 - 1 may differ in its last bit; pixels may not, which are 1 / 127.5 apart
    np.testing.assert_allclose(load(USUAL[name]), expected, rtol=0, atol=2e-7)


def test_a_photograph_of_twelve_megapixels(tmp_path):
    data = served_pictures.encoded(served_pictures.pixels(3000, 4000), "JPEG")
    (tmp_path / "picture").write_bytes(data)
    expected, _ = images.load(tmp_path / "picture", 64)
    graph = tf.function(lambda data: picture_bytes.load(data, 64), autograph=False)
    np.testing.assert_allclose(graph(tf.constant([data]))[0], expected, rtol=0, atol=2e-7)


def test_a_transparent_shade_of_few_bits_is_found(load):
    data = served_pictures.shallow(2, extra=served_pictures.chunk(b"tRNS", b"\0\1"))
    opaque = np.round((load(served_pictures.shallow(2)) + 1) * 127.5)
    assert 85 in opaque
    np.testing.assert_array_equal(np.round((load(data) + 1) * 127.5), np.where(opaque == 85, 255, opaque))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_metadata_count_as_none(load, data):
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_allclose(load(data), images.to_float(expected), rtol=0, atol=2e-7)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_picture_is_refused(load, name):
    data, words = HOSTILE[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        load(data)


def test_one_bad_picture_of_several_is_an_error_and_none_is_an_empty_array(graph):
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected a PNG or JPEG"):
        graph([USUAL["wide"], b"text"])
    assert graph(tf.constant([], tf.string)).shape == (0, SIDE, SIDE, 3)


def test_pictures_are_written_as_the_tools_write_them():
    values = np.linspace(-1.2, 1.2, 2 * 5 * 7 * 3, dtype="float32").reshape(2, 5, 7, 3)
    for data, image in zip(picture_bytes.encode(tf.constant(values)).numpy(), values):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), images.to_uint8(image))
    with pytest.raises(tf.errors.InvalidArgumentError, match="finite"):
        picture_bytes.encode(tf.constant(np.full([1, 2, 2, 3], np.nan, "float32")))
