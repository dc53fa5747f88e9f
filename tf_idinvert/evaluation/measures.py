"""Distances between sets of pictures or codes, with 95 % intervals.

The intervals of Fréchet distances use the jackknife over ten groups (Efron and Tibshirani 1993, An introduction to the
bootstrap, chapter 11), which needs only the moments of the groups. Vector number i belongs to group i mod 10, so that a
picture and its reconstruction are in the same group and are left out together.
"""
from __future__ import annotations

import dataclasses
import math

import numpy as np

from tf_idinvert.files import images
from tf_idinvert.metrics import distances, intervals, sliced_wasserstein
from tf_idinvert.metrics.moments import Parts

GROUPS, BATCH, FEW = 10, 50, 4


@dataclasses.dataclass(frozen=True)
class Judge:
    """A network that measures pictures.

    Attributes:
        distance: name of the Fréchet distance of its embedding: 'FD', or 'FID' for Inception.
        about: one line that describes the network and the layer.
        embed: function, float32 [n, R, R, 3] in [-1, 1] -> [n, K].
        score: function, the same input -> {name of an attribute: [n]}; None without attributes.
        binary: names of attributes that are probabilities.
        key: SHA-256 of its files.
        second: another Judge, whose distance is given besides; None: none.
    """

    distance: str
    about: str
    embed: callable
    score: callable = None
    binary: tuple = ()
    key: str = ""
    second: Judge | None = None

    def __call__(self, batch):
        """Return (embedding, {}), as `measure` requires; `attributes` computes the attributes separately."""
        return self.embed(batch), {}

    def attributes(self, pictures):
        """Score pictures in batches: uint8 [N, R, R, 3] -> {name: float64 [N]}."""
        return {name: values.astype(np.float64)
                for name, values in joined(map(self.score, batches(pictures))).items()}


@dataclasses.dataclass(frozen=True)
class PairDistance:
    """A network's distance of two pictures, such as LPIPS.

    Attributes:
        name: of the column.
        about: one line: which network.
        distance: function, float32 [n, R, R, 3], [n, R, R, 3] in [-1, 1] -> [n].
        key: SHA-256 of the files it is made of.
    """

    name: str
    about: str
    distance: callable
    key: str

    def __call__(self, pictures, others):
        """float64 [N] of uint8 [N, R, R, 3] and as many others, few at a time: such activations are large."""
        pairs = zip(batches(pictures, FEW), batches(others, FEW))
        return np.concatenate([np.asarray(self.distance(*pair), np.float64) for pair in pairs])


@dataclasses.dataclass(frozen=True)
class Measured:
    """Measurements of a set of pictures, for comparison with other sets.

    Attributes:
        count: number of pictures.
        projections: result of `sliced_wasserstein.project`.
        embedding: moments of their embeddings; None without a network.
        attributes: {name: [N]}, scores of a network; {} without one.
        second: moments of the embeddings of the judge's second network; None without one.
    """

    count: int
    projections: dict
    embedding: Parts | None = None
    attributes: dict = dataclasses.field(default_factory=dict)
    second: Parts | None = None


class InBatches:
    """Pictures uint8 [N, R, R, 3] as batches for `sliced_wasserstein.project`; can be iterated several times."""

    def __init__(self, pictures, size=BATCH):
        self.pictures, self.size = pictures, size

    def __iter__(self):
        for start in range(0, len(self.pictures), self.size):
            yield np.asarray(self.pictures[start:start + self.size])


def batches(pictures, size=BATCH):
    """Yield pictures uint8 [N, R, R, 3] as batches of float32 in [-1, 1]."""
    for batch in InBatches(pictures, size):
        yield images.to_float(batch)


def measure(pictures, judge, seed, groups=GROUPS, progress=None):
    """Measure a set of pictures, for comparison with other sets that are measured with the same seed.

    Args:
        pictures: uint8 [N, R, R, 3], or batches of these as an iterable with a length that can be iterated twice.
        judge: function, float32 [n, R, R, 3] in [-1, 1] -> (embedding [n, K], {name of an attribute: [n]}), such as
            a Judge; None: no embedding.
        seed: seed of the patches.
        groups: number of groups of embeddings, whose moments are kept separately.
        progress: None, or a function that is called with the number of pictures just measured.
    Returns:
        Measured.
    """
    parts = InBatches(pictures) if isinstance(pictures, np.ndarray) else pictures
    other = getattr(judge, "second", None)
    embedding, second, seen = Parts(groups) if judge else None, Parts(groups) if other else None, []
    for batch in parts if judge else ():
        values = images.to_float(batch)
        embedded, attributes = judge(values)
        embedding.add(np.asarray(embedded))
        if other:
            second.add(np.asarray(other.embed(values)))
        seen.append(attributes)
        if progress:
            progress(len(batch))
    return Measured(len(pictures), sliced_wasserstein.project(parts, seed), embedding, joined(seen), second)


def joined(batches_of_scores):
    """Concatenate the scores of batches: list of {name: [n, ...]} -> {name: [N, ...]}."""
    rows = list(batches_of_scores)
    return {name: np.concatenate([np.asarray(row[name]) for row in rows]) for name in rows[0]} if rows else {}


def compare(reference, other):
    """Return the distances between two measured sets.

    Returns:
        dict: 'frechet' [value, low, high] and 'extrapolated', the Fréchet distance extrapolated to infinitely many
        pictures (None: too few pictures, or no judge); 'swd', 1000 times the sliced Wasserstein distance, mean over
        the pyramid's levels; 'swd_levels' {side: value}; where the judge has a second network, 'frechet_second' by it.
    """
    levels = {side: 1000 * value
              for side, value in sliced_wasserstein.distances(reference.projections, other.projections).items()}
    found = {"frechet": None, "extrapolated": None, "swd": float(np.mean(list(levels.values()))), "swd_levels": levels}
    if reference.embedding is not None:
        found["frechet"] = frechet(reference.embedding, other.embedding)
        found["extrapolated"] = extrapolated(reference.embedding, other.embedding)
    if reference.second is not None:
        found["frechet_second"] = frechet(reference.second, other.second)
    return found


# ------------------------------------------------------------------------------------------------- Fréchet distances

def frechet(first, second):
    """Return [Fréchet distance, low, high] of two `Parts` with GROUPS parts."""
    value = distances.frechet_distance(first.merged(), second.merged())
    left_out = [distances.frechet_distance(a, b) for a, b in _without_one(first, second)]
    low, high = intervals.jackknife_interval(value, left_out)
    return [value, low, high]


def extrapolated(first, second):
    """Return `distances.extrapolated_frechet_distance` from whole sets and halves; None if a half is too small."""
    halves = []
    for parts in first, second:
        half = Parts(2)
        half.parts = [parts.merged(0, GROUPS // 2), parts.merged(GROUPS // 2)]
        halves.append(half)
    value = distances.extrapolated_frechet_distance(*halves)
    return None if math.isnan(value) else value


def frechet_of_codes(codes, reference):
    """Return the Fréchet distance in W of codes [N, L, D] and [M, L, D], computed per layer and averaged.

    Returns:
        [value, low, high].
    """
    layers = []
    for layer in range(codes.shape[1]):
        parts = Parts(GROUPS), Parts(GROUPS)
        for each, values in zip(parts, (codes, reference)):
            each.add(values[:, layer])
        layers.append([distances.frechet_distance(*(each.merged() for each in parts)),
                       *(distances.frechet_distance(a, b) for a, b in _without_one(*parts))])
    value, *left_out = np.mean(layers, axis=0)
    return [float(value), *intervals.jackknife_interval(value, left_out)]


def _without_one(first, second):
    """Return pairs of moments of two `Parts`, without one group each; [] if too few vectors would remain."""
    for left_out in range(GROUPS):
        moments = []
        for parts in first, second:
            rest = parts.merged(0, left_out)
            rest.merge(parts.merged(left_out + 1))
            moments.append(rest)
        if min(each.count for each in moments) >= 2 and first.parts[left_out].count:
            yield moments
