"""TF-GAN's metrics beside ours: the same Fréchet distance, a seeded SWD; one line where it is not installed."""
from __future__ import annotations

import pytest

from tf_idinvert.evaluation import tfgan
from tf_idinvert.metrics import distances
from tf_idinvert.metrics.moments import Moments
from tf_idinvert.portraits import portrait


@pytest.fixture
def installed():
    pytest.importorskip("tensorflow_gan", reason="TF-GAN is for TensorFlow 2.15")


def test_absent_is_one_line(monkeypatch, rng):
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_gan", None)
    for function, shape in (tfgan.sliced_wasserstein, (2, 16, 16, 3)), (tfgan.frechet, (9, 3)):
        with pytest.raises(tfgan.Absent, match="TF-GAN is not installed; requirements.txt"):
            function(*rng.random((2, *shape)))


def test_sliced_wasserstein_distance_follows_the_seed(installed):
    renders = portrait.sample(80, 5, 32)[0]
    levels = tfgan.sliced_wasserstein(renders[:40], renders[40:], 3)
    assert list(levels) == [32, 16] and all(0 < own < 0.2 for own, _ in levels.values())
    assert tfgan.sliced_wasserstein(renders[:40], renders[40:], 3) == levels
    assert tfgan.sliced_wasserstein(renders[:40], renders[40:], 4) != levels


def test_frechet_distance_is_ours(installed, rng):
    sets = rng.standard_normal((300, 5)), 2 * rng.standard_normal((200, 5)) + 1
    moments = [Moments(), Moments()]
    for each, values in zip(moments, sets):
        each.add(values)
    assert tfgan.frechet(*sets) == pytest.approx(distances.frechet_distance(*moments), rel=1e-4)
