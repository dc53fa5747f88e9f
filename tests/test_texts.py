"""The door for text files: one line that names the file, whatever stands in its place; nothing waits for a pipe."""
from __future__ import annotations

import os

import pytest

from tf_idinvert import features
from tf_idinvert.alignment import point_files
from tf_idinvert.alignment import record as aligned
from tf_idinvert.data import classes, pipeline, sides
from tf_idinvert.editor import recipe
from tf_idinvert.errors import InputError
from tf_idinvert.evaluation.papers import labels
from tf_idinvert.files import decoding, results, texts
from tf_idinvert.files.digests import file_digest
from tf_idinvert.formats import pickles, torch_files, tuned
from tf_idinvert.jobs.boundary import read_scores
from tf_idinvert.training import record

READERS = {"points.csv": point_files.read, "points.json": point_files.read, "t.json": point_files.read_template,
           "aligned.json": aligned.read, "recipe.json": recipe.read, "labels.csv": labels.read,
           "image_list.txt": results.read_list, "run.json": results.read_options,
           "scores.csv": lambda path: read_scores(path, None, None, 3)}
DOORS = {"a.png": decoding.check, "a.pkl": pickles.read, "a.pth": torch_files.read, "a.h5": tuned.read,
         "vgg.h5": lambda path: features.load(path, 64), "a-r03.tfrecords": pipeline.TFRecordSource,
         "source": lambda path: pipeline.open_source(path, 8), "size": pipeline.largest_resolution,
         "sides": lambda path: sides.training_resolution(path, (8,))}
HUGE_CELL, HUGE_NUMBER = b"a.png," + b"1" * 200_000, b'{"a": ' + b"9" * 5000 + b"}"


def line_of(read, path):
    with pytest.raises(InputError) as caught:
        read(path)
    text = str(caught.value)
    assert str(path) in text and "\n" not in text and "Errno" not in text
    return text


@pytest.mark.parametrize("name", READERS)
def test_existence_then_kind_then_content(tmp_path, name):
    path, read = tmp_path / name, READERS[name]
    assert "no such file" in line_of(read, path)
    os.symlink(tmp_path / "nowhere", path)
    assert "is a link to" in line_of(read, path)
    path.unlink()
    os.mkfifo(path)
    assert "not a regular file" in line_of(read, path)
    path.unlink()
    path.write_bytes(b"\xff\xfe\x00a")
    assert "not in UTF-8" in line_of(read, path)
    if path.suffix == ".json":
        for content in b"", b"[" * 100_000, HUGE_NUMBER:
            path.write_bytes(content)
            assert "damaged, no JSON" in line_of(read, path)
    if path.suffix == ".csv":
        path.write_bytes(HUGE_CELL)
        assert "not a CSV file" in line_of(read, path)


@pytest.mark.parametrize("name", DOORS)
def test_no_door_waits_for_a_pipe_or_takes_a_folder(tmp_path, name):
    path, read = tmp_path / name, DOORS[name]
    assert "no such file" in line_of(read, path)
    path.mkdir()
    if name not in ("source", "sides", "size"):
        assert "is a folder, not a file" in line_of(read, path)
    path.rmdir()
    os.mkfifo(path)
    assert "not a regular file, expected " in line_of(read, path)


def test_what_is_too_large_is_not_read(tmp_path):
    with open(tmp_path / "a.txt", "wb") as file:
        file.truncate(texts.LARGEST + 1)
    assert "expected a table of at most" in line_of(lambda path: texts.read_text(path, "a table"), tmp_path / "a.txt")


def test_a_folder_or_a_pipe_has_no_digest(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in tmp_path, tmp_path / "pipe":
        assert "expected a file" in line_of(file_digest, path)


def test_indices_and_options_of_runs(tmp_path):
    (tmp_path / "dataset.json").write_text("{")
    assert "dataset.json: damaged" in line_of(classes.find, tmp_path)
    (tmp_path / "options.json").write_text("[" * 100_000)
    assert line_of(record.read, tmp_path).endswith("--no-resume starts again")
