"""portraits.embedded: paths of the repository's files, a clear line if one is missing, held-out pictures."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_idinvert.portraits import embedded, portrait, sets


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    monkeypatch.setattr(embedded, "CHECKPOINTS", folder)
    return folder


def test_files_are_looked_for_in_the_repository():
    root = Path(__file__).resolve().parents[1]
    assert embedded.CHECKPOINTS == root / "checkpoints"


def test_the_best_model_that_is_there(checkpoints):
    for name in reversed(embedded.MODELS):
        (checkpoints / name).touch()
        assert embedded.model_path() == checkpoints / name
    (checkpoints / embedded.ATTRIBUTES).touch()
    assert embedded.attributes_path() == checkpoints / "portraits64-attributes.h5"


def test_boundaries_in_the_order_of_the_attributes(checkpoints):
    (checkpoints / "boundaries").mkdir()
    for name in "pose", "zebra", "age":
        (checkpoints / f"boundaries/{name}.npz").touch()
    (checkpoints / "boundaries/README.md").touch()
    found = embedded.boundary_paths()
    assert list(found) == ["age", "pose", "zebra"] and found["pose"] == checkpoints / "boundaries/pose.npz"


@pytest.mark.parametrize("find, words", [
    (embedded.model_path, "give a network file"), (embedded.attributes_path, "give a file of your own"),
    (embedded.boundary_paths, "give a boundary file")])
def test_what_is_not_there_is_one_line(checkpoints, find, words):
    with pytest.raises(embedded.EmbeddedError, match=words) as caught:
        find()
    assert str(checkpoints) in str(caught.value) and "\n" not in str(caught.value)
    checkpoints.rmdir()
    with pytest.raises(embedded.EmbeddedError, match=f"without its folder.*{words}"):
        find()


def test_what_is_not_there_of_the_wild_world_is_named(checkpoints):
    for find, name in ((embedded.generator_path, "wild64-stylegan.h5"), (embedded.boundary_paths, "boundaries")):
        with pytest.raises(embedded.EmbeddedError) as caught:
            find("wild")
        assert str(checkpoints / "training" / name) in str(caught.value)


def test_sample_pictures_are_rendered_once(tmp_path):
    folder = tmp_path / "a/b"
    assert embedded.sample_pictures(folder, 2) == folder
    expected = portrait.sample(3, embedded.SEED)[0]
    for i in range(2):
        assert np.array_equal(Image.open(folder / f"portrait{i + 1}.png"), expected[i])
    (folder / "portrait1.png").write_bytes(b"mine")
    assert embedded.sample_pictures(str(folder), 3) == folder
    assert (folder / "portrait1.png").read_bytes() == b"mine", "what is there is left alone"
    assert np.array_equal(Image.open(folder / "portrait3.png"), expected[2])
    assert sorted(path.name for path in folder.iterdir()) == ["portrait1.png", "portrait2.png", "portrait3.png"]


def test_no_portrait_is_from_the_training():
    """Training renders chunks of other seeds than any below 2^32."""
    assert embedded.SEED < sets.SEED_STRIDE
    first = next(sets.chunks(4, embedded.SEED, processes=1))[0]
    assert not np.array_equal(first, portrait.sample(4, embedded.SEED)[0])


def test_directions_without_labels_come_with_the_repository(checkpoints):
    assert embedded.direction_paths() == {}, "none where the folder is absent"


def test_the_embedded_directions_are_for_the_embedded_networks():
    from tf_idinvert import boundaries
    found = {name: boundaries.read(path).for_network(10, 128) for name, path in embedded.direction_paths().items()}
    assert list(found) == [f"{method}_{i}" for method in ("pca", "sefa") for i in range(5)]
    assert found["pca_1"].about.name == "pose" and found["sefa_0"].layers is not None
    assert all(each.about.unit > 0 and "portraits64" in each.about.source for each in found.values())
