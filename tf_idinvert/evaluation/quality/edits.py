"""Quality of manipulations: whether the attribute changes with the distance while the others stay constant.

An attribute network scores the images of codes `w + alpha * n` for rising alpha; see `editing.manipulate`.
"""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_idinvert import boundaries
from tf_idinvert.codes import random_codes
from tf_idinvert.directions import effects
from tf_idinvert.errors import InputError
from tf_idinvert.evaluation import measures, tables
from tf_idinvert.files import atomic, images
from tf_idinvert.files.progress import progress
from tf_idinvert.portraits import portrait

BATCH = 20          # portraits synthesised together, at all distances
CODES = 1000        # codes of W, whose standard deviation along a normal is the unit of distances
SCORED = 100        # portraits scored together
SLACK = 0.05        # invisible fall of a score between two steps, in standard deviations of the originals' scores


@dataclasses.dataclass(frozen=True)
class Moved:
    """Effect of a manipulation on a set of pictures. Changes are differences between the last and the first distance.

    Attributes:
        monotone: share of pictures whose score of the attribute never falls by more than SLACK between two steps.
        strictly: share of pictures whose score rises at every step.
        wanted: mean change of the attribute, in standard deviations of the originals' scores.
        others: {name: mean absolute change of another attribute, in standard deviations of the originals' scores}.
    """

    monotone: float
    strictly: float
    wanted: float
    others: dict

    def ratio(self, names):
        """Return the largest change of the attributes `names` relative to the wanted one; NaN if that is <= 0."""
        return max(self.others[name] for name in names) / self.wanted if self.wanted > 0 else float("nan")


def measure(scores, attribute, deviations):
    """Measure a manipulation.

    Args:
        scores: {name: [N, S]}, scores of N pictures at S rising distances.
        attribute: name of the manipulated attribute.
        deviations: {name: standard deviation of the originals' scores}.
    Returns:
        Moved.
    """
    in_deviations = {name: np.asarray(values, np.float64) / deviations[name] for name, values in scores.items()}
    changes = {name: values[:, -1] - values[:, 0] for name, values in in_deviations.items()}
    steps = np.diff(in_deviations[attribute], axis=1)
    return Moved((steps >= -SLACK).all(axis=1).mean(), (steps > 0).all(axis=1).mean(), changes[attribute].mean(),
                 {name: np.abs(each).mean() for name, each in changes.items() if name != attribute})


def fitted(found, generator, network):
    """Fit boundaries to a generator and an attribute network.

    Args:
        found: {name of the file: Boundary}; see `attribute_of`.
        generator: Generator.
        network: Attributes.
    Returns:
        {attribute: result of `Boundary.for_network`}.
    Raises:
        InputError: the network does not score an attribute, or a boundary is for another W.
    """
    fitting = {}
    for name, boundary in found.items():
        if attribute_of(name, boundary) not in network.names:
            raise InputError(f"boundary {name}: the attribute network scores {', '.join(network.names)}; give a folder "
                             "with --boundaries whose files are called so")
        try:
            fitting[name] = boundary.for_network(generator.num_layers, generator.dlatent_size,
                                                 generator.synthesis.style_widths)
        except boundaries.BoundaryError as error:
            raise InputError(f"boundary {name}: {error}") from error
    return fitting


def attribute_of(name, boundary):
    """Attribute that a boundary is to change: the name that its file says, else that of the file."""
    return boundary.about.name or name


def assess(generator, network, pictures, codes, found, shares, exchange=None):
    """Measure manipulations along all boundaries.

    Args:
        generator, network: Generator and Attributes with the same resolution.
        pictures: originals, float32 [N, R, R, 3] in [-1, 1]; the standard deviations of their scores are the unit of
            changes.
        codes: codes of the originals, float32 [N, L, D].
        found: {name of the file: Boundary}, see `fitted`.
        shares: [S], rising distances in standard deviations of W along the normal.
        exchange: callable that gives the generator the weights tuned to picture i; None: they stay.
    Returns:
        ({name of the file: dict with 'unit', the standard deviation of W, and the fields of `Moved`}, list with the
        pictures of the first portrait at all distances for every boundary).
    """
    mapped = random_codes(generator, 0, 0, CODES)
    judge = tf.function(network.predict_attributes, reduce_retracing=True, autograph=False)
    parts = np.array_split(pictures, -(-len(pictures) // SCORED))
    scores = measures.joined(judge(tf.constant(part, tf.float32)) for part in parts)
    deviations = {name: float(np.std(values)) for name, values in scores.items()}
    edited = [name for name in network.names if name in portrait.ATTRIBUTES]
    draw, numbers, rows = _drawer(generator.synthesis), {}, []
    with progress(len(found) * len(codes), "manipulating", unit="img") as bar:
        for name, boundary in found.items():
            unit, seen, attribute = boundary.deviation(mapped), [], attribute_of(name, boundary)
            for part in _parts(codes, exchange):
                moved, offsets = effects.moved(part, boundary, shares * unit, generator.synthesis.style_widths)
                drawn = tf.clip_by_value(draw(moved, offsets), -1, 1)
                if not seen:
                    rows.append(drawn[:len(shares)].numpy())
                seen.append({each: values.numpy().reshape(len(moved), -1) for each, values in judge(drawn).items()})
                bar.update(len(moved))
            moved_here = measure(measures.joined(seen), attribute, deviations)
            numbers[name] = {"unit": unit, "monotone": moved_here.monotone, "strictly": moved_here.strictly,
                             "wanted": moved_here.wanted, "others": moved_here.others,
                             "ratio": moved_here.ratio([other for other in edited if other != attribute])}
    return numbers, rows


def _parts(codes, exchange):
    """Yield BATCH codes at a time, [n, L, D]; where `exchange` is called for each, one."""
    size = BATCH if exchange is None else 1
    for first in range(0, len(codes), size):
        if exchange is not None:
            exchange(first)
        yield codes[first:first + size]


def _drawer(synthesis):
    """Callable, (codes [n, S, L, D], style offsets [S, T] or None) -> pictures [n * S, R, R, 3]."""
    plain, styled = effects.drawing(synthesis)

    def draw(codes, offsets):
        w = tf.reshape(codes, [-1, *codes.shape[2:]])
        return plain(w) if offsets is None else styled(w, tf.tile(offsets, [len(codes), 1]))

    return draw


# ------------------------------------------------------------------------------------------------- results

def write(folder, result, rows):
    """Write edits.json, edits.md and edits.png.

    Args:
        folder: existing folder.
        result: dict with 'edits', the numbers of `assess`, 'count', 'seed' and 'distances'.
        rows: the pictures of `assess`.
    """
    folder = Path(folder)
    atomic.write_text(folder / "edits.json", json.dumps(tables.plain(result), indent=1, default=str) + "\n")
    atomic.write_text(folder / "edits.md", page(result))
    images.save(folder / "edits.png", images.grid(np.concatenate(rows), len(rows[0])))


def page(result):
    """Return the text of edits.md."""
    edits = result["edits"]
    scored = {other for each in edits.values() for other in each["others"]}
    others = sorted(scored, key=lambda name: (portrait.ATTRIBUTES + portrait.NUISANCES + tuple(scored)).index(name))
    rows = [[name, each["unit"], f"{100 * each['monotone']:.1f} %", f"{100 * each['strictly']:.1f} %", each["wanted"],
             each["ratio"], *(each["others"].get(other) for other in others)] for name, each in edits.items()]
    text = (f"{result['count']} portraits rendered with seed {result['seed']}, which no training draws, inverted, "
            f"their codes moved along each boundary's normal by {result['distances'][0]:+g} to "
            f"{result['distances'][-1]:+g} deviations of W, in {len(result['distances'])} distances. Unit: that "
            "deviation, as a distance of manipulate.py. Scores of the attribute network; changes from the first "
            "distance to the last, in standard deviations of the portraits' scores. Follows: share of portraits whose "
            f"score never falls by more than {SLACK:g} deviations from one distance to the next; "
            "strictly: whose score rises each time. Wanted: mean change of the attribute. Largest other: the largest "
            f"change among the other ones of {', '.join(portrait.ATTRIBUTES)}, in parts of the wanted one. Then the "
            "mean absolute change of every other attribute.")
    table = tables.Table("Manipulations", text, ["boundary", "unit", "follows", "strictly", "wanted",
                                                 "largest other / wanted", *others], rows)
    names = ", ".join(edits)
    return f"{tables.markdown(table)}\n![Manipulations](edits.png)\n\nRows of the picture, from the top: {names}.\n"
