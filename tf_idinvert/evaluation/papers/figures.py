"""Draw the figures as PNG files with Matplotlib, without a display: curves, scatter plots and sheets of pictures."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tf_idinvert.evaluation.papers.figures5_7 import FAR, beyond
from tf_idinvert.evaluation.papers.methods import METHODS
from tf_idinvert.evaluation.plots import bars, save, sheet

COLOURS = {"original": "#9a9a9a", "mse": "#d1495b", "inversion": "#1f6f8b", "encoder": "#2a9d5c", "nobn": "#e08a1e",
           "force": "#6a4c93", "traditional": "#7a6a53"}


def draw(name, numbers, arrays, folder):
    """Draw the figures of a part.

    Args:
        name: name of the part.
        numbers, arrays: results of the part.
        folder: folder of the figures, `figures/` of the output.
    Returns:
        list of (file name, caption); empty for a part without figures.
    Raises:
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    drawing = {"table1": _reconstructions, "table1-force": _strange, "table2": _edits, "figure3": _curves,
               "figures5-7": _clouds, "figure9": _weights, "figure10": _outside, "diffusion": _diffusion}.get(name)
    drawn = []
    for file, caption, figure in drawing(numbers, arrays) if drawing else ():
        save(figure, folder / file)
        drawn.append((file, caption))
    return drawn


def _label(method):
    return "W, mapped codes" if method == "original" else METHODS[method].label


# ------------------------------------------------------------------------------------------------- sheets

def _reconstructions(numbers, arrays):
    names = [name for name in ("traditional", "mse", "encoder", "inversion") if f"shown-{name}" in arrays]
    if names:
        pictures = np.stack([arrays["originals"], *(arrays[f"shown-{name}"] for name in names)], axis=1)
        yield "figure4.png", "Reconstructions (In-Domain, Fig. 4)", sheet(pictures, ["original", *map(_label, names)])


def _strange(numbers, arrays):
    names = [name for name in ("nobn", "encoder", "force") if f"shown-{name}" in arrays]
    if names:
        pictures = np.stack([arrays["originals"], *(arrays[f"shown-{name}"] for name in names)], axis=1)
        yield ("figure3-strange.png", "The pictures that the first of these encoders redraws worst (Force-in-domain, "
               "Fig. 3)", sheet(pictures, ["original", *map(_label, names)]))


def _edits(numbers, arrays):
    attributes = list(next((each["quality"] or {} for each in numbers.values()), {}))
    for method in arrays:
        width = arrays[method].shape[1] - 1
        names = attributes if len(attributes) == width else [str(i + 1) for i in range(width)]
        yield (f"edits-{method}.png", f"{_label(method)}: each attribute raised (In-Domain, Fig. 6)",
               sheet(arrays[method], ["reconstruction", *(f"+ {name}" for name in names)]))


def _outside(numbers, arrays):
    yield ("figure10.png", "Out of the domain (In-Domain, Fig. 10)",
           sheet(arrays["sheet"], numbers["headers"], numbers["names"]))


def _diffusion(numbers, arrays):
    names = ["target", "context", "pasted", *(_label(name) for name in ("inversion", "force") if name in numbers)]
    yield ("diffusion.png", "Semantic diffusion (In-Domain, Fig. 8; Force-in-domain, Fig. 9)",
           sheet(arrays["sheet"], names))


# ------------------------------------------------------------------------------------------------- curves

def _curves(numbers, arrays):
    methods = [name for name in numbers if name != "chance"]
    attributes = list(numbers["chance"])
    figure = Figure(figsize=(3.1 * len(attributes), 3.4))
    axes = figure.subplots(1, len(attributes), squeeze=False, sharey=True)[0]
    for place, attribute in zip(axes, attributes):
        for method in methods:
            if f"{method}-{attribute}" in arrays:
                recall, precision = arrays[f"{method}-{attribute}"]
                place.plot(recall, precision, color=COLOURS[method], drawstyle="steps-post", linewidth=1.4,
                           label=f"{numbers[method][attribute][0]:.2f} {_label(method)}")
        place.axhline(numbers["chance"][attribute], color="#bbbbbb", linewidth=0.8)
        place.set(title=attribute, xlabel="recall", xlim=(0, 1.01), ylim=(0, 1.03))
        place.legend(fontsize=5.5, loc="lower left", frameon=False)
    axes[0].set_ylabel("precision")
    figure.tight_layout()
    yield "figure3.png", "Precision and recall of attributes read off inverted codes (In-Domain, Fig. 3)", figure


def _weights(numbers, arrays):
    weights = [weight for weight in numbers if f"{weight}-reconstructed" in arrays]
    columns, pictures = ["original"], [arrays["originals"]]
    for weight in weights:
        for what in ("reconstructed", "manipulated"):
            if f"{weight}-{what}" in arrays:
                pictures.append(arrays[f"{weight}-{what}"])
                columns.append(f"λ_dom {weight}, {what}")
    yield "figure9.png", "The weight of the domain term (In-Domain, Fig. 9)", sheet(np.stack(pictures, axis=1), columns)
    if any(numbers[weight]["quality"] is None for weight in weights):
        return
    figure = Figure(figsize=(4.2, 3.2))
    place = figure.subplots()
    errors, error_bars = bars([numbers[weight]["mse"] for weight in weights])
    qualities, quality_bars = bars([numbers[weight]["quality"]["quality"] for weight in weights])
    place.errorbar(errors, qualities, xerr=error_bars, yerr=quality_bars, fmt="o-", color=COLOURS["inversion"],
                   capsize=3, linewidth=1)
    for weight, point in zip(weights, zip(errors, qualities)):
        place.annotate(f"λ_dom {weight}", point, textcoords="offset points", xytext=(6, 4), fontsize=8)
    place.set(xlabel="MSE of the reconstruction", ylabel="quality of the manipulation")
    place.margins(0.15)
    figure.tight_layout()
    yield "figure9-curve.png", "Likeness against edits, by the weight of the domain term", figure


# ------------------------------------------------------------------------------------------------- clouds

def _clouds(numbers, arrays):
    there = [name for name in ("nobn", "encoder", "force") if f"pca-{name}" in arrays]
    points = {name: arrays[f"pca-{name}"] for name in ("original", *there)}
    figure = Figure(figsize=(8.4, 3.9))
    for place, title, kept in zip(figure.subplots(1, 2), ("(a) all", "(b) without outliers"), (points, near(points))):
        scatter(place, title, kept)
    figure.tight_layout()
    yield "figure5.png", "PCA of inverted codes (Force-in-domain, Fig. 5)", figure
    panels = [(title, _points(arrays, key)) for title, key in (
        ("(a) all", "figure6"), ("(a) all, with BN", "figure7-bn"), ("force-in-domain", "figure7-force"))]
    for file, caption, chosen in (("figure6.png", "t-SNE of inverted codes (Force-in-domain, Fig. 6)", panels[:1]),
                                  ("figure7.png", "t-SNE with batch norm, and of force-in-domain (Force-in-domain, "
                                   "Fig. 7)", panels[1:])):
        chosen = [(title, points) for title, points in chosen if points]
        if not chosen:
            continue
        drawn = [each for title, points in chosen for each in (
            (title, points), *([(title.replace("(a) all", "(b) without outliers"), near(points))]
                               if "(a)" in title else []))]
        figure = Figure(figsize=(4.2 * len(drawn), 3.9))
        for place, (title, points) in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn):
            scatter(place, title, points)
        figure.tight_layout()
        yield file, caption, figure


def _points(arrays, figure):
    """Return {set: positions} of a figure, the originals first."""
    return {name: arrays[f"{figure}-{name}"] for name in ("original", "nobn", "encoder", "force")
            if f"{figure}-{name}" in arrays}


def near(points):
    """Return the points without those beyond FAR times the originals' range."""
    return {name: each[~beyond(each, points["original"], FAR)] for name, each in points.items()}


def scatter(place, title, points):
    """Draw sets of points, the originals on top, so that they are not hidden."""
    for name, each in points.items():
        place.scatter(*each.T, s=6, linewidths=0, alpha=0.55, color=COLOURS[name], label=_label(name),
                      zorder=3 if name == "original" else 2)
    place.set_title(title, fontsize=9)
    place.tick_params(labelsize=7)
    place.legend(fontsize=6, markerscale=2)
