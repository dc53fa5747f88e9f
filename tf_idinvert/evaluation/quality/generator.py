"""How near a generator's pictures come to the rendered ones it learned from, and how usable its W is, in numbers.

Two sets of pictures are compared by the sliced Wasserstein distance of their patches, by the Fréchet distance of an
attribute network's embedding, and by the attributes that this network sees in them. What two sets of renders give is
the floor. W is usable where a hyperplane separates each attribute (Shen et al. 2020, InterFaceGAN), and smooth where
the perceptual path length is small (Karras et al. 2019, section 4.1). Pictures wait on the disk, in 8 bits.
"""
from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_idinvert import boundaries
from tf_idinvert.codes import random_codes
from tf_idinvert.evaluation import measures, tfgan
from tf_idinvert.evaluation.quality.pictures import BATCH, PORTRAITS, Pictures, rendered
from tf_idinvert.files.progress import progress
from tf_idinvert.metrics import distances, sliced_wasserstein
from tf_idinvert.metrics.agreement import agreement

GROUPS = 8                  # of embeddings, for the extrapolation of the Fréchet distance
HISTOGRAM_BINS = 10         # over the range of an attribute
EPSILON = 1e-3              # step of the path length; 1e-4 in the paper, too small for float32 and unit-scale features
PATHS = 500                 # straight lines in W that the path length is measured on
TFGAN_PICTURES = 1000       # TF-GAN's function takes what fits in memory
TOLD = 0.5                  # least agreement of the attribute network with the truth for its word to count


def assess(generator, network, count, seed, world=PORTRAITS):
    """Measure a generator of portraits.

    Args:
        generator: Generator.
        network: Attributes, see `loading.load_portraits_attributes`.
        count: pictures in each of the three sets: samples, renders, and the other renders of the floor.
        seed: of the renders and of the samples; the floor's renders have the next one.
        world: World, whose portraits are rendered.
    Returns:
        (numbers for JSON and for `generator_page.tables`, samples, renders), the last two Pictures.
    """
    (renders, truth), (others, _) = (rendered(count, each, generator.resolution, network.names, world)
                                     for each in (seed, seed + 1))
    samples, codes = sample(generator, count, seed)
    draw = tf.function(generator.synthesis, reduce_retracing=True, autograph=False)
    places = random_codes(generator, seed, 0, 2 * PATHS)
    path = path_length(places[:PATHS], places[PATHS:], lambda w: network.embedding(draw(w)), seed)
    return {"count": count, "seed": seed, "resolution": generator.resolution,
            **_distances(network, renders, truth, others, samples, codes, seed, world.signed),
            "path": path, "tfgan": by_tfgan(renders, others, samples, seed)}, samples, renders


def sample(generator, count, seed):
    """Samples with psi 1 and fresh noise -> (Pictures, codes [N, D], or [N, L, D] where layers have their own)."""
    pictures, codes = Pictures(generator.resolution), []
    draw = tf.function(lambda w, seed: generator.synthesis(w, noise_seed=seed), reduce_retracing=True, autograph=False)
    with progress(count, "sampling", unit="img") as bar:
        for first in range(0, count, BATCH):
            w = random_codes(generator, seed, first, min(BATCH, count - first))
            pictures.add(draw(tf.constant(w), tf.constant([seed, first])).numpy())
            codes.append(w[:, 0] if (w == w[:, :1]).all() else w)
            bar.update(len(w))
    return pictures, np.concatenate(codes)


# ------------------------------------------------------------------------------------------------- pictures

def _distances(network, renders, truth, others, samples, codes, seed, signed):
    """What is measured on the three sets of pictures, and on the codes of the samples."""
    judge = tf.function(lambda x: (network.embedding(x), network.predict_attributes(x)), reduce_retracing=True,
                        autograph=False)
    with progress(3 * len(renders), "measuring", unit="img") as bar:
        reference, floor, found = (measures.measure(each, judge, seed, GROUPS, bar.update)
                                   for each in (renders, others, samples))
    told = agreement(reference.attributes, truth, network.binary)
    seen = {name: values for name, values in found.attributes.items() if told[name] >= TOLD}
    ranges = {name: (-1, 1) if name in signed else (0, 1) for name in network.names}
    return {"samples": compare(reference, found, ranges), "floor": compare(reference, floor, ranges),
            "renders": {name: {"mean": float(values.mean()), "std": float(values.std())}
                        for name, values in reference.attributes.items()},
            "agreement": told, "separability": separability(codes, seen, seed=seed)}


def compare(reference, other, ranges):
    """Distances between two sets.

    Args:
        reference, other: `measures.Measured`, with embedding and attributes.
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


def by_tfgan(renders, others, samples, seed):
    """{level: (samples, floor)} by TF-GAN's sliced Wasserstein distance; {'failure': why} where it cannot be had."""
    reference, floor, found = (each.first(min(TFGAN_PICTURES, len(each))) for each in (renders, others, samples))
    try:
        floor, found = (tfgan.sliced_wasserstein(reference, each, seed) for each in (floor, found))
    except tfgan.Absent as error:
        return {"failure": str(error)}
    return {level: (found[level][1], floor[level][1]) for level in found}


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
