"""Losses on held-out pictures, by hand, and in the log of a run."""
from __future__ import annotations

import encoder_training as common
import numpy as np
import pytest
from stylegan_training import small

from tf_idinvert.data import pipeline
from tf_idinvert.training import held_out, steps, stylegan
from tf_idinvert.training.in_domain import InDomain
from tf_idinvert.training.traditional import Traditional


@pytest.mark.parametrize("count, used", [(19, 16), (3, 3), (7, 4)])
def test_reconstruction_by_hand(rng, count, used):
    world = common.LinearWorld(rng)
    images, x = common.linear_images(rng, count)
    _, _, pixel, feature, _, _ = world.reconstruction_terms(x[:used])
    model = InDomain(world.encoder, world.generator, world.discriminator, world.features, steps.adam(), steps.adam())
    found = held_out.reconstruction(model, images)()
    assert found == pytest.approx({"test_pixel": pixel.mean(), "test_feature": feature.mean()}, rel=1e-4)
    model = Traditional(world.encoder, world.generator, steps.adam())
    assert held_out.reconstruction(model, images)() == pytest.approx({"test_pixel": pixel.mean()}, rel=1e-4)


def test_realness_is_the_score_of_real_pictures_at_the_resolution_of_the_phase(rng):
    model, images = small(), rng.integers(0, 256, (8, 8, 8, 3), np.uint8)
    model.begin(stylegan.Phase(stylegan.Stage(4, 1), 0, 100, fading=False, resets=True))
    asked = []
    found = held_out.realness(model, lambda resolution: asked.append(resolution) or pipeline.reduced(images, 4))()
    x = pipeline.reduced(images, 4).repeat(2, 1).repeat(2, 2) / np.float32(127.5) - 1
    assert asked == [4] and found == {"test_score": pytest.approx(float(np.mean(model._judge(x, 0.0))), rel=1e-4)}
