"""The resolution of a training that was not told: that of its pictures."""
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tf_idinvert.data.sides import training_resolution
from tf_idinvert.errors import InputError

ALLOWED = (8, 16, 32, 64)


def test_the_resolution_is_that_of_the_pictures(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros([1, 48, 48, 3], np.uint8))
    assert training_resolution(tmp_path / "a.npy", ALLOWED) == 16
    for level in 3, 5:
        (tmp_path / f"set-r0{level}.tfrecords").touch()
    assert training_resolution(tmp_path / "set", ALLOWED) == 32
    assert training_resolution(tmp_path / "set-r03.tfrecords", ALLOWED) == 8
    (tmp_path / "other.tfrecords").touch()
    assert training_resolution(tmp_path / "other.tfrecords", ALLOWED) is None
    (tmp_path / "folder").mkdir()
    for i, size in enumerate([(200, 90), (70, 300)]):
        Image.new("RGB", size).save(tmp_path / f"folder/{i}.png")
    (tmp_path / "folder/2.png").write_bytes(b"damaged")
    assert training_resolution(tmp_path / "folder", ALLOWED) == 64


@pytest.mark.parametrize("name, words", [
    ("none", "none: no such file or folder, nor files"), ("https://x.org/a.npy", "is an address"),
    ("gone.list", "gone.list: none of the first 2 pictures can be read; .*a.png: no such file"),
    ("small.npy", "small.npy: no pictures of a resolution that can be trained, 8 to 64"),
    ("damaged.npy", "damaged.npy: damaged or incomplete: 1 bytes for an array of 12288")])
def test_what_cannot_be_trained_on_is_one_line(tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone.list").write_text("a.png\nb.png\n")
    np.save("small.npy", np.zeros([1, 4, 4, 3], np.uint8))
    np.save("damaged.npy", np.zeros([1, 64, 64, 3], np.uint8))
    whole = (tmp_path / "damaged.npy").read_bytes()
    (tmp_path / "damaged.npy").write_bytes(whole[:129])
    with pytest.raises(InputError, match=words):
        training_resolution(name, ALLOWED)
