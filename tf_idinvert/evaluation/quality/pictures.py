"""Sets of pictures that are too large for memory: they are stored on disk in 8 bits and read in batches."""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.files import images
from tf_idinvert.files.progress import progress
from tf_idinvert.files.spool import Spool
from tf_idinvert.portraits import portrait, sets

BATCH = 100


class Pictures:
    """Pictures of one size on disk; iterate any number of times to get batches, uint8 [n, R, R, 3]."""

    def __init__(self, resolution):
        self.spool = Spool((resolution, resolution, 3))

    def __len__(self):
        return self.spool.count

    def add(self, pictures):
        """Add pictures: uint8, or floats in [-1, 1], [n, R, R, 3]."""
        for picture in images.to_uint8(np.asarray(pictures)):
            self.spool.append(picture)

    def __iter__(self):
        waiting = []
        for picture in self.spool:
            waiting.append(picture)
            if len(waiting) == BATCH:
                yield np.stack(waiting)
                waiting = []
        if waiting:
            yield np.stack(waiting)

    def first(self, count):
        """Return the first pictures, uint8 [count, R, R, 3]."""
        return np.stack([picture for picture, _ in zip(self.spool, range(count))])


@dataclasses.dataclass(frozen=True)
class World:
    """A kind of rendered portraits.

    Attributes:
        sample: function that renders them, see `sets.chunks`.
        resolutions: possible sides in pixels.
        names: names of the attributes that a network may predict.
        signed: names of those in [-1, 1]; the others are in [0, 1].
        answers: function ({name: [N]} of the rendered traits, names) -> {name: [N]} that a network should predict;
            None: the traits themselves.
        parts: possible ratios of the pictures' side to the network's resolution.
    """

    sample: callable
    resolutions: tuple
    names: tuple
    signed: tuple
    answers: callable = None
    parts: tuple = (1,)


PORTRAITS = World(portrait.sample, portrait.RESOLUTIONS, portrait.ATTRIBUTES + portrait.NUISANCES, portrait.SIGNED)


def rendered(count, seed, resolution, names=None, world=PORTRAITS):
    """Render portraits with a progress bar.

    Args:
        count, seed, resolution: as in `sets.chunks`.
        names: attributes that a network predicts; None: all.
        world: World.
    Returns:
        (Pictures, {name: [count]}, the correct predictions).
    """
    pictures, rows = Pictures(resolution), []
    with progress(count, f"rendering, seed {seed}", unit="img") as bar:
        for drawn, attributes in sets.chunks(count, seed, resolution, sample=world.sample):
            pictures.add(drawn)
            rows.append(attributes)
            bar.update(len(drawn))
    truth = {name: np.concatenate([each[name] for each in rows]) for name in rows[0]}
    return pictures, truth if world.answers is None else world.answers(truth, names)
