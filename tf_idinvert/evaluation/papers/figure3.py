"""Figure 3 of In-Domain GAN Inversion: how well inverted codes predict the attributes of pictures.

The score of a code is its component along the normal of the attribute's boundary, in the layers of the boundary. The
truth is the known attribute of the picture (Zhu et al. 2020, section 3.2).
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.evaluation.papers.methods import METHODS, Missing
from tf_idinvert.evaluation.tables import Part, Table
from tf_idinvert.metrics import agreement, intervals

READ = ("mse", "inversion", "encoder", "nobn", "force", "traditional")
RESAMPLES, FEWEST = 200, 5      # resamples for the interval; least number of pictures with and without the attribute


def precision_recall(bench):
    """Return the Part with precision-recall curves of the methods, for all attributes that have a boundary."""
    count = bench.sizes.optimised
    truth, source = labels(bench, count)
    names = [name for name in bench.boundaries if name in truth]
    if not names:
        raise Missing("no boundary of an attribute that is known of the pictures: give --boundaries")
    known = {name: ~np.isnan(truth[name]) for name in names}
    present = {name: truth[name][known[name]] > 0.5 for name in names}
    numbers, arrays, rows = {}, {}, []
    for method in READ:
        try:
            codes = bench.inverted(method, count).codes
        except Missing as error:
            rows.append([METHODS[method].label, str(error)] + [None] * len(names))
            continue
        scores = {name: projected(bench, method, codes, name)[known[name]] for name in names}
        numbers[method] = {name: average_precision(scores[name], present[name], bench.seed) for name in names}
        rows.append([METHODS[method].label, count, *(numbers[method][name] for name in names)])
        for name in names:
            if numbers[method][name] is not None:
                curve = agreement.precision_recall(scores[name], present[name])
                arrays[f"{method}-{name}"] = np.stack([curve.recall, curve.precision])
    chance = {name: float(present[name].mean()) if len(present[name]) else None for name in names}
    rows.append(["chance", count, *chance.values()])
    text = (f"Average precision (scikit-learn's), in brackets its 95 % interval over pictures, on the first {count} of "
            f"{bench.originals.about}. Truth: {source}; an attribute on a scale counts as present above its median, "
            "one that is a probability above 0.5.")
    return Part({**numbers, "chance": chance}, [Table("Figure 3: attributes read off inverted codes", text,
                                                      ["method", "pictures", *names], rows)], arrays)


def labels(bench, count=None):
    """Return ({name: float [N]: 1 present, 0 absent, NaN unknown}, source of the attributes).

    They are those of the first `count` originals (None: all); thresholds are medians over all originals.

    Raises:
        Missing: the attributes are not known.
    """
    values, source = bench.originals.attributes, bench.originals.source
    if values is None:
        if bench.judge is None or bench.judge.score is None:
            raise Missing("the attributes of these pictures are not known: give --attributes or --labels")
        values, source = bench.judge.attributes(bench.originals.pictures), f"as seen by {bench.judge.about}"
    found = {}
    for name, each in values.items():
        known = each[~np.isnan(each)]
        binary = set(np.unique(known)) <= {0, 1} or bench.judge is not None and name in bench.judge.binary
        present = each > (0.5 if binary else np.median(known))
        found[name] = np.where(np.isnan(each), np.nan, present)[:count]
    return found, source


def projected(bench, method, codes, name):
    """Return the components of codes along a boundary's normal, summed over its layers: [N]."""
    generator = bench.generator(method)
    boundary = bench.boundaries[name].for_network(generator.num_layers, generator.dlatent_size)
    layers = list(range(generator.num_layers)) if boundary.layers is None else list(boundary.layers)
    return np.einsum("nld,ld->n", np.asarray(codes, np.float64)[:, layers], boundary.normal[0, layers])


def average_precision(scores, truth, seed):
    """Return [average precision, low, high]; None if all pictures have the same label."""
    present = int(truth.sum())
    if not 0 < present < len(truth):
        return None
    value = agreement.precision_recall(scores, truth).average_precision
    if min(present, len(truth) - present) < FEWEST:
        return [value, None, None]

    def of_sample(drawn, present):
        if present.all() or not present.any():      # only one label: precision is 1 or 0
            return float(present[0])
        return agreement.precision_recall(drawn, present).average_precision

    return [value, *intervals.bootstrap(of_sample, scores, truth, seed=seed, resamples=RESAMPLES)]
