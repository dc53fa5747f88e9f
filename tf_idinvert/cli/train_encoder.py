"""`tools/train.py` for the three encoders: create networks, data, recipe and run from the options."""
from __future__ import annotations

import dataclasses
import functools
import math

import keras
import numpy as np

from tf_idinvert import checkpoint, features
from tf_idinvert.cli import precision, training_options
from tf_idinvert.data import pipeline, training_set
from tf_idinvert.errors import InputError
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.latent_discriminator import LatentDiscriminator
from tf_idinvert.networks.perceptual import at_side
from tf_idinvert.portraits import tasks
from tf_idinvert.training import encoder, encoder_recipes


def train(args):
    """Train an encoder with the options of the command line; return the number of files that were left out."""
    precision.check(args.precision)
    run = training_options.make_run(args)
    keras.utils.set_random_seed(args.seed)
    with run.placement.scope():
        models = load_generator(args)
    recipe = make_recipe(args, models.generator.resolution)
    left_out = []
    source, test = open_data(args, models.generator, recipe, run, left_out)
    with run.placement.scope():
        add_networks(models, args, recipe)
    encoder.train_encoder(args.method, models, functools.partial(pipeline.batches, source), recipe, run,
                          save=lambda path: checkpoint.save(models, path), test=test,
                          features=make_features(args, models.generator.resolution))
    return len(left_out)


def load_generator(args):
    """Load generator and discriminator as Models; InputError if the file lacks what the method needs."""
    models = checkpoint.load(args.generator, only=("generator", "training_generator", "discriminator"),
                             final_activation=args.final_activation)
    if models.generator is None or (models.discriminator is None and args.method != "traditional"):
        lacking = "generator" if models.generator is None else "discriminator, from which this method starts"
        raise InputError(f"{args.generator}: holds no {lacking}")
    if models.generator.label_size:
        raise InputError(f"{args.generator}: the generator has labels; encoders are for generators without")
    return models


def add_networks(models, args, recipe):
    """Add the encoder, new or of an earlier training, and the latent discriminator if the method has one."""
    with precision.policy(args.precision):
        if args.initial_encoder:
            models.encoder = checkpoint.load(args.initial_encoder, only=("encoder",)).encoder
        else:
            models.encoder = Encoder.of(models.generator, **recipe.encoder)
    if args.initial_encoder:
        take_discriminators(models, args)
    if args.method == "force-in-domain" and models.latent_discriminator is None:
        models.latent_discriminator = LatentDiscriminator.of(models.generator, **recipe.latent_discriminator)


def take_discriminators(models, args):
    """Take the discriminators of --initial-encoder if it has them; InputError if its encoder is for another generator.
    """
    path, generator, own = args.initial_encoder, models.generator, models.encoder
    if own is None:
        raise InputError(f"{path}: holds no encoder")
    expected = generator.resolution, generator.num_layers, generator.dlatent_size
    if (own.resolution, own.num_layers, own.dlatent_size) != expected:
        raise InputError(f"{path}: an encoder of {own.resolution} px, codes {own.num_layers} x {own.dlatent_size}; the "
                         f"generator of {args.generator} has {expected[0]} px, {expected[1]} x {expected[2]}")
    initial = checkpoint.load(path, only=("generator", "discriminator", "latent_discriminator"))
    if initial.generator is not None and not _equal(initial.generator, generator):
        raise InputError(f"{path}: its encoder is of another generator than that of {args.generator}")
    models.discriminator = initial.discriminator or models.discriminator
    if args.method == "force-in-domain":
        models.latent_discriminator = initial.latent_discriminator


def _equal(one, other):
    """Return whether two networks have the same weights."""
    weights = one.get_weights(), other.get_weights()
    return len(weights[0]) == len(weights[1]) and all(map(np.array_equal, *weights))


def make_recipe(args, resolution):
    """Return the preset's recipe with the changes of the arguments."""
    rendered = {"portraits": encoder_recipes.portraits, "wild": encoder_recipes.wild}
    recipe = rendered[args.preset]() if args.preset in rendered else encoder_recipes.official(resolution)
    given = {name: value for name, value in vars(args).items() if value is not None}
    options = {field.name: given[field.name] for field in dataclasses.fields(recipe.options) if field.name in given}
    if "options_of" in given:
        options.setdefault("adversarial_weight", encoder_recipes.ADVERSARIAL_WEIGHTS[given["options_of"]])
    sizes = dict(recipe.encoder, batch_norm=args.encoder_norm == "batch")
    sizes.update((name, given[f"encoder_{name}"]) for name in sizes if f"encoder_{name}" in given)
    latent = dict(recipe.latent_discriminator, design=given.get("latent_discriminator", "layerwise"))
    others = {name: given[name] for name in ("kimg", "learning_rate", "batch_per_replica", "mirror", "counted_updates")
              if name in given}
    return dataclasses.replace(recipe, options=dataclasses.replace(recipe.options, **options), encoder=sizes,
                               latent_discriminator=latent, **others)


def open_data(args, generator, recipe, run, left_out):
    """Return (source of training pictures, held-out pictures); None for those that the method does not need."""
    resolution, replicas = generator.resolution, run.placement.num_replicas_in_sync
    batch = recipe.batch_per_replica * replicas
    if args.data is None:
        return None, None
    rendered = args.data in training_options.WORLDS
    total = math.ceil(recipe.kimg * 1000 / batch - 1e-9) * batch
    path = tasks.located(args.data, args.output.parent, min(args.pictures, total), args.data_seed, resolution)
    sources, test = training_set.open_training_set(
        path, [resolution], 1 if args.method == "traditional" else batch,
        generator.synthesis.get_config()["num_channels"], args.test_data,
        held_out=0 if rendered else training_set.HELD_OUT if args.held_out is None else args.held_out,
        left_out=left_out)
    if rendered and not args.test_data:
        return sources[resolution], tasks.unseen(args.data, encoder.PREVIEWS, resolution)
    return sources[resolution], test and test(resolution)


def make_features(args, resolution):
    """Return F or None. As published, pictures of any resolution are resized to 256 px for VGG16."""
    if args.method == "traditional" or args.features == "none":
        return None
    found = features.load(args.features, resolution)
    side = 256 if args.feature_size is None else args.feature_size
    return at_side(found, side) if side else found
