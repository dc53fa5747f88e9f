"""Untrusted text in terminal, log and page, and a check that all output goes through `printing`."""
from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tf_idinvert.files import report
from tf_idinvert.files.printing import on_one_line, printable, say
from tf_idinvert.files.progress import progress

ROOT = Path(__file__).parents[1]
HOSTILE = "\x1b[2Ja\r\nerror: b\x07\u202e\x9b31m.png"
SHOWN = "\\x1b[2Ja\\r\\nerror: b\\x07\\u202e\\x9b31m.png"


@pytest.mark.parametrize("text, shown", [
    (HOSTILE, SHOWN), ("caf\u00e9 \u65e5\u672c\u3000\u00a01.png", "caf\u00e9 \u65e5\u672c\u3000\u00a01.png"),
    ("\udcff", "\\udcff"), ("a\tb", "a\\tb"), ("\u2028", "\\u2028"), ("", "")])
def test_control_characters_are_escaped(text, shown):
    assert printable(text) == shown


def test_messages_become_one_line():
    assert on_one_line(ValueError("a\n  b\tc\x1b")) == "a b c\\x1b"


def test_lines_are_said_one_by_one(capsys):
    say("", HOSTILE, 3)
    assert capsys.readouterr().out == f"\n{SHOWN}\n3\n"


def test_the_progress_bar_shows_names_escaped(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress(2, HOSTILE) as bar:
        bar.disable = False
        assert bar.desc.startswith(SHOWN)


def test_pages_show_names_escaped(tmp_path):
    section = report.Section([HOSTILE], [[HOSTILE]], HOSTILE, HOSTILE)
    report.write_sections(tmp_path / "page.html", HOSTILE, [section], summary={HOSTILE: HOSTILE}, notes=[HOSTILE])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count(SHOWN) >= 8 and not set("\x1b\x07\u202e\x9b\r") & set(page)


def test_nothing_prints_by_another_way():
    """`print` is called in `printing` alone, elsewhere of constants at most; nobody writes to the streams directly."""
    for path in [*(ROOT / "tf_idinvert").rglob("*.py"), *(ROOT / "tools").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or path.name == "printing.py":
                continue
            called = ast.unparse(node.func)
            by_hand = called == "print" and not all(isinstance(each, ast.Constant) for each in node.args)
            assert not by_hand and called not in ("sys.stdout.write", "sys.stderr.write", "traceback.print_exc"), \
                f"{path.name}, line {node.lineno}: {called}"
