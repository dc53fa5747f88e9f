"""`tools/train.py --method stylegan`: from the options to networks, data, recipe and a run."""
from __future__ import annotations

import dataclasses

import keras

from tf_idinvert import checkpoint
from tf_idinvert.checkpoint import Models
from tf_idinvert.cli import training_options
from tf_idinvert.data import pipeline
from tf_idinvert.errors import InputError
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.generator import Generator
from tf_idinvert.portraits import sets, tasks
from tf_idinvert.training import generator, stylegan, stylegan_recipes


def train(args):
    """Train as the arguments say."""
    if args.strategy == "multi-worker":
        raise InputError("--strategy multi-worker is for encoders; stylegan trains on one machine (one or mirrored)")
    run, recipe = training_options.make_run(args), make_recipe(args)
    data = make_data(args, recipe)
    keras.utils.set_random_seed(args.seed)
    with run.placement.scope():
        models = make_networks(recipe)
    initial = checkpoint.load(args.initial) if args.initial else None
    generator.train_stylegan(models, data, recipe, run, save=lambda path: checkpoint.save(models, path),
                             initial=initial, initial_kimg=args.initial_kimg)


def make_recipe(args):
    """The preset with what the arguments change."""
    length = {} if args.kimg is None else {"kimg": args.kimg}
    if args.preset == "portraits":
        recipe = stylegan_recipes.portraits(**length, paired=args.data == "portraits")  # others have no labels
    elif args.preset == "wild":
        recipe = stylegan_recipes.wild(**length)
    else:
        recipe = stylegan_recipes.official(args.resolution, **length)
    if args.structure == "fixed":
        recipe = stylegan_recipes.fixed(recipe)
    if args.batch_size:
        stages = tuple(dataclasses.replace(stage, batch_size=args.batch_size) for stage in recipe.stages)
        recipe = dataclasses.replace(recipe, stages=stages)
    return recipe


def make_data(args, recipe):
    """Batches of real images for every stage, with codes where wanted; all files are looked up now."""
    images = stylegan.schedule(recipe.stages)[-1].stop
    path = tasks.located(args.data, args.output.parent, min(args.pictures, images), args.data_seed,
                         recipe.generator["resolution"])
    sources = {resolution: pipeline.open_source(path, resolution)
               for resolution in {stage.resolution for stage in recipe.stages}}
    codes = None
    if any(getattr(stage, "pair_weight", 0) for stage in recipe.stages):
        codes = sets.codes(len(next(iter(sources.values()))), args.data_seed)
    return pipeline.staged(sources, codes)


def make_networks(recipe):
    """G, its average and D as they start."""
    return Models(training_generator=Generator(**recipe.generator), discriminator=Discriminator(**recipe.discriminator),
                  generator=Generator(**recipe.generator))
