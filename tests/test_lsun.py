"""LSUN's databases of picture files -> sets; what is no such database is one line."""
from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import running
from PIL import Image

from tf_idinvert.data import packing, pipeline
from tf_idinvert.data.lsun import Lsun
from tf_idinvert.errors import InputError
from tf_idinvert.files import images

KINDS = "WEBP", "JPEG", "PNG"


@pytest.fixture
def lmdb():
    return pytest.importorskip("lmdb", reason="needs lmdb: pip install -r requirements.txt")


def encoded(pixels, kind):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=100)
    return file.getvalue()


def write(lmdb, folder, values):
    """A database as LSUN's: keys of 40 hexadecimal digits, values in the order of the keys."""
    with lmdb.open(str(folder), map_size=1 << 24) as database, database.begin(write=True) as transaction:
        for i, value in enumerate(values):
            transaction.put(b"%040x" % (1000 * i), value)


@pytest.fixture
def pictures(rng):
    """130 picture files, three parts of a set, each of one colour."""
    return [encoded(np.full((10, 12, 3), (i, 128, 200 - i), np.uint8), KINDS[i % 3]) for i in range(130)]


def test_every_value_becomes_a_picture_in_order(tmp_path, lmdb, pictures, monkeypatch, capfd):
    write(lmdb, tmp_path / "in", pictures)
    arguments = "dataset.py", "lsun", tmp_path / "in", tmp_path / "set", "--resolution", 8
    assert running.run(monkeypatch, *arguments, "--processes", 1) == 0
    assert "130 of 130 pictures, 8 x 8" in capfd.readouterr().out
    found = pipeline.open_source(tmp_path / "set", 8).read(range(130)).astype(int)
    expected = [(i, 128, 200 - i) for i in range(130)]
    assert np.abs(found - np.array(expected)[:, None, None]).max() <= 4     # JPEG and WebP change colours
    assert running.run(monkeypatch, *arguments, "--count", 3, "--processes", 1) == 2
    assert "holds a set of something else" in running.error_line(capfd)
    assert packing.pack(Lsun(str(tmp_path / "in"), 8, 3), tmp_path / "few", processes=1) == (3, [])


def test_pictures_are_cropped_and_resized_as_others(tmp_path, lmdb, rng):
    wide = rng.integers(0, 256, (40, 60, 3), np.uint8)
    write(lmdb, tmp_path / "in", [encoded(wide, "PNG")])
    (picture, labels), = Lsun(str(tmp_path / "in"), 16).read(0, 1)
    np.testing.assert_array_equal(picture, images.fit(wide, 16)[0])
    assert labels is None


def test_a_damaged_value_is_named_and_left_out(tmp_path, lmdb, pictures):
    write(lmdb, tmp_path / "in", [pictures[0], b"no picture", pictures[1], b""])
    count, left_out = packing.pack(Lsun(str(tmp_path / "in"), 8), tmp_path / "set", processes=1)
    assert count == 2 and [line.split(": not")[0].split(": is")[0] for line in left_out] == [
        f"{tmp_path / 'in'}: {1000:040x}", f"{tmp_path / 'in'}: {3000:040x}"]


def test_what_is_no_database_is_one_line(tmp_path, lmdb, pictures):
    for name in "incomplete", "garbled", "empty", "nothing":
        (tmp_path / name).mkdir()
    write(lmdb, tmp_path / "incomplete", pictures)
    file = tmp_path / "incomplete/data.mdb"
    file.write_bytes(file.read_bytes()[:-4096])
    (tmp_path / "garbled/data.mdb").write_bytes(b"garbage" * 5000)
    write(lmdb, tmp_path / "empty", [])
    for name, message in (("none", "no such file or folder; expected the unpacked folder"),
                          ("nothing", "no data.mdb in it"), ("garbled", "no database that can be read"),
                          ("incomplete", r"data.mdb: \d+ bytes of \d+; incomplete"), ("empty", "without pictures")):
        with pytest.raises(InputError, match=message) as caught:
            packing.pack(Lsun(str(tmp_path / name), 8), tmp_path / "set", processes=1)
        assert "\n" not in str(caught.value) and not (tmp_path / "set").exists()


def test_without_lmdb_a_line_says_how_to_install_it(tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    assert running.run(monkeypatch, "dataset.py", "lsun", tmp_path, tmp_path / "set", "--processes", 1) == 2
    assert "pip install 'tf_idinvert[lsun]'" in running.error_line(capfd)
