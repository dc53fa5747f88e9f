"""training.callbacks: progress bar, log, snapshots, stop on divergence."""
from __future__ import annotations

import io
import json

import numpy as np
import pytest
import tensorflow as tf
from full_disks import full_disk

from tf_idinvert.errors import InputError
from tf_idinvert.files import images
from tf_idinvert.training import callbacks, state


class Model:
    """As much of a model in training as callbacks see."""

    def __init__(self):
        self.images_seen = tf.Variable(0, dtype=tf.int64)
        self.weight = tf.Variable([1.0, 2.0])
        self.state = [self.weight, self.images_seen]


def run(model, callback, steps, loss=float, batch=10):
    """`steps` training steps of `batch` images, as `fit` reports them; the loss is `loss(step number)`."""
    callback.set_model(model)
    callback.on_train_begin()
    for step in range(steps):
        model.images_seen.assign_add(batch)
        callback.on_train_batch_end(step, {"loss": loss(step), "score": 1.0})
    callback.on_train_end()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_run_stops_at_the_first_loss_that_is_no_number(bad):
    model = Model()
    with pytest.raises(InputError, match=f"loss is {bad} after 30 images; the last snapshot is kept"):
        run(model, callbacks.StopAtNaN(), 5, loss=lambda step: bad if step == 2 else 1.0)
    run(Model(), callbacks.StopAtNaN(), 5)


def test_progress_counts_images_and_shows_losses():
    file, model = io.StringIO(), Model()
    model.images_seen.assign(40)        # taken up
    bar = callbacks.Progress(100, file)
    run(model, bar, 3)
    run(model, bar, 3)                  # the next phase goes on in the same bar
    bar.close()
    assert bar.bar.n == 100 and bar.bar.initial == 40
    assert "100/100" in file.getvalue() and "loss=" in file.getvalue()


def test_no_bar_is_written_to_a_file_and_the_end_says_what_was_done(capsys, monkeypatch):
    model = Model()
    bar = callbacks.Progress(100)       # the standard error output is no terminal
    assert "finished before" in bar.summary()
    run(model, bar, 10)
    bar.close()
    assert capsys.readouterr().err == "" and "trained on 100 images in 0 s" == bar.summary()
    again = callbacks.Progress(100)
    run(model, again, 0)
    assert again.summary() == "finished before, after 100 images; a larger --kimg trains on"


def test_log_has_means_of_each_interval(tmp_path):
    log, model = callbacks.Log(tmp_path, interval=30), Model()
    run(model, log, 4)
    run(model, log, 3)                  # interval reaches over the end of a phase
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(entry["images"], entry["loss"], entry["score"]) for entry in entries] == [
        (30, 1.0, 1.0), (60, 1.33333, 1.0)]     # losses 0, 1, 2, then 3, 0, 1
    assert all(entry["images_per_second"] > 0 and entry["seconds"] >= 0 for entry in entries)


def test_tensorboard_gets_the_same_numbers(tmp_path):
    run(Model(), callbacks.Log(tmp_path, interval=30), 6)
    file, = (tmp_path / "tensorboard").iterdir()
    found = {}
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        event = tf.compat.v1.Event.FromString(record)
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    assert found["loss", 30] == 1.0 and found["loss", 60] == 4.0 and ("images_per_second", 60) in found


@pytest.fixture
def snapshots(tmp_path):
    def save_models(path):
        path.write_text("networks")
    return callbacks.Snapshots(tmp_path, save_models, lambda: np.full((4, 8, 8, 3), 200, np.uint8), seconds=1e9)


def test_snapshot_at_the_end_has_all_that_is_needed(tmp_path, snapshots):
    model = Model()
    run(model, snapshots, 2, batch=1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "network.h5", "preview-000002.png", "preview.png", "state.npz"]
    assert images.read(tmp_path / "preview.png").shape == (16, 16, 3)
    other = Model()
    state.load(tmp_path / "state.npz", other.state)
    assert int(other.images_seen.numpy()) == 2000


def test_snapshots_come_by_the_clock_and_some_are_kept(tmp_path, snapshots):
    snapshots.seconds, snapshots.keep_kimg = 0, 2
    run(Model(), snapshots, 5, batch=1000)
    assert sorted(path.name for path in tmp_path.glob("*0*")) == [
        "network-000002.h5", "network-000004.h5", *(f"preview-00000{i}.png" for i in range(1, 6))]


def test_weights_that_are_no_numbers_are_not_saved(tmp_path, snapshots):
    model = Model()
    run(model, snapshots, 1)
    before = (tmp_path / "state.npz").read_bytes()
    model.weight.assign([1.0, np.nan])
    with pytest.raises(InputError, match="a weight is not finite after 20 images"):
        run(model, snapshots, 1)
    assert (tmp_path / "state.npz").read_bytes() == before


def test_nothing_is_saved_twice(tmp_path, snapshots):
    model = Model()
    run(model, snapshots, 1)
    (tmp_path / "state.npz").unlink()
    snapshots.save()
    assert not (tmp_path / "state.npz").exists()


def test_snapshots_come_by_images_where_workers_must_agree(tmp_path):
    model = Model()
    model.images_seen.assign(1500)      # taken up
    saved = []
    snapshots = callbacks.Snapshots(tmp_path, lambda path: saved.append(int(model.images_seen.numpy())),
                                    lambda: np.zeros((1, 8, 8, 3), np.uint8), seconds=0, every_kimg=2, keep_kimg=None)
    run(model, snapshots, 7, batch=500)
    assert saved == [2000, 4000, 5000]


def test_tensorboard_gets_the_sheet(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path / "tensorboard"))
    snapshots = callbacks.Snapshots(tmp_path, lambda path: None, lambda: np.full((4, 8, 8, 3), 7, np.uint8), columns=4,
                                    writer=writer)
    run(Model(), snapshots, 1)
    file, = (tmp_path / "tensorboard").iterdir()
    events = [tf.compat.v1.Event.FromString(record)
              for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator()]
    (value,), = [event.summary.value for event in events if event.summary.value]
    width, height, png = tf.make_ndarray(value.tensor)
    assert value.metadata.plugin_data.plugin_name == "images" and (width, height) == (b"32", b"8")
    np.testing.assert_array_equal(tf.io.decode_png(png), np.full((8, 32, 3), 7))


def test_a_full_disk_is_one_line_where_events_are_written(tmp_path):
    with full_disk(10), pytest.raises(InputError, match="tensorboard: cannot be written: File too large$"):
        callbacks.Log(tmp_path)
    log = callbacks.Log(tmp_path, interval=10)
    with full_disk(10), pytest.raises((InputError, OSError), match="log.jsonl.*|tensorboard: cannot be written: File"):
        run(Model(), log, 3)
