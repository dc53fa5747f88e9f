"""Several workers share the inversions of an evaluation, which are most of its time.

Each inverts its share of the originals, by every method that optimises, into the shared store. The first worker waits
for the others, puts the shares together, and then measures as one worker does.
"""
from __future__ import annotations

import contextlib
import time

from tf_idinvert.evaluation.papers import figure3, figure9, table1, table2
from tf_idinvert.evaluation.papers.methods import METHODS, Missing

USED = {"table1": table1.FOUR, "table2": table2.COMPARED, "figure3": figure3.READ, "figure9": tuple(figure9.WEIGHTS),
        "identity": table2.COMPARED}
PAUSE = 1.0         # seconds between two looks for the shares of others


def inverted(bench, worker, parts, log):
    """Invert this worker's share; return whether it is the one that measures.

    Args:
        bench: Bench; its store is in a folder that all workers share.
        worker: Worker.
        parts: names of the parts that will be measured.
        log: logging.Logger.
    """
    methods = _shared(bench, parts)
    for method in methods:
        share = worker.share(bench.chosen(method))
        if len(share):
            bench.invert(method, share)
    if worker.index:
        log.info("the share of worker %d of %d is done; worker 1 measures", worker.index + 1, worker.count)
        return False
    for method in methods:
        shares = {each.index + 1: each.share(bench.chosen(method)) for each in worker.all()}
        _wait(bench, method, shares, log)
        bench.join(method, [share for share in shares.values() if len(share)])
    return True


def _shared(bench, parts):
    """Return the names of the methods of these parts that optimise, have their networks and are still to be done."""
    found = []
    for method in dict.fromkeys(each for part in parts for each in USED.get(part, ()) if METHODS[each].optimises):
        with contextlib.suppress(Missing):
            if bench.known(method, bench.chosen(method)) is None:
                found.append(method)
    return found


def _wait(bench, method, shares, log):
    """Return when the store has the inversions of all shares, {number of a worker: pictures}."""
    missing = {number: share for number, share in shares.items() if len(share)}
    while missing := {number: share for number, share in missing.items() if bench.known(method, share) is None}:
        if log is not None:
            log.info("%s: waiting for worker %s", METHODS[method].label, ", ".join(map(str, missing)))
            log = None      # once
        time.sleep(PAUSE)
