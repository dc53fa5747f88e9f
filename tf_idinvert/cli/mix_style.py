"""Mix styles of inverted pictures.

It combines the fine layers of every style with the coarse layers of every content.

    python tools/mix_style.py network.pkl results/inversion/paintings results/inversion/faces
    python tools/mix_style.py network.pkl painting.png photographs/ --mix_layer_start_idx 8
    python tools/mix_style.py                                   # the embedded model, on rendered portraits

Styles and contents are folders that invert.py wrote, or pictures (a folder, a text list, one picture), which are
inverted first, into OUTPUT/inversion/. Writes to the output folder, for a job STYLE_STYLIZE_CONTENT:
STYLE_STYLIZE_CONTENT.html (a row for every style, a column for every content), its pictures as
STYLE_STYLIZE_CONTENT/NAME_STYLIZE_NAME.png, their codes as STYLE_STYLIZE_CONTENT_codes.npy ([styles, contents, L, D]),
_options.json and .log. A picture takes a fraction of a second.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import command, inversion_options, loading
from tf_idinvert.errors import InputError

STYLE_LAYERS = 4        # as in the original, whose default start is layer 10 of 14 at 256 px


def parse_arguments(argv):
    parser = command.parser(__doc__)
    command.add_model_arguments(parser, inversion_options.EDITING_MODEL_HELP)
    for name in "style_dir", "content_dir":
        parser.add_argument(name, nargs="?", help=inversion_options.FOLDER_HELP)
    parser.add_argument("--mix_layer_start_idx", type=command.number(int, 0), default=None,
                        help="first layer that comes from the style (the fourth from the end: 10 at 256 px)")
    inversion_options.add_editing_options(parser, "results/style_mixing")
    return inversion_options.parse(parser, argv, style_dir=("others", 2), content_dir=("portraits", 4))


def main(argv=None):
    args = parse_arguments(argv)
    command.choose_device(args.gpu_id)
    inputs = inversion_options.Inputs([args.style_dir, args.content_dir])
    folder = Path(args.output_dir or "results/style_mixing")
    job = f"{command.title(args.style_dir)}_STYLIZE_{command.title(args.content_dir)}"
    log = command.open_log(folder / f"{job}.log")

    command.import_tensorflow()
    from tf_idinvert import checkpoint
    from tf_idinvert.files import results
    from tf_idinvert.jobs import edit
    models = loading.load_models(args, only=inputs.networks())
    checkpoint.require(models, args.model_path, "generator")
    layers = style_layers(args, models.generator)
    log.info("layers %d to %d come from the style", layers[0], layers[-1])
    (style, content), complete = inputs.inverted(args, models, folder, log)
    results.write_options(folder / f"{job}_options.json", {"arguments": vars(args), "layers": layers})
    page = edit.Page(
        "Style mixing", ["Name", "Style", *(f"Content {name}" for name in content.names)],
        {"Model": Path(args.model_path).name, "Styles": len(style.names), "Contents": len(content.names),
         "Layers of the style": f"{layers[0]} to {layers[-1]}"}, viz_size=args.viz_size,
        first=["", None, *(content.picture(i, "ori") for i in range(len(content.names)))])
    shape = [len(style.names), *content.codes.shape]
    edit.write(folder / job, edit.style_mixing(style, content, layers), shape, models.generator.synthesis,
               args.batch_size, page, log, content)
    return 0 if complete else 1


def style_layers(args, generator):
    """Return the indices of the layers that come from the style."""
    count, first = generator.num_layers, args.mix_layer_start_idx
    if first is None:
        first = max(count - STYLE_LAYERS, 0)
    if first >= count:
        raise InputError(f"--mix_layer_start_idx {first}: the network has layers 0 to {count - 1}")
    return list(range(first, count))
