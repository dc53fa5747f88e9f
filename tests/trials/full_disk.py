"""Trial: a disk that is full (files above a size cannot be written); the last good file stays, and one line says why.

    python tests/trials/full_disk.py

Each tool first runs to its end; then again, from the same command, with RLIMIT_FSIZE so small that its largest file
does not fit. What the first run wrote must be there, byte by byte, and the error must be one line.
"""
from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]
LIMIT = 6000        # bytes of a file


def small_files_only():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))


def commands(folder):
    """{tool: (arguments, a file that it writes)}"""
    network, pictures, out = folder / "network.h5", folder / "pictures", folder / "out"
    short = ["--num_iterations", "1", "--features", "none"]
    return {
        "invert.py": ([network, pictures, "-o", out / "invert", *short], "inversion.html"),
        "restore.py": (["colorize", network, pictures, "-o", out / "restore", "-N", "2", "-l", "2", "--degrade",
                        *short], "restoration.html"),
        "dataset.py": (["portraits", out / "dataset", "--count", "64", "--resolution", "16", "--processes", "1"],
                       "dataset-r04.tfrecords"),
        "convert.py": ([network, out / "convert.h5"], "convert.h5"),
        "export.py": ([network, "-o", out / "export", "--features", "none", "--version", "1"], "export"),
    }


def digest(path):
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()


def main(*tools):
    import odd_files

    from tf_idinvert.portraits import embedded
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        odd_files.model(folder)
        embedded.sample_pictures(folder / "pictures", 2)
        (folder / "out").mkdir()
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        for tool, (arguments, name) in commands(folder).items():
            if tools and tool not in tools:
                continue
            call = [sys.executable, ROOT / "tools" / tool, *arguments]
            first = subprocess.run(call, env=environment, capture_output=True, text=True)
            place = folder / "out" / (name if name.endswith(".h5") or name == "export" else f"{Path(tool).stem}/{name}")
            before = digest(place)
            if tool == "dataset.py":        # a finished set has nothing left to write
                call[call.index(folder / "out/dataset")] = folder / "out/other"
            if tool == "export.py":
                call[-1] = "2"
            second = subprocess.run(call, env=environment, capture_output=True, text=True, preexec_fn=small_files_only)
            errors = [line for line in second.stderr.splitlines() if line.startswith("error: ")]
            kept = [path.name for path in place.parent.rglob(".*")] if place.parent.is_dir() else []
            versions = sorted(path.name for path in place.iterdir()) if tool == "export.py" else []
            same = digest(place) == before
            print(f"{tool}: first exit code {first.returncode}, on the full disk {second.returncode}; last good file "
                  f"{'as it was' if same else 'CHANGED'}; errors: {errors or second.stderr[-300:]}; left behind: "
                  f"{kept} {versions}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
