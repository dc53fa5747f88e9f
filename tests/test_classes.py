"""Classes of pictures: sub folders, and dataset.json of other programs."""
from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tf_idinvert.data import classes, packing
from tf_idinvert.errors import InputError


def put(folder, *names):
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, i, i)).save(folder / name)
    return folder


def index(folder, labels):
    (folder / "dataset.json").write_text(labels if isinstance(labels, str) else json.dumps({"labels": labels}))
    return folder


def test_sub_folders_are_classes(tmp_path):
    found = classes.find(put(tmp_path, "dog/10.png", "dog/2.png", "cat/1.png", "empty/x/y.png"))
    assert [path.name for path in found.paths] == ["1.png", "2.png", "10.png"] and found.names == ["cat", "dog"]
    np.testing.assert_array_equal(found.labels, [[1, 0], [0, 1], [0, 1]])
    assert classes.find(put(tmp_path, "here.png")) is None and classes.find(tmp_path / "none") is None


@pytest.mark.parametrize("labels, expected, names", [
    ([0, 2], [[1, 0, 0], [0, 0, 1]], ["class0", "class1", "class2"]),
    ([[0.5, -1], [2, 3]], [[0.5, -1], [2, 3]], ["label0", "label1"])])
def test_labels_of_an_index(tmp_path, labels, expected, names):
    put(tmp_path, "00000/a.png", "00000/b.png", "00001/c.png")
    found = classes.find(index(tmp_path, [["00001/c.png", labels[0]], ["00000/a.png", labels[1]]]))
    assert [path.name for path in found.paths] == ["c.png", "a.png"] and found.names == names
    np.testing.assert_array_equal(found.labels, np.float32(expected))


def test_a_class_of_pictures_that_cannot_be_read_is_not_passed_over(tmp_path):
    put(tmp_path, "dog/1.png", "cat/1.png")
    (tmp_path / "cat/1.png").rename(tmp_path / "cat/1.cr2")
    assert classes.find(tmp_path).names == ["cat", "dog"]


def test_an_index_without_labels_names_all_pictures(tmp_path):
    found = classes.find(index(put(tmp_path, "00000/a.png", "b.png", "00001/c.png"), None))
    assert [path.name for path in found.paths] == ["a.png", "c.png", "b.png"] and found.labels is None


@pytest.mark.parametrize("content", [
    "{", "[]", "{}", '{"labels": 3}', '{"labels": [3]}', "[" * 100000, [["../a.png", 0]], [["/etc/a.png", 0]],
    [["a.png", -1]], [["a.png", True]], [["a.png", 10 ** 9]], [["a.png", 0], ["b.png", [1]]], [["a.png", [1e999]]],
    [["a.png", ["x"]]], [["a.png", [[1]]]], [["a.png", None]]], ids=str)
def test_a_damaged_or_hostile_index_is_one_line(tmp_path, content):
    with pytest.raises(InputError) as caught:
        classes.find(index(put(tmp_path, "a.png", "b.png"), content))
    assert str(caught.value).startswith(f"{tmp_path / 'dataset.json'}: ") and "\n" not in str(caught.value)


def test_classes_are_packed_as_labels_and_missing_files_named(tmp_path):
    folder = index(put(tmp_path / "in", "0/a.png", "0/b.png"), [["0/a.png", 1], ["0/gone.png", 0], ["0/b.png", 0]])
    count, left_out = packing.pack(packing.Pictures(str(folder), 8), tmp_path / "set", processes=1)
    assert count == 2 and len(left_out) == 1 and "gone.png: no such file" in left_out[0]
    np.testing.assert_array_equal(np.load(tmp_path / "set/set-labels.npy"), [[0, 1], [1, 0]])
    assert json.loads((tmp_path / "set/set-labels.json").read_text())["names"] == ["class0", "class1"]
