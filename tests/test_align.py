"""The tools align and paste, and --align and --paste of the others: from photographs to photographs."""
from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import tiny
from PIL import Image
from running import error_line, run

from tf_idinvert import checkpoint
from tf_idinvert.alignment import record
from tf_idinvert.cli import alignment_options
from tf_idinvert.files import images
from tf_idinvert.portraits import embedded, framing, scene

pytestmark = pytest.mark.usefixtures("traced_once", "eagerly")
EDIT = ["--num_iterations", "0", "--features", "none"]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "faces.h5"
    checkpoint.save(tiny.models(), path)
    return path


@pytest.fixture
def photographs(tmp_path):
    """Two photographs, two faces in the first, and their points: (folder, file of points)."""
    pixels, corners = scene.scene(1000)
    (tmp_path / "photographs").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photographs" / "one.jpg", quality=90)
    images.save(tmp_path / "photographs" / "two.png", pixels[:, ::-1].copy())
    sides = [np.stack([c[3] - c[0], c[1] - c[0]], axis=1) for c in corners]
    points = [(np.asarray(framing.POINTS) @ side.T + c[0] - 0.5).tolist() for side, c in zip(sides, corners)]
    (tmp_path / "points.json").write_text(json.dumps({"one.jpg": points[:2], "two.png": points[2]}))
    return tmp_path / "photographs", tmp_path / "points.json"


def align(monkeypatch, photographs, folder, *more):
    return run(monkeypatch, "align.py", photographs[0], "--landmarks", photographs[1], "-o", folder, "--domain",
               "portraits", *more)


def test_aligned_crops_and_their_record(monkeypatch, tmp_path, photographs):
    assert align(monkeypatch, photographs, tmp_path / "aligned", "--resolution", 32) == 0
    faces, edits = record.read(tmp_path / "aligned")
    assert list(faces) == ["one_face1", "one_face2", "two"] and edits == []
    for name, face in faces.items():
        assert images.read(tmp_path / "aligned" / f"{name}.png").shape == (32, 32, 3)
        assert record.photograph_of(face).parent == photographs[0] and face.domain == "portraits"
    portrait = images.read(embedded.sample_pictures(tmp_path / "p", 1) / "portrait1.png").astype(float)
    crop = images.read(tmp_path / "aligned" / "one_face1.png").repeat(2, axis=0).repeat(2, axis=1)
    assert np.abs(crop - portrait).mean() < 12
    assert align(monkeypatch, photographs, tmp_path / "second", "--faces", "2") == 1        # two.png has one
    assert list(record.read(tmp_path / "second")[0]) == ["one"]


def test_a_photograph_is_not_overwritten_by_its_face(monkeypatch, tmp_path, photographs, caplog):
    folder = photographs[0]
    (folder / "one.jpg").unlink()
    before = (folder / "two.png").read_bytes()
    for _ in range(2):      # the second time, the face is known for what it is
        assert align(monkeypatch, photographs, folder, "--resolution", 32) == 0
    assert (folder / "two.png").read_bytes() == before
    assert sorted(path.name for path in folder.glob("*.png")) == ["two.png", "two_face1.png"]


def test_photographs_without_a_face_are_named(monkeypatch, tmp_path, capfd):
    images.save(tmp_path / "wall.png", scene.wall((200, 160), 1))
    (tmp_path / "text.png").write_text("no picture")
    assert run(monkeypatch, "align.py", tmp_path, "-o", tmp_path / "aligned", "--smallest", "100") == 2
    printed = capfd.readouterr().err
    assert "wall.png: no face found" in printed and "text.png" in printed and "0 faces in 0 of 2" in printed
    assert record.path_in(tmp_path / "aligned") is None


def test_without_an_edit_the_photographs_come_back(monkeypatch, tmp_path, photographs, network):
    """align, invert with the crops, paste: every byte is that of the photograph."""
    align(monkeypatch, photographs, tmp_path / "aligned", "--resolution", 16)
    assert run(monkeypatch, "invert.py", network, tmp_path / "aligned", "-o", tmp_path / "inverted", *EDIT) == 0
    assert run(monkeypatch, "paste.py", tmp_path / "inverted", "-o", tmp_path / "pasted") == 0
    for name, made in ("one.jpg", "one_inv.jpg"), ("two.png", "two_inv.png"):
        assert (tmp_path / "pasted" / made).read_bytes() == (photographs[0] / name).read_bytes()
    assert run(monkeypatch, "paste.py", tmp_path / "inverted", "-o", tmp_path / "put", "--mode", "replace",
               "--format", "png") == 0
    change = np.abs(images.read(tmp_path / "put" / "one_inv.png").astype(int)
                    - images.read(photographs[0] / "one.jpg")).max(axis=2)
    assert change.max() > 50 and (change == 0).mean() > 0.6


def test_one_command_from_photograph_to_photograph(monkeypatch, tmp_path, photographs, network):
    """Both faces of one photograph in one file of each step; unchanged away from them."""
    np.save(tmp_path / "age.npy", tiny.normal(1, 8))
    assert run(monkeypatch, "manipulate.py", network, photographs[0], tmp_path / "age.npy", "-o", tmp_path / "out",
               "--align", "portraits", "--landmarks", photographs[1], "--paste", "--format", "png", "--step", 2,
                   "--start_distance", 20, "--end_distance", 40, *EDIT) == 0
    made = tmp_path / "out" / "AGE_photographs_photographs"
    assert sorted(path.name for path in made.glob("*.png")) == [
        f"{name}_{step}.png" for name in ("one", "two") for step in ("01", "02")]
    faces, edits = record.read(tmp_path / "out" / "AGE_photographs")
    assert len(faces) == 3 and len(edits) == 6
    change = np.abs(images.read(made / "one_01.png").astype(int) - images.read(photographs[0] / "one.jpg")).max(axis=2)
    assert change[120:320, 100:300].any() and change[300:500, 420:620].any()
    assert not change[80:300, 700:900].any()            # the third portrait was not named
    before = tmp_path / "out" / "AGE_photographs" / "before" / "two.png"        # as the inversion drew it
    inverted = images.read(tmp_path / "out" / "inversion" / "photographs" / "two_inv.png").astype(int)
    assert np.abs(images.read(before) - inverted).max() <= 1


def test_paste_needs_photographs(monkeypatch, tmp_path, network, capfd):
    pictures = embedded.sample_pictures(tmp_path / "portraits", 1)
    np.save(tmp_path / "age.npy", tiny.normal(1, 8))
    assert run(monkeypatch, "manipulate.py", network, pictures, tmp_path / "age.npy", "-o", tmp_path / "out", "--paste",
               *EDIT) == 2
    assert "--align does that" in error_line(capfd)
    assert run(monkeypatch, "paste.py", pictures) == 2
    assert "holds no aligned.json" in error_line(capfd)


def test_edits_of_other_programs_go_back_by_name(monkeypatch, tmp_path, photographs):
    align(monkeypatch, photographs, tmp_path / "aligned", "--resolution", 16)
    (tmp_path / "mine").mkdir()
    crop = images.read(tmp_path / "aligned" / "two.png")
    images.save(tmp_path / "mine" / "two_darker.png", crop // 2)
    images.save(tmp_path / "mask.png", np.full([16, 16, 3], 255, np.uint8))
    assert run(monkeypatch, "paste.py", tmp_path / "mine", "--record", tmp_path / "aligned", "-o", tmp_path / "pasted",
               "--mask", tmp_path / "mask.png") == 0
    pasted = images.read(tmp_path / "pasted" / "two_darker.png").astype(int)
    before = images.read(photographs[0] / "two.png").astype(int)
    assert (pasted != before).any()


def test_a_photograph_that_has_changed_is_refused(monkeypatch, tmp_path, photographs, network, capfd):
    align(monkeypatch, photographs, tmp_path / "aligned", "--resolution", 16)
    run(monkeypatch, "invert.py", network, tmp_path / "aligned", "-o", tmp_path / "inverted", *EDIT)
    images.save(photographs[0] / "two.png", np.zeros([640, 960, 3], np.uint8))
    capfd.readouterr()
    assert run(monkeypatch, "paste.py", tmp_path / "inverted", "-o", tmp_path / "pasted") == 1
    assert "two.png: is not the photograph that was aligned" in capfd.readouterr().err
    assert sorted(path.name for path in (tmp_path / "pasted").glob("*_inv*")) == ["one_inv.jpg"]


@pytest.mark.parametrize("name, expected", [
    ("styleganinv_face_256.pkl", "faces"), ("stylegan2-ffhq-config-f.pkl", "faces"), ("network.h5", None),
    ("styleganinv_tower256.pkl", "other"), ("portraits64-stylegan.h5", "portraits"), ("metfaces.pkl", "other")])
def test_domains_by_name(name, expected):
    assert alignment_options.domain_of(name) == expected


def test_an_unknown_domain_is_asked_for(monkeypatch, tmp_path, photographs, network, capfd):
    (tmp_path / "network.h5").write_bytes(network.read_bytes())
    assert run(monkeypatch, "invert.py", "--align", tmp_path / "network.h5", photographs[0], "-o", tmp_path / "out",
               *EDIT) == 2
    assert "--align faces" in error_line(capfd)


def test_unaligned_photographs_are_warned_of(tmp_path, caplog):
    images.save(tmp_path / "a.png", scene.scene(1000)[0])
    alignment_options.warn("faces", [("a", tmp_path / "a.png")], logging.getLogger("a"))
    (line,) = caplog.messages
    assert "--align" in line and "a.png" in line
    caplog.clear()
    alignment_options.warn("other", [("a", tmp_path / "a.png")], logging.getLogger("a"))
    images.save(tmp_path / "wall.png", scene.wall((60, 60), 1))
    alignment_options.warn("faces", [("a", tmp_path / "wall.png")], logging.getLogger("a"))
    assert not caplog.messages
