"""The state of a training run: stored bit by bit, and refused if it does not fit."""
from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_idinvert.errors import InputError
from tf_idinvert.training import state


@pytest.fixture
def variables():
    odd = np.array([np.nan, np.inf, -0.0, 1e-45, 0.1], "float32")
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    return [tf.Variable(odd), tf.Variable(2 ** 40, dtype=tf.int64), *layer.weights]


def test_values_come_back_bit_by_bit(tmp_path, variables):
    before = [variable.numpy().copy() for variable in variables]
    state.save(tmp_path / "state.npz", variables)
    for variable in variables:
        variable.assign(tf.zeros_like(tf.convert_to_tensor(variable)))
    state.load(tmp_path / "state.npz", variables)
    assert [variable.numpy().tobytes() for variable in variables] == [value.tobytes() for value in before]
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]


@pytest.mark.parametrize("other, message", [
    ([], "holds 4 variables, this run has 0"),
    ([tf.zeros(5), tf.zeros([], tf.int64), tf.zeros([3, 2]), tf.zeros(3)], r"variable 3 is float32 \[2\], .* \[3\]"),
    ([tf.zeros(5), tf.zeros([], tf.int32), tf.zeros([3, 2]), tf.zeros(2)], "variable 1 is int64 .* int32"),
])
def test_state_of_another_run_is_refused_whole(tmp_path, variables, other, message):
    state.save(tmp_path / "state.npz", variables)
    other = [tf.Variable(value) for value in other]
    with pytest.raises(InputError, match=f"state.npz: .*{message}"):
        state.load(tmp_path / "state.npz", other)
    assert not any(np.any(variable.numpy()) for variable in other)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 damaged", b"text"])
def test_unreadable_state_is_one_line(tmp_path, variables, content):
    if content is not None:
        (tmp_path / "state.npz").write_bytes(content)
    with pytest.raises(InputError, match="state.npz: no readable training state") as caught:
        state.load(tmp_path / "state.npz", variables)
    assert "\n" not in str(caught.value)


def test_truncated_state_is_refused(tmp_path, variables):
    path = tmp_path / "state.npz"
    state.save(path, variables)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="no readable training state"):
        state.load(path, variables)


def test_failing_save_keeps_the_last_state(tmp_path, variables):
    class Broken:
        def numpy(self):
            raise RuntimeError("lost")

    path = tmp_path / "state.npz"
    state.save(path, variables)
    before = path.read_bytes()
    with pytest.raises(RuntimeError):
        state.save(path, [*variables, Broken()])
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
