"""Show the whole method on the embedded model, offline.

It writes a page with the results of all tools for a few portraits.

    python tools/demo.py [-o results/demo]

It renders portraits that no network was trained on, inverts them, diffuses the face of one into another, interpolates,
changes every attribute, and mixes styles. It runs the tools of these names and prints their commands, so that you can
continue with them. It takes a minute or two on two CPU cores and writes results/demo/index.html.
"""
from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError
from tf_idinvert.files import locks
from tf_idinvert.files.printing import say

PORTRAITS, EDITED = 6, 3        # the first EDITED portraits are edited and mixed with the others
RUN = ("import sys; sys.path = [each for each in sys.path if each]\n"     # -c adds the current folder
       "from tf_idinvert.cli import main; main.run(sys.argv.pop(1))")


def parse_arguments(argv):
    parser = command.parser(__doc__)
    parser.add_argument("-o", "--output_dir", type=Path, default=Path("results/demo"), help="(results/demo)")
    return parser.parse_args(argv)


def main(argv=None):
    folder, started = parse_arguments(argv).output_dir, time.time()
    from tf_idinvert.jobs import demo
    from tf_idinvert.portraits import embedded
    model, boundaries = embedded.model_path(), embedded.boundary_paths()
    features = ["--features", embedded.attributes_path()]
    locks.claim(folder)
    portraits = embedded.sample_pictures(folder / "portraits", PORTRAITS)
    names = [f"portrait{i + 1}" for i in range(PORTRAITS)]
    some, others = folder / "some.list", folder / "others.list"
    write_list(some, portraits, names[:EDITED])
    write_list(others, portraits, names[EDITED:])
    edited = [folder / "inversion" / part for part in ("some", "others")]
    for pictures, place in zip((some, others), edited):
        run("invert", model, pictures, "-o", place, "--batch_size", EDITED, *features)
    run("diffuse", model, *edited, "-o", folder / "diffusion", *features)
    run("interpolate", model, *edited, "-o", folder / "interpolation")
    directions = embedded.direction_paths()
    together = {}       # boundaries by distance: a process for each, not for each boundary
    for name, path in boundaries.items():
        together.setdefault(demo.distance(name), []).append(path)
    together.setdefault(demo.DEVIATIONS, []).extend(directions.values())
    for distance, paths in together.items():
        run("manipulate", model, edited[0], *paths, "--step", demo.STEPS, "--start_distance", -distance,
            "--end_distance", distance, "-o", folder / "manipulation")
    run("mix_style", model, *edited, "-o", folder / "style_mixing")
    found = demo.Demo(folder, names[:EDITED], names[EDITED:])
    page, encoder, inverted = found.write_page(list(boundaries), named_directions(directions), time.time() - started)
    say("", f"mean squared error of {PORTRAITS} portraits, values in [-1, 1]: encoder {encoder:.4f}, "
        f"inverted {inverted:.4f}", "", f"{time.time() - started:.0f} s -> {page}")


def named_directions(paths):
    """Return {file name without suffix: what the page calls it} of directions, {name: path}."""
    from tf_idinvert import boundaries
    names = {name: boundaries.read(path).about.name for name, path in paths.items()}
    return {name: f"{name}: {title}" if title else name for name, title in names.items()}


def write_list(path, portraits, names):
    path.write_text("".join(f"{(portraits / name).resolve()}.png\n" for name in names), encoding="utf-8")


def run(tool, *arguments):
    """Print a tool's command and run it; InputError if it fails, after the tool's own message."""
    arguments = [os.path.relpath(each) if isinstance(each, Path) else str(each) for each in arguments]
    called = command.call_of(tool)
    say("", f"$ {called} {shlex.join(arguments)}")
    code = subprocess.call([sys.executable, "-c", RUN, tool, *arguments])
    if code == command.INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise InputError(f"{called} failed with exit code {code}; see above")
