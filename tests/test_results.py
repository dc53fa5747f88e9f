"""results: a folder is read as it was written; missing, damaged or foreign files give a one-line error."""
from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from tiny import normal

from tf_idinvert.errors import InputError
from tf_idinvert.files import images, results


@pytest.fixture
def folder(tmp_path):
    results.write_index(tmp_path, ["a.png", "#1.jpg", "b.v2.png"], normal(3, 6, 8), encoded=normal(3, 6, 8, seed=1))
    images.save(tmp_path / "#1_ori.png", np.zeros([4, 4, 3], np.uint8))
    return tmp_path


def test_what_is_written_is_read(folder):
    found = results.read(folder)
    assert found.names == ("a", "#1", "b.v2") and np.array_equal(found.codes, normal(3, 6, 8))
    assert np.array_equal(np.load(folder / "encoded_codes.npy", allow_pickle=False), normal(3, 6, 8, seed=1))
    assert found.picture(1, "ori") == folder / "#1_ori.png" and found.picture(0, "ori") is None
    assert results.is_results(folder) and not results.is_results(folder.parent)


def test_a_list_of_the_original_is_read(folder):
    text = "\ufeffdata/a.png\r\n\r\n# a comment\r\n  /home/me/my pictures/c d.jpg\nb.bmp"
    (folder / "image_list.txt").write_bytes(text.encode())
    assert results.read(folder).names == ("a", "c d", "b")


def test_codes_of_another_network_are_refused(folder):
    results.read(folder).check(6, 8)
    for layers, width in (14, 8), (6, 512):
        with pytest.raises(InputError, match="made with another"):
            results.read(folder).check(layers, width)


@pytest.mark.parametrize("name, content, words", [
    ("image_list.txt", None, "holds no image_list.txt"), ("inverted_codes.npy", None, "holds no inverted_codes.npy"),
    ("image_list.txt", b"", "names 0 pictures"), ("image_list.txt", b"a.png\nb.png\n", "names 2 pictures"),
    ("image_list.txt", b"a.png\nx/A.jpg\nb.png\n", "'A' twice"), ("image_list.txt", b"\xff\xfe\n", "UTF-8"),
    ("inverted_codes.npy", b"", "not an array"), ("inverted_codes.npy", pickle.dumps([1]), "not an array"),
    ("inverted_codes.npy", normal(3, 8), "[N, L, D]"), ("inverted_codes.npy", np.zeros([0, 6, 8]), "[N, L, D]"),
    ("inverted_codes.npy", np.full([3, 6, 8], np.nan), "NaN"),
    ("inverted_codes.npy", np.ones([3, 6, 8], int), "of floats"),
    ("inverted_codes.npy", np.array([{}], dtype=object), "could run programs"),
])
def test_an_incomplete_or_damaged_folder_is_one_line(folder, name, content, words):
    if content is None:
        (folder / name).unlink()
    elif isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        np.save(folder / name, content, allow_pickle=True)
    with pytest.raises(InputError) as caught:
        results.read(folder)
    assert words in str(caught.value) and str(folder) in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_missing_folder_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: is no folder"):
        results.read(tmp_path / "file")
    with pytest.raises(InputError, match="no such folder"):
        results.read(tmp_path / "absent")


def test_options_are_kept_as_json(tmp_path):
    results.write_options(tmp_path / "options.json", {"seed": 1, "path": tmp_path})
    assert json.loads((tmp_path / "options.json").read_text()) == {"seed": 1, "path": str(tmp_path)}
