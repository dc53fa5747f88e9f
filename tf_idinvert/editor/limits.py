"""What keeps an editor with many visitors within its bounds: uploads, sessions, and work that waits.

The bounds of uploads are those of the served model.
"""
from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import shutil
import tempfile
import threading
from pathlib import Path

from tf_idinvert.editor.session import Session
from tf_idinvert.files import decoding, finding, images


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of an editor."""

    upload_bytes: int = 16 << 20
    upload_pixels: int = 1 << 24        # 16.8 million
    waiting: int = 64                   # events in the queue, of all visitors; those beyond are turned away
    sessions: int = 64                  # the one that was idle longest makes room for another
    searches: int = 1                   # inversions and restorations at a time; each uses all cores


def read_upload(path, limits):
    """The pixels of a picture that a visitor sent, uint8 [H, W, 3], and its name; its file is removed.

    Raises:
        ImageError: too large, no picture, or damaged; one line that names the picture, not the server's folders.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > limits.upload_bytes:
            raise decoding.ImageError(f"{path}: {size} bytes, the limit is {limits.upload_bytes}")
        with decoding.opened(path) as image:
            width, height = image.size
        if width * height > limits.upload_pixels:
            raise decoding.ImageError(f"{path}: {width}x{height} is {width * height} pixels, the limit is "
                                      f"{limits.upload_pixels}")
        return images.read(path), finding.clean(path)
    except decoding.ImageError as error:
        raise decoding.ImageError(str(error).replace(str(path), path.name)) from None
    except OSError as error:
        raise decoding.ImageError(f"{path.name}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


class Stopped(Exception):
    """A visitor has stopped a search that keeps nothing before its end."""


class Together:
    """A function of rows, called by many threads with one row each: those that wait are computed as one batch.

    Whoever comes first computes for all that have come by then, in their order; there is no thread of its own and
    nobody waits for others to come.

    Args:
        function: callable, list of rows -> as many results, in their order.
        at_most: rows of a batch.
    """

    def __init__(self, function, at_most=8):
        self.function, self.at_most = function, at_most
        self.waiting, self.busy, self.batches = collections.deque(), threading.Lock(), collections.Counter()

    def __call__(self, row):
        """The result of this row, or the exception that its batch has raised."""
        result = concurrent.futures.Future()
        self.waiting.append((row, result))
        while not result.done():
            with self.busy:
                if not result.done():
                    self._serve()
        return result.result()

    def _serve(self):
        batch = [self.waiting.popleft() for _ in range(min(len(self.waiting), self.at_most))]
        if not batch:
            return
        self.batches[len(batch)] += 1
        try:
            for (_, result), value in zip(batch, self.function([row for row, _ in batch])):
                result.set_result(value)
        except BaseException as error:
            for _, result in batch:
                if not result.done():
                    result.set_exception(error)


class Visit:
    """What the editor keeps of one visitor, in memory, and in a folder of files to download that leaves with it.

    `second` is the second picture, `made` what was made of the two, Pictures or None; `places` are the faces of the
    photograph that was uploaded last, and `name` is its; `stopping` asks the visitor's search to end.

    Args:
        root: folder in which the visitor's is made when it is first asked for.
    """

    def __init__(self, root):
        self.root = root
        self.session, self.stopping, self.second, self.made = Session(), False, None, None
        self.name, self.places = "", ()
        self.lock, self._folder = threading.Lock(), None

    def change(self, change):
        """Replace the session by `change(session)`, whole -> the new one."""
        with self.lock:
            self.session = change(self.session)
            return self.session

    def folder(self):
        """Path of the visitor's folder."""
        with self.lock:
            self._folder = self._folder or tempfile.mkdtemp(prefix="session-", dir=self.root)
            return Path(self._folder)

    def leave(self):
        """Stop the visitor's search and remove the files."""
        self.stopping = True
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class Visits:
    """The visitors that are here, by the key of their browser's page; of more than `limit`, the longest idle goes.

    Args:
        limit: at least 1.
        root: folder for their files.
    """

    def __init__(self, limit, root):
        self.limit, self.root, self.lock, self.here = limit, root, threading.Lock(), {}

    def of(self, key):
        """The visit of a key, a new one where there is none."""
        with self.lock:
            visit = self.here.pop(key, None) or Visit(self.root)
            self.here[key] = visit          # the last is the one that was seen last
            gone = [self.here.pop(each) for each in list(self.here)[:max(len(self.here) - self.limit, 0)]]
        for each in gone:
            each.leave()
        return visit

    def leave(self, key):
        """A visitor has left: all that is kept of it goes."""
        with self.lock:
            visit = self.here.pop(key, None)
        if visit is not None:
            visit.leave()

