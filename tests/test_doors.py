"""Whatever a file holds, its reader gives what it promises or one line: mutants and made-up files of a fixed seed."""
from __future__ import annotations

import io
import json
import warnings

import numpy as np
import pytest
import tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tf_idinvert import boundaries
from tf_idinvert.data import classes, pipeline
from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays, finding, images, results
from tf_idinvert.files.codes import CodesFile
from tf_idinvert.jobs.boundary import read_scores

EXAMPLES = settings(max_examples=40, derandomize=True, deadline=None, database=None,
                    suppress_health_check=[HealthCheck.function_scoped_fixture])
MUTATIONS = st.lists(st.tuples(st.integers(0, 10 ** 6), st.integers(0, 255)), max_size=8)
CUTS = st.one_of(st.none(), st.integers(0, 10 ** 6))


def mutant(data, changes, cut):
    changed = bytearray(data)
    for place, value in changes:
        changed[place % len(changed)] = value
    return bytes(changed if cut is None else changed[:cut % len(changed)])


def refused_or(path, read):
    """What a reader gives; None where it refuses in one line that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read(path)
        except InputError as error:
            assert str(path) in str(error) and "\n" not in str(error) and "Traceback" not in str(error)
            return None


def picture_bytes(kind):
    file, rng = io.BytesIO(), np.random.default_rng(0)
    mode = "RGBA" if kind == "PNG" else "RGB"
    Image.fromarray(rng.integers(0, 256, [12, 10, len(mode)], np.uint8)).save(file, kind)
    return file.getvalue()


def array_bytes(values):
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def archive_bytes(**arrays_):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays_)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
@EXAMPLES
@given(changes=MUTATIONS, cut=CUTS)
def test_pictures_and_masks(tmp_path, kind, changes, cut):
    path = tmp_path / "a.png"
    path.write_bytes(mutant(picture_bytes(kind), changes, cut))
    pixels = refused_or(path, lambda each: images.load(each, 8)[0])
    assert pixels is None or (pixels.shape == (8, 8, 3) and np.abs(pixels).max() <= 1)
    mask = refused_or(path, lambda each: images.load_mask(each, 8))
    assert mask is None or set(np.unique(mask)) <= {0, 1}


@EXAMPLES
@given(data=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))))
def test_lists_of_pictures(tmp_path, data):
    path = tmp_path / "faces.list"
    path.write_bytes(data)
    found = refused_or(path, lambda each: finding.listing([each]))
    names = [name for name, _ in found or []]
    assert len({name.casefold() for name in names}) == len(names)
    assert not any(set(name) & set('/\\\0\n<>:"|?*') for name in names)
    refused_or(path, results.read_list)


@pytest.mark.parametrize("data", [
    array_bytes(tiny.normal(3, 6, 8)), archive_bytes(w=tiny.normal(3, 8)), array_bytes(np.array([{"a": 1}], object))],
    ids=["npy", "npz", "objects"])
@EXAMPLES
@given(changes=MUTATIONS, cut=CUTS)
def test_codes(tmp_path, data, changes, cut):
    path = tmp_path / f"w{'.npz' if data.startswith(b'PK') else '.npy'}"
    path.write_bytes(mutant(data, changes, cut))
    found = refused_or(path, lambda each: CodesFile(each).results(6, 8)[0])
    assert found is None or (found.codes.shape[1:] == (6, 8) and np.isfinite(found.codes).all())
    refused_or(path, arrays.mapped)


@pytest.mark.parametrize("suffix, layers", [(".npy", None), (".npy", (1, 2)), (".npz", (1, 2))])
@EXAMPLES
@given(changes=MUTATIONS, cut=CUTS)
def test_boundaries(tmp_path, suffix, layers, changes, cut):
    path = tmp_path / f"age{suffix}"
    boundaries.write(path, boundaries.Boundary(tiny.normal(1, 6, 8), layers))
    path.write_bytes(mutant(path.read_bytes(), changes, cut))
    found = refused_or(path, boundaries.read)
    assert found is None or (np.isfinite(found.normal).all() and found.normal.any())


@EXAMPLES
@given(text=st.text(alphabet="0123456789.,-enai\n\r\";\0\ufeff x", max_size=60))
def test_scores(tmp_path, text):
    path = tmp_path / "s.csv"
    path.write_text(text, encoding="utf-8")
    found = refused_or(path, lambda each: read_scores(each, None, ("a", "n", "e"), 3))
    assert found is None or (found.shape == (3,) and not np.isinf(found).any())


@EXAMPLES
@given(content=st.recursive(st.one_of(st.none(), st.booleans(), st.integers(-2, 10 ** 12), st.floats(),
                                      st.text(max_size=8)),
                            lambda inner: st.lists(inner, max_size=3), max_leaves=8))
def test_indices_of_classes(tmp_path, content):
    (tmp_path / classes.INDEX).write_text(json.dumps({"labels": content}))
    found = refused_or(tmp_path, classes.find)
    assert found is None or found.labels is None or found.labels.shape == (len(found.paths), len(found.names))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    pipeline.write_tfrecords(folder / "set", np.random.default_rng(0).integers(0, 256, [3, 8, 8, 3], np.uint8), 8)
    return (folder / "set-r03.tfrecords").read_bytes()


@EXAMPLES
@given(changes=MUTATIONS, cut=CUTS)
def test_records(tmp_path, records, changes, cut):
    path = tmp_path / "set-r03.tfrecords"
    path.write_bytes(mutant(records, changes, cut))
    found = refused_or(path, lambda each: pipeline.open_source(each, 8).read([0, 1, 2]))
    assert found is None or found.shape == (3, 8, 8, 3)
