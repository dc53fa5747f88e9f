"""From a generator to a folder of directions without labels: boundaries' files, and a page to choose from.

The methods are in the room `directions`. Every direction is scaled so that a distance of 1 is one standard deviation of
W along it; `about.unit` keeps that deviation.
"""
from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_idinvert import boundaries
from tf_idinvert.boundaries import About, Boundary, Styles
from tf_idinvert.codes import random_codes
from tf_idinvert.directions import effects, pca, regions, sefa, styles
from tf_idinvert.errors import InputError
from tf_idinvert.files import report
from tf_idinvert.files.progress import progress

POPULATION = 1000       # random codes whose deviation is the unit, and whose styles are the population
ACTIVATIONS = 2000      # samples of a layer's activations
BATCH = 2000            # z that are mapped together


@dataclasses.dataclass(frozen=True)
class Direction:
    """A direction that was found: its Boundary, and what the page says of it."""

    boundary: Boundary
    note: str = ""


# ------------------------------------------------------------------------------------------------- finding

def by_sefa(generator, layers, count, source, per_layer=False):
    """List of Direction: each for all chosen layers, see `sefa.factorize`; `per_layer`: `count` for each layer.

    Where every layer has a w of its own, style is block-diagonal in W+: the directions of W+ are those of the layers.
    """
    if per_layer:
        return [each for layer in layers for each in by_sefa(generator, [layer], count, source)]
    matrices = generator.synthesis.style_matrices()
    found, values = sefa.factorize([matrices[layer] for layer in layers], count)
    return _shared(generator, found, layers, f"SeFa, {source}", [f"eigenvalue {value:.4g}" for value in values])


def by_pca(generator, layers, count, source, *, samples, seed=0, per_layer=False, centre=False):
    """List of Direction along principal components of codes, see `pca.components`.

    Where one w serves all layers, they are those of W, applied to the chosen layers. Where every layer has its own,
    they are those of W+ on the chosen layers; `per_layer`: of each chosen layer's w, `count` for each.
    """
    if not generator.mapping.layerwise:
        return _by_pca_of(generator, layers, layers[:1], count, source, samples, seed, centre)
    if not per_layer:
        return _by_pca_of(generator, layers, layers, count, source, samples, seed, centre)
    return [each for layer in layers
            for each in _by_pca_of(generator, [layer], [layer], count, source, samples, seed, centre)]


def _by_pca_of(generator, layers, read, count, source, samples, seed, centre):
    """Components of the w of the layers `read`, moved in `layers`: all of them alike where `read` is one layer."""
    with progress(samples, "mapping", unit="code") as bar:
        mean, rows, deviations = pca.components(_codes(generator, samples, seed, read, bar), count)
    width = generator.dlatent_size
    made = []
    for row, deviation, k in zip(rows, deviations, range(count)):
        if not deviation > 0:
            raise InputError(f"the codes have only {k} components, {count} were wanted")
        normal = np.zeros([1, generator.num_layers, width], np.float32)
        normal[0, layers] = row.reshape(len(read), width) * deviation
        middle = None
        if centre:
            power = np.maximum((normal[0].astype(np.float64) ** 2).sum(-1), 1e-30)
            middle = np.zeros(generator.num_layers, np.float32)
            middle[layers] = (normal[0, layers] * mean.reshape(len(read), width)).sum(-1) / power[layers]
        about = About(source=f"GANSpace, component {k}, {source}", unit=float(deviation))
        made.append(Direction(Boundary(normal, _kept(layers, generator), about, centre=middle),
                              f"standard deviation {deviation:.4g}"))
    return made


def by_activations(generator, layers, count, source, *, layer, samples=ACTIVATIONS, seed=0):
    """List of Direction: components of the activations after `layer`, regressed on w; see `pca.regressed`."""
    shared = not generator.mapping.layerwise
    read = layers[:1] if shared else layers
    run = tf.function(lambda w: generator.synthesis.run(w, 0, layer + 1), autograph=False)

    def batches(bar):
        for first in range(0, samples, 32):
            w = random_codes(generator, seed, first, min(32, samples - first))
            yield w[:, read].reshape(len(w), -1), run(tf.constant(w)).numpy().reshape(len(w), -1)
            bar.update(len(w))

    with progress(samples, "activations", unit="code") as bar:
        _, rows, _ = pca.regressed(batches(bar), count)
    normals = rows.reshape(count, len(read), generator.dlatent_size)
    notes = [f"component {k} of the activations after layer {layer}" for k in range(count)]
    return _shared(generator, normals[:, 0] if shared else normals, layers, f"GANSpace, layer {layer}, {source}", notes)


def by_styles(generator, layers, count, source, *, positive, negative=None):
    """List of Direction, one style channel each, see `styles.rank`; distance 1 is one deviation of the channel.

    Args:
        positive, negative: codes [P, L, D] with and without the attribute; `negative` may be None.
    """
    of_styles = tf.function(generator.synthesis.styles, autograph=False)
    population, *sides = (None if each is None else of_styles(tf.constant(each, tf.float32)).numpy()
                          for each in (random_codes(generator, 0, 0, POPULATION), positive, negative))
    channels, theta, changes = styles.rank(population, *sides)
    places = styles.places(channels, generator.synthesis.style_widths)
    allowed = np.flatnonzero(np.isin(places[:, 0], layers))[:count]
    if not len(allowed):
        raise InputError("no style channel of these layers varies")
    still, made = np.zeros([1, generator.num_layers, generator.dlatent_size], np.float32), []
    for i in allowed:
        change = Styles(places[i:i + 1], changes[i:i + 1].astype(np.float32))
        about = About(source=f"StyleSpace, layer {places[i, 0]}, channel {places[i, 1]}, {source}")
        made.append(Direction(Boundary(still, about=about, styles=change),
                              f"channel {places[i, 1]} of layer {places[i, 0]}, theta {theta[i]:.3g}"))
    return made


def by_regions(generator, layers, count, source, *, inside, codes):
    """List of Direction that change the pixels `inside` (bool [h, h], h the picture's side, at most 256) and little
    else.

    Args:
        codes: [N, L, D], where the Jacobians are taken, one each.
    """
    def jacobians(bar):
        for code in codes:
            done = bar.n
            yield regions.jacobian(generator.synthesis, code, layers,
                                   lambda share, done=done: bar.update(done + share - bar.n))

    with progress(len(codes), "Jacobians", unit="code") as bar:
        found, values = regions.solve(jacobians(bar), inside, count)
    return _shared(generator, found, layers, f"ReSeFa, {source}",
                   [f"change inside over outside, a pixel: {value:.3g}" for value in values])


def _shared(generator, rows, layers, source, notes):
    """Directions of rows [K, D], each alike in all layers, or [K, l, D], scaled to one deviation of W."""
    codes, made = random_codes(generator, 0, 0, POPULATION), []
    for row, note in zip(np.asarray(rows, np.float32), notes):
        normal = np.zeros([1, generator.num_layers, generator.dlatent_size], np.float32)
        normal[0, layers] = row
        plain = Boundary(normal, _kept(layers, generator))
        unit = plain.deviation(codes)
        if not unit > 0:
            raise InputError("the codes of random z do not differ along the directions")
        made.append(Direction(dataclasses.replace(plain, normal=normal * np.float32(unit),
                                                  about=About(source=source, unit=unit)), note))
    return made


def _kept(layers, generator):
    """Layers as the file keeps them: None for all."""
    return None if len(layers) == generator.num_layers else tuple(layers)


def _codes(generator, samples, seed, layers, bar):
    """Yield codes of random z in batches, float32 [n, len(layers) * D]; memory does not grow with `samples`."""
    mapping = tf.function(lambda z, labels: tf.gather(generator.mapping(z, labels=labels), layers, axis=1),
                          autograph=False)
    for number, first in enumerate(range(0, samples, BATCH)):
        rng, count = np.random.default_rng([seed, number]), min(BATCH, samples - first)
        z, labels = rng.standard_normal([count, generator.latent_size], dtype=np.float32), None
        if generator.label_size:
            labels = np.eye(generator.label_size, dtype=np.float32)[rng.integers(generator.label_size, size=count)]
        yield mapping(z, labels).numpy().reshape(count, -1)
        bar.update(count)


# ------------------------------------------------------------------------------------------------- drawing

def drawer(synthesis, batch_size):
    """Callable (codes [N, L, D], style offsets [N, S] or None) -> pictures float32 [N, R, R, 3], in batches."""
    plain, styled = effects.drawing(synthesis)

    def draw(codes, offsets=None):
        drawn = []
        for first in range(0, len(codes), batch_size):
            rows = slice(first, first + batch_size)
            w = tf.constant(codes[rows], tf.float32)
            drawn.append((plain(w) if offsets is None else styled(w, tf.constant(offsets[rows], tf.float32))).numpy())
        return np.clip(np.concatenate(drawn), -1, 1)

    return draw


def write(folder, verb, found, *, draw, style_widths, codes, names, distances, measured=None, summary=None,
          viz_size=128):
    """Write a file for each direction, VERB_00.npz ..., and the page index.html.

    Args:
        folder: existing folder.
        verb: begins the files' names.
        found: list of Direction.
        draw: see `drawer`.
        style_widths: of the synthesis network.
        codes, names: of the pictures that the page shows, [N, L, D]; with none there is no page.
        distances: [K], of the page's columns.
        measured: effects.Effects, or None where nobody scores.
        summary: dict for the head of the page.
    Returns:
        List of the directions' mean changes [A] of the scores, None where nobody scores.
    """
    folder, changes = Path(folder), []
    for path in folder.glob(f"{verb}_*.npz"):       # of an earlier run with more of them
        if re.fullmatch(rf"{verb}_\d{{2,3}}", path.stem):
            path.unlink()
    for i, each in enumerate(found):
        boundaries.write(folder / f"{stem(verb, i)}.npz", each.boundary)
    with progress(len(found), "drawing", unit="direction") as bar:
        sections = []
        for i, each in enumerate(found):
            text = [each.note, each.boundary.about.source]
            if measured is not None:
                change = measured.changes(each.boundary, distances[-1])
                changes.append(change)
                text.append(f"change of the scores from {distances[0]:+g} to {distances[-1]:+g}, in their deviations: "
                            f"{effects.described(change, measured.names)}")
            if len(codes):
                sections.append(report.Section(
                    ["Name", *(f"{far:+.3g}" for far in distances)],
                    _rows(each.boundary, draw, style_widths, codes, names, distances), f"{i}: {stem(verb, i)}",
                    ". ".join(text)))
            bar.update(1)
    if sections:
        report.write_sections(
            folder / "index.html", f"Directions: {verb}", sections, summary=summary, viz_size=viz_size,
            notes=["Distances are standard deviations along the direction. --name 3=smile writes direction 3 as "
                   "smile.npz; --name=-3=frown turns it round."])
    return changes or None


def stem(verb, i):
    return f"{verb}_{i:02d}"


def _rows(boundary, draw, style_widths, codes, names, distances):
    """Rows of the page, drawn now: one for each code."""
    rows = []
    for code, name in zip(codes, names):
        places, offsets = effects.moved(code[None], boundary, distances, style_widths)
        rows.append([name, *map(report.Picture, draw(places[0], offsets))])
    return rows


# ------------------------------------------------------------------------------------------------- naming

def name(folder, verb, given):
    """Write named copies of directions in a folder, into its folder `named`.

    Args:
        folder: of the directions.
        verb: begins their files' names.
        given: {file to write, without suffix: (index, whether turned round, name in the file)}.
    Returns:
        List of paths.
    Raises:
        InputError: no such direction there.
    """
    written, target = [], Path(folder) / "named"
    for file, (index, turned, title) in given.items():
        source = Path(folder) / f"{stem(verb, index)}.npz"
        if not source.is_file():
            raise InputError(f"{source}: there is no such direction to call {title!r}")
        boundary = boundaries.read(source)
        about = dataclasses.replace(boundary.about, name=title)
        target.mkdir(exist_ok=True)
        written.append(target / f"{file}.npz")
        boundaries.write(written[-1], dataclasses.replace(turn(boundary) if turned else boundary, about=about))
    return written


def turn(boundary):
    """The boundary with distances counted the other way."""
    turned = None if boundary.styles is None else Styles(boundary.styles.channels, -boundary.styles.changes)
    return dataclasses.replace(boundary, normal=-boundary.normal, styles=turned,
                               centre=None if boundary.centre is None else -boundary.centre)


def best(changes, names, wanted=1.0):
    """For each score, the direction that changes it most per change of the others: {name: (index, turned round)}.

    Args:
        changes: list of [N, A], of the directions.
        names: of the A scores.
        wanted: least mean change, in deviations; a score that no direction changes so much is left out.
    """
    found = {}
    for j, title in enumerate(names):
        measured = [effects.wanted_and_other(each, j) for each in changes]
        fitting = [i for i, (change, _) in enumerate(measured) if abs(change) >= wanted]
        if fitting:
            index = min(fitting, key=lambda i: measured[i][1] / abs(measured[i][0]))
            found[title] = index, measured[index][0] < 0
    return found
