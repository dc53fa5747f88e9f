"""`tools/train.py --method stylegan`: create networks, data, recipe and run from the options."""
from __future__ import annotations

import dataclasses

import keras

from tf_idinvert import checkpoint
from tf_idinvert.checkpoint import Models
from tf_idinvert.cli import training_options
from tf_idinvert.data import pipeline, training_set
from tf_idinvert.errors import InputError
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.generator import Generator
from tf_idinvert.portraits import sets, tasks
from tf_idinvert.training import generator, stylegan, stylegan_recipes
from tf_idinvert.training.feature_discriminators import FeatureDiscriminators

FEATURE_WEIGHT = 1.0        # of the feature discriminators' term beside D's


def train(args):
    """Train a generator with the options of the command line; return the number of files that were left out."""
    run = training_options.make_run(args)
    recipe = make_recipe(args, run.placement.num_replicas_in_sync)
    left_out = []
    data, test = make_data(args, recipe, left_out)
    initial = load_initial(args.initial) if args.initial else None
    keras.utils.set_random_seed(args.seed)
    with run.placement.scope():
        models, helpers = make_networks(recipe), make_helpers(args, recipe)
    generator.train_stylegan(models, data, recipe, run, save=lambda path: checkpoint.save(models, path),
                             initial=initial, initial_kimg=args.initial_kimg, test=test, helpers=helpers)
    return len(left_out)


def make_helpers(args, recipe):
    """Return the discriminators on the features of --feature-network; None without."""
    if not args.feature_network:
        return None
    network, resolution = checkpoint.load(args.feature_network, only=("attributes",)).attributes, recipe.generator[
        "resolution"]
    if network is None or network.resolution != resolution:
        raise InputError(f"{args.feature_network}: --feature-network needs an attribute network for pictures of "
                         f"{resolution} px")
    sizes = [(resolution >> place, width) for place, width in enumerate(network.get_config()["widths"])]
    return FeatureDiscriminators(lambda x: network.activations(x)[1:], sizes[1:])


def load_initial(path):
    """Load the networks of an earlier training of StyleGAN."""
    models = checkpoint.load(path)
    if not isinstance(models.generator, Generator):
        found = "no generator" if models.generator is None else f"a {type(models.generator).__name__}"
        raise InputError(f"{path}: holds {found}; --method stylegan trains StyleGAN")
    return models


def make_recipe(args, replicas=1):
    """Return the preset's recipe for a number of replicas, with the changes of the arguments."""
    length = {} if args.kimg is None else {"kimg": args.kimg}
    if args.preset == "portraits":
        recipe = stylegan_recipes.portraits(**length, paired=args.data == "portraits")  # others have no labels
    elif args.preset == "wild":
        recipe = stylegan_recipes.wild(**length, feature_weight=FEATURE_WEIGHT if args.feature_network else 0.0)
    else:
        recipe = stylegan_recipes.official(args.resolution or 1024, **length, gpus=args.gpus or replicas,
                                           faces=args.preset == "faces", w_per_layer=bool(args.w_per_layer))
    if args.mirror is not None:
        recipe = dataclasses.replace(recipe, mirror=args.mirror)
    if args.structure == "fixed":
        recipe = stylegan_recipes.fixed(recipe)
    if args.batch_size:
        stages = tuple(dataclasses.replace(stage, batch_size=args.batch_size) for stage in recipe.stages)
        recipe = dataclasses.replace(recipe, stages=stages)
    return recipe


def make_data(args, recipe, left_out):
    """Return (function that makes the batches of a stage, held-out pictures or None); missing files are reported now.
    """
    images = stylegan.schedule(recipe.stages)[-1].stop
    path = tasks.located(args.data, args.output.parent, min(args.pictures, images), args.data_seed,
                         recipe.generator["resolution"])
    rendered, held_out = args.data in training_options.WORLDS, args.held_out
    sources, test = training_set.open_training_set(
        path, {stage.resolution for stage in recipe.stages}, max(stage.batch_size for stage in recipe.stages),
        test_path=args.test_data,
        held_out=0 if rendered else training_set.HELD_OUT if held_out is None else held_out, left_out=left_out)
    codes = None
    if any(getattr(stage, "pair_weight", 0) for stage in recipe.stages):
        codes = sets.codes(len(next(iter(sources.values()))), args.data_seed)
    return pipeline.staged(sources, codes), test


def make_networks(recipe):
    """Return new networks: G, its average and D."""
    return Models(training_generator=Generator(**recipe.generator), discriminator=Discriminator(**recipe.discriminator),
                  generator=Generator(**recipe.generator))
