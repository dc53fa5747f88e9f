"""What a direction does to pictures: codes moved along it, drawn and scored; and which layers do it best.

Changes of scores are in standard deviations of the scores of the pictures that are moved. Choosing layers by what they
change is the rescoring of Yang et al. 2021 (Semantic Hierarchy Emerges in Deep Generative Representations), section
3.3, applied to the parts of one edit.
"""
from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from tf_idinvert import editing
from tf_idinvert.errors import InputError

KEPT = 0.8      # share of an edit's change that the chosen layers must keep
NOTHING = 0.01  # deviations of other change that count as none


def moved(codes, boundary, distances, style_widths, layers=None):
    """Codes moved along a boundary, and what is added to their styles.

    Args:
        codes: [N, L, D].
        boundary: boundaries.Boundary that fits the network.
        distances: [K].
        style_widths: of the synthesis network.
        layers: to move in place of the boundary's own; styles of other layers stay, too.
    Returns:
        (float32 [N, K, L, D], float32 [K, S] or None where no styles change).
    """
    chosen = boundary.layers if layers is None else layers
    places, offsets = editing.manipulate(codes, boundary.normal, distances, chosen, boundary.centre), None
    move = boundary.style_move(style_widths)
    if move is not None:
        if chosen is not None:
            move = move * np.isin(np.repeat(np.arange(len(style_widths)), style_widths), chosen)
        offsets = np.asarray(distances, np.float32)[:, None] * move
    return places, offsets


def drawing(synthesis):
    """Compile, for codes of changing number -> (function of codes [N, L, D], one of these and style offsets [N, S])."""
    return (tf.function(lambda w: synthesis(w), reduce_retracing=True, autograph=False),
            tf.function(lambda w, offsets: synthesis(w, style_offsets=offsets), reduce_retracing=True, autograph=False))


@dataclasses.dataclass(frozen=True)
class Effects:
    """Measures directions on a set of codes.

    Attributes:
        draw: callable, (codes [N, L, D], style offsets [N, S] or None) -> pictures [N, R, R, 3].
        score: callable, pictures -> scores [N, A].
        names: of the A scores.
        codes: [N, L, D].
        style_widths: of the synthesis network.
        deviations: [A], of the scores of the codes' pictures.
    """

    draw: object
    score: object
    names: tuple
    codes: np.ndarray
    style_widths: list
    deviations: np.ndarray

    @classmethod
    def of(cls, draw, score, names, codes, style_widths):
        """Effects, with the deviations measured; InputError where scores are not finite or do not differ at all."""
        scores = np.asarray(score(draw(codes, None)), np.float64)
        if not np.isfinite(scores).all():
            bad = [name for name, column in zip(names, scores.T) if not np.isfinite(column).all()]
            raise InputError(f"the scorer gives NaN or infinite scores of {', '.join(bad)}")
        deviations = scores.std(axis=0)
        if not deviations.any():
            raise InputError("the scorer gives all pictures the same scores")
        return cls(draw, score, tuple(names), codes, list(style_widths), deviations)

    def changes(self, boundary, distance, layers=None):
        """Change of each code's scores from -distance to +distance, float64 [N, A], in deviations; 0 where none differ.
        """
        places, offsets = moved(self.codes, boundary, [-distance, distance], self.style_widths, layers)
        ends = []
        for end in (0, 1):
            added = None if offsets is None else np.repeat(offsets[end:end + 1], len(self.codes), axis=0)
            ends.append(np.asarray(self.score(self.draw(places[:, end], added)), np.float64))
        change = ends[1] - ends[0]
        return np.divide(change, self.deviations, out=np.zeros_like(change), where=self.deviations > 0)


def described(changes, names):
    """'+2.10 pose, -0.30 age, ...': mean changes, the largest first."""
    mean = changes.mean(axis=0)
    return ", ".join(f"{mean[i]:+.2f} {names[i]}" for i in np.argsort(-np.abs(mean)))


def wanted_and_other(changes, index):
    """(mean change of a score, the largest mean absolute change of another one), in deviations."""
    others = np.delete(np.abs(changes).mean(axis=0), index)
    return float(changes[:, index].mean()), float(others.max()) if len(others) else 0.0


def choose_layers(effects, boundary, name, distance, layers):
    """The layers of an edit that change a score most per change of the others.

    The layers are taken in the order of what each changes by itself, change of the score per largest other change. Of
    the sets that this order begins with, each measured, the one with the least other change per change is chosen among
    those that keep KEPT of the whole edit's change.

    Args:
        effects: Effects.
        boundary: Boundary.
        name: of the score.
        distance: to either side.
        layers: the layers to choose from, those of the edit.
    Returns:
        (tuple of layers, (wanted, other) with them, (wanted, other) with all).
    Raises:
        InputError: no such score, or the edit does not raise it.
    """
    if name not in effects.names:
        raise InputError(f"--manipulate_layers auto: nobody scores {name!r}; there are scores of "
                         f"{', '.join(effects.names)}")
    index = effects.names.index(name)

    def measure(chosen):
        return wanted_and_other(effects.changes(boundary, distance, tuple(chosen)), index)

    whole = measure(layers)
    if not whole[0] > 0:
        raise InputError(f"--manipulate_layers auto: the edit does not raise {name!r} (change {whole[0]:+.3g} "
                         "deviations)")
    alone = {layer: measure([layer]) for layer in layers}
    order = sorted(layers, key=lambda layer: -alone[layer][0] / (alone[layer][1] + NOTHING))
    sets = [(measure(order[:count]), order[:count]) for count in range(1, len(order))] + [(whole, order)]
    (wanted, other), chosen = min((each for each in sets if each[0][0] >= KEPT * whole[0]),
                                  key=lambda each: each[0][1] / each[0][0])
    return tuple(sorted(chosen)), (wanted, other), whole
