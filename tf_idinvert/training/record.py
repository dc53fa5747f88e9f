"""options.json of a run's folder: what the run was asked for, so that only the same goes on with it."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic

OPTIONS, STATE = "options.json", "state.npz"


def resumes(folder, options, resume=True, free=(), earlier=None):
    """Whether `folder` holds a run to take up.

    Args:
        folder: of the run.
        options: {name: what JSON can hold}; nested dictionaries and lists are compared value by value.
        resume: False: start again, whatever is there.
        free: names that may differ.
        earlier: {name: value}, what a run is taken to have had that does not name it; without, it is not compared.
    Raises:
        InputError: there is one, and its options were others, or cannot be read.
    """
    folder = Path(folder)
    if not resume or not (folder / STATE).exists():
        return False
    before = read(folder)
    before, now = {**_flat(earlier or {}), **_flat(before)}, _flat(json.loads(json.dumps(options)))
    for name, value in now.items():
        if name.split(".")[0] not in free and name in before and before[name] != value:
            raise InputError(f"{folder}: holds a run with {name} {before[name]}, now {value}; give the same options, "
                             "another folder (--output), or --no-resume to overwrite it")
    return True


def read(folder):
    """The options of the run in a folder; InputError where the file is damaged."""
    path = Path(folder) / OPTIONS
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise InputError(f"{path}: damaged; --no-resume starts again")
    return options


def write(folder, options):
    """Write the options, atomically."""
    atomic.write_text(Path(folder) / OPTIONS, json.dumps(options, indent=1) + "\n")


def of_recipe(method, recipe, seed):
    """Options of a training that was started from Python, or that add to those of the command line."""
    return {"method": method, "seed": seed, "recipe": dataclasses.asdict(recipe)}


def _flat(options, prefix=""):
    """Nested dictionaries and lists -> {dotted name: value}."""
    pairs = options.items() if isinstance(options, dict) else enumerate(options)
    found = {}
    for name, value in pairs:
        nested = isinstance(value, (dict, list))
        found.update(_flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value})
    return found
