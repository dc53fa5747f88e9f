"""Interpolate between inverted pictures.

It interpolates from every source to every target, along straight lines in W+.

    python tools/interpolate.py network.pkl results/inversion/these results/inversion/those
    python tools/interpolate.py network.pkl photographs/ portrait.png --step 8
    python tools/interpolate.py                                 # the embedded model, on rendered portraits

A source or target is a folder that invert.py wrote, or pictures (a folder, a text list, one picture), which are
inverted first, into OUTPUT/inversion/. Writes to the output folder, for a job SOURCE_TO_TARGET: SOURCE_TO_TARGET.html
(the inversions of source and target with --step pictures between them), the same pictures as
SOURCE_TO_TARGET/NAME_TO_NAME_00.png ..., their codes as SOURCE_TO_TARGET_codes.npy
([sources, targets, step + 2, L, D]), _options.json and .log. A picture takes a fraction of a second.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import command, inversion_options, loading


def parse_arguments(argv):
    parser = command.parser(__doc__)
    command.add_model_arguments(parser, inversion_options.EDITING_MODEL_HELP)
    for name in "src_dir", "dst_dir":
        parser.add_argument(name, nargs="?", help=inversion_options.FOLDER_HELP)
    parser.add_argument("--step", type=command.number(int, 0), default=5, help="pictures between source and target (5)")
    inversion_options.add_editing_options(parser, "results/interpolation")
    return inversion_options.parse(parser, argv, src_dir=("portraits", 4), dst_dir=("others", 2))


def main(argv=None):
    args = parse_arguments(argv)
    command.choose_device(args.gpu_id)
    inputs = inversion_options.Inputs([args.src_dir, args.dst_dir])
    folder = Path(args.output_dir or "results/interpolation")
    job = f"{command.title(args.src_dir)}_TO_{command.title(args.dst_dir)}"
    log = command.open_log(folder / f"{job}.log")

    command.import_tensorflow()
    from tf_idinvert import checkpoint
    from tf_idinvert.files import results
    from tf_idinvert.jobs import edit
    models = loading.load_models(args, only=inputs.networks())
    checkpoint.require(models, args.model_path, "generator")
    (source, target), complete = inputs.inverted(args, models, folder, log)
    results.write_options(folder / f"{job}_options.json", {"arguments": vars(args)})
    count = args.step + 2
    page = edit.Page(
        "Interpolation", ["Names", "Source", "Source Inversion", *(f"Step {i:02d}" for i in range(1, count - 1)),
                         "Target Inversion", "Target"],
        {"Model": Path(args.model_path).name, "Sources": len(source.names), "Targets": len(target.names),
         "Steps": args.step}, viz_size=args.viz_size)
    shape = [len(source.names), len(target.names), count, *source.codes.shape[1:]]
    edit.write(folder / job, edit.interpolation(source, target, count), shape, models.generator.synthesis,
               args.batch_size, page, log, source)
    return 0 if complete else 1
