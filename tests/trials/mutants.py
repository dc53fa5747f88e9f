"""Trial: mutants of each format; each is read, or refused in a line: no other error, no hang, no memory out of bounds.

    python tests/trials/mutants.py [number of mutants of each file] [names of files]

A mutant has up to eight bytes changed, a part cut off, or a part doubled. Of model files, HDF5 and pickle, only the
structure is changed, not the raw arrays, whose changes checksums notice or no reader can.
"""
from __future__ import annotations

import os
import random
import resource
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import test_writers_readers as formats  # noqa: E402

from tf_idinvert import checkpoint  # noqa: E402
from tf_idinvert.errors import InputError  # noqa: E402
from tf_idinvert.formats import conversion, hdf5, pickles, tuned, weights  # noqa: E402

SECONDS = 20        # after which a reader hangs
READERS = {"codes.npy": "codes", "codes.npz": "codes", "pictures.npy": "set", "age.npy": "boundary",
           "age.npz": "boundary", "recipe.json": "recipe", "options.json": "options", "aligned.json": "aligned",
           "scores.csv": "scores", "image_list.txt": "list", "set-r03.tfrecords": "set", "state.npz": "state",
           "tuned.h5": "tuned", "network.h5": "model", "network.pkl": "model"}
# of networks what is read, without building them, which TensorFlow cannot in a forked process
READ = {**formats.READERS, "model": lambda path: named(path, lambda: list(
    hdf5.describe(path, weights.ENTRIES) if path.suffix == ".h5" else
    conversion.describe(pickles.read(path), weights.ENTRIES, None, None)))}


def named(path, read):
    """What `read` gives; the path before its line, as `checkpoint.load` puts it."""
    try:
        return read()
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def raw_parts(path, data):
    """[(start, stop)] of raw arrays in a model file."""
    if path.suffix == ".h5":
        found = []
        with h5py.File(path, "r") as file:
            file.visititems(lambda _, item: isinstance(item, h5py.Dataset) and item.id.get_offset() is not None and
                            found.append((item.id.get_offset(), item.id.get_offset() + item.nbytes)))
        return found
    if path.suffix != ".pkl":
        return []
    arrays = [np.asarray(each, "<f4").tobytes() for each in checkpoint.load(path).generator.get_weights()]
    starts = [(data.find(each), len(each)) for each in arrays if len(each) > 8]
    return [(start, start + size) for start, size in starts if start >= 0]


def mutant(data, places, rng):
    """Bytes with some of `places` changed, or cut, or with a part twice."""
    changed = bytearray(data)
    for place in rng.sample(places, min(len(places), rng.randint(1, 8))):
        changed[place] = rng.choice([0, 255, changed[place] ^ 1 << rng.randrange(8), rng.randrange(256)])
    kind, at = rng.random(), rng.choice(places)
    if kind < 0.2:
        return bytes(changed[:at])
    return bytes(changed[:at] + changed[max(0, at - 40):] if kind < 0.3 else changed)


def outcome(read, path):
    """'read', 'one line', or what went wrong; in a process of its own, since the HDF5 library may crash or hang.

    Returns:
        (outcome, resources used by that process).
    """
    end, begin = os.pipe()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        os.write(begin, answer(read, path).encode("utf-8", "replace")[:4000])
        os._exit(0)
    os.close(begin)
    with open(end, encoding="utf-8") as file:
        text = file.read()
    _, status, used = os.wait4(child, 0)
    return (f"FAULT: ended by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else text), used


def answer(read, path):
    try:
        read(path)
        return "read"
    except InputError as error:
        text = str(error)
        return "one line" if "\n" not in text and str(path) in text else f"UNCLEAR: {text[:200]}"
    except BaseException:
        return f"FAULT: {traceback.format_exc()[-600:]}"


def main(count="200", *only):
    warnings.simplefilter("ignore")
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = formats.written(Path(temporary) / "whole")
        tuned.write(folder / "tuned.h5", "0" * 64, {"4x4/Const/const": np.ones([4, 4], np.float16)}, {"steps": 3})
        for name, reader in READERS.items():
            if only and name not in only:
                continue
            data = (folder / name).read_bytes()
            raw = raw_parts(folder / name, data)
            places = [i for i in range(len(data)) if not any(start <= i < stop for start, stop in raw)]
            found, slowest, peak = Counter(), 0.0, 0
            for i in range(int(count)):
                path = Path(temporary) / name
                path.write_bytes(mutant(data, places, rng))
                result, used = outcome(READ[reader], path)
                slowest, peak = max(slowest, used.ru_utime + used.ru_stime), max(peak, used.ru_maxrss)
                found[result.split(":")[0]] += 1
                if result.startswith(("UNCLEAR", "FAULT")):
                    print(f"  {name}, mutant {i}: {result}", flush=True)
            base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(f"{name}: {dict(found)}; slowest {slowest:.2f} s of processor time; memory at most "
                  f"{max(peak - base, 0) / 1e3:.0f} MB above what the imports take", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
