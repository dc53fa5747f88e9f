"""What the jobs that optimise pictures share: batch by batch under a progress bar, and nothing lost however it ends."""
from __future__ import annotations

import contextlib

from tf_idinvert.files import images
from tf_idinvert.files.progress import progress

CANNOT_GO_ON = (KeyboardInterrupt, OSError, ValueError)     # full disks are OSError, or ImageError, a ValueError


def in_batches(items, batch_size, steps, what, log, work):
    """Call `work(first, batch, advance)` for one part of `items` after the other, under a progress bar.

    Args:
        items: sequence.
        batch_size: items of a batch; the last one may have fewer.
        steps: of the optimisation of an item, in which the bar counts.
        what: shown before the bar.
        log: logging.Logger; its lines appear above the bar.
        work: called with the place of the batch's first item, the batch, and a callable `advance(share done, loss)`.
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
    """Call `work`, then `finish`, which writes what is done and can be called again. What ends either of them early,
    such as Ctrl-C, is raised once `finish` has been called, so that it loses nothing.
    """
    try:
        work()
        finish()
    except CANNOT_GO_ON:
        with contextlib.suppress(OSError, ValueError):
            finish()
        raise


def readable(listing, side, log, notes):
    """Yield (place in the listing, name, path, picture [side, side, 3]) of the pictures that can be read.

    Args:
        listing: (name, path) of pictures.
        side: to which pictures are brought, in pixels.
        log: logging.Logger; it says which pictures are left out, and how others were changed.
        notes: list of notes for the page, to which the same is added.
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
