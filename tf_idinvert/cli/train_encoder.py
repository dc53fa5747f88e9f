"""`tools/train.py` for the three encoders: from the options to networks, objective, data and a run."""
from __future__ import annotations

import contextlib
import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from tf_idinvert import checkpoint
from tf_idinvert.cli import training_options
from tf_idinvert.data import pipeline
from tf_idinvert.errors import InputError
from tf_idinvert.features import load as load_features
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.latent_discriminator import LatentDiscriminator
from tf_idinvert.portraits import embedded, portrait
from tf_idinvert.training import encoder_recipes, loop, state, steps
from tf_idinvert.training.force_in_domain import ForceInDomain
from tf_idinvert.training.in_domain import InDomain
from tf_idinvert.training.traditional import Traditional, latents

PREVIEW_COLUMNS, PREVIEW_ROWS = 8, 4


def train(args, resumes):
    """Train as the arguments say; `resumes`: from the state in the output folder."""
    strategy = training_options.make_strategy(args.strategy)
    recipe = make_recipe(args)
    batch = recipe.batch_per_replica * strategy.num_replicas_in_sync
    total = math.ceil(recipe.kimg * 1000 / batch - 1e-9) * batch
    keras.utils.set_random_seed(args.seed)
    with strategy.scope():
        models = load_generator(args)
        source = None if args.data is None else training_options.open_data(args, models.generator.resolution, total)
        model = make_model(args, recipe, models, steps.decaying_rate(total, batch, recipe.learning_rate))
    if resumes:
        state.load(args.output / "state.npz", model.state)
    seen = int(model.images_seen.numpy())
    if args.method == "traditional":
        batches = latents(models.generator.latent_size, batch, args.seed, seen)
    else:
        batches = pipeline.batches(source, batch, args.seed, seen, recipe.mirror)
    with training_options.observers(
            args, total, draw=preview_of(model, preview_pictures(args, models.generator, source)),
            save_models=lambda path: checkpoint.save(models, path), columns=PREVIEW_COLUMNS) as callbacks:
        try:
            loop.run(model, batches, math.ceil((total - seen) / batch), callbacks)
        except tf.errors.InvalidArgumentError as error:
            raise pipeline.reading_error(error) or error from error


def make_recipe(args):
    """The preset with what the arguments change."""
    recipe = encoder_recipes.portraits() if args.preset == "portraits" else encoder_recipes.official()
    given = {name: value for name, value in vars(args).items() if value is not None}
    options = {field.name: given[field.name] for field in dataclasses.fields(recipe.options) if field.name in given}
    if "options_of" in given:
        options.setdefault("adversarial_weight", encoder_recipes.ADVERSARIAL_WEIGHTS[given["options_of"]])
    encoder = dict(recipe.encoder, batch_norm=args.encoder_norm == "batch")
    encoder.update((name, given[f"encoder_{name}"]) for name in encoder if f"encoder_{name}" in given)
    latent = dict(recipe.latent_discriminator, design=given.get("latent_discriminator", "layerwise"))
    others = {name: given[name] for name in ("kimg", "learning_rate", "batch_per_replica") if name in given}
    return dataclasses.replace(recipe, options=dataclasses.replace(recipe.options, **options), encoder=encoder,
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


def make_model(args, recipe, models, learning_rate):
    """The objective in training; `models` gets the networks that it trains."""
    _add_networks(models, args, recipe)
    optimizer = steps.adam(learning_rate)
    if args.method == "traditional":
        return Traditional(models.encoder, models.generator, optimizer)
    group = models.discriminator.mbstd_group_size
    if group > 1 and recipe.batch_per_replica > group and recipe.batch_per_replica % group:
        raise InputError(f"--batch-per-replica {recipe.batch_per_replica}: the discriminator of {args.generator} takes "
                         f"groups of {group}; give a multiple of it")
    features, options = no_features, recipe.options
    if args.features == "none":
        options = dataclasses.replace(options, feature_weight=0.0)
    else:
        features = load_features(args.features, models.generator.resolution)
    if args.method == "in-domain":
        return InDomain(models.encoder, models.generator, models.discriminator, features, optimizer,
                        steps.adam(learning_rate), encoder_recipes.in_domain_options(options))
    return ForceInDomain(models.encoder, models.generator, models.discriminator, models.latent_discriminator, features,
                         optimizer, steps.adam(learning_rate), steps.adam(learning_rate), options, seed=args.seed)


def _add_networks(models, args, recipe):
    """A new encoder, and where the method has one a new latent discriminator, with the generator's codes."""
    generator = models.generator
    codes = dict(num_layers=generator.num_layers, dlatent_size=generator.dlatent_size)
    with _policy("mixed_bfloat16" if args.precision == "mixed" else "float32"):
        models.encoder = Encoder(resolution=generator.resolution, **codes, **recipe.encoder,
                                 num_channels=generator.synthesis.get_config()["num_channels"])
    if args.method == "force-in-domain":
        models.latent_discriminator = LatentDiscriminator(**codes, **recipe.latent_discriminator)


@contextlib.contextmanager
def _policy(name):
    """Keras' dtype policy for networks made meanwhile. bfloat16 has the range of float32: no loss needs scaling."""
    keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy("float32")


def no_features(images):
    """F of a training without a feature term: nothing."""
    return tf.zeros([tf.shape(images)[0], 1])


def preview_pictures(args, generator, source):
    """Pictures [N, R, R, C] to watch: portraits that no training draws, else the data's first, else generated ones."""
    count = PREVIEW_COLUMNS * PREVIEW_ROWS
    if args.data == "portraits":
        pictures = portrait.sample(count, embedded.SEED, generator.resolution)[0]
    elif source is not None:
        pictures = source.read(np.arange(count) % len(source))
    else:
        z = np.random.default_rng(args.seed).standard_normal((count, generator.latent_size), np.float32)
        return generator.synthesis(generator.mapping(z)).numpy()
    return pictures.astype("float32") / 127.5 - 1.0


def preview_of(model, pictures):
    """Function that draws rows of `pictures`, each over the row of their reconstructions G(E(x))."""
    def draw():
        codes = tf.cast(model.encoder(pictures), tf.float32)
        drawn = [pictures, model.generator.synthesis(codes).numpy()]
        rows = [part.reshape(PREVIEW_ROWS, PREVIEW_COLUMNS, *pictures.shape[1:]) for part in drawn]
        return np.stack(rows, axis=1).reshape(-1, *pictures.shape[1:])
    return draw
