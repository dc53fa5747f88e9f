"""The editor without its page: sessions, recipes, limits, and what its actions do with tiny networks."""
from __future__ import annotations

import base64
import dataclasses
import io
import json
import socket
import threading
import zipfile

import encoder_training
import numpy as np
import pytest
import tiny
from PIL import Image
from running import error_line, run

from tf_idinvert import checkpoint
from tf_idinvert.alignment import quad, warp
from tf_idinvert.boundaries import Boundary
from tf_idinvert.cli import editor as tool
from tf_idinvert.editor import actions, combining, drawing, recipe, studio
from tf_idinvert.editor.limits import Limits, Stopped, Together, Visits, read_upload
from tf_idinvert.editor.session import STEPS_KEPT, Edit, Picture, Place, Session
from tf_idinvert.errors import InputError
from tf_idinvert.files import images, results
from tf_idinvert.inversion import InversionOptions


LAYERS, WIDTH = tiny.ENCODER["num_layers"], tiny.ENCODER["dlatent_size"]


# ------------------------------------------------------------------------------------------------- sessions

def edit(age=0.0, last=LAYERS - 1):
    return Edit.of({"age": age, "pose": 0.0}, 0, last, 0)


def test_moves_are_undone_and_redone_step_by_step():
    session = Session()
    for i, value in enumerate((0.5, 1.0, 1.5)):
        session = session.moved(edit(value), 10.0 * i)
    assert session.undone().edit == edit(1.0)
    assert session.undone().undone().redone().edit == edit(1.0)
    assert session.undone().redone().redone().edit == edit(1.5)
    assert session.undone().undone().undone().undone().edit == Edit()


def test_quick_moves_of_one_control_are_one_step():
    session = Session(edit=edit()).moved(edit(1.0), 0.0)
    dragged = session.moved(edit(1.1), 0.5).moved(edit(1.3), 1.4)
    assert dragged.undone().edit == edit()
    assert session.moved(edit(1.1), 2.0).undone().edit == edit(1.0)         # later
    assert session.moved(edit(1.0, last=2), 0.5).undone().edit == edit(1.0)     # another control


def test_a_move_ends_what_could_be_redone_and_history_is_bounded():
    session = Session().moved(edit(1.0), 0.0).moved(edit(2.0), 9.0).undone().moved(edit(3.0), 18.0)
    assert session.redone() is session
    assert session.moved(edit(3.0), 30.0) is session        # nothing has changed
    for i in range(2 * STEPS_KEPT):
        session = session.moved(edit(0.01 * i + 5), 100.0 * i)
    assert len(session.past) == STEPS_KEPT


def test_a_range_of_layers_overrules_those_of_a_direction():
    assert Edit.of({}, 0, LAYERS - 1, 0).layers((1, 2), LAYERS) == (1, 2)
    assert Edit.of({}, 4, 2, 0).layers((1, 2), LAYERS) == (2, 3, 4)
    assert Edit().layers(None, LAYERS) is None


# ------------------------------------------------------------------------------------------------- recipes

@pytest.fixture
def made(rng):
    def normal():
        return rng.standard_normal([1, LAYERS, WIDTH]).astype("float32")

    moves = recipe.Move("age", 1.5, 3.25, normal()), recipe.Move("pose", -1.0, -0.7, normal(), (1, 3))
    return recipe.Recipe("network.h5", "ab" * 32, "me", "encoder", normal(), moves, 7, "cd" * 32)


def test_a_recipe_comes_back_from_its_file_bit_by_bit(made, tmp_path):
    recipe.write(tmp_path / "r.json", made)
    back = recipe.read(tmp_path / "r.json")
    assert recipe.text(back) == recipe.text(made)
    assert back.codes.tobytes() == made.codes.tobytes() and back.moves[1].layers == (1, 3)
    expected = made.codes + np.float32(3.25) * made.moves[0].normal
    expected[:, [1, 3]] += np.float32(-0.7) * made.moves[1].normal[:, [1, 3]]
    np.testing.assert_allclose(back.edited(), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(back.edited(np.repeat(made.codes, 2, axis=0))[1:], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("change", [
    {"format": "other"}, {"codes": {"shape": [1, 2, 3], "float32": "AAAA"}}, {"codes": {"shape": [1], "float32": 5}},
    {"codes": {"shape": [1, 1, 1], "float32": base64.b64encode(np.float32([np.nan]).tobytes()).decode()}},
    {"codes": None}, {"moves": "x"}, {"moves": [{}]}, {"moves": [{}] * 1000}, {"noise_seed": -1}, {"noise_seed": "7"},
    {"codes": {"shape": [1, 10 ** 30], "float32": "AAAA"}}, {"moves": [{"distance": 10 ** 400}]},
    {"codes": {"shape": [1, 1, 1], "float32": base64.b64encode(np.float32([1e30]).tobytes()).decode()}},
    {"noise_seed": True}, {"picture": 3}, {"codes": {"shape": [1, 99999999, 99999999], "float32": ""}}])
def test_a_damaged_recipe_is_refused_in_one_line(made, tmp_path, change):
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**json.loads(recipe.text(made)), **change}))
    with pytest.raises(recipe.RecipeError, match="r.json: ") as error:
        recipe.read(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("name", ["../me", "/me", "a/b", "me\0"])
def test_a_recipe_names_no_picture_elsewhere(made, tmp_path, name):
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**json.loads(recipe.text(made)), "picture": name}))
    with pytest.raises(recipe.RecipeError, match="r.json: .*no name of a file"):
        recipe.read(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "\xff", "null"])
def test_what_is_no_recipe_is_refused(tmp_path, text):
    (tmp_path / "r.json").write_text(text, encoding="latin-1")
    with pytest.raises(recipe.RecipeError, match="r.json: "):
        recipe.read(tmp_path / "r.json")


# ------------------------------------------------------------------------------------------------- limits

def upload(folder, name="me.png", side=20, data=None):
    path = folder / name
    if data is None:
        Image.new("RGB", (side, side), "red").save(path)
    else:
        path.write_bytes(data)
    return path


def test_an_upload_is_read_and_its_file_removed(tmp_path):
    path = upload(tmp_path)
    pixels, name = read_upload(path, Limits())
    assert pixels.shape == (20, 20, 3) and name == "me" and not path.exists()


@pytest.mark.parametrize("limits, data, words", [
    (Limits(upload_bytes=60), None, "60"), (Limits(upload_pixels=399), None, "20x20 is 400 pixels"),
    (Limits(), b"not a picture", "me.png"), (Limits(), b"", "empty"),
    (Limits(), b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "me")])
def test_a_hostile_upload_is_refused_in_one_line_and_its_file_removed(tmp_path, limits, data, words):
    path = upload(tmp_path, data=data)
    with pytest.raises(images.ImageError) as error:
        read_upload(path, limits)
    assert words in str(error.value) and str(tmp_path) not in str(error.value) and "\n" not in str(error.value)
    assert not path.exists()


def test_rows_that_wait_are_computed_together():
    started, go_on, sizes = threading.Event(), threading.Event(), []

    def double(rows):
        sizes.append(len(rows))
        started.set()
        assert go_on.wait(30)
        return [2 * row for row in rows]

    together, answers = Together(double, at_most=4), {}
    threads = [threading.Thread(target=lambda i=i: answers.update({i: together(i)})) for i in range(6)]
    threads[0].start()
    assert started.wait(30)
    for thread in threads[1:]:
        thread.start()
    while len(together.waiting) < 5:
        pass
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert answers == {i: 2 * i for i in range(6)} and sizes == [1, 4, 1]


def test_an_error_reaches_everybody_of_its_batch_and_nobody_else():
    def invert(rows):
        return [1 / row for row in rows]

    together = Together(invert)
    with pytest.raises(ZeroDivisionError):
        together(0)
    assert together(2) == 0.5


def test_visitors_who_leave_or_are_too_many_leave_nothing_behind(tmp_path):
    visits = Visits(2, tmp_path)
    folders = []
    for key in "abc":
        folders.append(visits.of(key).folder())
        (folders[-1] / "file").write_text(key)
    assert [folder.exists() for folder in folders] == [False, True, True]       # the first made room
    first = visits.of("b")
    assert visits.of("b") is first and visits.of("d") is not first and not folders[2].exists()
    visits.leave("b")
    assert first.stopping and not folders[1].exists() and visits.of("b") is not first
    visits.leave("nobody")
    assert not list(tmp_path.iterdir()) and set(visits.here) == {"d", "b"}


# ------------------------------------------------------------------------------------------------- actions

@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """(path, Models) of an encoder and a generator at 16 px."""
    models = checkpoint.Models(encoder=tiny.encoder(), generator=tiny.generator())
    path = tmp_path_factory.mktemp("model") / "network.h5"
    checkpoint.save(models, path)
    return path, checkpoint.load(path)


@pytest.fixture(scope="module")
def desk(model):
    """Actions on the tiny model, with two directions and two samples."""
    path, models = model
    rng = np.random.default_rng(1)
    normals = {name: rng.standard_normal([1, LAYERS, WIDTH]).astype("float32") for name in ("age", "pose")}
    groups = {"Attributes": {"age": Boundary(normals["age"])}, "Others": {"pose": Boundary(normals["pose"], (1, 2))}}
    options = InversionOptions(steps=6, batch_size=1, results=3)
    with encoder_training.eagerly():
        made = studio.Studio(models, recipe.model_of([path]), studio.directions(groups, models.generator),
                             options=options, identity=tiny.attributes().embedding)
    samples = {name: rng.integers(0, 256, [16, 16, 3], "uint8") for name in ("one", "two")}
    return actions.Actions(made, samples, Limits())


@pytest.fixture
def visit(eagerly, desk, tmp_path):
    found = Visits(4, tmp_path).of("me")
    desk.open_sample(found, "one")
    return found


def values(desk, age=0.0, pose=0.0, first=0, last=LAYERS - 1, seed=0):
    return [age, pose], first, last, seed


def shown(value):
    """Pixels of a data URL."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(value.partition(",")[2]))))


def test_an_opened_picture_is_the_encoders_answer(desk, visit):
    picture = visit.session.picture
    encoded = np.asarray(desk.studio.models.encoder(images.to_float(desk.samples["one"])[None]))[0]
    np.testing.assert_allclose(picture.codes, encoded, atol=1e-5, rtol=1e-4)
    view = desk.shown(visit).divider
    assert (shown(view["before"]) == desk.samples["one"]).all()
    drawn = images.to_uint8(np.asarray(desk.studio.generator.synthesis(picture.codes[None])))[0]
    assert np.abs(shown(view["after"]).astype(int) - drawn).max() <= 1


def test_sliders_move_along_their_directions_in_their_layers(desk, visit):
    assert desk.move(visit, *values(desk)) is None          # nothing has changed
    desk.move(visit, *values(desk, age=1.5, pose=-1))
    age, pose = desk.studio.directions.values()
    picture = visit.session.picture
    expected = picture.codes + 1.5 * age.deviation * age.boundary.normal[0]
    expected[1:3] -= pose.deviation * pose.boundary.normal[0, 1:3]
    made = desk.studio.recipe(picture, visit.session.edit, picture.pixels)
    np.testing.assert_allclose(made.edited()[0], expected, atol=1e-4, rtol=1e-4)
    assert [move.attribute for move in made.moves] == ["age", "pose"] and made.moves[1].layers == (1, 2)
    desk.move(visit, *values(desk, pose=-1, first=3))
    assert desk.studio.recipe(picture, visit.session.edit, picture.pixels).moves[0].layers == (3, 4, 5)


def test_undo_redo_and_reset_give_the_controls_back(desk, visit):
    desk.move(visit, *values(desk, age=1.5))
    desk.move(visit, *values(desk, age=1.5, seed=3))
    assert desk.undo(visit)[0] == [1.5, 0, 0, LAYERS - 1, 0]
    assert desk.redo(visit)[0] == [1.5, 0, 0, LAYERS - 1, 3]
    assert desk.reset(visit)[0] == [0, 0, 0, LAYERS - 1, 0]
    assert desk.undo(visit)[0] == [1.5, 0, 0, LAYERS - 1, 3]


def test_noise_of_a_seed_changes_the_picture_and_repeats(desk, visit):
    drawn = [shown(desk.move(visit, *values(desk, seed=seed)).divider["after"]) for seed in (1, 2, 1)]
    assert (drawn[0] == drawn[2]).all() and (drawn[0] != drawn[1]).any()


def test_refining_goes_where_the_inversion_goes_and_stops_with_what_there_is(desk, visit):
    start = visit.session.picture
    steps = list(desk.refine(visit))
    whole = desk.studio.inversion(images.to_float(start.pixels)[None])
    assert visit.session.picture.codes.tobytes() == whole.codes[0].tobytes()
    assert len(steps) == 7 and "6 steps of adam" in steps[-1].status
    desk.open_sample(visit, "one")
    for i, _ in enumerate(desk.refine(visit)):
        visit.stopping = i == 1
    assert "stopped" not in steps[-1].status and i == 2 and visit.session.picture.origin == "encoder, 2 steps of adam"
    drawn = desk.studio.edited(visit.session.picture, Edit())
    assert (drawn == images.to_uint8(whole.intermediate[2])[0]).all()


def test_a_search_does_not_touch_a_picture_that_was_opened_meanwhile(desk, visit):
    search = desk.refine(visit)
    next(search)
    desk.open_sample(visit, "two")
    assert list(search) == [] and visit.session.picture.name == "two"
    assert visit.session.picture.origin == "encoder"


def test_what_needs_a_picture_says_so(desk, tmp_path):
    nobody = Visits(4, tmp_path).of("nobody")
    for action in (desk.keep, desk.undo, desk.take, lambda visit: list(desk.refine(visit)),
                   lambda visit: desk.mix(visit, 0, 1), lambda visit: list(desk.diffuse(visit, ""))):
        with pytest.raises(InputError):
            action(nobody)
    with pytest.raises(InputError, match="no such sample"):
        desk.open_sample(nobody, "../../etc/passwd")
    assert desk.move(nobody, *values(desk, age=1)) is None and desk.opened(nobody) == {}


def test_two_pictures_are_mixed_and_interpolated(desk, visit):
    with pytest.raises(InputError, match="second"):
        desk.mix(visit, 0, 1)
    desk.second_sample(visit, "two")
    desk.mix(visit, 4, 2)
    one, two = visit.session.picture, visit.second
    assert (visit.made.codes[2:5] == two.codes[2:5]).all() and (visit.made.codes[:2] == one.codes[:2]).all()
    strip, animation = desk.interpolate(visit, 3, "GIF")
    frames = [shown(part.partition('"')[0]) for part in strip.split('src="')[1:]]
    assert len(frames) == 3 and (frames[2] == desk.studio.draw((two.codes, 0))).all()
    np.testing.assert_allclose(visit.made.codes, (one.codes + two.codes) / 2, atol=1e-5)
    assert "data:image/gif;base64," in animation
    desk.take(visit)
    assert visit.session.picture.codes is visit.made.codes


@pytest.mark.parametrize("kind", combining.ANIMATIONS)
def test_an_animation_goes_there_and_back(rng, kind):
    data = combining.animation(rng.integers(0, 256, [4, 16, 16, 3], "uint8"), kind)
    with Image.open(io.BytesIO(data)) as file:
        assert file.format == kind.upper() and file.n_frames == 6


def painted(side=16, rows=slice(4, 9)):
    part = np.zeros([side, side], bool)
    part[rows, 2:11] = True
    return part, base64.b64encode(np.packbits(part).tobytes()).decode()


def test_the_painters_value_is_read_point_by_point():
    part, value = painted()
    assert (actions.mask_of(value, 16) == part).all() and not actions.mask_of("", 16).any()
    for wrong in ("AAAA", "?", value + value):
        with pytest.raises(InputError):
            actions.mask_of(wrong, 16)


def test_a_painted_part_is_diffused_into_the_second_picture(desk, visit):
    desk.second_sample(visit, "two")
    with pytest.raises(InputError, match="paint"):
        list(desk.diffuse(visit, ""))
    part, value = painted()
    assert len(list(desk.diffuse(visit, value))) == 7
    stitched = desk.samples["two"].copy()
    stitched[part] = desk.samples["one"][part]
    whole = desk.studio.inversion(images.to_float(stitched)[None], mask=part[None, :, :, None])
    assert visit.made.codes.tobytes() == whole.codes[0].tobytes() and "diffused into two" in visit.made.origin


@pytest.mark.parametrize("task", ["Fill what is painted", "Enlarge"])
def test_a_picture_is_restored_and_what_is_known_stays(desk, visit, task):
    part, value = painted()
    if combining.TASKS[task] == "inpaint":
        with pytest.raises(InputError, match="paint"):
            desk.restore(visit, task, "", 2, lambda *_: None)
    small = combining.Restorations(desk.studio, combining.MultiCodeOptions(codes=2, steps=2))
    desk = actions.Actions(desk.studio, desk.samples, desk.limits)
    desk.restorations, told = small, []
    before, after = (shown(figure.split('"')[3]) for figure in desk.restore(visit, task, value, 2,
                                                                          lambda share, _: told.append(share)))
    assert after.shape == before.shape == (16, 16, 3) and told[-1] == 1
    if combining.TASKS[task] == "inpaint":
        assert (after[~part] == desk.samples["one"][~part]).all() and (after[part] != before[part]).any()
    assert visit.made.name == "one_restored"
    visit.stopping = False

    def stop(*_):
        visit.stopping = True

    with pytest.raises(Stopped):
        desk.restore(visit, task, value, 2, stop)


# ------------------------------------------------------------------------------------------------- photographs

def test_faces_of_a_photograph_are_chosen_edited_and_pasted_back(desk, tmp_path, monkeypatch, rng):
    photograph = rng.integers(0, 256, [90, 120, 3], "uint8")
    places = [Place(photograph, quad.of_square(left, 20, 40), np.zeros([0, 2])) for left in (10, 70)]
    monkeypatch.setattr(desk.studio, "faces", lambda pixels: places if (pixels == photograph).all() else ())
    Image.fromarray(photograph).save(tmp_path / "us.png")
    visit = Visits(4, tmp_path).of("me")
    opened = desk.open_upload(visit, tmp_path / "us.png")
    assert visit.session.picture.name == "us_1" and opened.faces.count("<button") == 2
    chosen = desk.open_face(visit, 1)
    assert visit.session.picture.name == "us_2" and chosen.faces.count('aria-pressed="true"') == 1
    assert (visit.session.picture.pixels == warp.crop(photograph, places[1].quad, 16)).all()
    with pytest.raises(InputError, match="no such face"):
        desk.open_face(visit, 2)

    def kept():
        name, = (path for path in desk.keep(visit) if path.endswith("us_2_photograph.png"))
        return np.asarray(Image.open(name))

    assert (kept() == photograph).all()         # nothing is edited
    desk.move(visit, *values(desk, age=1))
    changed = (kept() != photograph).any(axis=2)
    assert changed[20:60, 70:110].any() and not changed[:20].any() and not changed[:, :70].any()
    assert desk.open_sample(visit, "one").faces == ""


# ------------------------------------------------------------------------------------------------- keeping

def test_files_to_keep_are_those_of_an_inversion_and_the_recipe_makes_the_picture_again(
        desk, visit, model, tmp_path, monkeypatch, capfd):
    desk.move(visit, *values(desk, age=0.4, pose=-0.2, seed=5))
    edited, text, archive = desk.keep(visit)
    desk.keep(visit)                    # in place of the first
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "codes")
    found = results.read(tmp_path / "codes" / "one")
    assert found.names == ("one",) and found.picture(0, "inv") and (found.codes[0] == visit.session.picture.codes).all()
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "manipulate.py", model[0], "--recipe", text, "-o", "again") == 0
    assert "pixel by pixel" in capfd.readouterr().err
    assert (tmp_path / "again" / "one_edited.png").read_bytes() == open(edited, "rb").read()
    assert run(monkeypatch, "manipulate.py", "codes/one", "--model", model[0], "--recipe", text, "-o", "others") == 0
    assert (tmp_path / "others" / "one_edited.png").read_bytes() == open(edited, "rb").read()


def test_manipulate_says_which_recipes_do_not_fit(desk, visit, model, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    other = dataclasses.replace(
        desk.studio.recipe(visit.session.picture, Edit(), visit.session.picture.pixels), pixels_sha256="",
        model_sha256="")
    recipe.write("r.json", other)
    assert run(monkeypatch, "manipulate.py", model[0], "--recipe", "r.json") == 0
    printed = capfd.readouterr().err
    assert "another file" in printed and "not those of the recipe" in printed
    recipe.write("r.json", dataclasses.replace(other, codes=other.codes[:, :3]))
    assert run(monkeypatch, "manipulate.py", model[0], "--recipe", "r.json") == 2
    assert "3 layers" in error_line(capfd)
    assert run(monkeypatch, "manipulate.py", model[0], "codes", "b.npz", "--recipe", "r.json") == 2
    assert "in place of" in error_line(capfd)
    assert run(monkeypatch, "manipulate.py", model[0], "--recipe", "none.json") == 2
    assert "none.json" in error_line(capfd)


def test_pictures_of_several_visitors_have_the_bits_that_they_have_alone(desk):
    rng = np.random.default_rng(3)
    rows = [(rng.standard_normal([LAYERS, WIDTH]).astype("float32"), seed) for seed in (0, 0, 4, 0, 4)]
    draw = drawing.drawer(desk.studio.generator.synthesis)
    for row, drawn in zip(rows, draw(rows)):
        assert (draw([row])[0] == drawn).all()


def test_directions_must_be_the_networks(desk):
    generator = desk.studio.generator
    wrong = Boundary(np.ones([1, LAYERS, WIDTH + 1], "float32"))
    with pytest.raises(InputError, match="age: .*boundary"):
        studio.directions({"a": {"age": wrong}}, generator)
    right = Boundary(np.ones([1, LAYERS, WIDTH], "float32"))
    with pytest.raises(InputError, match="two directions"):
        studio.directions({"a": {"age": right}, "b": {"age": right}}, generator)


def test_text_of_visitors_is_escaped(desk, visit):
    picture = Picture("<script>", *(getattr(visit.session.picture, name) for name in ("pixels", "encoded", "codes")),
                      "<b>")
    visit.change(lambda session: session.opened(picture))
    desk.second_sample(visit, "two")
    assert "<script>" not in desk.mix(visit, 0, 1) + desk.interpolate(visit, 3, "WebP")[0]
    assert all("<b>" not in each.status for each in desk.refine(visit))


@pytest.mark.parametrize("host", ["an address", "a" * 70])
def test_an_address_where_nothing_can_listen_is_one_line(host):
    with pytest.raises(InputError, match="cannot listen at --host .*: "):
        tool.require_address(host, None)


def test_a_port_in_use_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen at --host 127.0.0.1 --port {port}: Address already"):
            tool.require_address("127.0.0.1", port)
    tool.require_address("127.0.0.1", None)
