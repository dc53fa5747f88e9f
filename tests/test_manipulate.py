"""manipulate.py: what an option overrules is not judged."""
from __future__ import annotations

from types import SimpleNamespace

import pytest
import tiny

from tf_idinvert import boundaries
from tf_idinvert.cli import manipulate
from tf_idinvert.errors import InputError

NETWORK = SimpleNamespace(num_layers=6, dlatent_size=8, synthesis=SimpleNamespace(style_widths=[8] * 6))


def fitted(layers, width=8):
    boundary = boundaries.Boundary(tiny.normal(1, 1, width), (2, 40))
    return manipulate.fitted("age.npy", boundary, NETWORK, SimpleNamespace(manipulate_layers=layers))


def test_layers_of_a_file_that_are_overruled_need_not_fit():
    boundary = fitted("2,3")
    assert boundary.layers == (2, 3) and boundary.normal.shape == (1, 6, 8)


@pytest.mark.parametrize("layers, width, words", [("", 8, "layer 40"), ("2,41", 8, "layer 41"), ("2", 7, "of 7")])
def test_what_counts_is_judged(layers, width, words):
    with pytest.raises(InputError, match=words):
        fitted(layers, width)
