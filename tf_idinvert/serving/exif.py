"""The EXIF orientation of a JPEG or PNG, read in the graph.

Sources: JPEG, ITU T.81, annex B (segments); PNG, W3C 3rd edition, 5.3 and 11.3.3.4 (chunks, eXIf); EXIF 2.3, section
4.6 (the TIFF directory and its tag 274). Damaged metadata counts as none; so does what comes after MAX_PARTS parts of a
file, so that a file made of tiny parts cannot keep a server busy.
"""
from __future__ import annotations

import tensorflow as tf

ORIENTATION = 0x0112
SHORT = 3                               # the TIFF type of an orientation
MAX_PARTS = 2000
JPEG_EXIF, JPEG_SCAN, JPEG_END, JPEG_FILL = 0xE1, 0xDA, 0xD9, 0xFF


def orientation(data, is_png):
    """How the stored picture is to be turned: scalar string, scalar bool -> int32 1 to 8, 1 for as it is."""
    values = tf.io.decode_raw(data + "\0", tf.uint8)      # a 0, which also stands for all that lies beyond the end
    start = tf.cond(is_png, lambda: _in_png(values), lambda: _in_jpeg(values))
    return tf.cond(start > 0, lambda: _in_tiff(values, start), lambda: tf.constant(1))


def _at(values, positions):
    size = tf.size(values)
    inside = (positions >= 0) & (positions < size)
    return tf.cast(tf.gather(values, tf.where(inside, positions, size - 1)), tf.int32)


def _number(values, position, length, little=False):
    """Whole number of `length` bytes at `position`, which may be a vector; below 2^31, larger ones are cut."""
    total = tf.zeros_like(position)
    for i in range(length):
        total = total * 256 + _at(values, position + (length - 1 - i if little else i))
    return total & 0x7FFFFFFF


def _is(values, position, text):
    return tf.reduce_all(tf.equal(_at(values, position + tf.range(len(text))), list(text)))


def _walk(values, first, part):
    """Position where EXIF data begin, 0 for nowhere; `part`: position -> (found or 0, next position or -1)."""
    def body(position, _):
        found, following = part(position)
        return tf.where(following > position, following, -1), found

    _, found = tf.while_loop(
        lambda position, found: (found == 0) & (position >= 0) & (position < tf.size(values)), body,
        (tf.constant(first), tf.constant(0)), maximum_iterations=MAX_PARTS)
    return found


def _in_jpeg(values):
    def part(position):
        marker = _at(values, position + 1)
        found = (marker == JPEG_EXIF) & _is(values, position + 4, b"Exif\0\0")
        ended = (_at(values, position) != 0xFF) | (marker == JPEG_SCAN) | (marker == JPEG_END)
        step = tf.where(marker == JPEG_FILL, 1, 2 + _number(values, position + 2, 2))
        return tf.where(found, position + 10, 0), tf.where(ended, -1, position + step)

    return _walk(values, 2, part)


def _in_png(values):
    def part(position):
        return (tf.where(_is(values, position + 4, b"eXIf"), position + 8, 0),
                position + 12 + _number(values, position, 4))

    return _walk(values, 8, part)


def _in_tiff(values, start):
    little = _is(values, start, b"II")

    def number(position, length):
        return tf.where(little, _number(values, position, length, True), _number(values, position, length))

    directory = start + number(start + 4, 4)
    entries = directory + 2 + 12 * tf.range(number(directory, 2))
    wanted = (number(entries, 2) == ORIENTATION) & (number(entries + 2, 2) == SHORT)
    found = number(tf.boolean_mask(entries, wanted)[:1] + 8, 2)
    value = tf.reduce_sum(found)                        # of none or one
    return tf.where((value >= 1) & (value <= 8), value, 1)
