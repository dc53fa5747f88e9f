"""`tools/train.py --method stylegan`: from the options to networks, data and a run."""
from __future__ import annotations

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from tf_idinvert import checkpoint
from tf_idinvert.cli import training_options
from tf_idinvert.data import pipeline
from tf_idinvert.errors import InputError
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.generator import Generator
from tf_idinvert.portraits import sets
from tf_idinvert.training import state, stylegan, stylegan_recipes


def train(args, resumes):
    """Train as the arguments say; `resumes`: from the state in the output folder."""
    if args.strategy == "multi-worker":
        raise InputError("--strategy multi-worker is for encoders; stylegan trains on one machine (one or mirrored)")
    recipe = make_recipe(args)
    phases = stylegan.schedule(recipe.stages)
    batches = make_data(args, recipe, phases)
    keras.utils.set_random_seed(args.seed)
    with training_options.make_strategy(args.strategy).scope():
        model = make_model(recipe, args.seed)
    if resumes:
        state.load(args.output / "state.npz", model.state)
    elif args.initial:
        start_from(model, checkpoint.load(args.initial), args)
    with training_options.observers(args, phases[-1].stop, draw=preview_of(model, args.seed),
                                    save_models=lambda path: checkpoint.save(networks_of(model), path)) as callbacks:
        try:
            stylegan.train(model, phases, batches, callbacks)
        except tf.errors.InvalidArgumentError as error:
            raise pipeline.reading_error(error) or error from error


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


def make_data(args, recipe, phases):
    """Function (stage, start) -> batches of real images, with codes where wanted; all files are looked up now."""
    sources = {resolution: training_options.open_data(args, resolution, phases[-1].stop, recipe.generator["resolution"])
               for resolution in {phase.stage.resolution for phase in phases}}
    codes = None
    if any(stage.pair_weight for stage in recipe.stages):
        codes = sets.codes(len(next(iter(sources.values()))), args.data_seed)

    def batches(stage, start):
        return pipeline.batches(sources[stage.resolution], stage.batch_size, args.seed, start, recipe.mirror,
                                labels=codes if stage.pair_weight else None)
    return batches


def make_model(recipe, seed):
    return stylegan.StyleGAN(
        generator=Generator(**recipe.generator), discriminator=Discriminator(**recipe.discriminator),
        average=Generator(**recipe.generator), r1_interval=recipe.r1_interval, seed=seed)


def start_from(model, models, args):
    """Take over G, D and Gs of a network file. InputError where they are not of the sizes that are to be trained."""
    average = models.generator
    if average is not None and not isinstance(average, Generator):
        raise InputError(f"{args.initial}: holds a {type(average).__name__}; --method stylegan trains StyleGAN")
    for network, initial in ((model.generator, models.training_generator or average), (model.average, average),
                             (model.discriminator, models.discriminator)):
        shapes = [[tuple(weight.shape) for weight in each.weights] if each else None for each in (network, initial)]
        if shapes[0] != shapes[1]:
            raise InputError(f"{args.initial}: holds no {type(network).__name__.lower()} of the sizes of this run")
        network.set_weights(initial.get_weights())
    model.images_seen.assign(int(args.initial_kimg * 1000))


def networks_of(model):
    """Models to save: while they grow, at the level of detail that is trained."""
    for network in (model.generator.synthesis, model.average.synthesis, model.discriminator):
        network.lod = float(model.level)
    return checkpoint.Models(training_generator=model.generator, discriminator=model.discriminator,
                             generator=model.average)


def preview_of(model, seed):
    """Function that draws 32 images of the running average with psi 0.7, then the same with psi 1."""
    z = np.random.default_rng(seed).standard_normal((32, model.average.latent_size), np.float32)

    def draw():
        sheets = [model.average(z, truncation_psi=psi, truncation_cutoff=None, lod=model.level).numpy()
                  for psi in (0.7, 1.0)]
        return np.concatenate(sheets)
    return draw
