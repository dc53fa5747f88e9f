"""Recipes: how an edited picture was made, as a JSON file from which `manipulate.py --recipe` makes it again.

A recipe holds all that the picture depends on but the network: the code, the directions and how far it was moved along
them, and the seed of the noise; of the network the digest of its file, and of the picture that of its pixels. Arrays
are base64 of little-endian float32. Nothing in a recipe is executed, and its size bounds what is read.
"""
from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
import os
from pathlib import Path

import numpy as np

from tf_idinvert import editing
from tf_idinvert.errors import InputError
from tf_idinvert.files import atomic, digests, results, texts

FORMAT = "tf_idinvert recipe 1"
MAX_BYTES = 16 << 20        # a 1024 px network has codes of 37 KB; each direction has as much
MAX_MOVES = 256


class RecipeError(InputError):
    """A recipe that cannot be read or does not fit; one line."""


@dataclasses.dataclass(frozen=True)
class Move:
    """A step along a direction: `codes + distance * normal` on the layers (None: all)."""

    attribute: str
    deviations: float       # the distance in standard deviations of W, for people
    distance: float
    normal: np.ndarray      # float32 [1, L, D]
    layers: tuple | None = None


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a picture was made."""

    model: str              # name of the model's file
    model_sha256: str
    picture: str            # name of the picture
    origin: str             # how its code came about
    codes: np.ndarray       # float32 [1, L, D], before the moves
    moves: tuple = ()
    noise_seed: int = 0     # 0: the network's own noise
    pixels_sha256: str = ""     # of the uint8 [R, R, 3] that came out; see `digests.array_digest`

    def edited(self, codes=None):
        """The codes [N, L, D] after the moves; `codes`: of other pictures, None: the recipe's own."""
        return moved(self.codes if codes is None else np.asarray(codes, np.float32), self.moves)


def moved(codes, moves):
    """Codes [N, L, D] after Moves, one after the other."""
    for move in moves:
        codes = editing.manipulate(codes, move.normal, [move.distance], move.layers)[:, 0]
    return codes


def model_of(paths):
    """(name, SHA-256) of a model's file; of several that make one set, of all of them."""
    found = [digests.file_digest(path) for path in paths]
    whole = found[0] if len(found) == 1 else hashlib.sha256("".join(sorted(found)).encode()).hexdigest()
    return " ".join(Path(path).name for path in paths), whole


def check(recipe, num_layers, width, path):
    """RecipeError unless a recipe is for a network of `num_layers` layers of `width`; `path` is its file's."""
    if recipe.codes.shape[1:] != (num_layers, width):
        raise RecipeError(f"the recipe is for {recipe.model}, of {recipe.codes.shape[1]} layers of "
                          f"{recipe.codes.shape[2]}; {path} has {num_layers} of {width}")


def text(recipe):
    """A recipe as JSON."""
    record = {"format": FORMAT, **dataclasses.asdict(recipe)}
    record["codes"] = _packed(recipe.codes)
    record["moves"] = [{**dataclasses.asdict(move), "normal": _packed(move.normal)} for move in recipe.moves]
    return json.dumps(record, indent=1) + "\n"


def write(path, recipe):
    """Write a recipe, atomically; OSError where that fails."""
    atomic.write_text(path, text(recipe))


def read(path):
    """A recipe from its file.

    Raises:
        RecipeError: missing, something else, damaged or hostile.
    """
    path = Path(path)
    try:
        record = texts.read_json(path, "a recipe (.json)", MAX_BYTES)
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise RecipeError(f"{path}: not a recipe, which says \"format\": \"{FORMAT}\"")
        return _recipe(record)
    except InputError as error:
        raise RecipeError(str(error) if str(error).startswith(f"{path}: ") else f"{path}: {error}") from error
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise RecipeError(f"{path}: damaged, not a readable recipe ({_reason(error)})") from error


def _recipe(record):
    codes = _unpacked(record["codes"])
    moves = record["moves"]
    if not isinstance(moves, list) or len(moves) > MAX_MOVES:
        raise ValueError(f"expected at most {MAX_MOVES} moves")
    strings = {name: record[name] for name in ("model", "model_sha256", "picture", "origin", "pixels_sha256")}
    if not all(isinstance(value, str) for value in strings.values()):
        raise ValueError("expected text where names stand")
    if os.path.basename(strings["picture"]) != strings["picture"] or "\0" in strings["picture"]:
        raise ValueError("a picture's name that is no name of a file")
    seed = record["noise_seed"]
    if type(seed) is not int or not 0 <= seed < 2 ** 31:
        raise ValueError("expected a seed from 0 to 2^31 - 1")
    return Recipe(codes=codes, moves=tuple(_move(move, codes.shape) for move in moves), noise_seed=seed, **strings)


def _move(record, shape):
    distance, deviations, layers = float(record["distance"]), float(record["deviations"]), record["layers"]
    normal = _unpacked(record["normal"])
    if normal.shape != shape:
        raise ValueError("a move that does not fit its code")
    if not abs(distance) <= editing.LARGEST_DISTANCE:       # NaN is not, either
        raise ValueError(f"a distance of {distance:g}, expected {editing.LARGEST_DISTANCE:g} at most")
    if layers is not None:
        if not isinstance(layers, list) or not all(type(layer) is int for layer in layers):
            raise ValueError("expected layers to be whole numbers")
        layers = editing.check_layers(layers, shape[1])
    return Move(str(record["attribute"]), deviations, distance, normal, layers)


def _packed(array):
    array = np.ascontiguousarray(array, "<f4")
    return {"shape": list(array.shape), "float32": base64.b64encode(array.tobytes()).decode()}


def _unpacked(record):
    """float32 [1, L, D] of finite numbers."""
    array = np.frombuffer(base64.b64decode(record["float32"], validate=True), "<f4").reshape(record["shape"])
    if array.ndim != 3 or len(array) != 1 or not array.size or not (np.abs(array) <= results.LARGEST).all():
        raise ValueError(f"expected arrays [1, L, D] of numbers up to {results.LARGEST:g}")
    return array.astype(np.float32)


def _reason(error):
    kind = "base64" if isinstance(error, binascii.Error) else type(error).__name__
    return " ".join(f"{kind}: {error}".split())[:200]
