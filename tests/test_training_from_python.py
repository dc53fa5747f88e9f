"""Training from Python, as docs/python.md shows it: five lines, without the command line."""
from __future__ import annotations

import functools

import numpy as np
import pytest
import tiny

from tf_idinvert import checkpoint
from tf_idinvert.data import pipeline
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.training import encoder_recipes
from tf_idinvert.training.encoder import train_encoder
from tf_idinvert.training.run import Run


@pytest.fixture
def folder(tmp_path):
    """A folder with a generator file and pictures of 8 px."""
    checkpoint.save(checkpoint.Models(generator=tiny.generator(layerwise=True, resolution=8),
                                      discriminator=tiny.discriminator(resolution=8)), tmp_path / "generator.h5")
    np.save(tmp_path / "pictures.npy", np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), np.uint8))
    return tmp_path


def test_five_lines(eagerly, folder):
    models = checkpoint.load(folder / "generator.h5")
    models.encoder = Encoder.of(models.generator, filters=4, filters_max=8)
    pictures = pipeline.open_source(folder / "pictures.npy", models.generator.resolution)
    train_encoder("in-domain", models, functools.partial(pipeline.batches, pictures), encoder_recipes.official(),
                  Run(folder / "run", kimg=0.032), save=functools.partial(checkpoint.save, models))

    again = checkpoint.load(folder / "run/network.h5")
    for one, other in zip(again.encoder.get_weights(), models.encoder.get_weights()):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="holds a run with recipe.kimg 0.032, now 0.064"):
        train_encoder("in-domain", models, functools.partial(pipeline.batches, pictures), encoder_recipes.official(),
                      Run(folder / "run", kimg=0.064), save=functools.partial(checkpoint.save, models))
