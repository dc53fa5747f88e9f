"""Running a tool in the tests' own process, which saves the seconds of starting TensorFlow."""
from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"


def run(monkeypatch, tool, *arguments):
    """Run a tool -> exit code."""
    monkeypatch.setattr(sys, "argv", [tool, *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(TOOLS / tool), run_name="__main__")
    return stop.value.code


def error_line(capfd):
    """The one line of error that was printed."""
    printed = capfd.readouterr().err
    lines = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in printed, printed
    return lines[0]
