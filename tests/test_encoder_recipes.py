"""Hyper-parameters of the encoders' trainings: the published numbers, and networks of the size that was meant."""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.training import encoder_recipes, in_domain


def test_official_numbers_are_the_published_ones():
    recipe = encoder_recipes.official()
    assert dataclasses.astuple(recipe.options) == (5e-5, 0.1, 0.1, 10.0, 10.0)
    assert (recipe.learning_rate, recipe.mirror, recipe.counted_updates) == (1e-4, False, 2)
    lengths = {side: encoder_recipes.official(side) for side in (64, 128, 256, 512, 1024)}
    assert {side: (each.kimg, each.batch_per_replica) for side, each in lengths.items()} == {
        64: (12000, 16), 128: (12000, 16), 256: (14000, 16), 512: (16000, 8), 1024: (18000, 4)}
    assert encoder_recipes.portraits().counted_updates == 1
    assert encoder_recipes.ADVERSARIAL_WEIGHTS == {"paper": 0.1, "code": 0.08}
    assert recipe.encoder == dict(filters=64, filters_max=512)


def test_wild_encoders_have_the_published_adversarial_weights():
    wild, portraits = encoder_recipes.wild(), encoder_recipes.portraits()
    assert dataclasses.astuple(wild.options) == (20.0, 0.1, 0.1, 0.5, 10.0)
    assert dataclasses.replace(wild, options=portraits.options) == portraits


def test_shared_weights_of_both_papers():
    assert encoder_recipes.in_domain_options(encoder_recipes.official().options) == in_domain.PAPER


def test_encoder_of_the_portraits():
    encoder = Encoder(resolution=64, num_layers=10, dlatent_size=128, **encoder_recipes.portraits().encoder)
    assert sum(int(np.prod(variable.shape)) for variable in encoder.trainable_variables) == 1569504
