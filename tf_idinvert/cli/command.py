"""What every command-line tool does alike: quiet TensorFlow, one line for an error, exit codes, options, log, progress.

Exit codes: 0 done; 1 some inputs could not be used, the others are done; 2 nothing could be done; 3 a fault of the
program; 130 interrupted.
"""
from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from pathlib import Path

from tf_idinvert.errors import InputError

DONE, NOTHING_DONE, FAULT, INTERRUPTED = 0, 2, 3, 130


def run(main):
    """Run a tool's `main()` and exit with what it returns (None: 0).

    InputError and OSError (folders, full disks) become one line on stderr. Any other exception is a fault of the
    program: its traceback is shown, and that it should be reported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        sys.exit(main() or DONE)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except (InputError, OSError) as error:
        print(f"error: {on_one_line(error)}", file=sys.stderr)
        sys.exit(NOTHING_DONE)
    except Exception:
        traceback.print_exc()
        print("This is a fault of the program, not of what you gave it: please report it with the lines above.",
              file=sys.stderr)
        sys.exit(FAULT)


def on_one_line(message):
    """Text for the terminal, on one line: white space is folded, control characters of file names are escaped."""
    return printable(" ".join(str(message).split()))


def printable(text):
    """Text without control characters that would move the cursor, colour the terminal or forge a line: escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def number(kind, lowest, highest=None, exclusive=False):
    """argparse type: an `int` or `float` of at least `lowest` (more than it if `exclusive`) and at most `highest`."""
    def parse(text):
        value = kind(text)
        if not (value > lowest if exclusive else value >= lowest) or (highest is not None and value > highest):
            bound = f"{'more than' if exclusive else 'at least'} {lowest}"
            raise ValueError(bound + (f", at most {highest}" if highest is not None else ""))
        return value

    parse.__name__ = f"{'whole number' if kind is int else 'number'} ({'>' if exclusive else '>='} {lowest})"
    return parse


def parser(description):
    """argparse parser of a tool, whose module docstring is shown as it is written."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_option(group, name, *short, **settings):
    """Add an option --like_this, the original's spelling, that is also understood --like-this."""
    group.add_argument(*short, *dict.fromkeys([name, name.replace("_", "-")]), **settings)


def add_output_options(group, default):
    """Add the options that every tool of the original has: where to, how large in the page, on which GPU."""
    add_option(group, "--output_dir", "-o", default="", help=f"default: {default}")
    add_option(group, "--viz_size", type=number(int, 0), default=256, help="size in the page, 0: as is (256)")
    add_option(group, "--gpu_id", default="0", help="CUDA_VISIBLE_DEVICES (0)")


def choose_device(gpu_id):
    """Let TensorFlow, which must not be imported yet, see this GPU; what the environment says goes first."""
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", gpu_id)


def import_tensorflow():
    """Import TensorFlow without what it writes to the terminal meanwhile, which no log level of its stops."""
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def title(path):
    """A name for the results of an input: of a folder its name, of a file its name without suffix."""
    path = Path(os.path.abspath(path))
    return (path.name if path.is_dir() else path.stem) or "images"


class _OneLine(logging.Formatter):
    def formatMessage(self, record):
        return printable(record.message)


class _LogFile(logging.FileHandler):
    def handleError(self, record):
        """A full disk must not cover the terminal with tracebacks: what is logged is shown there, too."""


def open_log(path):
    """A logger to the terminal and to a file that starts afresh; its folder is made where it is not there yet."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    log = logging.Logger(Path(path).stem, logging.INFO)      # of this run alone
    for handler in logging.StreamHandler(sys.stderr), _LogFile(path, mode="w", encoding="utf-8"):
        handler.setFormatter(_OneLine())
        log.addHandler(handler)
    return log
