"""tools/evaluate.py on tiny networks: all files, all parts, resuming, missing inputs, one-line errors."""
from __future__ import annotations

import contextlib
import io
import json

import encoder_training
import evaluating
import numpy as np
import pytest
import running
import tiny
from PIL import Image

from tf_idinvert import checkpoint
from tf_idinvert.evaluation import plots
from tf_idinvert.evaluation.papers import bench, claims, figures
from tf_idinvert.evaluation.papers.methods import METHODS
from tf_idinvert.portraits import embedded, portrait

pytestmark = pytest.mark.usefixtures("traced_once", "eagerly")
FEW = [text for name, value in evaluating.SIZES.items() for text in (f"--{name}", value)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Folder of networks for 16 px, with a reason for each claim."""
    folder = evaluating.write_files(tmp_path_factory.mktemp("networks") / "checkpoints")
    (folder / "reasons.json").write_text(json.dumps({claim.name: f"of {claim.name}" for claim in claims.CLAIMS}))
    return folder


@pytest.fixture
def checkpoints(written, monkeypatch):
    monkeypatch.setattr(embedded, "CHECKPOINTS", written)
    return written


@pytest.fixture(autouse=True)
def few_dots(monkeypatch):
    monkeypatch.setattr(plots, "DOTS", 30)      # Matplotlib spends most of its time on dots


def evaluate(monkeypatch, folder, *arguments):
    return running.run(monkeypatch, "evaluate.py", "-o", folder, *arguments)


@pytest.fixture
def no_figures(monkeypatch):
    """Parts are measured, and not drawn, which takes as long."""
    monkeypatch.setattr(figures, "draw", lambda *_: [])


def numbers(folder):
    return json.loads((folder / "tables.json").read_text(encoding="utf-8"))


def without_seconds(value):
    if isinstance(value, dict):
        return {name: without_seconds(each) for name, each in value.items() if name not in ("seconds", "tables")}
    return value


@pytest.fixture(scope="module")
def whole(written, tmp_path_factory):
    """(folder of the whole evaluation of these networks, what the tool printed)."""
    out, printed = tmp_path_factory.mktemp("whole") / "out", io.StringIO()
    with encoder_training.eagerly(), pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(printed):
        patch.setattr(embedded, "CHECKPOINTS", written)
        patch.setattr(plots, "DOTS", plots.DOTS // 2)
        assert evaluate(patch, out, *FEW) == 0
    return out, printed.getvalue()


@pytest.mark.one_stack
def test_everything_of_the_embedded_networks(whole, checkpoints, tmp_path, monkeypatch):
    out, printed = whole
    found = numbers(out)
    assert list(found["parts"]) == ["table1", "table1-force", "table2", "figure3", "figures5-7", "figure9", "figure10",
                                    "diffusion"] and not found["missing"]
    assert [each["name"] for each in found["claims"]] == [claim.name for claim in claims.CLAIMS]
    unmeasured = {each["name"] for each in found["claims"] if each["holds"] is None}
    assert {"tower-1", "tower-2", "force-mse", "tsne", "w-nobn"} <= unmeasured
    assert not {"encoder-mse", "speed", "w-bn", "weight-mse", "outside-domain", "force-edits"} & unmeasured
    assert "portraits64-in-domain-nobn.h5 is not there" in printed
    text, page = ((out / name).read_text(encoding="utf-8") for name in ("tables.md", "index.html"))
    for expected in ("portraits64-in-domain-nobn.h5 is not there", "12 rendered portraits", "seed 1000", "16 px",
                     "values in [-1, 1]", "portraits64-attributes.h5", "not comparable with FID", "other originals"):
        assert expected in text and expected in page
    for name in ("figure3", "figure4", "figure5", "figure6", "figure7", "figure9", "figure9-curve", "figure10",
                 "diffusion", "edits-mse"):
        assert Image.open(out / f"figures/{name}.png").size > (200, 200) and f"figures/{name}.png" in page

    monkeypatch.setattr(bench.Bench, "_invert", None)       # whoever inverts again fails
    monkeypatch.setattr(figures, "draw", lambda *_: [])
    (out / "tables.json").unlink()
    assert evaluate(monkeypatch, out, *FEW) == 0
    assert numbers(out) == found

    monkeypatch.undo()
    monkeypatch.setattr(embedded, "CHECKPOINTS", checkpoints)
    monkeypatch.setattr(figures, "draw", lambda *_: [])
    again = tmp_path / "again"
    assert evaluate(monkeypatch, again, *FEW, "--parts", "table1-force", "figures5-7") == 0
    for part in "table1-force", "figures5-7":
        assert without_seconds(numbers(again)["parts"][part]) == without_seconds(found["parts"][part])


@pytest.mark.one_stack
def test_two_workers_measure_what_one_measures(checkpoints, no_figures, tmp_path, monkeypatch):
    """With searches that end at once: test_inversion shows that a picture's result does not depend on its batch."""
    out, parts, invert, calls = tmp_path / "out", ("--parts", "table2", "figure9"), bench.Bench._invert, []

    def counted(self, method, networks, originals):
        if not METHODS[method].optimises:
            return invert(self, method, networks, originals)
        calls.append((method, len(originals)))
        return originals[:, :6, :8, 0] + np.float32(len(method)), originals * np.float32(0.9)

    monkeypatch.setattr(bench.Bench, "_invert", counted)
    assert evaluate(monkeypatch, tmp_path / "one", *FEW, *parts) == 0
    for index in 1, 0:
        calls.clear()
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]},
                                                    "task": {"type": "worker", "index": index}}))
        assert not (out / "index.html").exists()
        assert evaluate(monkeypatch, out, *FEW, *parts, "--strategy", "multi-worker") == 0
        few, more = (2, 3) if index else (1, 2)         # its shares of three and of five
        assert calls == [("mse", more), ("inversion", more), ("lambda0", few), ("lambda40", few)]
    assert {path.name for path in out.iterdir() if path.suffix == ".log"} == {"evaluate.log", "evaluate-1.log"}
    one, two = (without_seconds(numbers(tmp_path / name))["parts"] for name in ("one", "out"))
    assert set(one) == {"table2", "figure9"} and one == two


@pytest.mark.one_stack
def test_the_wild_world_by_two_judges_beside_the_other(whole, no_figures, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(embedded, "CHECKPOINTS", evaluating.write_wild_files(tmp_path / "networks"))
    out, parts = tmp_path / "out", ("--parts", "table1", "figure3")
    assert evaluate(monkeypatch, out, "--world", "wild", *FEW, *parts, "--beside", whole[0]) == 0
    found = numbers(out)
    measured = found["parts"]["table1"]["numbers"]
    assert measured["mse"]["frechet"] != measured["mse"]["frechet_second"] and measured["floor"]["frechet_second"]
    assert set(found["parts"]["figure3"]["numbers"]["inversion"]) == set(portrait.ATTRIBUTES)
    assert "wild64-judge.h5" in found["about"]["Distance"] and "wild portraits" in found["about"]["Pictures"]
    assert any("with hat" in note and "with hand" in note for note in found["about"]["notes"])
    assert not any("features of the network that measures" in note for note in found["about"]["notes"])
    text = (out / "tables.md").read_text(encoding="utf-8")
    for expected in ("pixels and features", "FD, second network", "wild64-attributes.h5", "by the second network",
                     f"{whole[0].name}: holds"):
        assert expected in text
    monkeypatch.setattr(bench.Bench, "_invert", None)       # whoever inverts again fails
    assert evaluate(monkeypatch, out, "--world", "wild", *FEW, *parts) == 0
    assert numbers(out) == found

    capfd.readouterr()
    assert evaluate(monkeypatch, out, "--world", "wild", "--beside", tmp_path / "none") == 2
    assert "--beside needs the folder of an evaluation" in running.error_line(capfd)


@pytest.mark.one_stack
def test_stopped_run_keeps_what_is_done_and_goes_on(checkpoints, no_figures, tmp_path, monkeypatch):
    inverted, invert, stops = [], bench.Bench._invert, True

    def inverting(self, method, *rest):
        inverted.append(method)
        if method == "mse" and stops:
            raise KeyboardInterrupt
        return invert(self, method, *rest)

    monkeypatch.setattr(bench.Bench, "_invert", inverting)
    parts = "--parts", "table1-force", "figure10"
    assert evaluate(monkeypatch, tmp_path / "out", *FEW, *parts) == 130
    assert list(numbers(tmp_path / "out")["parts"]) == ["table1-force"]
    assert "stopped before" in (tmp_path / "out/tables.md").read_text(encoding="utf-8")
    assert set(inverted) == {"encoder", "force", "inversion", "mse"}
    inverted.clear()
    stops = False
    assert evaluate(monkeypatch, tmp_path / "out", *FEW, *parts) == 0
    assert set(inverted) == {"mse", "force"} and "figure10" in numbers(tmp_path / "out")["parts"]


def test_pictures_and_encoder_of_a_user(tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    for i in range(7):
        pixels = np.random.default_rng(i).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"pictures/{i}.png")
    (tmp_path / "pictures/broken.png").write_bytes(b"no picture")
    monkeypatch.setattr(embedded, "CHECKPOINTS", tmp_path / "none")
    checkpoint.save(checkpoint.Models(encoder=tiny.encoder(resolution=8, num_layers=4),
                                      generator=tiny.generator(resolution=8)), tmp_path / "mine.pkl")
    (tmp_path / "reasons.json").write_text('{"outside-fit": "my reason"}')
    assert evaluate(monkeypatch, tmp_path / "out", *FEW, "--encoders", tmp_path / "mine.pkl", "--images",
                    tmp_path / "pictures", "--features", "none", "--photographs", tmp_path / "pictures/0.png",
                    "--reasons", tmp_path / "reasons.json", "--count", 5, "--parts", "table1-force", "figure3",
                    "figure10") == 1        # for the broken picture
    found = numbers(tmp_path / "out")
    assert found["missing"] == ["figure3: the attributes of these pictures are not known: give --attributes or "
                                "--labels"]
    table = found["parts"]["table1-force"]["numbers"]
    assert table["encoder"]["frechet"] is None and table["encoder"]["count"] == 5 and "floor" not in table
    assert "photograph 0" in found["parts"]["figure10"]["numbers"]["encoder"]
    assert all(each["reason"].endswith("my reason") == (each["holds"] is False) for each in found["claims"]
               if each["name"] == "outside-fit")
    assert any("broken.png" in note for note in found["about"]["notes"])
    assert any("cropped 24x20" in note for note in found["about"]["notes"])


@pytest.mark.one_stack
def test_a_second_network_judges(checkpoints, no_figures, tmp_path, monkeypatch, capfd):
    """One of half the side, that sees parts and scores nothing: the distance is its, not that of F."""
    network = tiny.attributes(seed=9, names=("hat",), binary=(), resolution=8)
    checkpoint.save(checkpoint.Models(attributes=network), tmp_path / "judge.h5")
    found = {}
    for name, options in ("own", []), ("second", ["--judge", tmp_path / "judge.h5"]):
        assert evaluate(monkeypatch, tmp_path / "out", *FEW, "--parts", "table1-force", *options) == 0
        found[name] = numbers(tmp_path / "out")
    assert "judge.h5" in found["second"]["about"]["Distance"]
    distances = [found[name]["parts"]["table1-force"]["numbers"]["encoder"]["frechet"] for name in found]
    assert distances[0] != distances[1] and None not in distances
    told = [any("features of the network that measures" in note for note in found[name]["about"]["notes"])
            for name in found]
    assert told == [True, False]
    checkpoint.save(checkpoint.Models(attributes=tiny.attributes(resolution=4, widths=(4,))), tmp_path / "judge.h5")
    assert evaluate(monkeypatch, tmp_path / "out", *FEW, "--judge", tmp_path / "judge.h5") == 2
    assert "for pictures of 4 px; the generator's have 16" in running.error_line(capfd)


@pytest.mark.one_stack
def test_labels_of_a_user(checkpoints, tmp_path, monkeypatch, capfd):
    """A corrected table is measured anew; of rendered portraits all is known."""
    (tmp_path / "pictures").mkdir()
    for i in range(4):
        Image.fromarray(np.full((16, 16, 3), 60 * i, np.uint8)).save(tmp_path / f"pictures/{i}.png")
    for known, chance in ("0,1\n1,0\n2,0\n3,0\n", 0.25), ("0,1\n1,1\n3,0\n", 2 / 3):
        (tmp_path / "labels.csv").write_text("picture,age\n" + known)
        assert evaluate(monkeypatch, tmp_path / "out", *FEW, "--images", tmp_path / "pictures", "--labels",
                        tmp_path / "labels.csv", "--parts", "figure3", "--optimised", 4) == 0
        assert numbers(tmp_path / "out")["parts"]["figure3"]["numbers"]["chance"] == pytest.approx({"age": chance})
    assert evaluate(monkeypatch, tmp_path / "out", "--labels", tmp_path / "labels.csv") == 2
    assert "the attributes of rendered portraits are known" in running.error_line(capfd)


@pytest.mark.one_stack
def test_reasons_beside_the_embedded_networks_are_told(whole):
    failed = [each for each in numbers(whole[0])["claims"] if each["holds"] is False]
    assert failed and all(each["reason"].endswith(f"of {each['name']}") for each in failed)


def test_nothing_to_evaluate_is_one_line(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(embedded, "CHECKPOINTS", tmp_path)
    assert evaluate(monkeypatch, tmp_path / "out") == 2
    assert "holds none of portraits64-force-in-domain.h5" in running.error_line(capfd)
    assert not (tmp_path / "out").exists()


def test_mistakes_are_one_line(checkpoints, tmp_path, monkeypatch, capfd):
    model = checkpoints / "portraits64-in-domain.h5"
    (tmp_path / "list.json").write_text("[1]")
    for arguments, message in (
            (["--encoders", model, f"in-domain={model}"], "are both in-domain; say ROLE=FILE"),
            (["--encoders", checkpoints / "portraits64-attributes.h5"], "holds no encoder"),
            (["--attributes", model], "holds no attribute network"),
            (["--images", tmp_path / "none"], "no such file or folder"),
            (["--reasons", tmp_path / "list.json"], "expected a JSON object"),
            (["--reasons", tmp_path], "is a folder, not a file"),
            (["--boundaries", tmp_path], "no boundaries (.npy, .npz)")):
        assert evaluate(monkeypatch, tmp_path / "out", *FEW, *arguments) == 2
        assert message in running.error_line(capfd)
