"""`tools/train.py --method attributes`: the attribute network of rendered portraits."""
from __future__ import annotations

import dataclasses
import json
import math

import keras
import numpy as np

from tf_idinvert import checkpoint
from tf_idinvert.checkpoint import Models
from tf_idinvert.cli import training_options
from tf_idinvert.data import pipeline
from tf_idinvert.files import atomic
from tf_idinvert.files.printing import say
from tf_idinvert.files.progress import progress
from tf_idinvert.metrics.agreement import agreement
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.portraits import embedded, portrait, sets, wild
from tf_idinvert.portraits.wild import scores
from tf_idinvert.training import loop, state
from tf_idinvert.training.attributes import AttributeTraining

RESOLUTION, KIMG, BATCH_SIZE, LEARNING_RATE = 64, 120, 32, 1e-3
HELD_OUT, PREVIEW_COLUMNS = 1000, 12


@dataclasses.dataclass(frozen=True)
class Task:
    """What a network is to tell of which portraits."""

    sample: object                  # function (count, seed, resolution) -> (pictures, {name: [N]})
    names: tuple                    # of what is told
    binary: tuple = ("eyeglasses",)
    mirrored: tuple = ("pose", "side")      # the mirror image has the negative
    known: object = None            # function ({name: [N]} of all traits, names) -> {name: [N]}; None: the traits
    parts: int = 1                  # the network sees parts of this fraction of the side

    def targets(self, attributes):
        """float32 [N, A]"""
        answers = attributes if self.known is None else self.known(attributes, self.names)
        return np.stack([answers[name] for name in self.names], axis=1)


def task_of(world, task):
    """The Task of the options: in the wild world, the second task is learned from parts of pictures alone."""
    if world == "portraits":
        return Task(portrait.sample, portrait.ATTRIBUTES + portrait.NUISANCES)
    names = scores.TASKS[task]
    return Task(wild.sample, names, tuple(name for name in names if name in scores.BINARY),
                tuple(name for name in names if name in scores.MIRRORED),
                scores.answers, 2 if task == "nuisances" else 1)


def train(args, resumes, resolution=RESOLUTION, held_out=HELD_OUT, **sizes):
    """Train as the arguments say, then tell how well attributes of held-out portraits are known: agreement.json.

    Args:
        resumes: whether from the state in the output folder.
        resolution, held_out: of the portraits, and how many are held out.
        sizes: constructor arguments of `Attributes`.
    """
    total = math.ceil((args.kimg or KIMG) * 1000 / BATCH_SIZE) * BATCH_SIZE
    task = task_of(args.world, args.task)
    count = min(args.pictures, total)
    if args.world == "wild":        # slow to draw: shared with other runs
        path = training_options.rendered_set("wild", count, args.data_seed, resolution, args.output.parent)
        pictures = np.load(path, mmap_mode="r")
        targets = task.targets(sets.attributes(count, args.data_seed, wild.attributes_of))
    else:
        pictures, targets = render(task, count, args.data_seed, resolution)
    keras.utils.set_random_seed(args.seed)
    network = Attributes(task.names, task.binary, resolution // task.parts, **sizes)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, total // BATCH_SIZE))
    model = AttributeTraining(network, optimizer, targets.std(axis=0) + 1e-6, task.mirrored, seed=args.seed)
    if resumes:
        state.load(args.output / "state.npz", model.state)
    seen = int(model.images_seen.numpy())
    images, attributes = task.sample(held_out, embedded.SEED, resolution)
    truth = dict(zip(task.names, task.targets(attributes).T))
    with training_options.observers(args, total, draw=lambda: ordered(images, score(network, images)),
                                    save_models=lambda path: checkpoint.save(Models(attributes=network), path),
                                    columns=PREVIEW_COLUMNS) as callbacks:
        batches = pipeline.batches(pipeline.ArraySource(pictures), BATCH_SIZE, args.seed, seen, labels=targets)
        loop.run(model, batches, (total - seen) // BATCH_SIZE, callbacks)
    report(args.output / "agreement.json", agreement(score(network, images), truth, task.binary), task.binary)


def render(task, count, seed, resolution):
    """Portraits: (uint8 [N, R, R, 3], float32 [N, A])."""
    pictures = np.empty([count, resolution, resolution, 3], np.uint8)
    targets = np.empty([count, len(task.names)], np.float32)
    at = 0
    with progress(count, "rendering portraits", "img") as bar:
        for drawn, attributes in sets.chunks(count, seed, resolution, sample=task.sample):
            stop = at + len(drawn)
            pictures[at:stop], targets[at:stop] = drawn, task.targets(attributes)
            at = stop
            bar.update(len(drawn))
    return pictures, targets


def score(network, images):
    """{name: [N]} of pictures uint8 [N, R, R, 3], in the units of `portraits`."""
    parts = [network.predict_attributes(part.astype("float32") / 127.5 - 1.0)
             for part in np.array_split(images, math.ceil(len(images) / 100))]
    return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}


def ordered(images, scores):
    """Pictures to look at: a row for each attribute, from those with the lowest score to those with the highest."""
    chosen = [np.argsort(values)[np.linspace(0, len(images) - 1, PREVIEW_COLUMNS).astype(int)]
              for values in scores.values()]
    return images[np.concatenate(chosen)]


def report(path, found, binary):
    """Print and write the agreement of each attribute."""
    for name, value in found.items():
        say(f"{name:14} {value:6.3f}  {'share of right answers' if name in binary else 'R^2'}")
    with atomic.replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump({name: round(value, 4) for name, value in found.items()}, file, indent=1)
