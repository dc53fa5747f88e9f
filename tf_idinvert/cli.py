"""What every command-line tool does alike: quiet TensorFlow, one line for an error, exit codes.

Exit codes: 0 done; 1 some inputs could not be used, the others are done; 2 nothing could be done; 130 interrupted.
"""
from __future__ import annotations

import os
import sys


def run(main):
    """Run a tool's `main()` and exit with what it returns (None: 0); expected errors become one line on stderr."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        sys.exit(main() or 0)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except (ValueError, OSError) as error:
        # Our modules raise subclasses of ValueError with one line; OSError comes from folders and full disks.
        if type(error) is ValueError and os.environ.get("TF_IDINVERT_DEBUG"):
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


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
