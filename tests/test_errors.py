"""Reasons of errors in one line, in words of ours or of the system."""
from __future__ import annotations

import errno

import tensorflow as tf

from tf_idinvert.errors import first_line, reason


def test_reasons_are_the_systems_words_alone():
    assert reason(OSError(errno.ENOSPC, "No space left on device", "x")) == "No space left on device"
    assert reason(OSError("cut off")) == "cut off"
    saving = tf.errors.ResourceExhaustedError(
        None, None, "{{function_node __wrapped__SaveV2_device_/job:localhost/device:CPU:0}} /x/part-0.tempstate1; "
        "File too large [Op:SaveV2]")
    assert reason(saving) == "File too large"
    assert reason(tf.errors.UnknownError(None, None, "two\nlines")) == "two lines"


def test_first_lines_are_the_librarys_words_without_jargon():
    assert first_line(ValueError("{{function_node f}} two\nlines [Op:X]")) == "two"
    assert first_line(OSError("no: [Errno -2] Name or service not known")) == "no: Name or service not known"
    assert first_line(KeyError()) == "KeyError"
