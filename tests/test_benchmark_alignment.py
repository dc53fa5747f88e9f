"""The benchmark of alignment: scenes hold the pictures where it says, errors and false finds are counted by hand."""
from __future__ import annotations

import numpy as np
import pytest

from tf_idinvert.alignment import quad, warp
from tf_idinvert.alignment.finding import Found
from tf_idinvert.benchmarks import alignment


@pytest.mark.parametrize("how", ["moved", "turned", "scaled"])
@pytest.mark.parametrize("share", [0.02, -0.05])
def test_frames_are_off_by_the_share(how, share):
    assert quad.corner_error(alignment._off(how, share), quad.of_square(0, 0, 256)) == pytest.approx(abs(share))


def test_pictures_are_where_the_scene_says(rng):
    pictures = [np.full([32, 32, 3], value, np.uint8) for value in (10, 240)]
    case = next(case for case in alignment.CASES if case.count == 2)
    scene, truth = alignment.composed(pictures, case, rng)
    assert scene.shape == (768, 1024, 3) and len(truth) == 2
    for picture, true in zip(pictures, truth):
        assert np.abs(warp.crop(scene, true, 32).astype(int) - picture)[2:-2, 2:-2].max() <= 2


def test_finds_are_counted(rng):
    """A finder that knows: the first picture found exactly, the second missed, a third place found that has none."""
    points = quad.to_crop([(40, 50), (70, 52), (56, 66), (44, 84), (68, 85)],
                          quad.ffhq([(40, 50), (70, 52), (56, 66), (44, 84), (68, 85)]))
    case = next(case for case in alignment.CASES if case.count == 2)
    pictures = [np.zeros([16, 16, 3], np.uint8)] * 2
    _, truth = alignment.composed(pictures, case, np.random.default_rng(3))

    def find(_):
        squares = truth[0], quad.of_square(2000, 2000, 100)
        return [Found(quad.to_photograph(points, square), np.zeros([0, 2]), 1.0) for square in squares]

    row = alignment.placed(find, case, pictures, np.random.default_rng(3))
    assert (row["pictures"], row["found"], row["false finds"]) == (2, 1, 1)
    assert row["median corner error"] < 1e-9


@pytest.mark.parametrize("kind", alignment.GROUNDS)
def test_grounds(kind):
    first, second = (alignment.ground(kind, seed) for seed in (1, 2))
    assert first.shape == (768, 1024, 3) and first.dtype == np.uint8 and first.std() > 1
    assert (first != second).any()
