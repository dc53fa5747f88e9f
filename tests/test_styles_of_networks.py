"""StyleSpace of both generations: offsets of styles act as a move of w does; shapes that do not fit are refused."""
from __future__ import annotations

import numpy as np
import pytest
import tiny

GENERATIONS = {"StyleGAN": tiny.generator, "StyleGAN2": tiny.stylegan2_generator}


@pytest.mark.parametrize("make", GENERATIONS.values(), ids=GENERATIONS)
def test_offsets_are_moves_of_w_seen_by_the_styles(make):
    synthesis = make().synthesis
    w, move = tiny.normal(2, 6, 8), tiny.normal(2, 6, 8, seed=1)
    move[:, -1] = 0     # of StyleGAN2 the layer without a style of its own
    if make is tiny.stylegan2_generator:        # nor do offsets reach the colours, which share w with a doubling layer
        move[:, 1::2] = 0
    offsets = synthesis.styles(w + move) - synthesis.styles(w)
    assert offsets.shape == (2, sum(synthesis.style_widths))
    moved = synthesis(w + move)
    assert tiny.relative(synthesis(w, style_offsets=offsets), moved) < 1e-4
    assert tiny.relative(synthesis(w), moved) > 1e-2, "the move can be seen"


@pytest.mark.parametrize("make", GENERATIONS.values(), ids=GENERATIONS)
def test_styles_are_affine_in_w_by_the_matrices(make):
    synthesis = make().synthesis
    w, matrices, widths = tiny.normal(3, 6, 8), synthesis.style_matrices(), synthesis.style_widths
    assert [each.shape for each in matrices[:len(widths)]] == [(8, width) for width in widths] and len(matrices) == 6
    change = np.split(synthesis.styles(w) - synthesis.styles(w * 0), np.cumsum(widths)[:-1], axis=1)
    for i, found in enumerate(change):
        assert tiny.relative(found, w[:, i] @ matrices[i] / np.sqrt(8)) < 1e-4      # equalized: over sqrt(fan in)


@pytest.mark.parametrize("make", GENERATIONS.values(), ids=GENERATIONS)
def test_offsets_of_another_width_are_refused(make):
    with pytest.raises(ValueError, match="style_offsets"):
        make().synthesis(tiny.normal(1, 6, 8), style_offsets=np.zeros([1, 3], np.float32))
