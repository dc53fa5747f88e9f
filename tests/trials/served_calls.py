"""Trial: good and hostile calls to a served model, mixed and from several threads; answers unmixed, memory flat.

    python tests/trials/served_calls.py [number of calls]
"""
from __future__ import annotations

import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


def memory():
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main(calls="200"):
    import tensorflow as tf
    import tiny

    from tf_idinvert import checkpoint
    from tf_idinvert.serving import export
    rng, count = random.Random(0), int(calls)
    with tempfile.TemporaryDirectory() as folder:
        models = checkpoint.Models(encoder=tiny.encoder(resolution=8, num_layers=4),
                                   generator=tiny.generator(resolution=8))
        served = tf.saved_model.load(str(export.export(models, Path(folder) / "tiny"))).signatures
        pictures = np.random.default_rng(0).uniform(-1, 1, [16, 8, 8, 3]).astype("float32")
        good = [served["reconstruct"](images=tf.constant(each[None]))["images"].numpy() for each in pictures]
        hostile = [("reconstruct", {"images": np.full([1, 8, 8, 3], np.nan, np.float32)}),
                   ("reconstruct", {"images": np.full([1, 8, 8, 3], 255, np.float32)}),
                   ("synthesize", {"codes": np.full([1, 4, 8], 1e30, np.float32)}),
                   ("reconstruct_bytes", {"image_bytes": np.array([b"\xff\xd8\xff garbage \x1b[2J\n"])}),
                   ("reconstruct_bytes", {"image_bytes": np.array([b"\x89PNG\r\n\x1a\n" + b"\xff" * 40])}),
                   ("synthesize", {"codes": np.zeros([257, 4, 8], np.float32)})]

        def call(number):
            kind = rng.random()
            if kind < 0.5:
                at = number % len(pictures)
                found = served["reconstruct"](images=tf.constant(pictures[at][None]))["images"].numpy()
                return "good" if np.array_equal(found, good[at]) else "MIXED"
            name, inputs = hostile[number % len(hostile)]
            try:
                served[name](**{key: tf.constant(value) for key, value in inputs.items()})
                return "ACCEPTED"
            except tf.errors.OpError as error:
                return "refused" if str(error).isprintable() or "\x1b" not in str(error) else "RAW"

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(call, range(min(50, count))))
            before, started = memory(), time.time()
            answers = list(pool.map(call, range(count)))
        seconds = time.time() - started
        print({kind: answers.count(kind) for kind in sorted(set(answers))}, f"in {seconds:.1f} s; memory "
              f"{before / 1e6:.0f} MB -> {memory() / 1e6:.0f} MB")
        full = np.repeat(pictures, 16, axis=0)
        started = time.time()
        served["reconstruct"](images=tf.constant(full))
        print(f"a full call, {len(full)} rows: {time.time() - started:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
