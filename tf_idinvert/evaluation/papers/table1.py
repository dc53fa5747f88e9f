"""Table 1 of both papers: quality of reconstructions, and seconds per picture.


Sources: Zhu et al. 2020, section 3.3; Leng et al. 2021, "High quality of image reconstruction".
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.evaluation import measures, tfgan
from tf_idinvert.evaluation.papers.methods import METHODS, Missing
from tf_idinvert.evaluation.tables import Part, Table
from tf_idinvert.metrics import intervals

FOUR = ("traditional", "mse", "encoder", "inversion")
THREE = ("nobn", "encoder", "force")
SHOWN = 6           # number of pictures in figures
STRANGE = 5.0       # a reconstruction is strange if its error exceeds force-in-domain's median by this factor


def in_domain(bench):
    """Return Table 1 of In-Domain GAN Inversion: four methods on the same pictures, and the encoders on more."""
    count = bench.sizes.optimised
    numbers, rows = _measured(bench, FOUR, count)
    if bench.sizes.count > count:
        more, further = _measured(bench, [name for name in FOUR if bench.size(name) > count], bench.sizes.count)
        numbers["all"] = more
        rows += further
    sizes, terms = bench.sizes, "pixels and features" if bench.baseline_features else "pixels alone"
    text = (f"The first {count} of {bench.originals.about}; then the encoders on all {sizes.count}. In-domain "
            f"inversion: {sizes.steps} steps; MSE-based optimisation: {sizes.mse_steps} steps from the mean of W on "
            f"{terms}, in batches of {sizes.inversion_batch}. {_explained(bench)} Seconds: of this machine, "
            "pictures of a batch together, without the first batch.")
    tables = [Table("Table 1 (In-Domain GAN Inversion): methods", text, _columns(bench), rows)]
    try:
        numbers["tfgan"] = _by_tfgan(bench, [name for name in FOUR if name in numbers], count)
        tables.append(_tfgan_table(bench, numbers, count))
    except tfgan.Absent:
        pass
    return Part(numbers, tables,
                _shown(bench, [name for name in FOUR if name in numbers], np.arange(min(SHOWN, count))))


def force_in_domain(bench):
    """Return Table 1 of Force-in-domain GAN inversion: three encoders on all pictures, and strange reconstructions."""
    numbers, rows = _measured(bench, THREE, bench.sizes.count)
    errors = {name: bench.inverted(name).mse for name in THREE if name in numbers}
    strange = {}
    if "force" in errors:
        limit = STRANGE * float(np.median(errors["force"]))
        strange = {name: intervals.share(values > limit) for name, values in errors.items()}
        for row in rows:
            row.append(next((strange[name] for name in strange if METHODS[name].label == row[0]), None))
    else:
        rows = [[*row, None] for row in rows]
    numbers["strange"] = strange
    text = (f"{bench.originals.about}. {_explained(bench)} Strange: share of the pictures whose error is more than "
            f"{STRANGE:g} times the median error of the force-in-domain encoder.")
    return Part(numbers, [Table("Table 1 (Force-in-domain GAN inversion): encoders", text,
                                [*_columns(bench), "strange"], rows)],
                _shown(bench, list(errors), np.argsort(-next(iter(errors.values())))[:SHOWN]) if errors else {})


def _shown(bench, methods, rows):
    """Return originals and reconstructions of some pictures, for the figures."""
    return {"originals": np.array(bench.originals.pictures[rows]),
            **{f"shown-{name}": np.array(bench.inverted(name).pictures[rows]) for name in methods}}


def _columns(bench):
    name = bench.judge.distance if bench.judge else "FD"
    likeness = [bench.likeness.name] if bench.likeness else []
    second = [f"{bench.judge.second.distance}, second network"] if _second(bench) else []
    return ["method", "pictures", name, f"{name}, infinitely many", *second, "SWD x 1000", "MSE", *likeness,
            "s per picture", "deviations from W"]


def _second(bench):
    return bench.judge is not None and bench.judge.second is not None


def _explained(bench):
    judge = bench.judge.about if bench.judge else "not measured, since no feature network was given"
    name = bench.judge.distance if bench.judge else "FD"
    likeness = f"{bench.likeness.about}. " if bench.likeness else ""
    second = f"Second network: {bench.judge.second.about}. " if _second(bench) else ""
    return (f"Against the same originals; 8 bits, not resized but as said. {name}: {judge}; too large with few "
            "pictures, as the row 'other originals' shows, which is what as many real pictures give. "
            f"{second}SWD: Karras et al. 2018, mean over the pyramid. MSE: values in [-1, 1], clipped. {likeness}"
            "Deviations from W: of the codes' components from the mean of W, in its standard deviations (root mean "
            "square; mapped codes have 1). In brackets: 95 % intervals.")


def _measured(bench, methods, count):
    """Return ({method: numbers}, rows) for the first `count` pictures, and for other originals."""
    originals = bench.originals.pictures[:count]
    reference = measures.measure(originals, bench.judge, bench.seed)
    numbers, rows, empty = {}, [], [None] * (len(_columns(bench)) - 2)
    for name in methods:
        label = METHODS[name].label
        try:
            inverted = bench.inverted(name, count)
        except Missing as error:
            rows.append([label, str(error), *empty])
            continue
        found = measures.compare(reference, measures.measure(inverted.pictures, bench.judge, bench.seed))
        apart = float(np.mean(bench.strangeness(bench.generator(name), inverted.codes)))
        numbers[name] = {**found, "mse": intervals.mean(inverted.mse), "seconds": inverted.seconds, "count": count,
                         "deviations": apart}
        if bench.likeness:
            numbers[name]["likeness"] = intervals.mean(bench.likeness(originals, inverted.pictures))
        rows.append(_row(bench, label, count, numbers[name]))
    if bench.others is None or len(bench.others.pictures) < count:
        rows.append(["other originals", "not enough pictures", *empty])
    else:
        floor = measures.measure(bench.others.pictures[:count], bench.judge, bench.seed)
        numbers["floor"] = found = measures.compare(reference, floor)
        rows.append(_row(bench, "other originals", count, found))
    return numbers, rows


def _row(bench, label, count, numbers):
    likeness, second = ["likeness"] if bench.likeness else [], ["frechet_second"] if _second(bench) else []
    return [label, count, *(numbers.get(name) for name in (
        "frechet", "extrapolated", *second, "swd", "mse", *likeness, "seconds", "deviations"))]


# ------------------------------------------------------------------------------------------------- TF-GAN

def _by_tfgan(bench, methods, count):
    """Return {method: {'frechet', 'swd'}} by TF-GAN for the first `count` pictures; Absent if it is not installed."""
    originals = np.array(bench.originals.pictures[:count])
    reference, found = _embedded(bench, originals), {}
    for name in methods:
        pictures = np.array(bench.inverted(name, count).pictures)
        levels = tfgan.sliced_wasserstein(originals, pictures, bench.seed)
        found[name] = {"swd": 1000 * float(np.mean([other for _, other in levels.values()])),
                       "frechet": None if reference is None else tfgan.frechet(reference, _embedded(bench, pictures))}
    return found


def _embedded(bench, pictures):
    """Return the judge's embeddings [N, K]; None without a judge."""
    if bench.judge is None:
        return None
    return np.concatenate([np.asarray(bench.judge.embed(batch)) for batch in measures.batches(pictures)])


def _tfgan_table(bench, numbers, count):
    name = bench.judge.distance if bench.judge else "FD"
    rows = [[METHODS[method].label, count, found["frechet"], (numbers[method]["frechet"] or [None])[0], found["swd"],
             numbers[method]["swd"]] for method, found in numbers["tfgan"].items()]
    text = (f"The same pictures, measured by TF-GAN, to compare with. Its {name} is computed as ours. Its SWD brings "
            "each patch, not each channel of a set, to mean 0 and deviation 1, so that it does not see brightness and "
            "contrast, and is not measured (–) where a patch is flat.")
    return Table("Table 1 by TF-GAN", text, ["method", "pictures", f"{name}, TF-GAN", f"{name}, ours",
                                             "SWD x 1000, TF-GAN", "SWD x 1000, ours"], rows)
