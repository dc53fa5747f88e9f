"""Trial: kill runs (SIGKILL) at random moments and start them again; they must end in the bytes of a run left alone.

    python tests/trials/kills.py [dataset|train|invert] [number of kills]

A kill counts for dataset once a part was written and for train once a snapshot was; the trial waits for that. Inversion
starts again from the beginning, so it must only leave no broken file behind.
"""
from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
VOLATILE = {"log.jsonl", "set.json", "options.json", "inversion.log", "inversion.html"}      # times and paths


def command_of(what, folder, other):
    tool = [sys.executable, str(ROOT / f"tools/{what}.py")]
    if what == "dataset":
        return [*tool, "portraits", str(folder), "--count", "1024", "--resolution", "32", "--processes", "1"]
    if what == "train":
        return [*tool, "--method", "attributes", "--kimg", "2", "--pictures", "256", "--snapshot-minutes", "0.01",
                "-o", str(folder)]
    return [*tool, str(other / "network.h5"), str(other / "pictures"), "-o", str(folder), "--num_iterations", "20",
            "--features", "none", "--batch_size", "2"]


def prepare(folder):
    """A small model and twelve pictures."""
    import odd_files

    from tf_idinvert.portraits import embedded
    odd_files.model(folder)
    embedded.sample_pictures(folder / "pictures", 12)


def begun(what, folder):
    """Whether there is something that a kill could lose."""
    pattern = {"dataset": ".parts/*.json", "train": "state.npz", "invert": "*_inv.png"}[what]
    return any(folder.glob(pattern))


def state_of(folder):
    """{name: SHA-256} of all files that a run leaves, temporary ones and those with times left out."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in VOLATILE
            and not path.name.startswith((".", "preview")) and "tensorboard" not in path.parts}


def main(what="dataset", kills="5"):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    rng, lost = random.Random(0), 0
    with tempfile.TemporaryDirectory() as temporary:
        temporary = Path(temporary)
        if what == "invert":
            prepare(temporary)
        started = time.time()
        subprocess.run(command_of(what, temporary / "whole/run", temporary), check=True, env=environment,
                       capture_output=True)
        seconds, expected = time.time() - started, state_of(temporary / "whole/run")
        run = temporary / "killed/run"
        killed = 0
        for _ in range(4 * int(kills)):
            process = subprocess.Popen(command_of(what, run, temporary), env=environment, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            while process.poll() is None and not begun(what, run):
                time.sleep(0.05)
            try:
                process.wait(rng.uniform(0, seconds / 4))
                break                           # it came to its end
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
            if killed == int(kills):
                break
        last = subprocess.run(command_of(what, run, temporary), env=environment, capture_output=True, text=True)
        found = state_of(run)
        lost = sum(found.get(name) != digest for name, digest in expected.items())
        print(f"{what}: killed {killed} times, each after something was kept; then exit code {last.returncode}, "
              f"{len(expected) - lost} of {len(expected)} files with the bytes of a run left alone ({seconds:.0f} s)")
        if last.returncode or lost:
            print(last.stderr[-1000:])


if __name__ == "__main__":
    main(*sys.argv[1:])
