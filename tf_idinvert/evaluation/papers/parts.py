"""Measure the parts of the papers' evaluation one after the other, store their numbers, and draw their figures."""
from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from tf_idinvert.evaluation import identity, tables, writing
from tf_idinvert.evaluation.papers import (
    PARTS,
    claims,
    diffusion,
    figure3,
    figure9,
    figure10,
    figures,
    figures5_7,
    methods,
    table1,
    table2,
)
from tf_idinvert.files.digests import array_digest, file_digest

IDENTITY = "identity"       # not in the papers: measured where there is a face embedding


def functions(photographs):
    """Return {name: function, Bench -> Part}; for `photographs` see `figure10.out_of_domain`."""
    return {"table1": table1.in_domain, "table1-force": table1.force_in_domain,
            "table2": table2.table, "figure3": figure3.precision_recall, "figures5-7": figures5_7.alignment,
            "figure9": figure9.ablation, "diffusion": diffusion.diffusion, IDENTITY: identity.identity,
            "figure10": lambda bench: figure10.out_of_domain(bench, photographs)}


def measure(bench, names, photographs, folder, results, log):
    """Measure the chosen parts, and add other parts that an earlier run has measured.

    Args:
        bench: Bench.
        names: names of the parts to measure.
        photographs: list of (name, path), for figure 10.
        folder: output folder; figures are written to `figures/`.
        results: dict for `writing.write`; every part is added as soon as it is finished, so that an interrupted run
            keeps it.
        log: logging.Logger.
    """
    compute, key = functions(photographs), everything(bench, photographs)
    for name in [*PARTS, IDENTITY] if bench.faces else PARTS:
        began, own = time.perf_counter(), [name, key, *([bench.faces.key] if name == IDENTITY else [])]

        def fill(entry):
            part = compute[name](bench)
            for array, values in part.arrays.items():
                entry.create(array, values.shape, values.dtype)[...] = values
            return tables.plain({"numbers": part.numbers, "tables": [vars(table) for table in part.tables]})

        try:
            entry = bench.store.known(f"part-{name}", own)
            if entry is None and name in [*names, IDENTITY]:
                entry = bench.store.entry(f"part-{name}", own, fill)
                log.info("%s: %.0f s", name, time.perf_counter() - began)
        except methods.Missing as error:
            results[name] = {"missing": str(error)}
            log.warning("%s: %s", name, error)
            continue
        if entry is not None:
            numbers = entry.numbers["numbers"]
            results[name] = {"numbers": numbers, "tables": [tables.Table(**each) for each in entry.numbers["tables"]],
                             "figures": figures.draw(name, numbers, entry.arrays(), folder / "figures")}


def everything(bench, photographs):
    """Return everything that determines the numbers of a part, as its key in the store."""
    originals = bench.originals
    labelled = originals.attributes if originals.files and originals.attributes else {}
    return [methods.VERSION, methods.PARTS, dataclasses.asdict(bench.sizes), bench.seed,
            originals.key, originals.about, *([name, array_digest(each)] for name, each in labelled.items()),
            {role: each.sha256 for role, each in bench.networks.items()}, bench.missing,
            bench.judge and [bench.judge.key, bench.judge.about], bench.features_key, bench.feature_weight,
            {name: [array_digest(each.normal), each.layers] for name, each in bench.boundaries.items()},
            [file_digest(path) for _, path in photographs if Path(path).is_file()],
            *([bench.likeness.key] if bench.likeness else []),
            *(["features in the baseline"] if bench.baseline_features else [])]


def write(folder, title, about, results, names, reasons, beside=None):
    """Write claims, tables and page from the results so far; return the number of measured parts.

    Args:
        folder, title, about, results: as in `writing.write`.
        names: names of the chosen parts.
        reasons: {name of a claim: reason why it does not hold}.
        beside: see `claims.table`.
    """
    measured = {name: part["numbers"] for name, part in results.items() if "missing" not in part}
    absent = {name: part["missing"] for name, part in results.items() if "missing" in part}
    absent.update({name: "stopped before" for name in names if name not in results})
    rows = claims.decide(measured, absent, reasons)
    writing.write(folder, title, about, results, rows, claims.table(rows, beside))
    return len(measured)
