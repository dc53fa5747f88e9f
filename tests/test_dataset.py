"""tools/dataset.py: from portraits and pictures to TFRecords and back, by the command line."""
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import running

from tf_idinvert.data import pipeline
from tf_idinvert.files import images
from tf_idinvert.portraits import portrait, sets

ROOT = Path(__file__).parents[1]


def run(monkeypatch, *arguments):
    return running.run(monkeypatch, "dataset.py", *arguments, *([] if "--help" in arguments else ["--processes", 1]))


def test_portraits_to_records_to_pictures_to_records(tmp_path, monkeypatch, capfd):
    faces, pngs, again = (tmp_path / name for name in ("faces", "pngs", "again"))
    assert run(monkeypatch, "portraits", faces, "--count", 5, "--seed", 2, "--resolution", 16) == 0
    assert run(monkeypatch, "extract", faces, "--output_dir", pngs) == 0
    assert run(monkeypatch, "pack", pngs, again / "faces", "--resolution", 16) == 0
    assert "5 of 5 pictures, 16 x 16" in capfd.readouterr().out
    for path in faces.iterdir():
        if path.name != "set.json":
            assert path.read_bytes() == (again / "faces" / path.name).read_bytes(), path.name
    np.testing.assert_array_equal(images.read(pngs / "000003.png"), pipeline.open_source(faces, 16).read([3])[0])
    assert np.load(pngs / "labels.npy").shape == (5, len(portrait.ATTRIBUTES) + len(portrait.NUISANCES))


def test_corrupt_picture_is_one_line_and_exit_code_1(tmp_path, monkeypatch, capfd):
    (tmp_path / "in").mkdir()
    images.save(tmp_path / "in" / "good.png", np.zeros([20, 30, 3], "uint8"))
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    assert run(monkeypatch, "pack", tmp_path / "in", tmp_path / "out", "--resolution", 8) == 1
    printed = capfd.readouterr()
    assert [line for line in printed.err.splitlines() if "bad.png" in line] == [
        f"{tmp_path / 'in' / 'bad.png'}: not a picture that can be read, expected PNG, JPEG, WebP, BMP, TIFF or GIF"]
    assert "1 of 2 pictures, 8 x 8" in printed.out and "Traceback" not in printed.err
    assert len(pipeline.open_source(tmp_path / "out", 8)) == 1


@pytest.mark.parametrize("arguments, message", [
    (["pack", "{}/in", "{}/out"], "--resolution is needed"), (["pack", "{}/none", "{}/out"], "no such file or folder"),
    (["pack", "{}/none", "{}/out", "--resolution", "8"], "no such file"),
    (["pack", "{}/none.npy", "{}/out"], "no such file"),
    (["pack", "{}/in", "{}/in", "--resolution", "8"], "new folder"),
    (["pack", "{}/in", "-o", "{}/out", "--resolution", "12"], "power of two"),
    (["pack", "{}/in"], "arguments are required: output"),
    (["extract", "{}/in/a.png", "{}/in/a.png", "--resolution", "8"], "a.png: is a file")])
def test_errors_are_one_line_and_exit_code_2(tmp_path, monkeypatch, capfd, arguments, message):
    (tmp_path / "in").mkdir()
    images.save(tmp_path / "in" / "a.png", np.zeros([8, 8, 3], "uint8"))
    assert run(monkeypatch, *(each.format(tmp_path) for each in arguments)) == 2
    assert message in running.error_line(capfd)
    assert not (tmp_path / "out").exists()


def test_help_shows_examples(monkeypatch, capfd):
    assert run(monkeypatch, "--help") == 0
    assert "dataset.py portraits sets/portraits64" in capfd.readouterr().out


@pytest.mark.one_stack      # how processes end; what they write, the tests above compare on both stacks
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see which processes are left")
def test_killed_run_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    """kill -9 of the parent alone: its processes end, too. Two processes write what one writes."""
    options = ["--count", sets.CHUNK + 10, "--resolution", 16]      # the second process soon has its part
    command = [sys.executable, ROOT / "tools" / "dataset.py", "portraits", tmp_path / "set", *options, "--processes", 2]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=ROOT,
                               env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "set").glob(".parts/*.json")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
        process.wait()
        while alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not alive(process.pid), "processes outlive their parent"
    finally:
        if alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
    assert list((tmp_path / "set").glob(".parts/*.json")) and not list((tmp_path / "set").glob("*.tfrecords"))
    assert run(monkeypatch, "portraits", tmp_path / "set", *options, "--processes", 2) == 0
    assert run(monkeypatch, "portraits", tmp_path / "whole" / "set", *options, "--processes", 1) == 0
    for path in (tmp_path / "set").iterdir():
        assert path.read_bytes() == (tmp_path / "whole" / "set" / path.name).read_bytes(), path.name


def alive(group):
    """Whether a process group has members other than zombies, which wait for somebody to ask how they ended."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, process_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z":
                return True
    return False
