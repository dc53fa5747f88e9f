"""Process pictures in batches with a progress bar; finished results are kept when a job ends early."""
from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from tf_idinvert.files import images
from tf_idinvert.files.progress import progress

WAITING = 4     # batches that are read ahead, and that wait to be written, at most
CANNOT_GO_ON = (KeyboardInterrupt, OSError, ValueError)     # a full disk raises OSError or ImageError, a ValueError


def in_batches(items, batch_size, steps, what, log, work, read=lambda first, batch: batch,
               write=lambda batch, result: None):
    """Process `items` in batches, under a progress bar. While the device computes a batch, the next ones are read and
    the ones before are written, each by a thread.

    Args:
        items: sequence.
        batch_size: items per batch; the last batch may have fewer.
        steps: optimisation steps per item, the unit of the bar.
        what: text before the bar.
        log: logging.Logger; its lines appear above the bar.
        work: function of what `read` returned, and a callable `advance(share done, loss)`; the device's part.
        read: function of the index of the batch's first item, and the batch; a batch that is empty then is left out.
        write: function of what `read` and `work` returned.
    Returns:
        Share of the time that `work` took.
    """
    steps, began, busy = max(steps, 1), time.perf_counter(), 0.0
    starts, ahead, behind, failed = iter(range(0, len(items), batch_size)), deque(), deque(), threading.Event()
    with progress(len(items) * steps, what, log=log) as bar, ThreadPoolExecutor(1) as reader, \
            ThreadPoolExecutor(1) as writer:
        def read_ahead(count):
            for first in itertools.islice(starts, count):
                ahead.append((first, reader.submit(read, first, items[first:first + batch_size])))

        read_ahead(WAITING)
        while ahead:
            first, reading = ahead.popleft()
            batch, count = reading.result(), min(batch_size, len(items) - first)
            read_ahead(1)

            def advance(share, loss, first=first, count=count):
                bar.n = round((first + share * count) * steps)
                bar.set_postfix_str(f"loss {loss:.4f}")

            if len(batch):
                start = time.perf_counter()
                result = work(batch, advance)
                busy += time.perf_counter() - start
                behind.append(writer.submit(_unless, failed, write, batch, result))
                if len(behind) > WAITING:
                    behind.popleft().result()
            bar.n = (first + count) * steps
            bar.refresh()
        for writing in behind:
            writing.result()
    return busy / max(time.perf_counter() - began, 1e-9)


def _unless(failed, write, *arguments):
    """Call `write` unless an earlier call has failed: what it leaves out must not be followed by later items."""
    if failed.is_set():
        return
    try:
        write(*arguments)
    except BaseException:
        failed.set()
        raise


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
