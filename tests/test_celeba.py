"""CelebA's aligned pictures: the square that the original's tool takes; pictures of other sizes are left out."""
from __future__ import annotations

import numpy as np
import pytest
import running
from PIL import Image

from tf_idinvert.data import packing, pipeline
from tf_idinvert.data.celeba import CelebA
from tf_idinvert.errors import InputError
from tf_idinvert.files import images


@pytest.fixture
def folder(tmp_path, rng):
    """Three pictures of the size of CelebA's."""
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        images.save(tmp_path / f"pictures/00000{i}.png", rng.integers(0, 256, (218, 178, 3), np.uint8))
    return tmp_path / "pictures"


def test_the_square_is_that_of_the_original(tmp_path, folder, monkeypatch, capfd):
    assert running.run(monkeypatch, "dataset.py", "celeba", folder, tmp_path / "set", "--processes", 1) == 0
    assert "3 of 3 pictures, 128 x 128" in capfd.readouterr().out
    found = pipeline.open_source(tmp_path / "set", 128).read(range(3))
    for i in range(3):      # img[cy - 64 : cy + 64, cx - 64 : cx + 64] with cx 89, cy 121
        np.testing.assert_array_equal(found[i], images.read(folder / f"00000{i}.png")[57:185, 25:153])


def test_another_centre_is_another_set(tmp_path, folder):
    (picture, _), = CelebA(str(folder), cx=64, cy=154).read(2, 3)
    np.testing.assert_array_equal(picture, images.read(folder / "000002.png")[90:, :128])
    packing.pack(CelebA(str(folder)), tmp_path / "set", processes=1)
    with pytest.raises(InputError, match="something else"):
        packing.pack(CelebA(str(folder), cx=64), tmp_path / "set", processes=1)


def test_what_is_no_aligned_picture_is_left_out(tmp_path, folder, monkeypatch, capfd):
    Image.new("RGB", (128, 128)).save(folder / "000001.png")
    (folder / "000002.png").write_bytes(b"no picture")
    assert running.run(monkeypatch, "dataset.py", "celeba", folder, tmp_path / "set", "--processes", 1) == 1
    printed = capfd.readouterr()
    assert "000001.png: 128x128 pixels; expected 178x218" in printed.err and "000002.png: not a pic" in printed.err
    assert "1 of 3 pictures" in printed.out
    assert running.run(monkeypatch, "dataset.py", "celeba", tmp_path / "none", tmp_path / "other") == 2
    assert "no such file or folder" in running.error_line(capfd)
