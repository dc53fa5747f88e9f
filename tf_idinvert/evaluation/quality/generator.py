"""Quality of a generator of rendered portraits: distance of its pictures to renders, and properties of its W.

Sets of pictures are compared by the sliced Wasserstein distance of patches, by the Fréchet distance of an attribute
network's embedding, and by the network's attribute scores. Two sets of renders give the lowest distances possible. W
allows edits if hyperplanes separate the attributes (Shen et al. 2020, InterFaceGAN), and it is smooth if the perceptual
path length is small (Karras et al. 2019, section 4.1). Pictures are stored on disk in 8 bits.
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

GROUPS = 8                  # groups of embeddings, for the extrapolation of the Fréchet distance
HISTOGRAM_BINS = 10         # bins over the range of an attribute
EPSILON = 1e-3              # step of the path length; 1e-4 in the paper, too small for float32 and unit-scale features
PATHS = 500                 # straight lines in W for the path length
TFGAN_PICTURES = 1000       # TF-GAN's function needs all pictures in memory
PREDICTABLE = 0.5           # least agreement with the truth for an attribute's scores to be used


def assess(generator, network, count, seed, world=PORTRAITS):
    """Measure a generator of portraits.

    Args:
        generator: Generator.
        network: Attributes, see `loading.load_portraits_attributes`.
        count: pictures in each of the three sets: samples, renders, and other renders for the floor.
        seed: seed of renders and samples; the other renders have the next one.
        world: World whose portraits are rendered.
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
    """Draw samples with psi 1 and fresh noise; return (Pictures, codes [N, D], or [N, L, D] if layerwise)."""
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
    """Measure the three sets of pictures, and the codes of the samples."""
    judge = tf.function(lambda x: (network.embedding(x), network.predict_attributes(x)), reduce_retracing=True,
                        autograph=False)
    with progress(3 * len(renders), "measuring", unit="img") as bar:
        reference, floor, found = (measures.measure(each, judge, seed, GROUPS, bar.update)
                                   for each in (renders, others, samples))
    agreements = agreement(reference.attributes, truth, network.binary)
    seen = {name: values for name, values in found.attributes.items() if agreements[name] >= PREDICTABLE}
    ranges = {name: (-1, 1) if name in signed else (0, 1) for name in network.names}
    return {"samples": compare(reference, found, ranges), "floor": compare(reference, floor, ranges),
            "renders": {name: {"mean": float(values.mean()), "std": float(values.std())}
                        for name, values in reference.attributes.items()},
            "agreement": agreements, "separability": separability(codes, seen, seed=seed)}


def compare(reference, other, ranges):
    """Return the distances between two sets.

    Args:
        reference, other: `measures.Measured` with embedding and attributes.
        ranges: {name: (lowest, highest)} of attributes, for histograms; values outside are clipped.
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
    """Return {level: (samples, floor)} by TF-GAN's sliced Wasserstein distance; {'failure': reason} without TF-GAN."""
    reference, floor, found = (each.first(min(TFGAN_PICTURES, len(each))) for each in (renders, others, samples))
    try:
        floor, found = (tfgan.sliced_wasserstein(reference, each, seed) for each in (floor, found))
    except tfgan.Absent as error:
        return {"failure": str(error)}
    return {level: (found[level][1], floor[level][1]) for level in found}


# ------------------------------------------------------------------------------------------------- W

def separability(codes, attributes, keep=0.1, seed=0):
    """Return the accuracy of hyperplanes in W that predict attributes, on codes that they were not fitted to.

    Args:
        codes: [N, D], or [N, L, D].
        attributes: {name: [N]}, scores of the pictures of these codes.
        keep: share of the codes with the highest and with the lowest scores; 70 % of these are used for the fit.
        seed: seed of the split.
    Returns:
        {name: {'validation': accuracy on the other extreme codes, 'rest': on all codes between}}, or {name:
        {'failure': reason}}.
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
    """Return the perceptual path length in W, with another embedding than VGG16, so not comparable with publications.

    A small step is taken at a random position of every straight line between two codes. The length is the mean of the
    squared change of the embedding over the squared step, without the lowest and the highest hundredth.

    Args:
        codes, others: [N, L, D], ends of the lines.
        embed: function, [n, L, D] -> [n, K], features of the images of codes.
        seed: seed of the positions.
    Returns:
        dict: 'length'; 'straight', the length if the embedding changed evenly along straight lines, which is the mean
        squared distance between the ends; 'ratio' of the two, 1 at best.
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
