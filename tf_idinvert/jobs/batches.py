"""Process pictures in batches with a progress bar; finished results are kept when a job ends early."""
from __future__ import annotations

import contextlib

from tf_idinvert.files import images
from tf_idinvert.files.progress import progress

CANNOT_GO_ON = (KeyboardInterrupt, OSError, ValueError)     # a full disk raises OSError or ImageError, a ValueError


def in_batches(items, batch_size, steps, what, log, work):
    """Call `work(first, batch, advance)` for all batches of `items`, under a progress bar.

    Args:
        items: sequence.
        batch_size: items per batch; the last batch may have fewer.
        steps: optimisation steps per item, the unit of the bar.
        what: text before the bar.
        log: logging.Logger; its lines appear above the bar.
        work: function of the index of the batch's first item, the batch, and a callable `advance(share done, loss)`.
    """
    steps = max(steps, 1)
    with progress(len(items) * steps, what, log=log) as bar:
        for first in range(0, len(items), batch_size):
            batch = items[first:first + batch_size]

            def advance(share, loss, first=first, count=len(batch)):
                bar.n = round((first + share * count) * steps)
                bar.set_postfix_str(f"loss {loss:.4f}")

            work(first, batch, advance)
            bar.n = (first + len(batch)) * steps
            bar.refresh()


def to_the_end(work, finish):
    """Call `work`, then `finish`, which writes the results so far and may be called twice.

    If one of them ends early, for example by Ctrl-C, `finish` is called before the exception is raised again.
    """
    try:
        work()
        finish()
    except CANNOT_GO_ON:
        with contextlib.suppress(OSError, ValueError):
            finish()
        raise


def readable(listing, side, log, notes):
    """Yield (index in the listing, name, path, picture [side, side, 3]) of the readable pictures.

    Args:
        listing: list of (name, path).
        side: side in pixels to crop and resize pictures to.
        log: logging.Logger for pictures that are skipped or changed.
        notes: list of notes for the page; the same messages are appended.
    """
    for i, (name, path) in enumerate(listing):
        try:
            picture, note = images.load(path, side)
        except images.ImageError as error:
            log.error("skipped: %s", error)
            notes.append(f"skipped: {error}")
            continue
        if note:
            log.info("%s: %s", path, note)
            notes.append(f"{name}: {note}")
        yield i, name, str(path), picture
