"""Train an encoder by one of three methods, from networks, data and a recipe to weights in a folder."""
from __future__ import annotations

import dataclasses
import math

import numpy as np
import tensorflow as tf

from tf_idinvert.errors import InputError
from tf_idinvert.training import encoder_recipes, held_out, loop, record, steps
from tf_idinvert.training.force_in_domain import ForceInDomain
from tf_idinvert.training.in_domain import InDomain
from tf_idinvert.training.traditional import Traditional, latents

METHODS = ("traditional", "in-domain", "force-in-domain")
PREVIEW_COLUMNS, PREVIEW_ROWS = 8, 4
PREVIEWS = PREVIEW_COLUMNS * PREVIEW_ROWS


def train_encoder(method, networks, data, recipe, run, save, features=None, test=None):
    """Train `networks.encoder` to invert `networks.generator`, which is not changed.

    Args:
        method: 'traditional', 'in-domain' or 'force-in-domain'.
        networks: object with `.encoder` and `.generator`; with `.discriminator`, that of the generator, whose training
            continues (not for 'traditional'); and with `.latent_discriminator` (only for 'force-in-domain'). All must
            be created in the scope of `run.strategy`.
        data: function (batch_size, seed, start, mirror) -> endless tf.data.Dataset of uint8 [batch_size, R, R, C], from
            picture number `start` on, such as `functools.partial(pipeline.batches, source)`; None for 'traditional'.
        recipe: encoder_recipes.EncoderRecipe.
        run: run.Run.
        save: function (path) that writes the networks to a file.
        features: F, callable, images in [-1, 1] -> [N, ...]; None: no feature term.
        test: uint8 [N, R, R, C], held-out pictures for the preview and for test losses in the log; None: the preview
            shows generated pictures, and the log has no test losses.
    Raises:
        InputError: the arguments do not fit together, the folder holds another run, or the training diverges.
    """
    recipe = recipe if run.kimg is None else dataclasses.replace(recipe, kimg=run.kimg)
    batch = recipe.batch_per_replica * run.placement.num_replicas_in_sync
    total = math.ceil(recipe.kimg * 1000 / batch - 1e-9) * batch
    resumes = run.takes_up(record.of_recipe(method, recipe, run.seed))
    with run.placement.scope():
        rates = [steps.decaying_rate(total, batch, recipe.learning_rate, recipe.counted_updates, place)
                 for place in (0, recipe.counted_updates - 1)]
        model = make_model(method, networks, features, recipe, rates, run.seed)
    if resumes:
        run.restore(model)
    seen = int(model.images_seen.numpy())
    if method == "traditional":
        batches = latents(networks.generator.latent_size, batch, run.seed, seen)
    else:
        batches = data(batch, run.seed, seen, recipe.mirror)
    draw = preview_of(model, _preview_pictures(networks.generator, test, run.seed))
    measure = dict if test is None else held_out.reconstruction(model, test)
    with run.observers(total, save, draw, PREVIEW_COLUMNS, measure) as callbacks:
        loop.run(model, batches, math.ceil((total - seen) / batch), callbacks)


def make_model(method, networks, features, recipe, rates, seed=0):
    """Return the Keras model of a method; see `train_encoder`. `rates`: learning rates of E and of the discriminators,
    numbers or schedules.
    """
    options, optimizers = recipe.options, [steps.adam(rate) for rate in [*rates, rates[-1]][:METHODS.index(method) + 1]]
    if method == "traditional":
        return Traditional(networks.encoder, networks.generator, *optimizers)
    group = networks.discriminator.mbstd_group_size
    if group > 1 and recipe.batch_per_replica > group and recipe.batch_per_replica % group:
        raise InputError(f"{recipe.batch_per_replica} pictures per batch and replica (--batch-per-replica): expected "
                         f"a multiple of {group}, the group size of the discriminator")
    if features is None:
        features, options = no_features, dataclasses.replace(options, feature_weight=0.0)
    if method == "in-domain":
        return InDomain(networks.encoder, networks.generator, networks.discriminator, features, *optimizers,
                        encoder_recipes.in_domain_options(options))
    return ForceInDomain(networks.encoder, networks.generator, networks.discriminator, networks.latent_discriminator,
                         features, *optimizers, options, seed=seed)


def no_features(images):
    """F of a training without a feature term: zeros [N, 1]."""
    return tf.zeros([tf.shape(images)[0], 1])


def _preview_pictures(generator, test, seed):
    """Return the pictures of the preview, float [PREVIEWS, R, R, C] in [-1, 1]; a smaller test set is repeated."""
    if test is None:
        z = np.random.default_rng(seed).standard_normal((PREVIEWS, generator.latent_size), np.float32)
        return generator.synthesis(generator.mapping(z)).numpy()
    return test[np.arange(PREVIEWS) % len(test)].astype("float32") / 127.5 - 1.0


def preview_of(model, pictures):
    """Return a function that draws `pictures` in rows, with their reconstructions G(E(x)) in the row below."""
    def draw():
        codes = tf.cast(model.encoder(pictures), tf.float32)
        drawn = [pictures, model.generator.synthesis(codes).numpy()]
        rows = [part.reshape(PREVIEW_ROWS, PREVIEW_COLUMNS, *pictures.shape[1:]) for part in drawn]
        return np.stack(rows, axis=1).reshape(-1, *pictures.shape[1:])
    return draw
