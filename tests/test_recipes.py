"""Hyper-parameters of StyleGAN training: the published numbers, and how a run is cut to length."""
from __future__ import annotations

import numpy as np
import pytest

from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.generator import Generator
from tf_idinvert.training import stylegan, stylegan_recipes


def test_official_schedule_is_the_published_one():
    recipe = stylegan_recipes.official()
    assert (recipe.r1_interval, recipe.mirror, stylegan_recipes.official(faces=True).mirror) == (1, False, True)
    assert [(s.resolution, s.kimg, s.fade_kimg, s.batch_size, s.learning_rate) for s in recipe.stages] == [
        (8, 600, 0, 256, 0.001), (16, 1200, 600, 128, 0.001), (32, 1200, 600, 64, 0.001), (64, 1200, 600, 32, 0.001),
        (128, 1200, 600, 32, 0.0015), (256, 1200, 600, 32, 0.002), (512, 1200, 600, 32, 0.003),
        (1024, 17200, 600, 32, 0.003)]
    assert {(s.r1_gamma, s.average_kimg) for s in recipe.stages} == {(10.0, 10.0)}
    assert recipe.generator == {"resolution": 1024, "layerwise": False} and recipe.discriminator == {"resolution": 1024}
    assert stylegan_recipes.official(w_per_layer=True).generator == {"resolution": 1024, "layerwise": True}


@pytest.mark.parametrize("gpus, sizes", [
    (1, [128, 128, 64, 32, 16, 8, 4, 4]), (2, [256, 128, 64, 32, 16, 8, 8, 8]), (3, [256, 128, 64, 32, 16, 8, 8, 8]),
    (4, [256, 128, 64, 32, 16, 16, 16, 16]), (8, [256, 128, 64, 32, 32, 32, 32, 32]),
    (16, [256, 128, 64, 32, 32, 32, 32, 32])])
def test_batch_sizes_by_number_of_gpus(gpus, sizes):
    assert [stage.batch_size for stage in stylegan_recipes.official(gpus=gpus).stages] == sizes


@pytest.mark.parametrize("resolution", [8, 16, 32, 64, 128, 256, 512, 1024])
def test_every_resolution_ends_at_its_own(resolution):
    recipe = stylegan_recipes.official(resolution)
    assert [stage.resolution for stage in recipe.stages] == [2 ** i for i in range(3, resolution.bit_length())]
    assert sum(stage.kimg for stage in recipe.stages) == 25000


def test_official_at_another_resolution_ends_there():
    recipe = stylegan_recipes.official(256, 14000)
    assert recipe.stages[-1].resolution == recipe.generator["resolution"] == 256
    assert sum(stage.kimg for stage in recipe.stages) == 14000


@pytest.mark.parametrize("paired, latent_size, parameters", [(True, 16, [881911, 643129]),
                                                             (False, 128, [896247, 643129])])
def test_portraits_networks_fit_each_other_and_end_at_full_size(paired, latent_size, parameters):
    recipe = stylegan_recipes.portraits(paired=paired)
    generator, discriminator = Generator(**recipe.generator), Discriminator(**recipe.discriminator)
    assert (generator.resolution, generator.latent_size, generator.num_layers) == (64, latent_size, 10)
    sizes = [sum(int(np.prod(v.shape)) for v in network.trainable_variables) for network in (generator, discriminator)]
    assert sizes == parameters
    assert recipe.stages[-1].resolution == 64
    assert all(stage.batch_size % 4 == 0 for stage in recipe.stages)     # groups of the minibatch deviation


@pytest.mark.parametrize("kimg", [2, 40, 100, 1500, 5000])
def test_length_is_as_asked(kimg):
    phases = stylegan.schedule(stylegan_recipes.portraits(kimg).stages)
    assert kimg * 1000 <= phases[-1].stop < kimg * 1000 + 100
    longer = stylegan.schedule(stylegan_recipes.portraits(kimg + 1).stages)
    assert [phase.start for phase in longer][:len(phases)] == [phase.start for phase in phases]


def test_run_that_ends_within_a_fade():
    stages = stylegan_recipes.official(64, 900).stages
    assert [(s.resolution, s.kimg, s.fade_kimg) for s in stages] == [(8, 600, 0), (16, 300, 300)]


def test_fixed_structure_trains_as_long_at_full_size():
    recipe = stylegan_recipes.fixed(stylegan_recipes.official(256, 14000))
    assert [(s.resolution, s.kimg, s.fade_kimg, s.batch_size) for s in recipe.stages] == [(256, 14000, 0, 32)]


def test_portraits_meet_d_when_their_numbers_are_learned_and_other_pictures_from_the_start():
    paired, unpaired = stylegan_recipes.portraits(), stylegan_recipes.portraits(paired=False)
    assert [stage.adversarial for stage in paired.stages] == [False] * 5 + [True]
    assert all(stage.pair_weight > 0 for stage in paired.stages)
    assert all(stage.adversarial and not stage.pair_weight for stage in unpaired.stages)
