"""Train a StyleGAN generator, from networks, data and a recipe to weights in a folder."""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.training import held_out, record, stylegan, stylegan_recipes
from tf_idinvert.training.pairs import PairedStage, PairedStyleGAN

PREVIEWS = 32
SETTINGS = "fused_scale", "blur_filter", "final_activation", "pool_last", "normalize_latents", "mapping_lrmul"


def train_stylegan(networks, data, recipe, run, save, initial=None, initial_kimg=0.0, test=None,
                   helpers=None):
    """Train `networks.training_generator` (G) against `networks.discriminator`; `networks.generator` averages G.

    Args:
        networks: object with `.training_generator`, `.generator` (Gs, a network like G) and `.discriminator`, created
            from `recipe.generator` and `recipe.discriminator` in the scope of `run.strategy`.
        data: function (stage, seed, start, mirror) -> endless tf.data.Dataset of uint8 [n, r, r, C], from picture
            number `start` on; n and r are the batch size and the resolution of the stage. For a stage with a pair
            term, the elements are pairs with codes (see `PairedStyleGAN`). `pipeline.staged` makes such a function.
        recipe: stylegan_recipes.Recipe.
        run: run.Run.
        save: function (path) that writes the networks to a file.
        initial: networks of an earlier training to start from, with the same fields; if it has no
            `.training_generator`, its `.generator` initialises both. None: random weights.
        initial_kimg: position of `initial` in the schedule, in thousands of images.
        test: function (resolution) -> uint8 [N, r, r, C], held-out pictures whose logits D logs; None: none.
        helpers: feature_discriminators.FeatureDiscriminators, created in the scope of `run.strategy`, for a recipe
            whose stages weight their term; None: none.
    Raises:
        InputError: the arguments do not fit together, the folder holds another run, or the training diverges.
    """
    recipe = recipe if run.kimg is None else stylegan_recipes.lasting(recipe, run.kimg)
    resumes = run.takes_up(_asked(recipe, run.seed))
    with run.placement.scope():
        model = make_model(networks, recipe, run.seed, helpers)
    if resumes:
        run.restore(model)
    elif initial:
        start_from(model, initial, initial_kimg)
    phases = stylegan.schedule(recipe.stages)
    measure = held_out.realness(model, test) if test else dict
    with run.observers(phases[-1].stop, saving(model, save), preview_of(model, run.seed), measure=measure) as callbacks:
        stylegan.train(model, phases, lambda stage, start: data(stage, run.seed, start, recipe.mirror), callbacks)


def _asked(recipe, seed):
    """Return the options that `record` compares; without the length of the last stage, which a run may extend."""
    asked = record.of_recipe("stylegan", recipe, seed)
    for name in "kimg", "fade_kimg":
        del asked["recipe"]["stages"][-1][name]
    return asked


def make_model(networks, recipe, seed=0, helpers=None):
    """Return the Keras model: PairedStyleGAN if the recipe has paired stages, else StyleGAN."""
    of_recipe = networks.training_generator, networks.discriminator, networks.generator, recipe.r1_interval, seed
    if isinstance(recipe.stages[-1], PairedStage):
        return PairedStyleGAN(*of_recipe, helpers=helpers)
    return stylegan.StyleGAN(*of_recipe)


def start_from(model, initial, kimg):
    """Copy the weights of G, D and Gs; InputError if their sizes or settings are not those of this run."""
    average = initial.generator
    for network, other in ((model.generator, initial.training_generator or average), (model.average, average),
                           (model.discriminator, initial.discriminator)):
        shapes = [[tuple(weight.shape) for weight in each.weights] if each else None for each in (network, other)]
        if shapes[0] != shapes[1]:
            raise InputError(f"the initial networks hold no {type(network).__name__.lower()} of the sizes of this run")
        _check_settings(network, other)
        network.set_weights(other.get_weights())
    model.images_seen.assign(int(kimg * 1000))


def _check_settings(network, initial):
    """InputError if the same weights give another function in the initial network: settings that shapes do not show."""
    ours, theirs = ({name: list(value) if isinstance(value, tuple) else value       # files have lists
                     for name, value in each.get_config().items()} for each in (network, initial))
    for name in SETTINGS:
        if ours.get(name) != theirs.get(name):
            raise InputError(f"the initial {type(network).__name__.lower()} has {name} {theirs.get(name)}, this "
                             f"training has {ours.get(name)}")


def saving(model, save):
    """Return `save` with the networks' `lod` set to the level of detail that training has reached."""
    def save_networks(path):
        for network in (model.generator.synthesis, model.average.synthesis, model.discriminator):
            network.lod = float(model.level)
        save(path)
    return save_networks


def preview_of(model, seed):
    """Return a function that draws 32 images of the running average with psi 0.7, then the same with psi 1."""
    z = np.random.default_rng(seed).standard_normal((PREVIEWS, model.average.latent_size), np.float32)

    def draw():
        sheets = [model.average(z, truncation_psi=psi, truncation_cutoff=None, lod=model.level).numpy()
                  for psi in (0.7, 1.0)]
        return np.concatenate(sheets)
    return draw
