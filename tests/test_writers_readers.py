"""Every file that a tool writes, given to every reader: it is read, or refused in one line that names it."""
from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import tiny
from PIL import Image

from tf_idinvert import boundaries, checkpoint, keras_files
from tf_idinvert.alignment import point_files
from tf_idinvert.alignment import record as aligned
from tf_idinvert.data import classes, packing, pipeline
from tf_idinvert.editor import recipe
from tf_idinvert.errors import InputError
from tf_idinvert.evaluation.papers import labels
from tf_idinvert.files import arrays, finding, images, results
from tf_idinvert.files.codes import CodesFile
from tf_idinvert.formats import tfjs, tuned
from tf_idinvert.jobs.boundary import read_codes, read_scores
from tf_idinvert.training import record, state

L, D, SIDE = 4, 8, 8
CODES, NAMES = tiny.normal(3, L, D), ("a", "b", "c")
READERS = {
    "codes": lambda path: CodesFile(path).results(L, D), "results": results.read, "fit": read_codes,
    "scores": lambda path: read_scores(path, "age", NAMES, 3), "boundary": boundaries.read,
    "listing": lambda path: finding.listing([path]), "picture": images.read, "mask": images.read_mask,
    "set": lambda path: pipeline.open_source(path, SIDE).read([0]),
    "pack": lambda path: packing.Pictures(str(path), SIDE).description(), "classes": classes.find,
    "model": checkpoint.load, "tuned": tuned.read, "recipe": recipe.read, "aligned": aligned.read,
    "options": results.read_options, "run": record.read, "points": point_files.read,
    "template": point_files.read_template, "labels": labels.read, "keras": keras_files.load, "graph": tfjs.read,
    "state": lambda path: state.load(path, tiny.generator().weights[:2]), "list": results.read_list}


def written(folder):
    """{name: readers that take it} of files as the tools write them, in a folder."""
    folder.mkdir()
    arrays.write(folder / "codes.npy", CODES)
    arrays.write(folder / "edited_codes.npy", CODES[:, None])
    arrays.write(folder / "latent_codes.npy", tiny.normal(3, D))
    arrays.write(folder / "pictures.npy", np.zeros([4, SIDE, SIDE, 3], np.uint8))
    np.savez(folder / "codes.npz", w=CODES)
    normal = tiny.normal(1, L, D)
    boundaries.write(folder / "age.npy", boundaries.Boundary(normal, (1, 2)))
    boundaries.write(folder / "age.npz", boundaries.Boundary(normal, (1, 2)))
    boundaries.write(folder / "plain.npz", boundaries.Boundary(normal))
    models = checkpoint.Models(generator=tiny.generator(resolution=SIDE))
    for name in "network.h5", "network.pkl":
        checkpoint.save(models, folder / name)
    recipe.write(folder / "recipe.json", recipe.Recipe("network.h5", "0", "a", "encoder", CODES[:1]))
    results.write_options(folder / "options.json", {"model": "network.h5", "pictures": {}})
    aligned.write(folder, [aligned.Face("a", "a.jpg", "0", (90, 90), 1, 1, np.array(
        [[0, 0], [0, 9], [9, 9], [9, 0]]))])
    with open(folder / "scores.csv", "w", newline="") as file:
        csv.writer(file).writerows([["name", "age"], *zip(NAMES, (1, 2, 3))])
    Image.new("RGB", (SIDE, SIDE)).save(folder / "a.png")
    state.save(folder / "state.npz", tiny.generator().weights[:2])
    pipeline.write_tfrecords(folder / "set", np.zeros([4, SIDE, SIDE, 3], np.uint8), SIDE)
    results.write_list(folder, ["a.png", "b.png"])
    (folder / "log.jsonl").write_text(json.dumps({"images": 1}) + "\n")
    return folder


TAKEN = {
    "codes.npy": {"codes", "fit"}, "codes.npz": {"codes", "fit"}, "latent_codes.npy": {"codes", "fit", "boundary"},
    "edited_codes.npy": set(), "pictures.npy": {"set", "pack"}, "age.npy": {"boundary"}, "age.npz": {"boundary"},
    "plain.npz": {"boundary"}, "network.h5": {"model"}, "network.pkl": {"model"},
    "recipe.json": {"recipe", "options"}, "options.json": {"options"}, "aligned.json": {"aligned", "options"},
    "scores.csv": {"scores"}, "a.png": {"listing", "picture", "mask", "set", "pack"}, "state.npz": {"state"},
    "set-r03.tfrecords": {"set", "pack"}, "image_list.txt": {"listing", "pack", "list"}, "log.jsonl": {"options"}}
TEXT = (".json", ".jsonl", ".csv", ".txt")
ANY_TEXT = {"listing", "pack", "list", "classes", "set"}       # any lines may be paths


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("all") / "written")


@pytest.mark.parametrize("name", TAKEN)
def test_what_one_tool_writes_every_reader_takes_or_refuses_in_a_line(folder, name):
    path, read_by = folder / name, set()
    for reader, read in READERS.items():
        try:
            read(path)
            read_by.add(reader)
        except InputError as error:
            text = str(error)
            assert str(path) in text or path.suffix in TEXT and reader == "set", (reader, text)     # or a line's path
            assert "\n" not in text and text.isprintable() and "{{" not in text, (reader, text)
    of_lists = ANY_TEXT if path.suffix in TEXT else {"classes"}     # what is no folder has none
    assert read_by - of_lists == TAKEN[name] - of_lists
