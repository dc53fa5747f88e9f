"""jobs.batches: batches with a progress bar, readable pictures, and finished results that are never lost."""
from __future__ import annotations

import contextlib
import logging
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tf_idinvert.jobs import batches


@pytest.fixture
def bar(monkeypatch):
    """A progress bar that keeps what it is told."""
    bar = SimpleNamespace(n=0, text="", shown=[], total=None)
    bar.refresh = lambda: bar.shown.append(bar.n)
    bar.set_postfix_str = lambda text: bar.shown.append((bar.n, text))

    @contextlib.contextmanager
    def progress(total, what, log=None):
        bar.total, bar.text = total, what
        yield bar

    monkeypatch.setattr(batches, "progress", progress)
    return bar


def test_batches_and_their_progress(bar):
    calls = []

    def work(batch, advance):
        calls.append(batch)
        advance(0.5, 0.25)

    assert 0 < batches.in_batches("abcde", 2, 10, "work", None, work) < 1
    assert calls == ["ab", "cd", "e"]
    assert (bar.total, bar.text) == (50, "work")
    assert bar.shown == [(10, "loss 0.2500"), 20, (30, "loss 0.2500"), 40, (45, "loss 0.2500"), 50]


def test_without_steps_pictures_are_counted(bar):
    batches.in_batches(range(3), 2, 0, "work", None, lambda *_: None)
    assert bar.total == 3 and bar.shown == [2, 3]


def test_the_next_batch_is_read_and_the_last_one_written_during_the_work(bar):
    """Work on the second batch waits until the first is written and the third is read; else this never ends."""
    read, written = threading.Event(), threading.Event()

    def work(batch, _):
        assert batch != [1] or read.wait(60) and written.wait(60)
        return batch

    batches.in_batches(range(4), 1, 0, "work", None, work,
                       lambda first, batch: [first] if first != 2 or not read.set() else [],
                       lambda batch, result: result == [0] and written.set())


@pytest.mark.parametrize("part", ["read", "work", "write"])
def test_errors_of_threads_end_the_work_once_what_came_before_is_written(bar, part):
    written = []

    def failing(where, value=None):
        if where == part and value in ([2], 2):
            raise OSError("disk full")
        return [value] if where == "read" else value

    with pytest.raises(OSError, match="disk full"):
        batches.in_batches(range(9), 1, 0, "work", None, lambda batch, _: failing("work", batch),
                           lambda first, _: failing("read", first),
                           lambda batch, _: failing("write", batch) and written.append(batch))
    assert written == [[0], [1]]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError])
def test_what_is_done_is_written_whatever_ends_the_work(error):
    written = []

    def work():
        raise error

    with pytest.raises(error):
        batches.to_the_end(work, lambda: written.append(1))
    assert written == [1]


def test_a_finish_that_is_interrupted_is_called_again():
    calls = []

    def finish():
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batches.to_the_end(lambda: None, finish)
    assert len(calls) == 2


def test_the_first_error_is_told_where_writing_fails_too():
    def work():
        raise KeyboardInterrupt

    def finish():
        raise OSError("disk full")

    with pytest.raises(KeyboardInterrupt):
        batches.to_the_end(work, finish)


def test_pictures_that_cannot_be_read_are_noted_and_left_out(tmp_path, caplog):
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    Image.new("RGB", (16, 8)).save(tmp_path / "c.png")
    notes, listing = [], [(name, tmp_path / f"{name}.png") for name in "abc"]
    found = list(batches.readable(listing, 8, logging.getLogger("test"), notes))
    assert [each[:3] for each in found] == [(i, "abc"[i], str(tmp_path / f"{'abc'[i]}.png")) for i in (0, 2)]
    assert found[0][3].shape == (8, 8, 3) and np.allclose(found[0][3][0, 0], [1, -1, -1])
    assert [note.split(":")[0] for note in notes] == ["skipped", "c"] and "b.png" in notes[0]
    assert "b.png" in caplog.text
