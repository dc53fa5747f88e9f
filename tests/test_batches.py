"""jobs.batches: batches with a progress bar, readable pictures, and finished results that are never lost."""
from __future__ import annotations

import contextlib
import logging
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

    def work(first, batch, advance):
        calls.append((first, batch))
        advance(0.5, 0.25)

    batches.in_batches("abcde", 2, 10, "work", None, work)
    assert calls == [(0, "ab"), (2, "cd"), (4, "e")]
    assert (bar.total, bar.text) == (50, "work")
    assert bar.shown == [(10, "loss 0.2500"), 20, (30, "loss 0.2500"), 40, (45, "loss 0.2500"), 50]


def test_without_steps_pictures_are_counted(bar):
    batches.in_batches(range(3), 2, 0, "work", None, lambda *_: None)
    assert bar.total == 3 and bar.shown == [2, 3]


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
