"""evaluation.store: entries are computed once, identified by their inputs, and ignored while incomplete."""
from __future__ import annotations

import hashlib
import json

import evaluating
import numpy as np
import pytest
from PIL import Image

from tf_idinvert.errors import InputError
from tf_idinvert.evaluation import store
from tf_idinvert.evaluation.papers import originals
from tf_idinvert.files import digests, finding
from tf_idinvert.portraits import portrait, sets


def test_entry_is_made_once_and_read_back(tmp_path):
    kept, made = store.Store(tmp_path / "a/b"), []

    def fill(entry):
        made.append(entry.path.name)
        entry.create("values", [2, 3])[:] = 7
        return {"count": (1, 2)}

    for key, times in (["x", 1], 1), (["x", 1], 1), (["x", 2], 2):
        entry = kept.entry("name", key, fill)
        assert len(made) == times and entry.numbers == {"count": [1, 2]}
        assert entry.array("values").dtype == np.float32 and (entry.array("values") == 7).all()
        assert isinstance(entry.array("values"), np.memmap) and list(entry.arrays()) == ["values"]


def test_arrays_of_a_stopped_run_are_opened_again_only_where_they_fit(tmp_path):
    kept, shapes = store.Store(tmp_path), {"a": ([3, 2], np.float32), "b": ([3], np.uint8)}

    def stopping(entry):
        (a, b), noted = entry.resume(shapes)
        assert noted is None and not a.any()
        a[:2], b[:2] = 4, 5
        entry.note([1, None])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.entry("name", 1, stopping)
    found = []
    assert kept.entry("name", 1, lambda entry: found.append(entry.resume(shapes)) or {"x": 1}).numbers == {"x": 1}
    (a, b), noted = found[0]
    assert noted == [1, None] and a.tolist() == [[4, 4], [4, 4], [0, 0]] and b.tolist() == [5, 5, 0]
    entry = kept.known("name", 1)
    assert entry.resume({**shapes, "b": ([4], np.uint8)})[1] is None and not entry.array("a").any()


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("{")])
def test_unfinished_or_damaged_entry_is_made_again(tmp_path, damage):
    kept = store.Store(tmp_path)
    entry = kept.entry("name", 1, lambda entry: {"a": 1})
    damage(entry.path / "numbers.json")
    assert kept.entry("name", 1, lambda entry: {"a": 2}).numbers == {"a": 2}


def test_a_damaged_array_is_one_line_with_its_name(tmp_path):
    entry = store.Store(tmp_path).entry("name", 1, lambda entry: {"shape": entry.create("values", [4]).shape})
    (entry.path / "values.npy").write_bytes((entry.path / "values.npy").read_bytes()[:-1])
    with pytest.raises(InputError, match="values.npy: damaged or incomplete"):
        entry.array("values")


def test_stopped_entry_does_not_count(tmp_path):
    def fill(entry):
        entry.create("values", [1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.Store(tmp_path).entry("name", 1, fill)
    assert store.Store(tmp_path).entry("name", 1, lambda entry: {"a": 1}).numbers == {"a": 1}


def test_digests(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    assert digests.file_digest(tmp_path / "file") == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert digests.digest({"a": 1, "b": 2}) == digests.digest({"b": 2, "a": 1}) != digests.digest({"a": 1})
    assert digests.array_digest(np.arange(6)[::2]) == digests.array_digest(np.array([0, 2, 4]))


def test_rendered_portraits_with_what_is_known(tmp_path):
    found = originals.rendered(store.Store(tmp_path), 5, 77, 16, evaluating.silent)
    expected, attributes = next(sets.chunks(5, 77, 16, processes=1))
    np.testing.assert_array_equal(found.pictures, expected)
    assert set(found.attributes) == set(portrait.ATTRIBUTES + portrait.NUISANCES)
    np.testing.assert_array_equal(found.attributes["age"], attributes["age"])
    assert "5 rendered portraits" in found.about and "seed 77" in found.about and "16 px" in found.about


def test_pictures_of_a_user(tmp_path):
    for i, side in enumerate((16, 30)):
        Image.fromarray(np.full((side, side, 3), 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_bytes(b"")
    listing = [*finding.listing([tmp_path]), ("gone", tmp_path / "gone.png")]
    found = originals.read(store.Store(tmp_path / "cache"), listing, 16, evaluating.silent)
    assert found.attributes is None and found.pictures.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(found.pictures[1], np.full((16, 16, 3), 40))
    assert len(found.notes) == 2 and all("left out" in note for note in found.notes)
    with pytest.raises(ValueError, match="no picture could be read; .*empty"):
        originals.read(store.Store(tmp_path / "cache"), listing[2:3], 16, evaluating.silent)


def test_keys_of_entries_are_json():
    with pytest.raises(TypeError):
        digests.digest({"a": object()})
    assert json.loads(json.dumps([1])) == [1]
