"""Table 2 of In-Domain GAN Inversion: interpolation and manipulation of inverted codes, and the quality of edits.

The papers show edits as pictures. Here an attribute network also measures the change of the edited attribute and the
unwanted change of the others.

Sources: Zhu et al. 2020, section 3.4; Leng et al. 2021, "Real Image Editing".
"""
from __future__ import annotations

import numpy as np

from tf_idinvert import editing
from tf_idinvert.evaluation import measures
from tf_idinvert.evaluation.papers.methods import METHODS, VERSION, Missing
from tf_idinvert.evaluation.tables import Part, Table
from tf_idinvert.files import images
from tf_idinvert.files.digests import array_digest
from tf_idinvert.metrics import intervals

COMPARED = ("mse", "inversion", "encoder", "force")
STEPS = 7                   # pictures of an interpolation; its two ends are not measured
REACH = 1.0                 # distance of a manipulation, in standard deviations of W along the normal


def table(bench):
    """Return the Part with distances of edited pictures to originals, and the quality of edits, for all methods."""
    reference = measures.measure(bench.originals.pictures, bench.judge, bench.seed)
    count, numbers, arrays = bench.sizes.optimised, {}, {}
    rows, quality_rows = [], []
    name, second = bench.judge.distance if bench.judge else "FD", bench.judge and bench.judge.second
    measured = {"frechet": name, **({"frechet_second": f"{name} (second)"} if second else {}), "swd": "SWD x 1000"}
    for method in COMPARED:
        label = METHODS[method].label
        try:
            inverted = bench.inverted(method, count)
        except Missing as error:
            rows.append([label, str(error)] + [None] * (2 * len(measured) + 1))
            quality_rows.append([label, str(error)] + [None] * 3)
            continue
        numbers[method] = _measured(bench, method, inverted, reference)
        between, moved = (numbers[method][name] or {} for name in ("interpolation", "manipulation"))
        rows.append([label, count, *(each.get(name) for each in (between, moved) for name in measured),
                     numbers[method]["evenness"]])
        quality_rows += [[label, name, each["wanted"], each["unwanted"], each["quality"]]
                         for name, each in (numbers[method]["quality"] or {}).items()]
        arrays[method] = shown(bench, method, inverted)
    tables = [Table("Table 2: interpolation and manipulation", _about(bench), [
        "codes of", "pictures", *(f"{each}, {what}" for what in ("interpolation", "manipulation")
                                  for each in measured.values()), "unevenness of interpolation"], rows)]
    if quality_rows:
        tables.append(Table("Manipulations: what was wanted, and what else changed", ABOUT_QUALITY, [
            "codes of", "attribute", "wanted change", "unwanted change", "quality"], quality_rows))
    return Part(numbers, tables, arrays)


ABOUT_QUALITY = (
    f"Codes moved by {REACH:g} deviations of W along the boundary's normal, half of the pictures each way. Changes as "
    "the attribute network sees them, against the reconstruction, in deviations of the originals; wanted: of the "
    "attribute in the wanted sense; unwanted: mean absolute change of all others; quality: their difference.")


def _about(bench):
    judge = f"{bench.judge.distance}: {bench.judge.about}" if bench.judge else "FD: no feature network was given"
    if bench.judge and bench.judge.second:
        judge += f". Second: {bench.judge.second.about}"
    return (f"Codes of the first {bench.sizes.optimised} of {bench.originals.about}, against all "
            f"{len(bench.originals.pictures)} originals; 8 bits. Interpolation: between each picture and the next, "
            f"{STEPS - 2} pictures on the way. Manipulation: each attribute that has a boundary, {REACH:g} deviations "
            f"of W along its normal, half of the pictures each way. {judge}. SWD: Karras et al. 2018, mean over the "
            "pyramid. Unevenness: the largest step of an interpolation over its mean step, in the judge's embedding; "
            "1 is even.")


def _measured(bench, method, inverted, reference):
    """Return the numbers of a method."""
    between = interpolated(bench, method, inverted.codes)
    found = {"interpolation": _distances(bench, reference, between), "evenness": unevenness(bench, between),
             "manipulation": None, "quality": None}
    if bench.boundaries:
        moved = manipulated(bench, method, inverted.codes)
        found["manipulation"] = _distances(bench, reference, moved)
        changed = changes(bench, inverted.pictures, moved)
        if changed is not None:
            found["quality"] = {name: quality(*each) for name, each in changed.items()}
    return found


def _distances(bench, reference, pictures):
    return measures.compare(reference, measures.measure(pictures, bench.judge, bench.seed))


# ------------------------------------------------------------------------------------------------- edits

def interpolated(bench, method, codes):
    """Return interpolations from every picture to the next, uint8 [N * (STEPS - 2), R, R, 3]."""
    def between():
        for i in range(len(codes)):
            ends = codes[i][None], codes[(i + 1) % len(codes)][None]
            yield editing.interpolate(*ends, STEPS)[0, 1:-1]
    return _drawn(bench, method, "interpolated", codes, len(codes) * (STEPS - 2), between())


def manipulated(bench, method, codes):
    """Return manipulations, uint8 [N * A, R, R, 3]: all of the first attribute, then all of the second; see `sense`."""
    def moved():
        for name in bench.boundaries:
            normal, layers, reach = direction(bench, method, name)
            for i in range(len(codes)):
                yield editing.manipulate(codes[i][None], normal, [sense(i) * reach], layers)[0]
    return _drawn(bench, method, "manipulated", codes, len(codes) * len(bench.boundaries), moved())


def sense(i):
    """Return the sign of the change of picture number i; it alternates."""
    return 1 if i % 2 == 0 else -1


def direction(bench, method, name):
    """Return (normal [1, L, D], layers, distance of REACH standard deviations of W) for the generator of a method."""
    generator = bench.generator(method)
    boundary = bench.boundaries[name].for_network(generator.num_layers, generator.dlatent_size)
    return boundary.normal, boundary.layers, REACH * boundary.deviation(bench.mapped(generator))


def _drawn(bench, method, what, codes, count, edited):
    """Synthesise edited codes, an iterable of [k, L, D], in batches, and store the pictures."""
    generator = bench.generator(method)
    normals = {name: [boundary.normal.tolist(), boundary.layers] for name, boundary in bench.boundaries.items()}
    key = [VERSION, bench.of(METHODS[method].role).sha256, REACH, STEPS, array_digest(codes), normals, bench.seed]

    def fill(entry):
        pictures, at, waiting = entry.create("pictures", [count, *_picture_shape(bench)], np.uint8), 0, []
        with bench.progress(count, f"{METHODS[method].label}, {what}") as bar:
            for each in edited:
                waiting.append(each)
                if sum(map(len, waiting)) >= 50 or at + sum(map(len, waiting)) == count:
                    for drawn in bench.draw(generator, np.concatenate(waiting)):
                        pictures[at:at + len(drawn)] = images.to_uint8(drawn)
                        at += len(drawn)
                        bar.update(len(drawn))
                    waiting = []
        return {}

    return bench.store.entry(f"{what}-{method}", key, fill).array("pictures")


def _picture_shape(bench):
    return bench.originals.pictures.shape[1:]


# ------------------------------------------------------------------------------------------------- quality

def unevenness(bench, pictures):
    """Return [mean, low, high] over interpolations of the largest step over the mean step in the judge's embedding."""
    if bench.judge is None:
        return None
    steps = []
    for batch in measures.batches(pictures, 10 * (STEPS - 2)):
        embedded = np.asarray(bench.judge.embed(batch)).reshape(len(batch) // (STEPS - 2), STEPS - 2, -1)
        steps.append(np.linalg.norm(np.diff(embedded, axis=1), axis=2))
    steps = np.concatenate(steps)
    moving = steps[steps.mean(axis=1) > 0]
    return intervals.mean(moving.max(axis=1) / moving.mean(axis=1)) if len(moving) else None


def changes(bench, reconstructions, moved):
    """Return the changes by edits, {attribute: (wanted [N], unwanted [N])}; ABOUT_QUALITY defines them.

    Args:
        bench: Bench.
        reconstructions: uint8 [N, R, R, 3].
        moved: uint8 [N * A, R, R, 3], result of `manipulated`.
    Returns:
        None if no network scores attributes; attributes that the network does not score are omitted.
    """
    if bench.judge is None or bench.judge.score is None:
        return None
    scale = {name: values.std() or 1.0 for name, values in bench.judge.attributes(bench.originals.pictures).items()}
    before, after = bench.judge.attributes(reconstructions), bench.judge.attributes(moved)
    senses = np.array([sense(i) for i in range(len(reconstructions))])
    found = {}
    for at, name in enumerate(bench.boundaries):
        if name not in before:
            continue
        rows = slice(at * len(senses), (at + 1) * len(senses))
        others = {each: (after[each][rows] - before[each]) / scale[each] for each in before}
        wanted = senses * others.pop(name)
        unwanted = np.mean([np.abs(each) for each in others.values()], axis=0) if others else np.zeros(len(senses))
        found[name] = wanted, unwanted
    return found


def quality(wanted, unwanted):
    """Return {'wanted', 'unwanted', 'quality': [mean, low, high]} of the changes [N]."""
    return {"wanted": intervals.mean(wanted), "unwanted": intervals.mean(unwanted),
            "quality": intervals.mean(wanted - unwanted)}


def mean_quality(found):
    """Return `quality` of the pictures' means over the attributes of `changes`; None without attributes."""
    return quality(*np.mean(list(found.values()), axis=0)) if found else None


def shown(bench, method, inverted, count=4):
    """Return uint8 [count, 1 + A, R, R, 3]: reconstructions, and every attribute raised by REACH deviations."""
    sheet = np.empty([min(count, len(inverted.codes)), 1 + len(bench.boundaries), *_picture_shape(bench)], np.uint8)
    sheet[:, 0] = inverted.pictures[:len(sheet)]
    for at, name in enumerate(bench.boundaries, start=1):
        normal, layers, reach = direction(bench, method, name)
        codes = editing.manipulate(inverted.codes[:len(sheet)], normal, [reach], layers)[:, 0]
        sheet[:, at] = images.to_uint8(next(bench.draw(bench.generator(method), codes)))
    return sheet
