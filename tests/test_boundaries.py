"""boundaries: known directions are recovered, projections are orthogonal, files are read back, nothing is executed."""
from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import hostile_pickles as hostile
import numpy as np
import pytest
from tiny import normal

from tf_idinvert import boundaries
from tf_idinvert.boundaries import Boundary, BoundaryError

PUBLISHED = Path(__file__).parents[2] / "shared" / "reference" / "boundaries"


def unit(*shape, seed=0):
    values = normal(*shape, seed=seed)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def cosine(one, other):
    return float(np.sum(one * other) / np.linalg.norm(one) / np.linalg.norm(other))


# ---- fitting

def test_a_planted_direction_of_w_is_found_and_repeated():
    codes, direction = normal(3000, 8), unit(8, seed=1)
    codes = np.repeat(codes[:, None], 4, axis=1)
    found = boundaries.fit(codes, codes[:, 0] @ direction, keep=0.1)
    normal_found = found.boundary.normal
    assert normal_found.shape == (1, 4, 8) and np.array_equal(normal_found, np.repeat(normal_found[:, :1], 4, axis=1))
    assert cosine(normal_found[0, 0], direction) > 0.98
    np.testing.assert_allclose(np.linalg.norm(normal_found, axis=-1), 1, atol=1e-5)
    assert found.counts == {"train": 420, "validation": 180, "rest": 2400}
    assert min(found.accuracy.values()) > 0.9


def test_a_planted_direction_of_w_plus_is_found():
    codes, direction = normal(4000, 4, 6), normal(4, 6, seed=1)
    direction[0] = 0
    scores = np.einsum("nld,ld->n", codes, direction)
    found = boundaries.fit(codes, scores, keep=0.2)
    assert cosine(found.boundary.normal[0], direction) > 0.97 and found.accuracy["validation"] > 0.95
    lengths = np.linalg.norm(found.boundary.normal[0], axis=-1)
    assert np.mean(lengths ** 2) == pytest.approx(1, abs=1e-5) and lengths[0] < 0.2 * lengths[1:].min()
    by_layer = boundaries.fit(codes, scores, keep=0.2, unit="layer").boundary.normal
    np.testing.assert_allclose(np.linalg.norm(by_layer, axis=-1), 1, atol=1e-5)
    assert all(cosine(by_layer[0, layer], direction[layer]) > 0.95 for layer in (1, 2, 3))


def test_the_accuracy_is_that_of_a_hyperplane_also_where_scores_are_noise():
    codes, scores = normal(400, 20), normal(400, seed=1)
    found = boundaries.fit(codes, scores, keep=0.25)
    assert found.accuracy["train"] > 0.6 and 0.3 < found.accuracy["validation"] < 0.7


def test_labels_zero_and_one_will_do_and_codes_without_score_are_left_out():
    codes, direction = normal(1000, 8) + 5, unit(8, seed=1)
    labels = (codes @ direction > (5 * direction).sum()).astype(float)
    labels[:100] = np.nan
    found = boundaries.fit(codes, labels, keep=200)
    assert found.boundary.normal.shape == (1, 1, 8) and sum(found.counts.values()) == 900
    assert cosine(found.boundary.normal[0, 0], direction) > 0.95 and found.accuracy["rest"] > 0.93


def test_the_seed_decides_the_split():
    codes, scores = normal(200, 8), normal(200, seed=1)
    first, again, other = (boundaries.fit(codes, scores, keep=0.3, seed=seed).boundary.normal for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.allclose(first, other)


def test_too_few_codes_are_told_as_such():
    with pytest.raises(BoundaryError, match="3 codes with scores, expected 4 or more"):
        boundaries.fit(normal(4, 8), [1.0, 0.0, float("nan"), 1.0])


@pytest.mark.parametrize("settings, words", [
    (dict(keep=0.7), "0.7"), (dict(keep=1), "at least 2"), (dict(keep=0), "got 0"),
    (dict(keep=0.001), "0 at either end"),
    (dict(keep=60), "expected 2 to 50"), (dict(scores=np.zeros(100)), "both reach 0"),
    (dict(scores=np.zeros(99)), "99"),
    (dict(scores=np.r_[np.ones(3), np.zeros(97)]), "both reach 0"),
    (dict(scores=np.full(100, np.nan)), "0 codes with scores, expected 4"),
    (dict(unit="layers"), "'layers'"), (dict(codes=np.full([100, 4, 8], np.inf)), "infinite"),
    (dict(codes=np.zeros([100, 4, 8])), "cannot be told apart"),
])
def test_fits_that_make_no_sense_are_one_line(settings, words):
    given = {"codes": normal(100, 4, 8), "scores": normal(100, seed=1), "keep": 0.1, **settings}
    with pytest.raises(BoundaryError) as caught:
        boundaries.fit(**given)
    assert words in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_the_deviation_is_a_distance_along_the_normal():
    codes, boundary = normal(500, 4, 8), Boundary(unit(1, 4, 8, seed=1) * 3, (1, 2))
    along = lambda each: each[:, 1] @ boundary.normal[0, 1] + each[:, 2] @ boundary.normal[0, 2]
    moved = codes + boundary.deviation(codes) * np.isin(np.arange(4), (1, 2))[:, None] * boundary.normal
    np.testing.assert_allclose(along(moved) - along(codes), along(codes).std(ddof=1), rtol=1e-4)
    shared = np.repeat(codes[:, :1], 4, axis=1)
    assert Boundary(unit(1, 1, 8)).deviation(shared) == pytest.approx((shared[:, 0] @ unit(1, 1, 8)[0, 0]).std(ddof=1))


# ---- conditional boundaries

@pytest.mark.parametrize("count", [1, 2])
def test_a_conditional_boundary_is_orthogonal_to_the_others_in_every_layer(count):
    first, others = Boundary(unit(1, 4, 8), (1, 2)), [Boundary(unit(1, 4, 8, seed=1 + i)) for i in range(count)]
    result = boundaries.conditional(first, others)
    for other in others:
        np.testing.assert_allclose(np.sum(result.normal * other.normal, axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(result.normal, axis=-1), 1, atol=1e-5)
    assert result.layers == (1, 2) and cosine(result.normal, first.normal) > 0.5


def test_one_condition_is_the_published_formula():
    a, b = unit(1, 1, 8), unit(1, 1, 8, seed=1)
    expected = a - (a * b).sum() * b
    result = boundaries.conditional(Boundary(a), [Boundary(b), Boundary(-b)])       # giving it twice changes nothing
    np.testing.assert_allclose(result.normal, expected / np.linalg.norm(expected), atol=1e-5)


def test_a_conditional_boundary_keeps_what_each_layer_does():
    lengths = np.array([0, 0.5, 1, 2], np.float32)[:, None]
    result = boundaries.conditional(Boundary(unit(1, 4, 8) * lengths), [Boundary(unit(1, 4, 8, seed=1))])
    np.testing.assert_allclose(np.linalg.norm(result.normal[0], axis=-1), lengths[:, 0], atol=1e-5)


def test_conditions_that_leave_nothing_or_do_not_fit_are_refused():
    a, b = Boundary(unit(1, 4, 8)), Boundary(unit(1, 4, 8, seed=1))
    with pytest.raises(BoundaryError, match="nothing is left"):
        boundaries.conditional(a, [b, Boundary(a.normal - b.normal)])
    with pytest.raises(BoundaryError, match=r"\[1, 5, 8\]"):
        boundaries.conditional(a, [Boundary(unit(1, 5, 8))])
    with pytest.raises(BoundaryError, match="none"):
        boundaries.conditional(a, [])


# ---- files

@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*/*.npy")) or [None], ids=lambda path: path and path.stem)
def test_published_boundaries_are_read(path):
    if path is None:
        pytest.skip("needs the published boundaries: reference/boundaries beside the checkout")
    found, content = boundaries.read(path), np.load(path, allow_pickle=True)[()]
    assert np.array_equal(found.normal, content["boundary"]) and found.normal.shape == (1, 14, 512)
    assert list(found.layers) == content["meta_data"]["manipulate_layers"]


@pytest.mark.parametrize("layers", [None, (0, 2, 3)])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_what_is_written_is_read_and_numpy_reads_it_too(suffix, layers, tmp_path):
    path, given = tmp_path / f"age{suffix}", Boundary(unit(1, 4, 8), layers)
    boundaries.write(path, given)
    found = boundaries.read(path)
    assert np.array_equal(found.normal, given.normal) and found.layers == layers
    if suffix == ".npz":
        content = np.load(path, allow_pickle=False)
        assert np.array_equal(content["boundary"], given.normal)
    elif layers:
        content = np.load(path, allow_pickle=True)[()]
        assert np.array_equal(content["boundary"], given.normal)
        assert content["meta_data"] == {"manipulate_layers": [0, 2, 3]} and b"numpy._core" not in path.read_bytes()
    else:
        assert np.array_equal(np.load(path, allow_pickle=False), given.normal)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("meta, layers", [
    ({"meta_data": {"manipulate_layers": [np.int64(3), 1]}}, (1, 3)), ({"meta_data": {"manipulate_layers": []}}, None),
    ({"meta_data": {"manipulate_layers": np.arange(3)}}, (0, 1, 2)), ({"meta_data": {"manipulate_layers": (2,)}}, (2,)),
    ({"meta_data": {"manipulate_layers": None}}, None), ({"meta_data": {}}, None), ({}, None), ({"note": "x"}, None)])
def test_dictionaries_as_others_write_them_are_read(meta, layers, tmp_path):
    given = unit(1, 4, 8)
    np.save(tmp_path / "x.npy", {"boundary": given, **meta}, allow_pickle=True)
    found = boundaries.read(tmp_path / "x.npy")
    assert np.array_equal(found.normal, given) and found.layers == layers


@pytest.mark.parametrize("shape", [(8,), (1, 8), (4, 8), (1, 4, 8)])
def test_bare_arrays_of_fewer_axes_are_read(shape, tmp_path):
    np.save(tmp_path / "x.npy", unit(*shape).astype("f8"))
    found = boundaries.read(tmp_path / "x.npy").normal
    assert found.shape == (1, shape[-2] if len(shape) > 1 else 1, 8) and found.dtype == np.float32


def test_a_boundary_is_fitted_to_a_network_or_refused():
    assert boundaries.Boundary(unit(1, 1, 8)).for_network(6, 8).normal.shape == (1, 6, 8)
    assert boundaries.Boundary(unit(1, 6, 8), (5,)).for_network(6, 8).layers == (5,)
    for other in Boundary(unit(1, 14, 8)), Boundary(unit(1, 6, 512)), Boundary(unit(1, 1, 8), (6,)):
        with pytest.raises(BoundaryError, match=r"16 px|layer 6"):
            other.for_network(6, 8)


def object_file(body):
    """A .npy of one object with this pickle."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    return file.getvalue() + body


def object_array(*values, shape=()):
    array = hostile.array(kind=hostile.dtype("O8", "|"), shape=shape, data=hostile.listing(*values))
    return hostile.whole(array, protocol=3)


def refusal(folder, content):
    (folder / "x.npy").write_bytes(content)
    with pytest.raises(BoundaryError) as caught:
        boundaries.read(folder / "x.npy")
    message = str(caught.value)
    assert str(folder / "x.npy") in message and len(message.splitlines()) == 1 and len(message) < 500, message
    return message


@pytest.mark.parametrize("name", sorted(hostile.calls("marker")))
@pytest.mark.parametrize("place", ["bare", "in the array", "as boundary", "as layer"])
def test_no_file_runs_anything(name, place, tmp_path):
    part = hostile.calls(tmp_path / "ran")[name]
    places = {
        "bare": lambda: hostile.whole(part), "in the array": lambda: object_array(part),
        "as boundary": lambda: object_array(hostile.mapping(boundary=part)),
        "as layer": lambda: object_array(hostile.mapping(boundary=hostile.array(), meta_data=hostile.mapping(
            manipulate_layers=hostile.listing(part))))}
    refusal(tmp_path, object_file(places[place]()))
    assert not (tmp_path / "ran").exists()


def test_the_machine_reads_the_same_file_without_a_hostile_part(tmp_path):
    good = object_array(hostile.mapping(boundary=hostile.array(), meta_data=hostile.mapping(
        manipulate_layers=hostile.listing(hostile.integer(1)))))
    (tmp_path / "x.npy").write_bytes(object_file(good))
    assert boundaries.read(tmp_path / "x.npy").layers == (1,)


@pytest.mark.parametrize("content, words", [
    (b"", "not an array"), (b"PK\x03\x04" + bytes(50), "damaged archive"), (b"<html>", "not an array"),
    (object_file(b""), "ends too early"),
    (object_file(pickle.dumps({}, protocol=4)), "expected an array, or a dictionary"),
    (object_file(object_array()), "does not fit its shape"),
    (object_file(object_array(b"N", b"N")), "does not fit its shape"),
    (object_file(object_array(b"N", b"N", shape=(2,))), "expected an array, or a dictionary"),
    (object_file(object_array(hostile.mapping(edge=b"N"))), "dictionary with an array 'boundary'"),
    (object_file(object_array(hostile.mapping(boundary=hostile.text("x")))), "dictionary with an array 'boundary'"),
    (object_file(object_array(hostile.mapping(boundary=object_array(b"N")[2:-1]))), "normal [1, L, D] of floats"),
    (object_file(hostile.whole(hostile.array(kind=hostile.dtype("O8", "|"), data=hostile.raw(bytes(8)), shape=()))),
     "array of objects made of bytes"),
    (object_file(object_array(hostile.mapping(boundary=hostile.array(), meta_data=hostile.mapping(
        manipulate_layers=hostile.text("0-3"))))), "to be a list"),
    (object_file(object_array(hostile.mapping(boundary=hostile.array(), meta_data=hostile.mapping(
        manipulate_layers=hostile.listing(hostile.text("0")))))), "whole numbers"),
])
def test_damaged_files_are_one_line(content, words, tmp_path):
    assert words in refusal(tmp_path, content)


@pytest.mark.parametrize("array, words", [
    (np.zeros([1, 4, 8], "f4"), "not 0"), (np.full([1, 4, 8], np.nan, "f4"), "finite"),
    (np.ones([2, 4, 8], "f4"), "[2, 4, 8]"),
    (np.ones([1, 4, 8], int), "of floats"), (np.ones([1, 1, 4, 8]), "of floats"), (np.ones([65, 2]), "[1, 65, 2]")])
def test_arrays_that_are_no_boundary_are_one_line(array, words, tmp_path):
    np.save(tmp_path / "y.npy", array)
    assert words in refusal(tmp_path, (tmp_path / "y.npy").read_bytes())


def test_an_archive_with_objects_or_a_bomb_is_refused(tmp_path):
    np.savez(tmp_path / "o.npz", boundary=np.array([{"a": 1}], dtype=object))
    assert "expected numbers" in refusal(tmp_path, (tmp_path / "o.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("boundary.npy", bytes(65 << 20))
    assert "not a boundary" in refusal(tmp_path, (tmp_path / "b.npz").read_bytes())
    np.savez(tmp_path / "c.npz", codes=np.ones(3))
    assert "codes.npy" in refusal(tmp_path, (tmp_path / "c.npz").read_bytes())


def test_missing_files_and_wrong_places_are_one_line(tmp_path):
    for path in tmp_path / "absent.npy", tmp_path:
        with pytest.raises(BoundaryError, match="no such file|not a file"):
            boundaries.read(path)
    for path in tmp_path / "x.txt", tmp_path / "absent" / "x.npy":
        with pytest.raises(BoundaryError, match="ends in|cannot be written"):
            boundaries.write(path, Boundary(unit(1, 4, 8)))


def test_all_boundaries_of_files_and_folders_by_name(tmp_path):
    for name in "age.npz", "more/pose.npy", "more/smile.npz", "more/age.npy":
        (tmp_path / name).parent.mkdir(exist_ok=True)
        boundaries.write(tmp_path / name, Boundary(unit(1, 4, 8, seed=len(name))))
    (tmp_path / "empty").mkdir()
    (tmp_path / "more/readme.txt").write_text("not a boundary")
    found = boundaries.read_all([tmp_path / "age.npz", str(tmp_path / "more/pose.npy")])
    assert list(found) == ["age", "pose"] and np.allclose(found["age"].normal, unit(1, 4, 8, seed=7))
    assert sorted(boundaries.read_all([tmp_path / "more"])) == ["age", "pose", "smile"]
    for paths, words in (["empty"], "no boundaries"), (["age.npz", "more"], "two files of the same name"):
        with pytest.raises(boundaries.BoundaryError, match=words):
            boundaries.read_all([tmp_path / path for path in paths])
