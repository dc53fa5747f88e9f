"""Sets of pictures too many for memory: they lie on the disk, in 8 bits, and are read in batches."""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.files import images
from tf_idinvert.files.progress import progress
from tf_idinvert.files.spool import Spool
from tf_idinvert.portraits import portrait, sets

BATCH = 100


class Pictures:
    """Pictures of one size on the disk; iterating gives them in batches uint8 [n, R, R, 3], any number of times."""

    def __init__(self, resolution):
        self.spool = Spool((resolution, resolution, 3))

    def __len__(self):
        return self.spool.count

    def add(self, pictures):
        """Take more: uint8, or floats in [-1, 1], [n, R, R, 3]."""
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
        """The first pictures, uint8 [count, R, R, 3]."""
        return np.stack([picture for picture, _ in zip(self.spool, range(count))])


@dataclasses.dataclass(frozen=True)
class World:
    """An edition of the rendered portraits.

    Attributes:
        sample: function that draws them, see `sets.chunks`.
        resolutions: sides that it draws.
        names: of what a network may tell of them.
        signed: of these, which lie in [-1, 1]; the others in [0, 1].
        answers: function ({name: [N]} of what was drawn, names) -> {name: [N]} that a network should tell; None: the
            same.
        parts: a network of resolution r may be shown pictures of r times one of these.
    """

    sample: callable
    resolutions: tuple
    names: tuple
    signed: tuple
    answers: callable = None
    parts: tuple = (1,)


PORTRAITS = World(portrait.sample, portrait.RESOLUTIONS, portrait.ATTRIBUTES + portrait.NUISANCES, portrait.SIGNED)


def rendered(count, seed, resolution, names=None, world=PORTRAITS):
    """Rendered portraits of a seed, drawn under a progress bar.

    Args:
        count, seed, resolution: as in `sets.chunks`.
        names: what a network is asked about them; None: everything.
        world: World.
    Returns:
        (Pictures, {name: [count]} what it should answer).
    """
    pictures, rows = Pictures(resolution), []
    with progress(count, f"rendering, seed {seed}", unit="img") as bar:
        for drawn, attributes in sets.chunks(count, seed, resolution, sample=world.sample):
            pictures.add(drawn)
            rows.append(attributes)
            bar.update(len(drawn))
    truth = {name: np.concatenate([each[name] for each in rows]) for name in rows[0]}
    return pictures, truth if world.answers is None else world.answers(truth, names)
