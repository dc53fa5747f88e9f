"""`tools/train.py` for the three encoders: from the options to networks, data, recipe and a run."""
from __future__ import annotations

import contextlib
import dataclasses
import functools
import math

import keras
import numpy as np

from tf_idinvert import checkpoint
from tf_idinvert.cli import training_options
from tf_idinvert.data import pipeline
from tf_idinvert.errors import InputError
from tf_idinvert.features import load as load_features
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.latent_discriminator import LatentDiscriminator
from tf_idinvert.portraits import embedded, portrait, tasks
from tf_idinvert.training import encoder, encoder_recipes


def train(args):
    """Train as the arguments say."""
    run, recipe = training_options.make_run(args), make_recipe(args)
    keras.utils.set_random_seed(args.seed)
    with run.placement.scope():
        models = load_generator(args)
        add_networks(models, args, recipe)
    resolution = models.generator.resolution
    batch = recipe.batch_per_replica * run.placement.num_replicas_in_sync
    total = math.ceil(recipe.kimg * 1000 / batch - 1e-9) * batch
    source = None
    if args.data is not None:
        path = tasks.located(args.data, args.output.parent, min(args.pictures, total), args.data_seed, resolution)
        source = pipeline.open_source(path, resolution)
    features = None
    if args.method != "traditional" and args.features != "none":
        features = load_features(args.features, resolution)
    encoder.train_encoder(args.method, models, functools.partial(pipeline.batches, source), recipe, run,
                          save=lambda path: checkpoint.save(models, path), features=features,
                          test=test_pictures(args, resolution, source))


def make_recipe(args):
    """The preset with what the arguments change."""
    recipe = encoder_recipes.portraits() if args.preset == "portraits" else encoder_recipes.official()
    given = {name: value for name, value in vars(args).items() if value is not None}
    options = {field.name: given[field.name] for field in dataclasses.fields(recipe.options) if field.name in given}
    if "options_of" in given:
        options.setdefault("adversarial_weight", encoder_recipes.ADVERSARIAL_WEIGHTS[given["options_of"]])
    sizes = dict(recipe.encoder, batch_norm=args.encoder_norm == "batch")
    sizes.update((name, given[f"encoder_{name}"]) for name in sizes if f"encoder_{name}" in given)
    latent = dict(recipe.latent_discriminator, design=given.get("latent_discriminator", "layerwise"))
    others = {name: given[name] for name in ("kimg", "learning_rate", "batch_per_replica") if name in given}
    return dataclasses.replace(recipe, options=dataclasses.replace(recipe.options, **options), encoder=sizes,
                               latent_discriminator=latent, **others)


def load_generator(args):
    """Generator and discriminator of a file, as Models. InputError where they are not what the method needs."""
    models = checkpoint.load(args.generator, only=("generator", "training_generator", "discriminator"))
    if models.generator is None or (models.discriminator is None and args.method != "traditional"):
        lacking = "generator" if models.generator is None else "discriminator, from which this method starts"
        raise InputError(f"{args.generator}: holds no {lacking}")
    if models.generator.label_size:
        raise InputError(f"{args.generator}: the generator has labels; encoders are for generators without")
    return models


def add_networks(models, args, recipe):
    """A new encoder, and where the method has one a new latent discriminator, with the generator's codes."""
    with _policy("mixed_bfloat16" if args.precision == "mixed" else "float32"):
        models.encoder = Encoder.of(models.generator, **recipe.encoder)
    if args.method == "force-in-domain":
        models.latent_discriminator = LatentDiscriminator.of(models.generator, **recipe.latent_discriminator)


@contextlib.contextmanager
def _policy(name):
    """Keras' dtype policy for networks made meanwhile. bfloat16 has the range of float32: no loss needs scaling."""
    keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_pictures(args, resolution, source):
    """Pictures to watch, uint8 [N, R, R, C]: portraits that no training draws, else the data's first; None without."""
    count = encoder.PREVIEW_COLUMNS * encoder.PREVIEW_ROWS
    if args.data == "portraits":
        return portrait.sample(count, embedded.SEED, resolution)[0]
    return None if source is None else source.read(np.arange(min(count, len(source))))
