"""The command `idinvert`: its verbs are the tools, by the same modules."""
from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import tf_idinvert
from tf_idinvert.cli import main

ROOT = Path(__file__).parents[1]
TOOLS = {path.stem for path in (ROOT / "tools").glob("*.py")}
RUN = "import sys; from tf_idinvert.cli import main; main.main()"


def idinvert(*arguments):
    return subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, cwd=ROOT)


def test_every_tool_is_a_verb():
    assert set(main.verbs()) == TOOLS
    for name in TOOLS:
        assert f'main.run("{name}")' in (ROOT / f"tools/{name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_tools_do_nothing_where_they_are_imported(name):
    """Processes that a tool starts import its file."""
    assert "main" not in runpy.run_path(str(ROOT / f"tools/{name}.py"), run_name="__mp_main__")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_the_verbs_a_line_each(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["idinvert", *arguments])
    with pytest.raises(SystemExit) as stop:
        main.main()
    lines = capsys.readouterr().out.splitlines()
    assert stop.value.code == 0 and lines[0].startswith("usage: idinvert VERB")
    assert [line.split()[0] for line in lines[2:]] == sorted(name.replace("_", "-") for name in TOOLS)
    assert all(len(line) > 30 for line in lines[2:])


def test_help_imports_no_verb_and_nothing_large():
    done = subprocess.run([sys.executable, "-c", RUN.replace("main.main()", "\ntry: main.main()\nfinally: print("
                           "[name for name in sys.modules if name in ('tensorflow', 'numpy', 'PIL') "
                           "or name.startswith('tf_idinvert.cli.')])"), "--help"],
                          capture_output=True, text=True, cwd=ROOT)
    assert set(re.findall(r"'([^']*)'", done.stdout.splitlines()[-1])) == {"tf_idinvert.cli.main",
                                                                           "tf_idinvert.cli.command"}


@pytest.mark.parametrize("verb", ["mix-style", "mix_style"])
def test_a_verb_is_its_tool(verb):
    done = idinvert(verb, "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: idinvert mix-style [-h]")
    assert "\n    idinvert mix-style network.pkl results/" in done.stdout and "python tools" not in done.stdout
    by_tool = subprocess.run([sys.executable, ROOT / "tools/mix_style.py", "--help"], capture_output=True, text=True)
    assert "\n    python tools/mix_style.py network.pkl results/" in by_tool.stdout
    options = [re.findall(r"--\w+", text) for text in (done.stdout, by_tool.stdout)]
    assert options[0] == options[1]


def test_exit_codes_are_those_of_the_tools():
    done = idinvert("invert", "absent.h5", "absent.png")
    assert done.returncode == 2 and done.stderr.startswith("error: absent.png")


@pytest.mark.parametrize("verb, line", [
    ("mix-stile", "mix-stile: not a verb of idinvert; did you mean mix-style?"),
    ("mix_stile", "mix_stile: not a verb of idinvert; did you mean mix-style?"),
    ("train_encoder", "train_encoder: not a verb of idinvert"), ("\x1b[2J", "\\x1b[2J: not a verb of idinvert"),
    ("../invert", "../invert: not a verb of idinvert; did you mean invert?")])
def test_other_verbs_are_one_line(verb, line, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["idinvert", verb])
    with pytest.raises(SystemExit) as stop:
        main.main()
    assert stop.value.code == 2 and capsys.readouterr().err.startswith(f"error: {line}")


def test_version(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["idinvert", "--version"])
    with pytest.raises(SystemExit):
        main.main()
    assert capsys.readouterr().out == f"{tf_idinvert.__version__}\n"
