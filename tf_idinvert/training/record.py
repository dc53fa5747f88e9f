"""options.json in a run's folder: the options of the run; only a run with the same options may resume it."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic, texts

OPTIONS, STATE = "options.json", "state.npz"


def resumes(folder, options, resume=True, free=(), earlier=None):
    """Return whether `folder` holds a run to resume.

    Args:
        folder: folder of the run.
        options: {name: JSON value} of the new run; nested dictionaries and lists are compared value by value.
        resume: False: start again and ignore an existing run.
        free: names of options that may differ.
        earlier: {name: value} to assume for options that the existing run did not store; other missing options are
            not compared.
    Raises:
        InputError: the folder holds a run with other options, or its options cannot be read.
    """
    folder = Path(folder)
    if not resume or not (folder / STATE).exists():
        return False
    before = read(folder)
    before, now = {**_flat(earlier or {}), **_flat(before)}, _flat(json.loads(json.dumps(options)))
    for name, value in now.items():
        if name.split(".")[0] not in free and name in before and before[name] != value:
            raise InputError(f"{folder}: holds a run with {name} {before[name]}, now {value}; give the same options, "
                             "another folder (--output_dir), or --no-resume to overwrite it")
    return True


def read(folder):
    """Return the options of the run in a folder; InputError if the file is damaged."""
    path = Path(folder) / OPTIONS
    try:
        options = texts.read_json(path, "the options of a run")
    except InputError as error:
        raise InputError(f"{error}; --no-resume starts again") from error
    if not isinstance(options, dict):
        raise InputError(f"{path}: damaged; --no-resume starts again")
    return options


def write(folder, options):
    """Write the options of a run atomically."""
    atomic.write_text(Path(folder) / OPTIONS, json.dumps(options, indent=1) + "\n")


def of_recipe(method, recipe, seed):
    """Return the options to record for a method, a recipe and a seed."""
    return {"method": method, "seed": seed, "recipe": dataclasses.asdict(recipe)}


def _flat(options, prefix=""):
    """Nested dictionaries and lists -> {dotted name: value}."""
    pairs = options.items() if isinstance(options, dict) else enumerate(options)
    found = {}
    for name, value in pairs:
        nested = isinstance(value, (dict, list))
        found.update(_flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value})
    return found
