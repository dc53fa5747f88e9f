"""Workers: processes, perhaps on several machines, that share one job, as the environment variable TF_CONFIG says.

TF_CONFIG is TensorFlow's, JSON such as {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker",
"index": 0}}. A chief, if there is one, is the first worker.
"""
from __future__ import annotations

import dataclasses
import json
import os

from tf_idinvert.errors import InputError

EXPECTED = ('expected TensorFlow\'s JSON, such as {"cluster": {"worker": ["a:2222", "b:2222"]}, '
            '"task": {"type": "worker", "index": 0}}')


@dataclasses.dataclass(frozen=True)
class Worker:
    """Worker number `index`, from 0, of `count`."""

    index: int = 0
    count: int = 1

    def share(self, items):
        """Return this worker's part of a sequence; the parts follow each other in the order of the workers."""
        return items[self.index * len(items) // self.count:(self.index + 1) * len(items) // self.count]

    def all(self):
        """Return all workers of the job, in order."""
        return [Worker(index, self.count) for index in range(self.count)]


def this_worker():
    """Return the Worker that TF_CONFIG makes of this process; the only one without TF_CONFIG.

    Raises:
        InputError: TF_CONFIG names no workers, or this is none of them.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return Worker()
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        chiefs, workers = len(cluster.get("chief", [])), len(cluster.get("worker", []))
        kind, index = task.get("type", "chief"), int(task.get("index", 0))
    except (ValueError, TypeError, AttributeError):
        raise InputError(f"TF_CONFIG: {EXPECTED}; got {text[:200]}") from None
    place = {"chief": index, "worker": chiefs + index}.get(kind, -1)
    count = max(chiefs + workers, 1)
    if not 0 <= place < count:
        raise InputError(f"TF_CONFIG: task {kind} {index} is none of its {workers} workers and {chiefs} chiefs; "
                         f"{EXPECTED}")
    return Worker(place, count)
