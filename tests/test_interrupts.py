"""Ctrl-C before every line of the code that fills a folder: all files of a picture are complete, or none."""
from __future__ import annotations

import itertools
import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from interrupts import interrupted
from PIL import Image

from tf_idinvert.files import arrays, atomic, results, unfinished
from tf_idinvert.inversion import InversionOptions, InversionResult
from tf_idinvert.jobs import batches, diffuse, edit, inversion_pages, invert, restore
from tf_idinvert.restoration.degradations import Identity
from tf_idinvert.restoration.multi_code import MultiCodeOptions, MultiCodeResult

pytestmark = pytest.mark.one_stack      # how runs end; networks and searches are stood in for
SIDE, LAYERS, WIDTH = 8, 2, 3
NAMES = "p0", "p1", "p2"


@pytest.fixture(autouse=True)
def quick_pages(monkeypatch):
    """Pages of text, so that there can be many."""
    def write(path, title, headers, rows, **_):
        atomic.write_text(path, json.dumps([[cell for cell in row if isinstance(cell, str)] for row in rows]))

    for module in inversion_pages, edit, diffuse, restore:
        monkeypatch.setattr(module.report, "write", write)


@pytest.fixture
def pictures(tmp_path):
    """(name, path) of three pictures."""
    for i, name in enumerate(NAMES):
        Image.new("RGB", (SIDE, SIDE), (50 * i, 0, 0)).save(tmp_path / f"{name}.png")
    return [(name, tmp_path / f"{name}.png") for name in NAMES]


def every_line(function, modules):
    """Yield a new number for each line, once the function was interrupted there; at the end, once it was not."""
    for number in itertools.count(1):
        code, reached = interrupted(lambda: function(number), modules, number)
        assert code == (130 if reached else 0)
        yield number
        if not reached:
            return


def inversion(pictures, start=None, progress=None):
    """The result of pictures that tell their codes: those of p1 are all 50 before and 51 after."""
    pictures = np.stack(pictures)
    red = np.rint((pictures[:, 0, 0, 0] + 1) * 127.5)
    codes = np.broadcast_to(red[:, None, None], (len(red), LAYERS, WIDTH)).astype("float32")
    return InversionResult(codes + 1, pictures, {}, codes, pictures, {4: pictures})


def test_pictures_are_inverted_whole_or_not_at_all(tmp_path, pictures):
    inverter = invert.Inverter(
        SimpleNamespace(generator=SimpleNamespace(synthesis=None, resolution=SIDE), encoder=None),
        InversionOptions(steps=4, batch_size=2, results=1), None, viz_size=0, log=logging.Logger(""), record={})
    inverter.inversion = inversion

    def run(number):
        (tmp_path / str(number)).mkdir()
        inverter(pictures, tmp_path / str(number))

    counts = []
    modules = batches, invert, inversion_pages, results, unfinished
    for number in every_line(run, [module.__file__ for module in modules]):
        folder = tmp_path / str(number)
        if not (folder / "inversion.html").exists():
            assert not {"image_list.txt", "options.json"} & {path.name for path in folder.iterdir()}
            counts.append(0)
            continue
        found = results.read(folder)        # refuses a list that does not fit the codes
        counts.append(len(found.names))
        assert found.names == NAMES[:counts[-1]]
        expected = np.arange(counts[-1]) * 50
        assert (found.codes[:, 0, 0] == expected + 1).all()
        assert (np.load(folder / "encoded_codes.npy")[:, 0, 0] == expected).all()
        assert list(json.loads((folder / "options.json").read_text())["pictures"]) == list(found.names)
        assert [row[0] for row in json.loads((folder / "inversion.html").read_text())] == list(found.names)
        assert all(np.asarray(Image.open(folder / f"{name}_{kind}.png"))[0, 0, 0] == value
                   for name, value in zip(found.names, expected) for kind in ("ori", "enc", "inv"))
    assert set(counts) == {0, 2, 3} and counts == sorted(counts)      # batches; what was done once is never lost


def test_rows_of_edits_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(tf, "function", lambda function, **_: function)
    codes = np.arange(3 * 2 * LAYERS * WIDTH, dtype="float32").reshape(3, 2, LAYERS, WIDTH) / 36

    def run(number):
        rows = (edit.Row(codes[i], [f"{name}_{k}" for k in range(2)], [name]) for i, name in enumerate(NAMES))
        edit.write(tmp_path / str(number), rows, codes.shape, draw, 1, edit.Page("Edits", [], {}),
                   logging.Logger(""))

    counts = []
    for number in every_line(run, [module.__file__ for module in (edit, batches, arrays, atomic)]):
        page, file = tmp_path / f"{number}.html", tmp_path / f"{number}_codes.npy"
        assert page.exists() == file.exists()
        names = [row[0] for row in json.loads(page.read_text())] if page.exists() else []
        counts.append(len(names))
        assert names == list(NAMES[:counts[-1]])
        if names:
            kept = np.load(file)
            assert np.array_equal(kept[:len(names)], codes[:len(names)]) and np.isnan(kept[len(names):]).all()
            assert all((tmp_path / str(number) / f"{name}_{k}.png").exists() for name in names for k in range(2))
    assert set(counts) == {0, 1, 2, 3} and counts == sorted(counts)
    assert [path for path in tmp_path.rglob(".*")] == []        # nothing temporary is left


def test_pairs_are_diffused_whole_or_not_at_all(tmp_path, pictures):
    """Codes tell the context; one target in three contexts, in batches of two."""
    generator = SimpleNamespace(resolution=SIDE, num_layers=LAYERS, dlatent_size=WIDTH)
    options = InversionOptions(steps=4, batch_size=2, results=1).for_features(None)

    def invert_(stitched, mask, progress):
        return inversion([picture[::-1, ::-1] for picture in stitched])        # at the corner is the context

    invert_.options = options

    def run(number):
        (tmp_path / str(number)).mkdir(exist_ok=True)
        diffuse.Diffusion(tmp_path / str(number) / "job", pictures[:1], pictures, (0, 0, 4), invert_, generator,
                          model="", viz_size=0, log=logging.Logger("")).run()

    counts = []
    for number in every_line(run, [module.__file__ for module in (batches, diffuse, arrays)]):
        folder = tmp_path / str(number)
        page, files = folder / "job.html", [folder / f"job_{kind}_codes.npy" for kind in ("encoded", "inverted")]
        names = [row[0] for row in json.loads(page.read_text())] if page.exists() else []
        counts.append(len(names))
        expected = [f"{NAMES[0]} to {context}" for context in NAMES]
        assert names == expected[:len(names)] and page.exists() == all(file.exists() for file in files)
        for file, more in zip(files if names else [], (0, 1)):
            kept = np.load(file)[..., 0, 0].ravel()
            assert (kept[:len(names)] == np.arange(len(names)) * 50 + more).all()
            assert np.isnan(kept[len(names):]).all()
        assert all((folder / "job" / f"{name.replace(' to ', '_TO_')}_{kind}.png").exists()
                   for name in names for kind in ("sti", "enc", "inv"))
    again = counts.index(2) + 1
    run(again)      # continues
    assert np.load(tmp_path / f"{again}/job_encoded_codes.npy")[0, :, 0, 0].tolist() == [0, 50, 100]
    assert len(json.loads((tmp_path / f"{again}/job.html").read_text())) == 3
    assert not list(tmp_path.glob(f"{again}/*/.*"))
    assert set(counts) == {0, 2, 3} and counts == sorted(counts)


def test_pictures_are_restored_whole_or_not_at_all(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(restore.tasks, "start_codes", lambda *_: None)
    monkeypatch.setattr(restore.tasks, "scores", lambda made, _: dict.fromkeys(("psnr", "ssim"), np.ones(len(made))))

    def search(observed, start, progress):
        found = inversion(observed)
        return MultiCodeResult(found.codes[:, None], found.start_codes, found.codes[:, :1], observed, observed,
                               {}, {step: observed for step in search.options.result_steps()})

    search.options, search.degrade = MultiCodeOptions(steps=4, batch_size=2, results=2, feature_weight=0.0), Identity()
    models = SimpleNamespace(generator=SimpleNamespace(resolution=SIDE), encoder=None)

    def run(number):
        (tmp_path / str(number)).mkdir(exist_ok=True)
        restore.Restorer(models, search, restore.RestoreOptions("inversion"), viz_size=0, log=logging.Logger(""),
                         record={})(pictures, tmp_path / str(number))

    counts = []
    for number in every_line(run, [module.__file__ for module in (batches, restore, results)]):
        folder = tmp_path / str(number)
        names = []
        if (folder / "restoration.html").exists():
            names = [row[0] for row in json.loads((folder / "restoration.html").read_text())]
            expected = np.arange(len(names)) * 50
            assert (np.load(folder / "codes.npy")[:, 0, 0, 0] == expected + 1).all()
            assert (np.load(folder / "shared_codes.npy")[:, 0, 0] == expected).all()
            assert np.load(folder / "alphas.npy").shape[0] == len(names)
            assert list(json.loads((folder / "options.json").read_text())["pictures"]) == names
            assert all((folder / f"{name}_{kind}.png").exists() for name in names for kind in ("ori", "deg", "res"))
        counts.append(len(names))
        assert names == list(NAMES[:len(names)])
    again = tmp_path / str(counts.index(2) + 1)
    run(again.name)     # continues
    assert np.load(again / "codes.npy")[:, 0, 0, 0].tolist() == [1, 51, 101] and not list(again.glob(".*"))
    assert set(counts) == {0, 2, 3} and counts == sorted(counts)


def draw(codes):
    return tf.zeros([tf.shape(codes)[0], SIDE, SIDE, 3])
