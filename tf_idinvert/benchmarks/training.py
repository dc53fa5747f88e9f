"""Speed of training: steps of all objectives with the portraits' networks, parts of a step, one replica and two.

Two replicas are two logical CPU devices of one machine. They share its cores, so they show the cost of replication, not
its gain. Rates are relative to the machine's rate of matrix multiplication, measured before and after; the higher of
the two counts. Weights are random and pictures are noise, which does not change the amount of work.
"""
from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import time

import numpy as np
import tensorflow as tf

from tf_idinvert import losses, starting
from tf_idinvert.benchmarks import matmul, operations
from tf_idinvert.checkpoint import Models
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator
from tf_idinvert.networks.latent_discriminator import LatentDiscriminator
from tf_idinvert.training import encoder, encoder_recipes, generator, steps, stylegan, stylegan_recipes
from tf_idinvert.training.force_in_domain import ForceInDomain

METHODS = ("traditional", "in-domain", "force-in-domain", "stylegan")
REPLICAS = (1, 2)
WARM_UP = 2             # steps that are not measured
STEPS = 8               # that are, at least
CODES = 13              # numbers that determine a rendered portrait


def run(log, recipe=None, encoders=None, methods=METHODS):
    """Return rows for every step with one replica and two, for StyleGAN's lower resolutions, and for parts of a step.

    They are measured in separate processes, which take half a minute each at the default sizes.

    Args:
        log: callable that prints a line.
        recipe: stylegan_recipes.Recipe, whose last stage is measured; None: that of the portraits.
        encoders: encoder_recipes.EncoderRecipe; None: that of the portraits.
        methods: names from METHODS.
    Returns:
        list of dict, column -> text or number: 'method'; 'px', the side; 'part', the whole 'step' or one of its parts;
        'replicas'; 'batch', the global batch size; 's' and 'images/s'; 'GFLOP' of convolutions and matrix products; 'of
        matmul rate'. The sum of the parts exceeds the step, because the step computes some results once for several
        parts.
    """
    recipe, encoders = recipe or stylegan_recipes.portraits(), encoders or encoder_recipes.portraits()
    rows = []
    for method in methods:
        cases = [(replicas, recipe) for replicas in REPLICAS]
        if method == "stylegan":
            cases += [(1, smaller) for smaller in _smaller(recipe)]
        for replicas, own in cases:
            log(f"training: {method}, {own.stages[-1].resolution} px, replicas: {replicas}")
            rate = matmul.rate()
            with multiprocessing.get_context("spawn").Pool(1, starting.prepare, [True]) as child:   # sets devices once
                measured = child.apply(measure, (method, replicas, own, encoders))
            rates = rate, matmul.rate()
            rows += [{"benchmark": "training", **row, **matmul.share(row["GFLOP"], row["s"], rates)}
                     for row in measured]
    return rows


def _smaller(recipe):
    """Return recipes with the last stage at the recipe's lower resolutions, the largest first."""
    last = recipe.stages[-1]
    sides = sorted({stage.resolution for stage in recipe.stages} - {last.resolution}, reverse=True)
    return [dataclasses.replace(recipe, stages=(dataclasses.replace(last, resolution=side),)) for side in sides]


def measure(method, replicas, recipe, encoders):
    """Return the rows of a step, and with one replica of its parts; call it before TensorFlow starts in the process."""
    strategy = tf.distribute.get_strategy()
    if replicas > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
        strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])
    with strategy.scope():
        model = make_model(method, recipe, encoders)
    each = recipe.stages[-1].batch_size if method == "stylegan" else encoders.batch_per_replica
    found = parts(method, model, arguments(model, each), recipe, encoders)
    traced = {name: operations.traced(function, *given) for name, (function, given, _) in found.items()}
    operations_of = {name: operations.of_graph(function.graph) for name, function in traced.items()}
    whole = sum(operations_of[name] * times for name, (_, _, times) in found.items())
    batch = each * replicas
    side = recipe.stages[-1].resolution if method == "stylegan" else model.generator.resolution
    rows = [_row(method, side, "step", replicas, batch, seconds_of_step(method, model, strategy, batch, recipe),
                 whole * replicas)]
    if replicas == 1:
        rows += [_row(method, side, name, 1, batch, seconds_of(traced[name], given), operations_of[name])
                 for name, (_, given, _) in found.items()]
    return rows


def _row(method, side, part, replicas, batch, seconds, count):
    return {"method": method, "px": side, "part": part, "replicas": replicas, "batch": batch, "s": seconds,
            "images/s": batch / seconds, "GFLOP": count / 1e9}


# ------------------------------------------------------------------------------------------------- whole steps

def make_model(method, recipe, encoders):
    """Return the Keras model in training, as `tools/train.py` creates it."""
    models = Models(generator=Generator(**recipe.generator), discriminator=Discriminator(**recipe.discriminator))
    if method == "stylegan":
        models.training_generator = Generator(**recipe.generator)
        model = generator.make_model(models, recipe)
        model.begin(stylegan.Phase(recipe.stages[-1], start=0, stop=2 ** 40, fading=False, resets=False))
        return model
    models.encoder = Encoder.of(models.generator, **encoders.encoder)
    models.latent_discriminator = LatentDiscriminator.of(models.generator, **encoders.latent_discriminator)
    features = None
    if method != "traditional":     # which has no use for them
        features = Attributes(["any"], resolution=models.generator.resolution).features
    return encoder.make_model(method, models, features, encoders, [steps.LEARNING_RATE] * 2)


def seconds_of_step(method, model, strategy, batch, recipe):
    """Return the mean seconds of a step; for StyleGAN over one interval of R1."""
    rng, side = np.random.default_rng(0), model.generator.resolution
    if method == "stylegan":
        side = model.phase.stage.resolution
    images = rng.integers(0, 256, (batch, side, side, 3), np.uint8)
    data = {"traditional": rng.standard_normal((batch, model.generator.latent_size), np.float32),
            "stylegan": (images, rng.standard_normal((batch, CODES), np.float32))}.get(method, images)
    batches = iter(strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensors(data).repeat()))
    step = tf.function(lambda data: strategy.run(model.train_step, args=(data,)), autograph=False)

    def make(count):
        for _ in range(count):
            logs = step(next(batches))
        float(strategy.experimental_local_results(next(iter(logs.values())))[0])       # waits for the last step

    make(max(WARM_UP, recipe.r1_interval) if method == "stylegan" else WARM_UP)
    start, count = time.perf_counter(), max(recipe.r1_interval, STEPS)
    make(count)
    return (time.perf_counter() - start) / count


# ------------------------------------------------------------------------------------------------- parts

def arguments(model, batch):
    """Return the arguments of the parts: (images x [n, R, R, C] in [-1, 1], z [n, Z], codes [n, L, D])."""
    generator = model.generator
    shapes = [batch, *[generator.resolution] * 2, 3], [batch, generator.latent_size], [
        batch, generator.num_layers, generator.dlatent_size]
    return [tf.random.stateless_uniform(shape, [0, i], -1, 1) for i, shape in enumerate(shapes)]


def parts(method, model, given, recipe, encoders):
    """Return {name: (function that does a part of the step, its arguments, number of times per step)}.

    The functions return gradients, which the optimiser would apply.
    """
    x, z, w = given
    if method == "traditional":
        return {"FC, G": (lambda z: model.generator.synthesis(model.generator.mapping(z)), (z,), 1),
                "E": (lambda x, w: _gradients(model.encoder, lambda: losses.mean_squared_difference(
                    w, model.encoder(x, training=True))), (x, w), 1)}
    judge = functools.partial(model.discriminator, lod=model.level if method == "stylegan" else 0)
    found = {"D": (lambda x, y: _gradients(
                 model.discriminator, lambda: losses.discriminator_loss(judge(x), judge(y))), (x, x), 1),
             "R1": (lambda x: _gradients(model.discriminator, lambda: losses.r1_penalty(judge, x, 1.0)[0]), (x,),
                    1 / recipe.r1_interval if method == "stylegan" else 1)}
    if method == "stylegan":
        return {"G": (lambda x, z: _of_g(model, x, z), (x, z), 1), **found}
    found = {"E": (lambda x: _of_e(model, x, encoders.options), (x,), 1), **found}
    if method == "force-in-domain":
        of_codes = model.latent_discriminator
        found["D_w"] = (lambda z, codes: _gradients(of_codes, lambda: losses.discriminator_loss(
            of_codes(model.generator.mapping(z)), of_codes(codes))), (z, w), 1)
        found["R1 of D_w"] = (lambda w: _gradients(of_codes, lambda: losses.r1_penalty(of_codes, w, 1.0)[0]), (w,), 1)
    return found


def _of_e(model, x, options):
    """Return the gradients of E: Eq. (5) of Leng et al. 2021, or without D_w Eq. (2) of Zhu et al. 2020."""
    def loss():
        codes = model.encoder(x, training=True)
        y = model.generator.synthesis(codes)
        total = (losses.mean_squared_difference(x, y) + options.feature_weight * losses.mean_squared_difference(
            model.features(x), model.features(y))
            + options.adversarial_weight * losses.adversarial_loss(model.discriminator(y)))
        if isinstance(model, ForceInDomain):
            total += options.latent_weight * losses.adversarial_loss(model.latent_discriminator(codes))
        return total
    return _gradients(model.encoder, loss)


def _of_g(model, x, z):
    """Return the gradients of G in StyleGAN: adversarial and pair term, with two z per picture for style mixing."""
    def loss():
        w = model.generator.mapping(tf.concat([z, -z], axis=0))
        y = model.generator.synthesis(tf.split(w, 2)[0], lod=model.level)
        return losses.adversarial_loss(model.discriminator(y, lod=model.level)) + losses.laplacian_distance(x, y)
    return _gradients(model.generator, loss)


def _gradients(network, loss):
    variables = network.trainable_variables
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([variable if isinstance(variable, tf.Variable) else variable.value for variable in variables])
        total = tf.reduce_mean(loss())
    return [gradient for gradient in tape.gradient(total, variables) if gradient is not None]


def seconds_of(function, given, calls=5):
    """Return the median seconds of a call of a traced function, after some unmeasured calls."""
    times = []
    for _ in range(WARM_UP + calls):
        start = time.perf_counter()
        tf.nest.flatten(function(*given))[-1].numpy()
        times.append(time.perf_counter() - start)
    return float(np.median(times[WARM_UP:]))
