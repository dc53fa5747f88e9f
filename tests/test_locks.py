"""Two runs in one output folder: the second is refused, and a run that was killed leaves no lock."""
from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tf_idinvert.cli import command
from tf_idinvert.cli.main import verbs
from tf_idinvert.errors import InputError
from tf_idinvert.files import locks

CLI = Path(__file__).parents[1] / "tf_idinvert" / "cli"
HOLD = ("import sys, time\nfrom tf_idinvert.files import locks\n"
        "locks.claim(sys.argv[1]); print('held', flush=True); time.sleep(60)")
NO_FOLDER = {"benchmark", "convert", "dataset"}     # two write single files; `packing` claims the folder of a set

pytest.importorskip("fcntl")


def test_a_second_run_is_refused_until_the_first_is_killed(tmp_path, capsys):
    folder = tmp_path / "a" / "b"
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True,
                             cwd=CLI.parents[1])
    try:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(SystemExit) as stop:
            command.run(lambda: command.open_log(folder / "x.log"))
        assert stop.value.code == 2
        assert capsys.readouterr().err == (f"error: {folder}: another run is writing there; wait for its end, or give "
                                           "another folder (--output_dir)\n")
        locks.claim(tmp_path / "a")         # another folder
    finally:
        first.kill()
        first.wait()
        first.stdout.close()
        locks.release()
    locks.claim(folder)
    locks.claim(folder / ".." / "b")        # one run may claim it twice
    locks.release()
    assert list(folder.iterdir()) == []


def test_workers_share_a_folder_but_no_file(tmp_path, monkeypatch):
    """Each has claims of its own, as in a process of its own."""
    first, second, another = claims = {}, {}, {}
    try:
        for claimed, own in (first, "x.log"), (second, "x-1.log"):
            monkeypatch.setattr(locks, "_claimed", claimed)
            locks.claim(tmp_path, own)
        monkeypatch.setattr(locks, "_claimed", another)
        for own in "x.log", None:
            with pytest.raises(InputError, match="another run is writing there"):
                locks.claim(tmp_path, own)
            locks.release()
    finally:
        for claimed in claims:
            monkeypatch.setattr(locks, "_claimed", claimed)
            locks.release()


def test_a_tool_that_has_ended_holds_nothing(tmp_path):
    with pytest.raises(SystemExit):
        command.run(lambda: locks.claim(tmp_path) or command.refuse("no"))
    assert subprocess.run([sys.executable, "-c", HOLD.replace("60", "0"), str(tmp_path)], cwd=CLI.parents[1]
                          ).returncode == 0


def test_file_systems_without_locks_refuse_nothing(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", none)
    locks.claim(tmp_path)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        command.run(lambda: locks.claim(tmp_path / "file" / "x"))
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'file'}")


def test_every_tool_that_writes_a_folder_claims_it():
    for verb in set(verbs()) - NO_FOLDER:
        tree = ast.parse((CLI / f"{verb}.py").read_text(encoding="utf-8"))
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert calls & {"locks.claim", "command.open_log", "devices.open_log"}, verb


@pytest.mark.parametrize("place, words", [
    ("file", "is a file"), ("file/below", "file is a file"), ("link", "a link to")])
def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path, place, words):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "else")
    with pytest.raises(InputError, match=f"{place}: .*{words}.*expected an output folder"):
        locks.claim(tmp_path / place)
