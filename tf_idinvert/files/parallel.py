"""A function, called by several processes."""
from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import signal
import threading
from concurrent.futures.process import BrokenProcessPool

from tf_idinvert.errors import InputError


def in_order(function, tasks, processes=None):
    """Yield function(task) for all tasks, in their order.

    Args:
        function: callable that another process can import.
        tasks: list of arguments that can be pickled.
        processes: how many; None: as many as processors. One of them is this process itself.
    Raises:
        InputError: a process was killed.
    """
    processes = min(processes or os.cpu_count() or 1, len(tasks))
    if processes <= 1:
        yield from map(function, tasks)
        return
    # spawn: forking a program with threads may hang; no Pool: it would wait for a killed process for ever
    pool = concurrent.futures.ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _prepare)
    try:
        yield from pool.map(function, tasks)
    except BrokenProcessPool as error:
        raise InputError("a process was killed, perhaps for want of memory; repeat the command") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare():
    """Leave interrupts to the parent, and do not outlive it."""
    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=follow, daemon=True).start()
