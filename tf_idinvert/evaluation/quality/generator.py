"""How near a generator's pictures come to the rendered ones it learned from, and how usable its W is, in numbers.

Two sets of pictures are compared by the sliced Wasserstein distance of their patches, by the Fréchet distance of an
attribute network's embedding, and by the attributes that this network sees in them. What two sets of renders give is
the floor. W is usable where a hyperplane separates each attribute (Shen et al. 2020, InterFaceGAN), and smooth where
the perceptual path length is small (Karras et al. 2019, section 4.1). Pictures wait on the disk, in 8 bits.
"""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert import boundaries
from tf_idinvert.files import images
from tf_idinvert.files.progress import progress
from tf_idinvert.files.spool import Spool
from tf_idinvert.metrics import distances, sliced_wasserstein
from tf_idinvert.metrics.moments import Parts
from tf_idinvert.portraits import portrait, sets

BATCH = 100
HISTOGRAM_BINS = 10         # over the range of an attribute
EPSILON = 1e-3              # step of the path length; 1e-4 in the paper, too small for float32 and unit-scale features


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


def rendered(count, seed, resolution, sample=portrait.sample):
    """Rendered portraits of a seed, drawn under a progress bar; `sample` of the edition, see `sets.chunks`.

    Returns:
        (Pictures, {name: [count]} their true attributes).
    """
    pictures, rows = Pictures(resolution), []
    with progress(count, f"rendering, seed {seed}", unit="img") as bar:
        for drawn, attributes in sets.chunks(count, seed, resolution, sample=sample):
            pictures.add(drawn)
            rows.append(attributes)
            bar.update(len(drawn))
    return pictures, {name: np.concatenate([each[name] for each in rows]) for name in rows[0]}


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is kept of a set: projections of its patches, moments of its embedding, attributes {name: [N]}."""

    projections: dict
    embedding: Parts
    attributes: dict


# ------------------------------------------------------------------------------------------------- pictures

def measure(pictures, judge, seed=0, progress=None):
    """Measure a set, to be compared with others of the same seed.

    Args:
        pictures: Pictures.
        judge: function, float32 [n, R, R, 3] in [-1, 1] -> (embedding [n, K], {name: [n]}, attributes as
            `Attributes.predict_attributes` gives them).
        seed: of the patches.
        progress: None, or a function called with the number of pictures just judged.
    Returns:
        Measured.
    """
    embedding, attributes = Parts(), {}
    for batch in pictures:
        values, predicted = judge(images.to_float(batch))
        embedding.add(np.asarray(values))
        for name, each in predicted.items():
            attributes.setdefault(name, []).append(np.asarray(each))
        if progress:
            progress(len(batch))
    return Measured(sliced_wasserstein.project(pictures, seed), embedding,
                    {name: np.concatenate(each) for name, each in attributes.items()})


def compare(reference, other, ranges):
    """Distances between two sets.

    Args:
        reference, other: Measured.
        ranges: {name: (lowest, highest)} of attributes, for their histograms; values beyond count as at the ends.
    Returns:
        dict: 'sliced_wasserstein' {level: distance, 'mean': ...}, 'frechet', 'frechet_extrapolated' (to infinitely
        many pictures; NaN with few), 'attributes' {name: {'mean', 'std', 'histogram' of the other set, 'difference'}},
        the last being the share of pictures that would have to change bins, 0 to 1.
    """
    levels = sliced_wasserstein.distances(reference.projections, other.projections)
    attributes = {}
    for name, span in ranges.items():
        histograms = [np.histogram(np.clip(each.attributes[name], *span), HISTOGRAM_BINS, span)[0]
                      / len(each.attributes[name]) for each in (reference, other)]
        values = np.asarray(other.attributes[name], np.float64)
        attributes[name] = {"mean": float(values.mean()), "std": float(values.std()),
                            "histogram": histograms[1].round(6).tolist(),
                            "difference": float(np.abs(histograms[0] - histograms[1]).sum() / 2)}
    return {"sliced_wasserstein": {**levels, "mean": float(np.mean(list(levels.values())))},
            "frechet": distances.frechet_distance(reference.embedding.merged(), other.embedding.merged()),
            "frechet_extrapolated": distances.extrapolated_frechet_distance(reference.embedding, other.embedding),
            "attributes": attributes}


# ------------------------------------------------------------------------------------------------- W

def separability(codes, attributes, keep=0.1, seed=0):
    """How well a hyperplane in W tells who has an attribute, from codes that it was not fitted to.

    Args:
        codes: [N, D], or [N, L, D].
        attributes: {name: [N]}, as seen in the pictures of these codes.
        keep: share of the codes at either end of an attribute that count as confident; of these, 70 % are fitted to.
        seed: of the split.
    Returns:
        {name: {'validation': share of right answers on the other confident ones, 'rest': on all that are between}}, or
        {name: {'failure': why not}}.
    """
    found = {}
    for name, values in attributes.items():
        try:
            accuracy = boundaries.fit(codes, values, keep=keep, seed=seed).accuracy
            found[name] = {"validation": accuracy["validation"], "rest": accuracy["rest"]}
        except boundaries.BoundaryError as error:
            found[name] = {"failure": str(error)}
    return found


def path_length(codes, others, embed, seed=0):
    """Perceptual path length in W, with an embedding of ours instead of VGG16's: not comparable with published ones.

    At a random place of each straight line from a code to another, the squared change of the embedding for a small
    step, divided by the square of the step; the mean, without the lowest and the highest hundredth.

    Args:
        codes, others: [N, L, D].
        embed: function, [n, L, D] -> [n, K], features of the pictures of codes.
        seed: of the places.
    Returns:
        dict: 'length'; 'straight', what it would be if the embedding changed evenly and straight, the mean squared
        distance between the ends; 'ratio' of the two, 1 at best.
    """
    places = np.random.default_rng(seed).random((len(codes), 1, 1)).astype(np.float32) * (1 - EPSILON)
    lengths, straights = [], []
    for start in range(0, len(codes), BATCH):
        a, b, t = (each[start:start + BATCH] for each in (codes, others, places))
        here, there, first, last = (np.asarray(embed(a + (b - a) * at), np.float64)
                                    for at in (t, t + np.float32(EPSILON), np.zeros_like(t), np.ones_like(t)))
        lengths.extend(np.square((there - here) / EPSILON).sum(axis=1))
        straights.extend(np.square(last - first).sum(axis=1))
    low, high = np.percentile(lengths, [1, 99])
    length = float(np.mean([each for each in lengths if low <= each <= high]))
    straight = float(np.mean(straights))
    return {"length": length, "straight": straight, "ratio": length / straight if straight else float("nan")}
