"""The command `idinvert`. Its verbs are the tools: `idinvert mix-style ...` equals `python tools/mix_style.py ...`.

A verb is a module in this folder with a function `main` that takes the arguments and returns an exit code.
"""
from __future__ import annotations

import ast
import importlib
import shutil
import sys
import textwrap
from pathlib import Path

from tf_idinvert import __version__
from tf_idinvert.cli import command
from tf_idinvert.files.printing import say


def main():
    """Entry point of the command: run the verb that the first argument names."""
    command.run(_main)


def _main():
    first, *others = sys.argv[1:] or ["--help"]
    if first in ("-h", "--help", "help"):
        return say(*_help())
    if first == "--version":
        return say(__version__)
    verb, known = first.replace("-", "_"), verbs()
    if verb not in known:
        hint = command.nearest(first, [each.replace("_", "-") for each in known])
        command.refuse(f"{first}: not a verb of {command.COMMAND}{hint} ({command.COMMAND} --help lists them)")
    sys.argv = [f"{command.COMMAND} {verb.replace('_', '-')}", *others]
    return main_of(verb)()


def run(verb):
    """Run a tool and exit, as `command.run` does; the files in the folder `tools` call this."""
    command.run(lambda: main_of(verb)())


def main_of(verb):
    """Import a tool and return its function `main`; Ctrl-C during the import ends the program at once."""
    with command.leaving_at_once():
        return importlib.import_module(f"{__package__}.{verb}").main


def verbs():
    """Return {name: first line of its docstring} of all tools without importing them."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if path != Path(__file__) and any(isinstance(each, ast.FunctionDef) and each.name == "main"
                                          for each in tree.body):
            found[path.stem] = ast.get_docstring(tree).split("\n")[0]
    return found


def _help():
    width = max(shutil.get_terminal_size((120, 24)).columns, 80)
    yield f"usage: {command.COMMAND} VERB ... (VERB --help describes a verb; every verb runs without arguments, too)"
    yield ""
    for name, line in verbs().items():
        yield f"  {name.replace('_', '-'):22}{textwrap.shorten(line, width - 24, placeholder=' ...')}"
