"""Measure speed and memory on this machine.

    python tools/benchmark.py                       # a part of all benchmarks, some minutes
    python tools/benchmark.py inversion             # 64, 128 and 256 px, batches of 1 and 4; optimisers; half an hour
    python tools/benchmark.py inversion --sides 256 --batches 1 8 32 --json speed.json      # on a GPU; also with --jit
    python tools/benchmark.py inversion --peer ~/torch/bin/python   # beside plain PyTorch, of another environment
    python tools/benchmark.py convolutions          # those of a step at 256 px, with oneDNN and without
    python tools/benchmark.py training
    python tools/benchmark.py alignment             # what a misalignment costs an inversion; the embedded model
    python tools/benchmark.py alignment ffhq/       # faces found and how exactly; pictures aligned as FFHQ's
    python tools/benchmark.py editor                # the editor in the browser, 64 and 256 px
    python tools/benchmark.py serving serving/portraits64/1      # an exported model; default: the embedded one
    python tools/benchmark.py serving --sides 64 256       # full width, one call at a time; `invert` with 20 steps

Inversion: seconds per iteration, compiled and eager; latency of encoder and synthesis; operations per iteration, and
their rate relative to matrix multiplication, which is measured first; peak memory; time from the start of a process to
its first step. The networks have full width and random weights, and F is VGG16; StyleGAN2 is measured at the first of
--batches. Optimisers: steps and time until all portraits are within 1 % of the loss of 100 steps of Adam, eight with
the embedded model and two with full width at 128 px. Run nothing else on the machine meanwhile. Editor: first page and
slider moves of one visitor, in a Chromium if there is one; then eight visitors, who move sliders for a minute without
pause.
"""
from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.files.printing import say

KINDS = "inversion", "training", "serving"     # measured without an argument, a part of each


def parse_arguments(argv):
    parser = command.parser(__doc__)
    parser.add_argument("kind", nargs="?", choices=(*KINDS, "convolutions", "alignment", "editor"),
                        help="what to measure; default: a part of inversion, training and serving")
    parser.add_argument("folder", nargs="?", help="serving: folder NAME/VERSION of a SavedModel; default: the embedded "
                        "model, exported. alignment: pictures aligned as FFHQ's")
    parser.add_argument("--sides", nargs="+", type=command.number(int, 32), help="inversion, convolutions, "
                        "editor: sides of the pictures in pixels (64 128 256; 256; 64 256); serving: networks of full "
                        "width in place of a folder")
    parser.add_argument("--batches", nargs="+", type=command.number(int, 1), help="inversion: batch sizes (1 4)")
    parser.add_argument("--jit", action="store_true", help="inversion: compile loss and gradient with XLA")
    parser.add_argument("--peer", metavar="PYTHON", help="inversion: a Python with torch and numpy, runs the same "
                        "steps in turns with ours")
    parser.add_argument("--rounds", type=command.number(int, 1), help="of --peer: times that each form is run (3)")
    parser.add_argument("--json", type=Path, help="JSON file to write the figures to as well")
    args = parser.parse_intermixed_args(argv)
    if args.folder and args.kind not in ("serving", "alignment"):
        parser.error(f"{args.folder}: only `serving` and `alignment` take a folder")
    if args.folder and args.sides:
        parser.error("--sides: not with a folder, whose model has one side")
    if args.rounds and not args.peer:
        parser.error("--rounds: only --peer runs rounds")
    if args.jit and args.peer:
        parser.error("--jit: not beside --peer, whose steps are compared with ours as they are")
    return args


def main(argv=None):
    args = parse_arguments(argv)
    command.import_tensorflow(trains=True)
    rows = []
    try:
        for kind in [args.kind] if args.kind else KINDS:
            rows += {"inversion": inversion, "training": training, "serving": serving,
                     "convolutions": convolutions, "alignment": alignment, "editor": editor}[kind](args)
    finally:
        say(*tables(rows))
        if args.json and rows:
            from tf_idinvert.files import results
            results.write_options(args.json, rows)


def log(line):
    say(line, file=sys.stderr)


def inversion(args):
    from tf_idinvert.benchmarks import inversion as benchmark
    some = {} if args.kind else {"sides": (64,), "batches": (4,), "compared": ()}
    given = {name: getattr(args, name) for name in ("sides", "batches", "jit", "rounds") if getattr(args, name)}
    if args.peer:
        from tf_idinvert.benchmarks import peer
        return peer.run(log, args.peer, **given)
    return benchmark.run(log, **{**some, **given})


def convolutions(args):
    from tf_idinvert.benchmarks import convolutions as benchmark
    return benchmark.run(log, **({"sides": args.sides} if args.sides else {}))


def training(args):
    from tf_idinvert.benchmarks import training as benchmark
    return benchmark.run(log)


def alignment(args):
    """Return rows of what is found of a folder's faces; without one, of what misalignment costs the embedded model."""
    from tf_idinvert.benchmarks import alignment as benchmark
    from tf_idinvert.files import finding, images
    if not args.folder:
        from tf_idinvert import checkpoint, features
        from tf_idinvert.inversion import InversionOptions
        from tf_idinvert.portraits import embedded
        models = checkpoint.load(embedded.model_path(), only=("encoder", "generator"))
        return benchmark.misaligned(log, models, features.load(embedded.attributes_path(), models.generator.resolution),
                                    InversionOptions(optimizer="lbfgs", steps=33, learning_rate=0.02, batch_size=4))
    return benchmark.run(log, [images.fit(images.read(path), 256)[0] for _, path in finding.listing([args.folder])])


def serving(args):
    """Return a row for every signature that takes pictures or codes."""
    from tf_idinvert.benchmarks import serving as benchmark
    if args.kind and args.sides:
        return [{"benchmark": "serving", **row} for side in args.sides for row in benchmark.one_caller(side)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or exported(temporary)
        rows = []
        for signature in "encode", "synthesize", "reconstruct":
            log(f"serving: {signature}")
            found = benchmark.load_test(folder, signature=signature)
            rows.append({"benchmark": "serving", **found, "batch_sizes": json.dumps(found["batch_sizes"])})
        return rows


def editor(args):
    from tf_idinvert.cli.editor import require_gradio
    require_gradio()
    from tf_idinvert.benchmarks import editor as benchmark
    from tf_idinvert.editor import page
    return benchmark.run(log, page.serve, **({"sides": args.sides} if args.sides else {}))


def exported(folder):
    """Export the embedded model as a SavedModel to a folder; return the path of its version."""
    from tf_idinvert import checkpoint
    from tf_idinvert.portraits import embedded
    from tf_idinvert.serving import export
    return export.export(checkpoint.load(embedded.model_path(), only=("encoder", "generator")), Path(folder) / "model")


def tables(rows):
    """Yield the rows as lines of aligned text; consecutive rows with the same columns form a table."""
    first = True
    while rows:
        if not first:
            yield ""
        first = False
        columns = list(rows[0])
        here, rows = [row for row in rows if list(row) == columns], [row for row in rows if list(row) != columns]
        cells = [columns, *([shown(row[column]) for column in columns] for row in here)]
        widths = [max(map(len, column)) for column in zip(*cells)]
        yield from ("  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in cells)


def shown(value):
    return value if isinstance(value, str) else f"{value:.4g}"
