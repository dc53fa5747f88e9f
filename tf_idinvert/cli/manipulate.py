"""Change an attribute of inverted pictures.

Moves their codes along the normal of the attribute's boundary: w + distance * n.

    python tools/manipulate.py network.pkl results/inversion/faces boundaries/age.npy
    python tools/manipulate.py network.pkl portrait.png smile.npz --manipulate_layers 2-5 --start_distance 0
    python tools/manipulate.py          # the embedded model and its boundaries, one by one, on rendered portraits

The images are a folder that invert.py wrote, or pictures (a folder, a text list, one picture), which are inverted
first, into OUTPUT/inversion/. A boundary is a file of the original or of boundary.py. --manipulate_layers chooses the
layers to move, else the boundary's file does, else all layers move. Writes to the output folder, for a job
BOUNDARY_images: BOUNDARY_images.html, its pictures as BOUNDARY_images/NAME_01.png ..., their codes as
BOUNDARY_images_codes.npy ([images, step, L, D]), _options.json and .log. A picture takes a fraction of a second.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import command, inversion_options
from tf_idinvert.errors import InputError


def parse_arguments(argv):
    parser = command.parser(__doc__)
    add = parser.add_argument
    command.add_model_arguments(parser, inversion_options.EDITING_MODEL_HELP)
    add("image_dir", nargs="?", help=inversion_options.FOLDER_HELP)
    add("boundary_path", nargs="?", help="boundary: .npy of the original, or .npz; default: all of the "
        "embedded model")
    add("--step", type=command.number(int, 1), default=7, help="number of results per picture (7)")
    parser.add_argument("--start_distance", type=float, default=-3.0, help="distance of the first result (-3)")
    parser.add_argument("--end_distance", type=float, default=3.0, help="distance of the last result (3)")
    parser.add_argument("--manipulate_layers", default="",
                        help="layers to move, such as 0,1,2-5 (those of the "
                        "boundary's file, else all)")
    inversion_options.add_editing_options(parser, "results/manipulation")
    return inversion_options.parse(parser, argv, image_dir=("portraits", 4))


def main(argv=None):
    args = parse_arguments(argv)
    command.choose_device(args.gpu_id)
    from tf_idinvert import boundaries
    from tf_idinvert.portraits import embedded
    paths = [args.boundary_path] if args.boundary_path else list(embedded.boundary_paths().values())
    given = {path: boundaries.read(path) for path in paths}
    inputs = inversion_options.Inputs([args.image_dir])
    folder = Path(args.output_dir or "results/manipulation")
    log = command.open_log(folder / f"{job_name(args, *paths)}.log")

    command.import_tensorflow()
    from tf_idinvert import checkpoint
    models = checkpoint.load(*command.model_files(args), only=inputs.networks(),
                             final_activation=args.final_activation)
    checkpoint.require(models, args.model_path, "generator")
    jobs = {path: fitted(path, boundary, models.generator, args) for path, boundary in given.items()}
    (found,), complete = inputs.inverted(args, models, folder, log)
    for path, (boundary, layers) in jobs.items():
        manipulate(path, boundary, layers, found, models.generator, folder, args, log)
    return 0 if complete else 1


def job_name(args, *paths):
    """Return the name of the results of a boundary, or of the log of several boundaries."""
    return f"{command.title(paths[0]).upper() if len(paths) == 1 else 'BOUNDARIES'}_{command.title(args.image_dir)}"


def fitted(path, boundary, generator, args):
    """Return (boundary for this generator, layers to manipulate); InputError if they do not fit the generator."""
    from tf_idinvert import boundaries, editing
    layers = editing.parse_layers(args.manipulate_layers, generator.num_layers)
    try:
        boundary = boundary.for_network(generator.num_layers, generator.dlatent_size)
    except boundaries.BoundaryError as error:
        raise boundaries.BoundaryError(f"{path}: {error}") from error
    return boundary, layers if layers is not None else boundary.layers


def manipulate(path, boundary, layers, found, generator, folder, args, log):
    """Draw and write the results of one boundary."""
    from tf_idinvert.files import results
    from tf_idinvert.jobs import edit
    job, shown = job_name(args, path), "all" if layers is None else ", ".join(map(str, layers))
    log.info("manipulating %s", "all layers" if layers is None else f"layers {shown}")
    results.write_options(folder / f"{job}_options.json", {"arguments": vars(args), "layers": layers})
    distances = distances_of(args)
    page = edit.Page(
        f"Manipulation: {command.title(path)}",
        ["Name", "Origin", "Inverted", *(f"Step {i:02d} ({far:.3g})" for i, far in enumerate(distances, start=1))],
        {"Model": Path(args.model_path).name, "Boundary": Path(path).name, "Pictures": len(found.names),
         "Layers": shown}, viz_size=args.viz_size)
    shape = [len(found.names), args.step, *found.codes.shape[1:]]
    edit.write(folder / job, edit.manipulation(found, boundary.normal, distances, layers), shape, generator.synthesis,
               args.batch_size, page, log)


def distances_of(args):
    """Return the distances, [step], evenly spaced."""
    import numpy as np
    distances = np.linspace(args.start_distance, args.end_distance, args.step)
    if not np.isfinite(distances).all():
        raise InputError(f"distances from {args.start_distance} to {args.end_distance}: expected finite numbers")
    return distances
