"""`tools/train.py --method attributes`: train the attribute network of rendered portraits."""
from __future__ import annotations

import functools
import json
import math

import keras

from tf_idinvert import checkpoint
from tf_idinvert.checkpoint import Models
from tf_idinvert.cli import training_options
from tf_idinvert.data import pipeline
from tf_idinvert.files import atomic
from tf_idinvert.files.printing import say
from tf_idinvert.metrics.agreement import agreement
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.portraits import embedded
from tf_idinvert.portraits.tasks import task_of
from tf_idinvert.training.attributes import AttributeRecipe, score, train_attributes

RESOLUTION, HELD_OUT = 64, 1000


def train(args, resolution=RESOLUTION, held_out=HELD_OUT, **sizes):
    """Train an attribute network, then write its agreement on held-out portraits to agreement.json.

    Args:
        args: arguments of the command line.
        resolution: side of the portraits in pixels.
        held_out: number of held-out portraits.
        sizes: constructor arguments of `Attributes`.
    """
    recipe, task = AttributeRecipe(), task_of(args.world, args.task)
    images = math.ceil((args.kimg or recipe.kimg) * 1000 / recipe.batch_size) * recipe.batch_size
    pictures, targets = task.portraits(min(args.pictures, images), args.data_seed, resolution, args.output.parent)
    test, attributes = task.sample(held_out, embedded.SEED, resolution)
    keras.utils.set_random_seed(args.seed)
    network = Attributes(task.names, task.binary, resolution // task.parts, **sizes)
    data = functools.partial(pipeline.batches, pipeline.ArraySource(pictures), labels=targets)
    train_attributes(network, data, targets.std(axis=0) + 1e-6, recipe, training_options.make_run(args), test=test,
                     save=lambda path: checkpoint.save(Models(attributes=network), path), mirrored=task.mirrored)
    truth = dict(zip(task.names, task.targets(attributes).T))
    report(args.output / "agreement.json", agreement(score(network, test), truth, task.binary), task.binary)


def report(path, found, binary):
    """Print and write the agreement of every attribute."""
    for name, value in found.items():
        say(f"{name:14} {value:6.3f}  {'share of right answers' if name in binary else 'R^2'}")
    with atomic.replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump({name: round(value, 4) for name, value in found.items()}, file, indent=1)
