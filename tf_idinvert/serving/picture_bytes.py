"""PNG and JPEG strings <-> pictures as networks take them, in the graph; the same pixels that `images` gives.

Turned upright, laid over white, cropped to the central square, resized with Pillow's Lanczos filter in its whole-number
arithmetic (so bit for bit, which `tf.image.resize` is not), float32 in [-1, 1]. Not the same: an orientation that only
XMP data tell, or EXIF data inside a PNG's text, is not seen; JPEG pictures of four inks (CMYK) are refused; and in
grey PNG files of 2 or 4 bits the transparent shade is found, which Pillow misses.
Formats: PNG, W3C 3rd edition, 11.2.1 (the header); JPEG, ITU T.81.
"""
from __future__ import annotations

import math

import tensorflow as tf

from tf_idinvert.serving import checks, exif
from tf_idinvert.serving.checks import require

MAX_BYTES = 1 << 24             # of an encoded picture
MAX_PIXELS = 1 << 24            # of a decoded one: 4096 x 4096
MAX_SCANS = 100                 # of a JPEG; each costs as much time as the picture has pixels
PNG_SIGNATURE, PNG_HEADER = b"\x89PNG\r\n\x1a\n", 33        # bytes of signature and header chunk
JPEG_SIGNATURE = b"\xff\xd8\xff"
LANCZOS_SUPPORT = 3.0
PRECISION = 22                  # bits after the point of Pillow's filter weights
BLOCK = 16                      # rows of a resized picture that are made together


def load(image_bytes, resolution):
    """Encoded pictures [N] -> float32 [N, R, R, 3], RGB, in [-1, 1]; one at a time, which bounds the memory."""
    return tf.map_fn(lambda data: _load_one(data, resolution), image_bytes, parallel_iterations=1,
                     fn_output_signature=tf.TensorSpec([resolution, resolution, 3], tf.float32))


def encode(images):
    """float32 [N, R, R, 3] in [-1, 1], clipped -> PNG strings [N]; rounded half up, as `images.to_uint8`."""
    images = checks.finite("images", images)
    pixels = tf.cast(tf.floor(tf.clip_by_value((images + 1.0) * 127.5 + 0.5, 0.0, 255.0)), tf.uint8)
    return tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string)


# ------------------------------------------------------------------------------------------------- reading

def _load_one(data, resolution):
    size = tf.strings.length(data)
    data = require(data, size <= MAX_BYTES, f"image_bytes: expected at most {MAX_BYTES} bytes; got", size)
    is_png = (tf.strings.substr(data, 0, len(PNG_SIGNATURE)) == PNG_SIGNATURE) & (size >= PNG_HEADER)
    is_jpeg = tf.strings.substr(data, 0, len(JPEG_SIGNATURE)) == JPEG_SIGNATURE
    data = require(data, is_png | is_jpeg, "image_bytes: expected a PNG or JPEG picture; got something else")
    pixels = tf.cond(is_png, lambda: _decode_png(data), lambda: _decode_jpeg(data))
    pixels = fit(_upright(pixels, exif.orientation(data, is_png)), resolution)
    return tf.cast(pixels, tf.float32) / 127.5 - 1.0


def _bounded(data, height, width):
    height, width = tf.cast(height, tf.int64), tf.cast(width, tf.int64)
    inside = (height > 0) & (width > 0) & (height <= MAX_PIXELS) & (width <= MAX_PIXELS)
    inside &= height * width <= MAX_PIXELS
    return require(data, inside, f"image_bytes: expected a picture of at most {MAX_PIXELS} pixels; got", width, "x",
                   height)


def _decode_jpeg(data):
    height, width, channels = tf.unstack(tf.io.extract_jpeg_shape(data))
    data = _bounded(data, height, width)
    data = require(data, channels != 4, "image_bytes: a JPEG of four inks (CMYK); expected RGB or grey")
    values = tf.io.decode_raw(data, tf.uint8)
    scans = tf.math.count_nonzero((values[:-1] == exif.JPEG_FILL) & (values[1:] == exif.JPEG_SCAN))
    data = require(data, scans <= MAX_SCANS, f"image_bytes: a JPEG of more than {MAX_SCANS} scans")
    return tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")


def _decode_png(data):
    header = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 0, PNG_HEADER), tf.uint8), tf.int64)
    width, height = (tf.reduce_sum(header[at:at + 4] * [1 << 24, 1 << 16, 1 << 8, 1]) for at in (16, 20))
    depth, colour = header[24], header[25]
    data = _bounded(data, height, width)
    return tf.cond((depth == 16) & (colour == 0), lambda: _deep_grey(tf.io.decode_png(data, 1, tf.uint16)),
                   lambda: _over_white(_opaque(tf.io.decode_png(data, 4), depth)))


def _opaque(pixels, depth):
    """The same [H, W, 4], opaque where TensorFlow has filled alpha with the largest number of fewer than 8 bits."""
    filled = tf.cast(tf.bitwise.left_shift(tf.constant(1, tf.int64), depth) - 1, tf.uint8)      # 255 at 8 and 16 bits
    alpha = pixels[:, :, 3:]
    return tf.concat([pixels[:, :, :3], tf.where(tf.reduce_all(alpha == filled), tf.constant(255, tf.uint8), alpha)], 2)


def _deep_grey(values):
    """16-bit grey [H, W, 1] -> uint8 [H, W, 3], rounded as `images` does."""
    grey = tf.floor(tf.cast(values, tf.float32) * (255.0 / 65535.0) + 0.5)
    return tf.repeat(tf.cast(grey, tf.uint8), 3, axis=2)


def _over_white(pixels):
    """uint8 [H, W, 4] -> uint8 [H, W, 3], over white; the rounding division by 255 is that of Pillow."""
    alpha = pixels[:, :, 3:]

    def composed():
        opacity = tf.cast(alpha, tf.uint16)
        total = tf.cast(pixels[:, :, :3], tf.uint16) * opacity + 255 * (255 - opacity) + 128
        return tf.cast(tf.bitwise.right_shift(total + tf.bitwise.right_shift(total, 8), 8), tf.uint8)

    return tf.cond(tf.reduce_all(alpha == 255), lambda: pixels[:, :, :3], composed)


def _upright(pixels, orientation):
    """Picture [H, W, 3] turned as EXIF orientation 1 to 8 says."""
    def when(values, change):
        return tf.cond(tf.reduce_any(orientation == list(values)), lambda: change(pixels), lambda: pixels)

    pixels = when((5, 6, 7, 8), lambda picture: tf.transpose(picture, [1, 0, 2]))
    pixels = when((3, 4, 7, 8), lambda picture: tf.reverse(picture, [0]))
    return when((2, 3, 6, 7), lambda picture: tf.reverse(picture, [1]))


# ------------------------------------------------------------------------------------------------- resizing

def fit(pixels, resolution):
    """The central square of uint8 [H, W, 3], resized to uint8 [R, R, 3], as `images.fit`."""
    height, width = tf.unstack(tf.shape(pixels)[:2])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    pixels = pixels[top:top + side, left:left + side]

    def resized():
        columns = _resample(tf.reshape(tf.transpose(pixels, [1, 0, 2]), [side, -1]), resolution)     # [R, side * 3]
        lines = tf.transpose(tf.reshape(columns, [resolution, side, 3]), [1, 0, 2])
        return _resample(tf.reshape(lines, [side, -1]), resolution)

    return tf.reshape(tf.cond(side == resolution, lambda: tf.reshape(pixels, [resolution, -1]), resized),
                      [resolution, resolution, 3])


def _resample(lines, count):
    """uint8 [S, K] -> uint8 [count, K]: Lanczos along the first axis, in blocks, each from the lines that it needs."""
    size = tf.shape(lines)[0]
    scale = tf.cast(size, tf.float64) / count
    stretch = tf.maximum(scale, 1.0)                    # the filter widens where the picture shrinks

    def block(first):
        places = tf.range(first, tf.minimum(first + BLOCK, count))
        centres = (tf.cast(places, tf.float64) + 0.5) * scale
        starts = tf.maximum(tf.cast(centres - LANCZOS_SUPPORT * stretch + 0.5, tf.int32), 0)
        stops = tf.minimum(tf.cast(centres + LANCZOS_SUPPORT * stretch + 0.5, tf.int32), size)
        sources = tf.range(starts[0], stops[-1])[None]
        distances = (tf.cast(sources, tf.float64) - centres[:, None] + 0.5) / stretch
        weights = tf.where((sources >= starts[:, None]) & (sources < stops[:, None]), _lanczos(distances), 0.0)
        weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
        weights = tf.round(weights * 2.0 ** PRECISION)
        sums = tf.matmul(weights, tf.cast(lines[starts[0]:stops[-1]], tf.float64))      # whole numbers below 2^53
        return tf.cast(tf.clip_by_value(tf.floor(sums / 2.0 ** PRECISION + 0.5), 0.0, 255.0), tf.uint8)

    def body(i, made):
        return i + 1, made.write(i, block(i * BLOCK))

    blocks = math.ceil(count / BLOCK)
    made = tf.TensorArray(tf.uint8, blocks, infer_shape=False, element_shape=[None, None])
    _, made = tf.while_loop(lambda i, _: i < blocks, body, [tf.constant(0), made], parallel_iterations=1)
    return made.concat()


def _lanczos(x):
    """sinc(x) sinc(x / 3) within the support."""
    def sinc(x):
        angle = math.pi * x
        return tf.where(x == 0, tf.ones_like(x), tf.math.divide_no_nan(tf.sin(angle), angle))

    return tf.where(tf.abs(x) < LANCZOS_SUPPORT, sinc(x) * sinc(x / LANCZOS_SUPPORT), 0.0)
