"""A progress bar with the remaining time, on terminals only."""
from __future__ import annotations

import contextlib

from tf_idinvert.files.printing import printable


@contextlib.contextmanager
def progress(total, what, unit="it", log=None):
    """Yield a progress bar on the terminal; log lines appear above it."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm
    with logging_redirect_tqdm(loggers=[log] if log else None):
        with tqdm(total=total, unit=unit, desc=printable(what), smoothing=0.1, disable=None,
                  bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}") as bar:
            yield bar


def say_above(line):
    """Print a line on the standard error output, above the progress bar that is there."""
    import sys

    from tqdm import tqdm
    tqdm.write(printable(line), file=sys.stderr)
