"""Draw figures as PNG files with Matplotlib, without a display: sheets of pictures, curves with intervals."""
from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.figure import Figure

from tf_idinvert.files import atomic

DOTS = 130              # dots per inch


def save(figure, path):
    """Write a figure atomically."""
    with atomic.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DOTS, bbox_inches="tight", metadata={"Software": None})


def sheet(pictures, columns, rows=None, captions=None):
    """Return a figure with a grid of pictures.

    Args:
        pictures: uint8 [r, c, R, R, 3].
        columns: c names above the columns.
        rows: r names left of the rows; None: none.
        captions: [r][c] texts below the pictures; None: none.
    """
    high, wide = pictures.shape[:2]
    line = 0.18 if captions else 0
    figure = Figure(figsize=(1.1 * wide, 1.1 * (1 + line) * high))
    place = figure.add_axes([0, 0, 1, 1], aspect="equal")
    place.set_axis_off()        # one place for all pictures: drawing a place takes longer than drawing a picture
    for i in range(high):
        top = i * (1 + line)
        for j in range(wide):
            place.imshow(pictures[i, j], interpolation="nearest", extent=(j + 0.02, j + 0.98, top + 0.98, top + 0.02))
            if captions:
                place.text(j + 0.5, top + 1, captions[i][j], fontsize=6, ha="center", va="top")
        if rows:
            place.text(-0.04, top + 0.5, textwrap.fill(rows[i], 14), fontsize=7, ha="right", va="center")
    for j in range(wide):
        place.text(j + 0.5, -0.04, textwrap.fill(columns[j], 17), fontsize=7, ha="center", va="bottom")
    place.set(xlim=(0, wide), ylim=(high * (1 + line), 0))          # which imshow has set to the last picture's
    return figure


def curves(lines, xlabel, ylabel):
    """Return a figure with lines.

    Args:
        lines: {name, or None: [(x, [value, low, high])]}.
        xlabel, ylabel: labels of the axes; y begins at 0.
    """
    figure = Figure(figsize=(6, 4), layout="tight")
    place = figure.subplots()
    for name, points in lines.items():
        values, lengths = bars([interval for _, interval in points])
        place.errorbar([x for x, _ in points], values, lengths, marker="o", capsize=3, label=name)
    place.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
    place.grid(alpha=0.3)
    if any(lines):
        place.legend()
    return figure


def bars(intervals):
    """Return (values, lengths [2, N] of the bars below and above them) of N intervals [value, low, high]."""
    lengths = [(0.0, 0.0) if low is None else (value - low, high - value) for value, low, high in intervals]
    return [value for value, _, _ in intervals], np.transpose(lengths)
