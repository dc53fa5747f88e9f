"""What the jobs that several workers share have in common: key, validity and rows of their records.

See `files.unfinished`: a worker computes its share of a list into the job's folder, and the last one makes what belongs
to the whole of it.
"""
from __future__ import annotations

import math
from functools import partial

from tf_idinvert.files import arrays
from tf_idinvert.files.unfinished import unchanged

FREE = ("gpu_id", "strategy")       # arguments that results do not depend on


def key(record, **more):
    """Return the key of a run: `record`, a dict for options.json, without arguments about devices, and `more`."""
    arguments = {name: value for name, value in record.get("arguments", {}).items() if name not in FREE}
    return {**record, "arguments": arguments, **more}


def valid(listing):
    """Return the function that says whether a record, with 'name', 'path' and 'file', is of a picture of a listing of
    (name, path) that has not changed.
    """
    return partial(_valid, {name: str(path) for name, path in listing})


def _valid(known, done):
    return known.get(done["name"]) == done["path"] and unchanged(done["path"], done["file"])


def write_rows(path, parts, name, shape, whole=None):
    """Write the rows `name`, float32 of this shape, of all records of a job as one array in a .npy file.

    Args:
        path: the file.
        parts: the workers' records, see `Unfinished.parts`.
        name: name of the rows.
        shape: of a row.
        whole: shape of the array, NaN where rows are missing; None: [N, *shape].
    """
    arrays.write_joined(path, whole or [sum(map(len, parts)), *shape],
                        [(part.path(name), len(part) * math.prod(shape)) for part in parts])


def places(parts):
    """Return [(part, place)] of all records, in order."""
    return [(part, place) for part in parts for place in range(len(part))]
