"""Devices and machines that share the work on many pictures: --gpu_id, --strategy.

TensorFlow is imported inside functions, so that `--help` does not wait for it.
"""
from __future__ import annotations

import contextlib
from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError
from tf_idinvert.files import workers

STRATEGIES = ("one", "mirrored", "multi-worker")


def add(add, strategies=STRATEGIES):
    """Add --gpu_id and --strategy, by an `add_argument`."""
    add("--gpu_id", help="GPUs to use, as CUDA_VISIBLE_DEVICES: 1, or 0,1 for both (0; with --strategy all)")
    several = "; multi-worker: the machines in TF_CONFIG, each a part of the list, into one shared output folder"
    add("--strategy", choices=strategies, help="devices that share the work. one; mirrored: all GPUs of this machine "
        f"or those of --gpu_id{several if 'multi-worker' in strategies else ''} (one; several in --gpu_id: mirrored)")


def choose(args):
    """Make only the chosen GPUs visible to TensorFlow, which must not be imported yet, and complete --strategy."""
    args.strategy = args.strategy or ("mirrored" if "," in (args.gpu_id or "") else "one")
    if args.gpu_id or args.strategy == "one":
        command.choose_device(args.gpu_id or "0")


def worker_of(args):
    """Return the Worker that this process is: of those in TF_CONFIG with --strategy multi-worker, else the only one."""
    if args.strategy != "multi-worker":
        return workers.Worker()
    worker = workers.this_worker()
    if worker.count == 1:
        raise InputError(f"--strategy multi-worker: TF_CONFIG names no other worker; {workers.EXPECTED}")
    if getattr(args, "align", None) not in (None, "none") or getattr(args, "tune", 0):
        raise InputError("--strategy multi-worker: not with --align or --tune; let align.py cut the pictures out "
                         "before, and tune.py tune afterwards")
    return worker


def open_log(path, worker):
    """Open the log of a worker, see `command.open_log`: that of a further worker is NAME-INDEX.log."""
    path = Path(path)
    own = path.with_name(f"{path.stem}-{worker.index}{path.suffix}") if worker.index else path
    return command.open_log(own, shared=worker.count > 1)


def scope(args):
    """Return a context manager in which networks are created on all devices, and `apart` splits batches over them."""
    if args.strategy == "one":
        return contextlib.nullcontext()
    import tensorflow as tf
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy(devices).scope() if len(devices) > 1 else contextlib.nullcontext()
