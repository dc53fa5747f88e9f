"""Training tasks of attribute networks: the rendered portraits, and the attributes to predict."""
from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tf_idinvert.files.progress import progress
from tf_idinvert.portraits import embedded, portrait, sets, wild
from tf_idinvert.portraits.wild import scores

SAMPLES = {"portraits": portrait.sample, "wild": wild.sample}       # {world: function that renders it}


@dataclasses.dataclass(frozen=True)
class Task:
    """The portraits of a task, and what a network predicts for them."""

    world: str
    sample: object                  # function (count, seed, resolution) -> (pictures, {name: [N]})
    names: tuple                    # names of the predictions
    binary: tuple = ("eyeglasses",)
    mirrored: tuple = ("pose", "side")      # change sign when a picture is mirrored
    known: object = None            # function ({name: [N]} of all traits, names) -> {name: [N]}; None: the traits
    parts: int = 1                  # k: the network sees crops with 1 / k of the side

    def targets(self, attributes):
        """Return the correct predictions for attributes {name: [N]}: float32 [N, A]."""
        answers = attributes if self.known is None else self.known(attributes, self.names)
        return np.stack([answers[name] for name in self.names], axis=1)

    def portraits(self, count, seed, resolution, folder):
        """Return training portraits: (uint8 [N, R, R, 3], float32 [N, A]).

        Wild portraits, which take long to render, are stored in `folder` for other runs.
        """
        if self.world == "wild":
            pictures = np.load(kept(folder, "wild", count, seed, resolution), mmap_mode="r")
            return pictures, self.targets(sets.attributes(count, seed, wild.attributes_of))
        pictures = np.empty([count, resolution, resolution, 3], np.uint8)
        targets = np.empty([count, len(self.names)], np.float32)
        at = 0
        with progress(count, "rendering portraits", "img") as bar:
            for drawn, attributes in sets.chunks(count, seed, resolution, sample=self.sample):
                stop = at + len(drawn)
                pictures[at:stop], targets[at:stop] = drawn, self.targets(attributes)
                at = stop
                bar.update(len(drawn))
        return pictures, targets


def task_of(world, task):
    """Return a Task; 'nuisances', the second task of the wild portraits, uses crops of the pictures."""
    if world == "portraits":
        return Task(world, portrait.sample, portrait.ATTRIBUTES + portrait.NUISANCES)
    names = scores.TASKS[task]
    return Task(world, wild.sample, names, tuple(name for name in names if name in scores.BINARY),
                tuple(name for name in names if name in scores.MIRRORED),
                scores.answers, 2 if task == "nuisances" else 1)


def located(data, folder, count, seed, resolution):
    """Return `data`, or the path of the stored portraits if it is the name of a kind of portraits; see `kept`."""
    return kept(folder, data, count, seed, resolution) if data in SAMPLES else data


def unseen(world, count, resolution):
    """Return portraits that no training uses, uint8 [N, R, R, 3]."""
    return SAMPLES[world](count, embedded.SEED, resolution)[0]


def kept(folder, world, count, seed, resolution):
    """Return the path of a file with rendered portraits in a folder; render them first if it does not exist.

    Args:
        folder: existing folder.
        world: a key of SAMPLES.
        count, seed, resolution: as in `sets.chunks`.
    """
    path = Path(folder) / f"{world}{resolution}-{count}-seed{seed}.npy"
    if not path.exists():
        with progress(count, "rendering portraits", "img") as bar:
            sets.write(path, count, seed, resolution, progress=bar.update, sample=SAMPLES[world])
    return path
