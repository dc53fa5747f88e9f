"""The held-out input pictures of all methods: rendered portraits, or a user's files.

They are stored on disk in 8 bits at the network's resolution.
"""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import images
from tf_idinvert.files.digests import file_digest
from tf_idinvert.portraits import portrait, sets

PORTRAITS = "", portrait.sample
RARE = ("hat", "scarf", "headphones", "hand", "dye", "scar")       # things that few wild portraits have


@dataclasses.dataclass(frozen=True)
class Originals:
    """Pictures and their known attributes.

    Attributes:
        pictures: uint8 [N, R, R, 3], on disk.
        attributes: {name: float32 [N]}, NaN if unknown for a picture; None if no attribute is known.
        key: everything that determines the pictures, for `Store`.
        about: one line for the tables: source, number, seed, resizing.
        notes: lines about single pictures.
        source: source of the attributes.
        files: file names of the pictures; () if they were rendered.
        left_out: number of files that could not be read.
    """

    pictures: np.ndarray
    attributes: dict | None
    key: list
    about: str
    notes: tuple = ()
    source: str = "the numbers that the portraits were drawn from"
    files: tuple = ()
    left_out: int = 0


def load(store, listing, count, seed, resolution, progress, world=PORTRAITS):
    """Load the input pictures of all methods, and as many others.

    Args:
        store: Store.
        listing: list of (name, path) of a user's pictures; None: held-out portraits are rendered.
        count: largest number of pictures in either set.
        seed: seed of the rendered portraits; the other set has the next one.
        resolution: side of the pictures in pixels.
        progress, world: as in `rendered`.
    Returns:
        (Originals, Originals or None).
    Raises:
        InputError: fewer than two pictures can be read.
    """
    if listing is None:
        return tuple(rendered(store, count, each, resolution, progress, world) for each in (seed, seed + 1))
    return split(read(store, listing[:2 * count], resolution, progress), count)


def rendered(store, count, seed, resolution, progress, world=PORTRAITS):
    """Render portraits that no network was trained on: `sets.chunks` with a seed that no training uses.

    Args:
        store: Store.
        count, seed, resolution: as in `sets.chunks`.
        progress: function (total, what) -> context manager with `update(count)`, such as `command.progress`.
        world: (name of a kind of portraits, function that renders them); '' for the first kind.
    Returns:
        Originals.
    """
    (kind, sample), key = world, ["rendered", count, seed, resolution, *filter(None, world[:1])]

    def fill(entry):
        pictures, at, rows = entry.create("pictures", [count, resolution, resolution, 3], np.uint8), 0, []
        with progress(count, f"rendering, seed {seed}") as bar:
            for drawn, attributes in sets.chunks(count, seed, resolution, sample=sample):
                pictures[at:at + len(drawn)] = drawn
                at += len(drawn)
                rows.append(attributes)
                bar.update(len(drawn))
        for name in rows[0]:
            entry.create(f"attribute-{name}", [count])[:] = np.concatenate([row[name] for row in rows])
        return {}

    entry = store.entry("portraits", key, fill)
    attributes = {name.partition("-")[2]: np.array(values) for name, values in entry.arrays().items()
                  if name.startswith("attribute-")}
    rare = [f"{int((attributes[name] > 0).sum())} with {name}" for name in RARE if name in attributes]
    return Originals(entry.array("pictures"), attributes, key,
                     f"{count} rendered {' '.join(filter(None, [kind, 'portraits']))} that no network was trained on "
                     f"(seed {seed}), drawn at {resolution} px, not resized",
                     notes=(f"Rare things among the pictures: {', '.join(rare)}.",) if rare else ())


def read(store, listing, resolution, progress):
    """Read a user's pictures.

    Args:
        store, progress: as in `rendered`.
        listing: list of (name, path), as `finding.listing` gives it.
        resolution: side R; other pictures are cropped to their centre and resized (Lanczos).
    Returns:
        Originals; unreadable pictures are left out, with a note.
    Raises:
        InputError: no picture can be read.
    """
    found, notes = _digests(listing)
    key = ["read", resolution, [digest for _, _, digest in found]]

    def fill(entry):
        pictures, kept, said = entry.create("pictures", [len(found), resolution, resolution, 3], np.uint8), [], []
        with progress(len(found), "reading") as bar:
            for place, (name, path, _) in enumerate(found):
                try:
                    pictures[len(kept)], note = images.fit(images.read(path), resolution)
                    kept.append(place)
                except images.ImageError as error:
                    note = f"left out: {error}"
                if note:
                    said.append(f"{name}: {note}")
                bar.update(1)
        return {"kept": len(kept), "places": kept, "notes": said}

    entry = store.entry("pictures", key, fill)
    kept = entry.numbers["kept"]
    if not kept:
        raise InputError(f"no picture could be read; {(notes + entry.numbers['notes'] + ['none was given'])[0]}")
    return Originals(entry.array("pictures")[:kept], None, key, f"{kept} pictures, cropped to their central square and "
                     f"resized to {resolution} px (Lanczos) where they were of another size",
                     (*notes, *entry.numbers["notes"]), files=_names(found, entry.numbers),
                     left_out=len(listing) - kept)


def _names(found, numbers):
    """Return the file names of the kept pictures; () for entries of an earlier version, which did not store them."""
    places = numbers.get("places", range(numbers["kept"]) if numbers["kept"] == len(found) else ())
    return tuple(found[place][1].name for place in places)


def split(everything, count):
    """Return the first `count` Originals, and as many of the rest or None; InputError with fewer than two."""
    def part(first, last, about):
        return dataclasses.replace(everything, pictures=everything.pictures[first:last],
                                   files=everything.files[first:last],
                                   key=[everything.key, first, last], about=about)
    total = len(everything.pictures)
    if total < 2:
        raise InputError("expected at least two pictures")
    count = min(count, total)
    about = everything.about.replace(f"{total} pictures", f"{count} pictures", 1)
    return part(0, count, about), part(count, total, about) if total > count else None


def _digests(listing):
    """Return ([(name, path, SHA-256)] of readable files, notes about the others)."""
    found, notes = [], []
    for name, path in listing:
        try:
            found.append((name, path, file_digest(path)))
        except InputError as error:
            notes.append(f"left out: {error}")
        except OSError as error:
            notes.append(f"left out: {path}: {error.strerror or error}")
    return found, notes
