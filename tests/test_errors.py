"""Reasons of errors in one line, in words of ours or of the system."""
from __future__ import annotations

import errno

import tensorflow as tf

from tf_idinvert.errors import reason


def test_reasons_are_the_systems_words_alone():
    assert reason(OSError(errno.ENOSPC, "No space left on device", "x")) == "No space left on device"
    assert reason(OSError("cut off")) == "cut off"
    saving = tf.errors.ResourceExhaustedError(
        None, None, "{{function_node __wrapped__SaveV2_device_/job:localhost/device:CPU:0}} /x/part-0.tempstate1; "
        "File too large [Op:SaveV2]")
    assert reason(saving) == "File too large"
    assert reason(tf.errors.UnknownError(None, None, "two\nlines")) == "two lines"
