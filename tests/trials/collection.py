"""Trial: encode a large collection of rendered portraits with the embedded model, killed and resumed.

    python tests/trials/collection.py [20000 [1000 [FOLDER]]]

Encodes 1,000 pictures with reading, computing and writing in turn, then beside each other, then all 20,000. Prints
pictures a second, the device's busy share and the peak memory (RSS); whether a run that was killed (SIGKILL) three
times ends in the same codes; the size of the index page, and the seconds in which a headless Chromium opens it, if
there is one. The pictures in FOLDER are kept for the next trial.
"""
from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
MODEL = ROOT / "checkpoints/portraits64-force-in-domain.h5"
KILLS, CHUNK = 3, 500
IN_TURN = """
import sys
from concurrent.futures import Future
from tf_idinvert.cli import command, invert
from tf_idinvert.jobs import batches

class InTurn:
    def __init__(self, _): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def submit(self, function, *arguments):
        future = Future()
        future.set_result(function(*arguments))
        return future

batches.ThreadPoolExecutor, batches.WAITING = InTurn, 1
command.run(invert.main)
"""


def render(folder, count):
    """Render the pictures that are not there yet."""
    from PIL import Image

    from tf_idinvert.portraits import portrait
    folder.mkdir(parents=True, exist_ok=True)
    for first in range(0, count, CHUNK):
        last = min(first + CHUNK, count) - 1
        if not (folder / f"{last:06}.png").exists():
            for i, pixels in enumerate(portrait.sample(last + 1 - first, 10 ** 6 + first)[0], first):
                Image.fromarray(pixels).save(folder / f"{i:06}.png")
    return [folder / f"{i:06}.png" for i in range(count)]


def start(pictures, output, program=(str(ROOT / "tools/invert.py"),)):
    """Start invert.py on a list of pictures; return the process."""
    names = output.with_suffix(".list")
    names.write_text("".join(f"{path}\n" for path in pictures))
    return subprocess.Popen([
        sys.executable, *program, str(MODEL), str(names), "-o", str(output), "--num_iterations",
        "0", "--batch_size", "16", "--features", "none"], env={**os.environ, "PYTHONPATH": str(ROOT)})


def whole(pictures, output, **how):
    """Encode without interruption; return the peak memory in MB."""
    began, process = time.perf_counter(), start(pictures, output, **how)
    _, status, usage = os.wait4(process.pid, 0)
    seconds, options = time.perf_counter() - began, json.loads((output / "options.json").read_text())
    print(f"{len(pictures)} pictures: {seconds:.0f} s, {len(pictures) / options['seconds']:.1f} pictures/s after the "
          f"start, device busy {options['device_busy']:.0%}, peak {usage.ru_maxrss / 1024:.0f} MB, status {status}",
          flush=True)
    return usage.ru_maxrss / 1024


def killed(pictures, output, rng):
    """Encode, with kills at random moments."""
    lines = output / ".unfinished/done.jsonl"
    for number in range(KILLS):
        process, until = start(pictures, output), rng.uniform(number, number + 1) / KILLS * len(pictures)
        while process.poll() is None and (not lines.exists() or lines.read_bytes().count(b"\n") < until):
            time.sleep(1)
        process.send_signal(signal.SIGKILL)
        print(f"killed after {lines.read_bytes().count(bytes([10]))} pictures: status {process.wait()}", flush=True)
    print(f"status {start(pictures, output).wait()} at the end")


def opened(page):
    """Print the size of a page, and how long a headless Chromium takes from its start to a picture of it."""
    print(f"{page.name}: {page.stat().st_size / 1e6:.2f} MB")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    for address in ("about:blank", page.as_uri()) if chromium else ():
        began = time.perf_counter()
        subprocess.run([chromium, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,1000",
                        f"--screenshot={page.with_suffix('.png')}", address], check=True, stderr=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        print(f"Chromium, start to picture, {address.rpartition('/')[2]}: {time.perf_counter() - began:.2f} s")


def main(count="20000", few="1000", folder=None):
    with tempfile.TemporaryDirectory() as temporary:
        work, rng = Path(folder or temporary), random.Random(0)
        pictures = render(work / "pictures", int(count))
        some, all_, again = (work / name for name in ("some", "all", "again"))
        for old in some, all_, again:
            shutil.rmtree(old, ignore_errors=True)
        print("in turn: ", end="", flush=True)
        whole(pictures[:int(few)], some, program=("-c", IN_TURN))
        small, large = whole(pictures[:int(few)], some), whole(pictures, all_)
        print(f"peak memory of all against {few}: {large / small - 1:+.1%}")
        killed(pictures, again, rng)
        alike = [(all_ / f"{name}_codes.npy").read_bytes() == (again / f"{name}_codes.npy").read_bytes()
                 for name in ("encoded", "inverted")]
        print(f"codes of the killed run the same bit for bit: {alike}")
        opened(all_ / "inversion.html")
        return 0 if all(alike) and abs(large / small - 1) < 0.05 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
