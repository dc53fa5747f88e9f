"""Figures 5 to 7 of Force-in-domain GAN inversion: whether inverted codes have the distribution of mapped codes.

As in the paper's Fig. 4, z -> FC -> w -> G -> E -> w'. The codes are projected by PCA and t-SNE, and the distributions
are compared by numbers. The reference are always mapped codes of other z. Compared with the mapped codes of the same z,
the codes of a perfect encoder would be copies, which two-sample tests do not accept as a sample of the distribution.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.evaluation import measures
from tf_idinvert.evaluation.papers.methods import METHODS, VERSION, Missing
from tf_idinvert.evaluation.tables import Part, Table
from tf_idinvert.metrics import distances, intervals

ENCODERS = ("nobn", "encoder", "force")
FAR = 10.0          # limit of outliers: times the originals' range, as in the paper's plots; or standard deviations
NEIGHBOURS = 5      # a code is covered if an inverted code is as near as its 5th neighbour
TSNE_WIDTH = 50     # number of principal components for t-SNE
FIGURES = {"figure6": ("nobn", "force"), "figure7-bn": ("encoder",), "figure7-force": ("force",)}


def alignment(bench):
    """Return the Part with distances, tests, outliers and projections of the inverted codes of three encoders."""
    numbers, arrays, rows, found = {}, {}, [], {}
    for method in ENCODERS:
        label = METHODS[method].label
        try:
            networks = bench.of(METHODS[method].role)
        except Missing as error:
            rows.append([label, str(error)] + [None] * 5)
            continue
        originals, codes = _codes(bench, networks)
        found[method] = originals, codes
        numbers[method], arrays[f"pca-{method}"] = _compared(codes, originals)
        rows.append([label, len(codes), *numbers[method].values()])
    if not found:
        raise Missing("none of the three encoders is there")
    for figure, methods in FIGURES.items():
        there = {method: found[method] for method in methods if method in found}
        if there:
            points = project(bench, there)
            arrays.update({f"{figure}-{name}": each for name, each in points.items()})
            for method in there:
                numbers[method][f"tsne_{figure}"] = intervals.share(
                    distances.nearest_neighbour_test(points[method], points["original"]))
    originals, _ = next(iter(found.values()))
    numbers["floor"], arrays["pca-original"] = _compared(originals[1], originals[0])
    rows.append(["mapped codes of other z", len(originals[1]), *numbers["floor"].values()])
    return Part(numbers, [_table(bench, rows), _tsne_table(bench, numbers)], arrays)


def _codes(bench, networks):
    """Return ((mapped codes of other z, mapped codes), inverted codes of the latter's pictures), each [N, L, D]."""
    count, generator = bench.sizes.codes, networks.generator
    mapped = bench.mapped(generator, 2 * count)
    originals = mapped[count:], mapped[:count]

    def fill(entry):
        codes, at = entry.create("codes", originals[1].shape), 0
        with bench.progress(count, "codes of generated pictures") as bar:
            for pictures in bench.draw(generator, originals[1]):
                codes[at:at + len(pictures)] = bench.encode(networks, pictures)
                at += len(pictures)
                bar.update(len(pictures))
        return {}

    entry = bench.store.entry("reinverted", [VERSION, networks.sha256, count, bench.seed], fill)
    return originals, np.array(entry.array("codes"))


def _compared(codes, originals):
    """Return (numbers, positions [N, 2] in the plane of the originals' two principal components) of codes."""
    reference = originals if isinstance(originals, np.ndarray) else originals[0]
    mean, axes = principal_axes(reference, 2)
    planes = [(each.reshape(len(each), -1) - mean) @ axes.T for each in (reference, codes)]
    return {"frechet": measures.frechet_of_codes(codes, reference),
            "neighbours": intervals.share(distances.nearest_neighbour_test(codes, reference)),
            "outliers": intervals.share(distances.outliers(codes, reference, FAR)),
            "pca_outliers": intervals.share(beyond(planes[1], planes[0])),
            "coverage": intervals.share(covered(planes[0], planes[1]))}, planes[1]


def _table(bench, rows):
    text = (f"{bench.sizes.codes} codes of random z (seed {bench.seed}; the paper: 100,000), drawn, inverted by the "
            "encoder, and compared with mapped codes of as many other z, which the last row shows for codes that are "
            "mapped themselves. Fréchet distance in W: mean over the layers; too large with few codes, as the last "
            "row shows. Nearest neighbours: share of codes whose nearest one is of their own set; 0.5 for two sets "
            f"from one distribution, 1 for sets that lie apart. Outliers: a component beyond {FAR:g} deviations; in "
            f"the plane of the originals' two principal components, beyond {FAR:g} times their reach (the paper's "
            "measure). Coverage: share of the originals that have, in this plane, an inverted code as near as their "
            f"{NEIGHBOURS}th "
            "neighbour. In brackets: 95 % intervals.")
    return Table("Figures 5 to 7: inverted codes and W", text, [
        "codes of", "codes", "Fréchet distance in W", "nearest neighbours", "outliers", "outliers, PCA",
        "coverage, PCA"], rows)


def _tsne_table(bench, numbers):
    rows = [[METHODS[method].label, figure.partition("_")[2].replace("figure", "Figure "), value]
            for method in numbers if method in METHODS for figure, value in numbers[method].items()
            if figure.startswith("tsne_")]
    return Table("Figures 6 and 7: overlap in the plane of t-SNE",
                 f"The first {min(bench.sizes.projected, bench.sizes.codes)} codes of each set, placed together; "
                 "share whose nearest neighbour there is of their own set: 0.5 where the sets overlap, 1 where they "
                 "lie apart.",
                 ["codes of", "figure", "nearest neighbours"], rows)


# ------------------------------------------------------------------------------------------------- projections

def principal_axes(codes, count):
    """Return (mean [K], axes [count, K]) of codes [N, ...]; the largest component of an axis is positive."""
    vectors = np.asarray(codes, np.float64).reshape(len(codes), -1)
    mean = vectors.mean(axis=0)
    axes = np.linalg.svd(vectors - mean, full_matrices=False)[2][:count]
    largest = np.abs(axes).argmax(axis=1)
    return mean, axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]


def beyond(positions, reference, times=FAR):
    """Return which positions [N, 2] have a coordinate beyond `times` the reference's range: bool [N].

    Source: Leng et al. 2021, Fig. 5 (b), whose plot omits values larger than ten times the original results.
    """
    return (np.abs(positions) > times * np.abs(reference).max(axis=0)).any(axis=1)


def covered(reference, positions, neighbours=NEIGHBOURS):
    """Return which reference positions have another position as near as their own `neighbours`-th neighbour: bool [M].

    Source: Naeem et al. 2020 (Reliable fidelity and diversity metrics for generative models), coverage.
    """
    from sklearn.neighbors import NearestNeighbors
    neighbours = min(neighbours, len(reference) - 1)
    own = NearestNeighbors().fit(reference).kneighbors(reference, neighbours + 1)[0][:, -1]     # the first is itself
    return NearestNeighbors().fit(positions).kneighbors(reference, 1)[0][:, 0] <= own


def project(bench, there):
    """Project all codes together by t-SNE; return {'original' or method: float32 [N, 2]}.

    Args:
        bench: Bench.
        there: {method: ((mapped codes of other z, ...), inverted codes)}; the originals are the first method's.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits
    count = min(bench.sizes.projected, bench.sizes.codes)
    sets = {"original": next(iter(there.values()))[0][0][:count],
            **{method: codes[:count] for method, (_, codes) in there.items()}}
    vectors = np.concatenate([each.reshape(len(each), -1) for each in sets.values()])
    mean, axes = principal_axes(vectors, TSNE_WIDTH)
    placing = TSNE(perplexity=min(30.0, (len(vectors) - 1) / 3), init="pca", random_state=bench.seed)
    with threadpool_limits(1):      # its loops are short: on a busy machine, threads wait long for each other
        points = placing.fit_transform(((vectors - mean) @ axes.T).astype(np.float32))
    return dict(zip(sets, np.split(points.astype(np.float32), len(sets))))
