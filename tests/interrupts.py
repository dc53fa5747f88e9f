"""Ctrl-C at a chosen line of a program, for the tests."""
from __future__ import annotations

import ast
import collections
import functools
import sys
from pathlib import Path

import pytest

from tf_idinvert.cli import command

VISITS = 3      # of a line: what happens at the fourth happened before


def interrupted(function, modules, number):
    """Run `function` as a tool's main(), with Ctrl-C before the line `number` (from 1) of those that it runs in files.

    Heads of `with` statements do not count: Python also visits them between a block and its end, where it handles no
    signal. Nor does a line's VISITS + 1st time and later ones.

    Args:
        function: function without arguments.
        modules: paths of the files.
        number: number of the line.
    Returns:
        (exit code, whether the function ran so many lines).
    """
    heads, left = {str(module): _with_heads(module) for module in modules}, number
    visits = collections.Counter()

    def local(frame, event, _):
        nonlocal left
        line = frame.f_code.co_filename, frame.f_lineno
        if event == "line" and line[1] not in heads[line[0]] and visits[line] < VISITS:
            visits[line] += 1
            left -= 1
            if not left:
                raise KeyboardInterrupt
        return local

    before = sys.gettrace()
    with pytest.raises(SystemExit) as stop:
        sys.settrace(lambda frame, *_: local if frame.f_code.co_filename in heads else None)
        try:
            command.run(function)
        finally:
            sys.settrace(before)
    return stop.value.code, left <= 0


@functools.lru_cache(maxsize=None)
def _with_heads(module):
    """Return the line numbers of all heads of `with` statements in a file."""
    tree = ast.parse(Path(module).read_text(encoding="utf-8"))
    return {line for node in ast.walk(tree) if isinstance(node, ast.With)
            for line in range(node.lineno, node.body[0].lineno)}
