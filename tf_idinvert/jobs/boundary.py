"""Files on the way to a boundary: generated pictures with their codes, and scores of pictures.

A folder of samples has the same form as a folder of inverted pictures (see `files.results`). `boundaries` does the fit.
"""
from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from tf_idinvert import apart
from tf_idinvert.codes import random_codes, random_latents
from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays, atomic, finding, images, results, texts
from tf_idinvert.files.codes import CodesFile
from tf_idinvert.files.printing import say
from tf_idinvert.files.progress import progress
from tf_idinvert.files.unfinished import Unfinished
from tf_idinvert.files.workers import Worker
from tf_idinvert.jobs import shares
from tf_idinvert.jobs.batches import in_batches, to_the_end

SCORED_TOGETHER = 32
LATENTS = "latent_codes.npy"        # z of samples, [N, Z]


# ------------------------------------------------------------------------------------------------- samples

def sample(generator, folder, count, *, truncation_psi, batch_size, seed, record, latents=False,
           label=None, worker=Worker()):
    """Generate pictures; write them and their codes: NNNNNN_inv.png, image_list.txt, inverted_codes.npy, options.json.

    If it ends early, the finished pictures are kept and their number is printed; the same run continues behind them.

    Args:
        generator: Generator.
        folder: existing folder.
        count: number of pictures.
        truncation_psi: psi, for all layers.
        batch_size: pictures generated together on a device.
        seed: seed of z.
        record: dict for options.json.
        latents: write z, too, as latent_codes.npy [N, Z].
        label: class of a conditional generator; None: random ones.
        worker: Worker, this one; the others run the same with the same folder, and the last one writes the codes.
    Raises:
        InputError: `latents` of a generator with labels, whose pictures z does not decide alone.
    """
    folder, share = Path(folder), worker.share(range(count))
    if latents and generator.label_size:
        raise InputError("a generator with labels: its pictures are not decided by z alone, so z is of no use")
    unfinished = Unfinished(folder, shares.key(record), worker=worker)

    def work():
        _draw(generator, folder, unfinished, share, truncation_psi, batch_size, seed, label)
        unfinished.complete([])

    def finish():
        with unfinished.parts() as parts:
            names = [part.records[place]["name"] for part, place in shares.places(parts)]
            if names:
                if latents:
                    arrays.write(folder / LATENTS, random_latents(generator, seed, 0, len(names))[0])
                shape = [generator.num_layers, generator.dlatent_size]
                shares.write_rows(folder / results.CODES, parts, "codes", shape)
                results.write_list(folder, [f"{name}.png" for name in names])
                results.write_options(folder / "options.json", record)
            if parts and unfinished.notes is not None:
                unfinished.remove_all()
        if len(unfinished):
            say(f"{len(unfinished)} of {len(share)} pictures -> {folder}")

    to_the_end(work, finish)


def _draw(generator, folder, unfinished, numbers, truncation_psi, batch_size, seed, label):
    """Generate the pictures with these numbers, which follow each other, and record their codes; go on behind those
    that are recorded.
    """
    import tensorflow as tf
    synthesize, together = apart.compiled(generator.synthesis), apart.together(batch_size)
    kept = numbers[:len(unfinished)]
    first = len(kept) // together * together        # whole batches: on their size depend the last bits of codes

    def draw(batch, _):
        w = random_codes(generator, seed, batch[0], len(batch), label)
        w = generator.truncate(tf.constant(w), truncation_psi).numpy()
        pictures = [synthesize(tf.constant(w[rows])).numpy()[:new] for rows, new in apart.batches(len(w), batch_size)]
        return w, np.concatenate(pictures)

    def write(batch, drawn):
        for i, code, picture in zip(batch, *drawn):
            if i in kept:
                continue
            images.save(folder / f"{_name(i)}_inv.png", picture)
            unfinished.append({"name": _name(i)}, {"codes": (np.asarray(code, "<f4"), len(unfinished))})

    in_batches(numbers[first:], together, 1, "sampling", None, draw, write=write)


def _name(i):
    return f"{i:06d}"


# ------------------------------------------------------------------------------------------------- scores

def score(network, folder, output, read=None):
    """Write a CSV file with one line per picture of a folder: its name and its scores.

    Args:
        network: Attributes or Classifiers; a higher score means more of the attribute.
        folder: folder of inverted pictures or of samples.
        output: path of the CSV file.
        read: function path -> picture [R, R, 3] for the network; None: `images.load` reads and resizes it.
    Returns:
        Number of pictures.
    Raises:
        InputError: the folder or a picture cannot be read.
    """
    found, read = results.read(folder), read or (lambda path: images.load(path, network.resolution)[0])
    pictures = [found.picture(i, "inv") for i in range(len(found.names))]
    if None in pictures:
        raise InputError(f"{folder}: lacks the picture {found.names[pictures.index(None)]}_inv.png")
    with atomic.replacing(output) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file, \
            progress(len(pictures), "scoring", unit="img") as bar:
        lines = csv.writer(file)
        lines.writerow(["name", *network.names])
        for first in range(0, len(pictures), SCORED_TOGETHER):
            batch = [read(path) for path in pictures[first:first + SCORED_TOGETHER]]
            scores = np.asarray(network(np.stack(batch)))
            lines.writerows([name, *map(str, line)] for name, line in zip(found.names[first:], scores))
            bar.update(len(batch))
    return len(pictures)


def read_codes(path):
    """Read (names or None, codes [N, L, D] or [N, D]) of a folder of results or a file of codes, else InputError."""
    if Path(path).is_dir():
        found = results.read(path)
        return found.names, found.codes
    codes = CodesFile(path).values
    if codes.ndim not in (2, 3):
        raise InputError(f"{path}: expected codes [N, L, D] or [N, D], got {list(codes.shape)}")
    return None, codes


def read_latents(folder):
    """Return z of a folder of samples, [N, Z]; InputError if the folder does not hold it."""
    found = results.read(folder)
    path = Path(folder) / LATENTS
    z = arrays.read(path)
    if z.ndim != 2 or len(z) != len(found.names) or z.dtype.kind != "f":
        raise InputError(f"{path}: expected z [{len(found.names)}, Z] of floats, got {list(z.shape)} {z.dtype}")
    results.check_range(path, z)
    return z


def sides(positive, negative):
    """Return codes and labels of two folders of inverted pictures, with and without an attribute.

    Returns:
        (codes [N, L, D], float64 [N]: 1 and 0).
    Raises:
        InputError: a folder that inversion has not written, or codes of unlike networks.
    """
    one, other = results.read(positive).codes, results.read(negative).codes
    if one.shape[1:] != other.shape[1:]:
        raise InputError(f"{positive} and {negative}: codes of unlike networks, {list(one.shape[1:])} and "
                         f"{list(other.shape[1:])}")
    return np.concatenate([one, other]), np.repeat([1.0, 0.0], [len(one), len(other)])


def read_scores(path, attribute, names, count):
    """Read scores in the order of the codes.

    Args:
        path: .npy file [N], or CSV file. Its first line names the columns, unless it holds a number: then there is one
            column of scores, after one of names or alone. Lines belong to the picture in the column 'name', without
            such a column to the codes in their order.
        attribute: the column; None: the only one.
        names: of the pictures that have codes, or None.
        count: N.
    Returns:
        float64 [N], NaN where there is none.
    Raises:
        InputError: no such scores, or not for these codes.
    """
    if Path(path).suffix.lower() == ".npy":
        scores = arrays.read(path).astype(np.float64)
        if scores.size != count:
            raise InputError(f"{path}: {scores.size} scores for {count} codes")
        if np.isinf(scores).any():
            raise InputError(f"{path}: scores that are infinite; expected numbers, or NaN where there is none")
        return scores.reshape(-1)
    first, lines = _read_table(path)
    column = _column(path, attribute, lines)
    values = [_number(path, i, line.get(column)) for i, line in enumerate(lines, start=first)]
    if "name" not in lines[0]:
        if len(values) != count:
            raise InputError(f"{path}: {len(values)} scores for {count} codes, and no column 'name'")
        return np.asarray(values)
    if names is None:
        raise InputError(f"{path}: has names, but the codes have none; give the folder of the codes")
    scores = np.full(count, np.nan)
    scores[[_place(path, line.get("name"), names) for line in lines]] = values
    return scores


def _read_table(path):
    """(number of the first line of data, [{column: text}]) of a CSV file without blank lines."""
    rows = [row for row in texts.read_table(path, "a table of scores") if any(cell.strip() for cell in row)]
    if not rows:
        return 1, []
    numeric = [_is_number(cell) for cell in rows[0]]
    if not any(numeric):
        return 2, [dict(zip(rows[0], row)) for row in rows[1:]]
    if numeric not in ([True], [False, True]):
        raise InputError(f"{path}: {len(rows[0])} columns, and a first line that does not name them: {rows[0][:4]}")
    return 1, [dict(zip(["name", "score"][-len(numeric):], row)) for row in rows]


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _column(path, attribute, lines):
    """Return the name of the column that holds the scores."""
    columns = [column for column in (lines[0] if lines else {}) if column and column != "name"]
    if attribute in columns or len(columns) == 1 and (attribute is None or columns == ["score"]):
        return attribute if attribute in columns else columns[0]
    raise InputError(f"{path}: expected lines of scores under column names" if not columns else
                     f"{path}: --attribute must be one of {', '.join(columns[:20])}; got {attribute}")


def _number(path, line, text):
    try:
        number = float(text) if text else float("nan")      # NaN: there is none
    except (TypeError, ValueError):
        number = float("inf")
    if math.isinf(number):
        raise InputError(f"{path}: line {line}: expected a number, got {text!r}")
    return number


def labels_by_hand(positive, negative, names):
    """Return scores for pictures that were sorted into two folders.

    Args:
        positive, negative: folders of pictures with and without the attribute, named as in `names`.
        names: names of the pictures with codes.
    Returns:
        float64 [N]: 1 and 0 for the pictures in the two folders, NaN for all others.
    Raises:
        InputError: a picture has no code, or is in both folders.
    """
    labels = np.full(len(names), np.nan)
    for folder, label in (positive, 1), (negative, 0):
        rows = [_place(folder, path.stem, names) for _, path in finding.listing([folder])]
        both = [names[row] for row in rows if labels[row] == 1 - label]
        if both:
            raise InputError(f"{both[0]}: is in both {positive} and {negative}")
        labels[rows] = label
    return labels


def _place(where, name, names):
    """Return the index of a picture among the names; NAME, NAME.png, NAME_inv and NAME_ori are equivalent."""
    stem = Path(name or "").stem
    for candidate in (name, stem, stem[:-4] if stem.endswith(("_inv", "_ori")) else stem):
        if candidate in names:
            return names.index(candidate)
    raise InputError(f"{where}: {name!r} is none of the {len(names)} pictures that have codes")
