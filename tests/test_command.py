"""Every tool: `--help` without TensorFlow and in a moment; errors of one line; exit codes."""
import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError

TOOLS = sorted((Path(__file__).parents[1] / "tools").glob("*.py"))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_help_does_not_wait_for_tensorflow(tool):
    code = ("import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
            "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
            "except SystemExit as stop: assert not stop.code\n"
            "slow = {'tensorflow', 'keras', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)\n"
            "assert not slow, slow")
    done = subprocess.run([sys.executable, "-c", code, str(tool)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def exit_code(main, capsys):
    with pytest.raises(SystemExit) as stop:
        command.run(main)
    return stop.value.code, capsys.readouterr().err


def raising(error):
    def main():
        raise error
    return main


@pytest.mark.parametrize("error, code, line", [
    (InputError("steps: expected\nless"), 2, "error: steps: expected less\n"),
    (InputError("\x1b[2Ja\x07\u202e.png: no picture"), 2, "error: \\x1b[2Ja\\x07\\u202e.png: no picture\n"),
    (OSError(28, "No space left on device", "x.npy"), 2, "error: [Errno 28] No space left on device: 'x.npy'\n"),
    (KeyboardInterrupt(), 130, "interrupted\n"),
])
def test_errors_become_one_line_and_an_exit_code(error, code, line, capsys):
    assert exit_code(raising(error), capsys) == (code, line)


@pytest.mark.parametrize("returned, code", [(None, 0), (0, 0), (1, 1)])
def test_what_main_returns_is_the_exit_code(returned, code, capsys):
    assert exit_code(lambda: returned, capsys) == (code, "")


@pytest.mark.parametrize("error", [TypeError("a defect"), ValueError("of NumPy")])
def test_a_fault_of_the_program_shows_its_traceback(error, capsys):
    code, printed = exit_code(raising(error), capsys)
    assert code == 3 and printed.startswith("Traceback") and str(error) in printed and "report it" in printed


def test_names_in_the_log_cannot_forge_lines(tmp_path, capsys):
    command.open_log(tmp_path / "run.log").error("skipped: %s", "a\nerror: b\x1b[2J\udcff.png")
    expected = "skipped: a\\nerror: b\\x1b[2J\\udcff.png\n"
    assert capsys.readouterr().err == expected == (tmp_path / "run.log").read_text()


@pytest.mark.parametrize("text", ["0", "x", "nan"])
def test_numbers_out_of_bounds_are_refused(text):
    with pytest.raises(ValueError):
        command.number(float, 0, exclusive=True)(text)


def test_numbers_within_bounds():
    assert command.number(int, 0)("0") == 0 and command.number(float, 0, 1)("0.5") == 0.5
    with pytest.raises(ValueError):
        command.number(int, 0, 10)("11")


def test_options_are_understood_in_both_spellings_and_shown_once():
    parser = argparse.ArgumentParser()
    command.add_option(parser, "--output_dir", "-o")
    command.add_option(parser, "--count")
    assert [parser.parse_args([name, "x"]).output_dir for name in ("--output_dir", "--output-dir", "-o")] == ["x"] * 3
    assert parser.format_help().count("--count COUNT") == 2     # in the usage, and in the list
