"""Quality of manipulations: measures by hand, and tools/assess_edits.py on tiny networks; one-line errors."""
from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import running
import tiny

from tf_idinvert import boundaries, checkpoint
from tf_idinvert.checkpoint import Models
from tf_idinvert.evaluation.quality import edits
from tf_idinvert.files import images

NAMES = ("age", "eyeglasses", "pose", "hair")


def test_measures_by_hand():
    scores = {"age": [[0, 1, 2], [0, 2, 1.95], [0, 2, 1], [0, 0, 3]],
              "pose": [[0, 5, 1], [0, 0, -1], [0, 0, 0], [1, 0, 1]]}
    found = edits.measure(scores, "age", {"age": 2.0, "pose": 0.5})
    assert (found.monotone, found.strictly) == (0.75, 0.25)     # falls by 0.025 deviations, by 0.5, and stands still
    assert found.wanted == pytest.approx((2 + 1.95 + 1 + 3) / 4 / 2) and found.others == {"pose": 1.0}
    assert found.ratio(["pose"]) == pytest.approx(1 / found.wanted)


def test_no_ratio_to_a_change_in_the_wrong_sense():
    found = edits.measure({"age": [[1, 0]], "pose": [[0, 1]]}, "age", {"age": 1.0, "pose": 1.0})
    assert np.isnan(found.ratio(["pose"])) and found.monotone == 0


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    (folder / "normals").mkdir()
    checkpoint.save(Models(encoder=tiny.encoder(), generator=tiny.generator(layerwise=True)), folder / "network.h5")
    checkpoint.save(Models(attributes=tiny.attributes(names=NAMES, binary=("eyeglasses",))), folder / "attributes.h5")
    for name in "pose", "eyeglasses":
        boundaries.write(folder / f"normals/{name}.npz", boundaries.Boundary(tiny.normal(1, 6, 8), (1, 2)))
    return folder


@pytest.fixture
def files(originals, tmp_path):
    """A copy, which may be changed."""
    return shutil.copytree(originals, tmp_path / "files")


@pytest.fixture
def assess(files, monkeypatch):
    """Callable, (*arguments) -> exit code, of 22 portraits and one step, into files / out."""
    def run(*arguments, model="network.h5"):
        return running.run(monkeypatch, "assess_edits.py", files / model, "--attributes", files / "attributes.h5",
                           "--boundaries", files / "normals", "--count", 22, "--num_iterations", 1, "--step", 3,
                           "--features", "none", "-o", files / "out", *arguments)
    return run


def test_all_files_and_cells(files, assess, capfd):
    assert assess("--distance", 2) == 0
    assert "edits.md" in capfd.readouterr().out
    result = json.loads((files / "out/edits.json").read_text())
    assert (result["count"], result["distances"], list(result["edits"])) == (22, [-2, 0, 2], ["eyeglasses", "pose"])
    for name, edit in result["edits"].items():
        assert set(edit["others"]) == set(NAMES) - {name} and 0 <= edit["strictly"] <= 1
    lines = (files / "out/edits.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    assert [row[0] for row in rows] == ["boundary", "eyeglasses", "pose"]
    assert rows[0][6:] == ["age", "eyeglasses", "pose", "hair"] and rows[1][7] == "–" != rows[1][6]
    assert images.read(files / "out/edits.png").shape == (2 * 16 + 2, 3 * 16 + 4, 3)


@pytest.mark.parametrize("change, words", [
    (lambda files: boundaries.write(files / "normals/wisdom.npz", boundaries.Boundary(tiny.normal(1, 6, 8))),
     "boundary wisdom: the attribute network scores age"),
    (lambda files: boundaries.write(files / "normals/age.npz", boundaries.Boundary(tiny.normal(1, 9, 8))),
     "boundary age: a boundary of 9 layers"),
    (lambda files: [path.unlink() for path in (files / "normals").iterdir()], "no boundaries (.npy, .npz)"),
    (lambda files: checkpoint.save(Models(generator=tiny.generator(layerwise=True)), files / "network.h5"),
     "holds no encoder")])
def test_what_does_not_fit_is_one_line(files, assess, capfd, change, words):
    change(files)
    assert assess() == 2
    assert words in running.error_line(capfd)
