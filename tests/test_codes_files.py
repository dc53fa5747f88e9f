"""Codes that other programs made, in every form that an editing tool takes."""
from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import tiny

from tf_idinvert.cli.inversion_options import Inputs
from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays, results
from tf_idinvert.files.arrays import ArrayError
from tf_idinvert.files.codes import CodesFile

L, D = 6, 8
W, WPLUS = tiny.normal(3, D), tiny.normal(3, L, D)


@pytest.mark.parametrize("values, codes, what", [
    (WPLUS, WPLUS, "3 codes of W+"), (W, W[:, None].repeat(L, 1), "3 codes of W, each for all layers"),
    (WPLUS[0], WPLUS[:1], "1 code of W+"), (W[0], W[:1, None].repeat(L, 1), "1 code of W, each"),
    (W[:, None], W[:, None].repeat(L, 1), "3 codes of W, each"), (WPLUS.astype("f8"), WPLUS, "3 codes of W+"),
    (WPLUS[:1].astype("f2"), WPLUS[:1].astype("f2"), "1 code of W+")])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_codes_of_any_form(tmp_path, suffix, values, codes, what):
    path = tmp_path / f"faces{suffix}"
    np.save(path, values) if suffix == ".npy" else np.savez_compressed(path, w=values)
    found, line = CodesFile(path).results(L, D)
    np.testing.assert_array_equal(found.codes, codes)
    assert what in line and found.codes.dtype == np.float32
    assert found.names == (("faces",) if len(codes) == 1 else tuple(f"faces_000{i}" for i in range(3)))
    assert found.picture(0, "ori") is None


@pytest.mark.parametrize("values, words", [
    (np.zeros([3, 5, D], "f4"), r"codes \[3, 5, 8\], this network has 6 layers of 8: expected \[N, 6, 8\]"),
    (np.zeros([3, 7], "f4"), "this network has 6 layers of 8"), (np.zeros([3, D], "i4"), "expected codes .* of floats"),
    (np.zeros([2, 2, L, D], "f4"), "expected codes"), (np.zeros([0, D], "f4"), "expected codes"),
    (np.full([2, D], np.nan), "NaN or infinite"), (np.array([{}], object), "could run programs")])
def test_other_arrays_are_one_line(tmp_path, values, words):
    np.save(tmp_path / "w.npy", values)
    with pytest.raises(InputError, match=words) as caught:
        CodesFile(tmp_path / "w.npy").results(L, D)
    assert str(caught.value).startswith(f"{tmp_path / 'w.npy'}: ") and "\n" not in str(caught.value)


def test_archives_are_read_within_bounds(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", a=W, b=W)
    with pytest.raises(InputError, match="holds 2 arrays, expected one of codes"):
        CodesFile(tmp_path / "a.npz")
    monkeypatch.setattr(arrays, "MAX_ARCHIVE", 3000)
    np.savez(tmp_path / "a.npz", a=np.zeros([1000, 3]))          # as large as it says
    assert arrays.read_archive(tmp_path / "a.npz")["a"].shape == (1000, 3)
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros([1000, 3]))
    with pytest.raises(ArrayError, match="arrays of 24128 bytes, expected at most 3000"):
        arrays.read_archive(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"PK damaged")
    with pytest.raises(ArrayError, match="b.npz: damaged"):
        arrays.read_archive(tmp_path / "b.npz")


def test_editing_tools_take_codes_beside_folders(tmp_path, caplog):
    np.save(tmp_path / "w.npy", W)
    (tmp_path / "run").mkdir()
    results.write_index(tmp_path / "run", ["a.png"], WPLUS[:1])
    inputs = Inputs([str(tmp_path / "w.npy"), str(tmp_path / "run")])
    assert inputs.networks() == ("generator",)
    models = SimpleNamespace(generator=SimpleNamespace(num_layers=L, dlatent_size=D))
    with caplog.at_level(logging.INFO):
        (codes, run), complete = inputs.inverted(None, models, tmp_path, logging.getLogger("test"))
    assert complete and len(codes.names) == 3 and run.names == ("a",)
    assert "taken for 3 codes of W, each for all layers" in caplog.text
    with pytest.raises(InputError, match="no such file"):
        Inputs([tmp_path / "none.npy"])
