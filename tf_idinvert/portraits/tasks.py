"""What an attribute network is to tell of which rendered portraits, and the portraits to learn it from."""
from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tf_idinvert.files.progress import progress
from tf_idinvert.portraits import embedded, portrait, sets, wild
from tf_idinvert.portraits.wild import scores

SAMPLES = {"portraits": portrait.sample, "wild": wild.sample}       # of the rendered worlds


@dataclasses.dataclass(frozen=True)
class Task:
    """What a network is to tell of which portraits."""

    world: str
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

    def portraits(self, count, seed, resolution, folder):
        """Portraits to learn from: (uint8 [N, R, R, 3], float32 [N, A]).

        Those of the wild world, slow to draw, are kept in `folder` for other runs.
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
    """The Task of a world: in the wild one, the second task ('nuisances') is learned from parts of pictures alone."""
    if world == "portraits":
        return Task(world, portrait.sample, portrait.ATTRIBUTES + portrait.NUISANCES)
    names = scores.TASKS[task]
    return Task(world, wild.sample, names, tuple(name for name in names if name in scores.BINARY),
                tuple(name for name in names if name in scores.MIRRORED),
                scores.answers, 2 if task == "nuisances" else 1)


def located(data, folder, count, seed, resolution):
    """`data`; where it is the name of a rendered world, the path of its portraits, see `kept`."""
    return kept(folder, data, count, seed, resolution) if data in SAMPLES else data


def unseen(world, count, resolution):
    """Portraits of a world that no training draws, uint8 [N, R, R, 3]."""
    return SAMPLES[world](count, embedded.SEED, resolution)[0]


def kept(folder, world, count, seed, resolution):
    """Path of the file in a folder that holds so many portraits, drawn if it is not there.

    Args:
        folder: an existing one.
        world: one of SAMPLES.
        count, seed, resolution: as in `sets.chunks`.
    """
    path = Path(folder) / f"{world}{resolution}-{count}-seed{seed}.npy"
    if not path.exists():
        with progress(count, "rendering portraits", "img") as bar:
            sets.write(path, count, seed, resolution, progress=bar.update, sample=SAMPLES[world])
    return path
