"""Installation: the stack for a Python version, contents of the wheel, a single version number."""
from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tf_idinvert

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.one_stack      # this repository's text, and what its scripts say of any stack
WHEEL_BYTES = 40 << 20


@pytest.fixture(scope="module")
def stack():
    spec = importlib.util.spec_from_file_location("stack", ROOT / ".ci/stack.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("python, wanted, expected", [
    ((3, 9), "", "2.15"), ((3, 10), "", "2.15"), ((3, 11), "", "2.15"), ((3, 12), "", "current"),
    ((3, 13), "", "current"), ((3, 11), "current", "current"), ((3, 10), "2.15", "2.15")])
def test_every_python_gets_a_stack_and_a_line(stack, python, wanted, expected):
    found, line = stack.choose(python, wanted)
    assert found == expected and "\n" not in line
    assert line.startswith("Python %d.%d: taking TensorFlow" % python) and "STACK=" in line
    assert (ROOT / stack.STACKS[found][3]).is_file()


@pytest.mark.parametrize("python, wanted, words", [
    ((2, 7), "", "Python 3.9 to 3.11.*Python 3.10 to 3.13"), ((3, 8), "", "PYTHON="), ((3, 14), "", "PYTHON="),
    ((3, 12), "2.15", "STACK=2.15.*Python 3.9 to 3.11"), ((3, 9), "current", "Python 3.10 to 3.13"),
    ((3, 11), "2.16", "expected one of 2.15, current")])
def test_other_pythons_get_a_line_that_names_those_that_do(stack, python, wanted, words):
    found, line = stack.choose(python, wanted)
    assert found is None and re.search(words, line) and "\n" not in line


def test_an_unknown_interpreter_is_one_line():
    done = subprocess.run(["bash", ROOT / ".ci/environment", "no-such-python"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr == "no-such-python: no such Python; give one with PYTHON=\n"


def test_every_folder_of_modules_is_a_package():
    folders = {path.parent for path in (ROOT / "tf_idinvert").rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)


def test_the_embedded_models_fit_in_a_wheel():
    """It holds the folders that setup.py names, not `training`; the repository holds all, at most 60 MB."""
    assert "include-package-data = false" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    folders = re.findall('"(checkpoints[^"]*)"', (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert folders == ["checkpoints", "checkpoints/boundaries", "checkpoints/directions"]
    held = [path for folder in folders for path in (ROOT / folder).iterdir() if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in held) < WHEEL_BYTES
    assert sum(path.stat().st_size for path in (ROOT / "checkpoints").rglob("*") if path.is_file()) < 60e6


def test_the_version_is_in_one_place():
    assert re.fullmatch(r"\d+\.\d+\.\d+", tf_idinvert.__version__)
    for name in "pyproject.toml", "setup.py", "README.md":
        assert f'"{tf_idinvert.__version__}"' not in (ROOT / name).read_text(encoding="utf-8")


def test_stack_runs_on_any_python():
    """It is read by interpreters too old for this project, so that they get a clear line."""
    text = (ROOT / ".ci/stack.py").read_text(encoding="utf-8")
    assert not re.search(r"\bf[\"']|:=|from __future__ import annotations|print\(", text)
    done = subprocess.run([sys.executable, ROOT / ".ci/stack.py", "nonsense"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
