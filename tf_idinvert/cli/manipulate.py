"""Change an attribute of inverted pictures.

Moves their codes along the normal of the attribute's boundary: w + distance * n.

    python tools/manipulate.py network.pkl results/inversion/faces boundaries/age.npy
    python tools/manipulate.py network.pkl portrait.png smile.npz --manipulate_layers 2-5 --start_distance 0
    python tools/manipulate.py network.h5 faces/ smile.npz --manipulate_layers auto --classifier celebahq-*-smiling.pkl
    python tools/manipulate.py network.pkl results/inversion/faces age.npy --tuned results/inversion/faces/tuned
    python tools/manipulate.py network.pkl holiday.jpg boundaries/age.npy --align --paste     # an edited photograph
    python tools/manipulate.py --align --paste      # the same with a scene of rendered portraits
    python tools/manipulate.py          # the embedded model and its boundaries, one by one, on rendered portraits
    python tools/manipulate.py --recipe portrait_recipe.json        # what the editor made, pixel by pixel
    python tools/manipulate.py network.pkl photographs/ --recipe portrait_recipe.json       # the same edit of others

The images are a folder that invert.py wrote, or pictures (a folder, a text list, one picture), which are inverted
first, into OUTPUT/inversion/. A boundary is a file of the original, of boundary.py or of directions.py.
--manipulate_layers chooses the layers to move, else the boundary's file does, else all layers move; `auto` takes those
layers of the boundary that change its attribute most per change of all else that is scored. An edit of style channels
leaves the codes that are written as they are. --tuned takes the file of a tuned generator, or a folder that tune.py
wrote, from which each picture gets its own.

Writes to the output folder, for a job BOUNDARY_images: BOUNDARY_images.html, its pictures as
BOUNDARY_images/NAME_01.png ..., their codes as BOUNDARY_images_codes.npy ([images, step, L, D]), _options.json and
.log. A picture takes a fraction of a second.

A recipe of the editor (docs/editor.md) stands in place of boundary and distances: NAME_edited.png is written for the
picture whose code it holds or, where images are given, for each of these.
"""
from __future__ import annotations

import dataclasses
from pathlib import Path

from tf_idinvert.alignment import record
from tf_idinvert.cli import alignment_options, command, inversion_options, loading, scorer_options
from tf_idinvert.errors import InputError
from tf_idinvert.files import results

DISTANCE = command.number(float, -1e6, 1e6)     # `editing.LARGEST_DISTANCE`, which would import NumPy
MEASURED = 32       # random codes by which `auto` chooses layers


def parse_arguments(argv):
    parser = command.parser(__doc__)
    add = parser.add_argument
    command.add_model_arguments(parser, inversion_options.EDITING_MODEL_HELP)
    add("image_dir", nargs="?", help=inversion_options.FOLDER_HELP)
    add("boundary_path", nargs="*", help="boundaries: .npy of the original, or .npz; default: all of the embedded "
        "model")
    add("--step", type=command.number(int, 1), default=7, help="number of results per picture (7)")
    parser.add_argument("--start_distance", type=DISTANCE, default=-3.0, help="distance of the first result (-3)")
    parser.add_argument("--end_distance", type=DISTANCE, default=3.0, help="distance of the last result (3)")
    parser.add_argument("--manipulate_layers", default="",
                        help="layers to move, such as 0,1,2-5, or auto (those of the boundary's file, else all)")
    parser.add_argument("--attribute", help="what `auto` is to change (what the boundary is called)")
    scorer_options.add(parser.add_argument_group("who scores, for --manipulate_layers auto"))
    add("--recipe", metavar="FILE", help="recipe of the editor, in place of a boundary and distances")
    inversion_options.add_editing_options(parser, "results/manipulation")
    group = parser.add_argument_group("photographs")
    group.add_argument("--paste", action="store_true", help="put the results back into the photographs that --align or "
                       "align.py has cut them out of, into BOUNDARY_images_photographs/")
    alignment_options.add_paste_options(group)
    samples = {} if command.given(argv, "--recipe") else {"image_dir": ("portraits", 4)}
    args = inversion_options.parse(parser, argv, **samples)
    if args.recipe and args.boundary_path:
        parser.error("--recipe stands in place of a boundary; give one of the two")
    if args.recipe and args.paste:
        parser.error("--paste is for boundaries; paste.py --record pastes the pictures of a recipe")
    return args


def main(argv=None):
    args = parse_arguments(argv)
    command.choose_device(args.gpu_id)
    if args.recipe:
        return repeat(args)
    from tf_idinvert import boundaries
    from tf_idinvert.portraits import embedded
    paths = args.boundary_path or list(embedded.boundary_paths().values())
    given = {path: boundaries.read(path) for path in paths}
    if len({command.title(path).upper() for path in given}) < len(paths):
        raise InputError("two boundaries of one name: their results would overwrite each other")
    inputs = inversion_options.Inputs([args.image_dir])
    folder = Path(args.output_dir or "results/manipulation")
    log = command.open_log(folder / f"{job_name(args, *paths)}.log")

    command.import_tensorflow()
    from tf_idinvert import checkpoint
    one_each = bool(args.tuned) and Path(args.tuned).is_dir()
    models = loading.load_models(args, only=inputs.networks(), tuned=None if one_each else args.tuned)
    checkpoint.require(models, args.model_path, "generator")
    jobs = {path: fitted(path, boundary, models.generator, args) for path, boundary in given.items()}
    if args.manipulate_layers.strip() == "auto":
        jobs = with_best_layers(jobs, models.generator, args, log)
    (found,), complete = inputs.inverted(args, models, folder, log)
    if args.paste and record.path_in(found.folder) is None:
        raise InputError(f"--paste: {found.folder} holds no {record.NAME}: its pictures were not cut out of "
                         "photographs (--align does that)")
    exchange = exchanging(args.tuned, found, models.generator) if one_each else None
    for path, boundary in jobs.items():
        manipulate(path, boundary, found, models.generator, folder, args, log, exchange)
    return 0 if complete else 1


def repeat(args):
    """Make the picture of a recipe again, or edit others in its way -> exit code."""
    from tf_idinvert.editor import recipe as recipes
    recipe = recipes.read(args.recipe)
    inputs = inversion_options.Inputs([args.image_dir]) if args.image_dir else None
    folder = Path(args.output_dir or "results/manipulation")
    log = command.open_log(folder / f"{command.title(args.recipe)}.log")

    command.import_tensorflow()
    from tf_idinvert import checkpoint
    files = command.model_files(args)
    models = loading.load_models(args, only=inputs.networks() if inputs else ("generator",))
    checkpoint.require(models, args.model_path, "generator")
    recipes.check(recipe, models.generator.num_layers, models.generator.dlatent_size, args.model_path)
    if recipes.model_of(files)[1] != recipe.model_sha256:
        log.warning("warning: the recipe was made with another file, %s: the picture may differ", recipe.model)
    if inputs is None:
        draw_again(recipe, models.generator, folder, log)
        return 0
    (found,), complete = inputs.inverted(args, models, folder, log)
    draw_edited(found.names, recipe.edited(found.codes), recipe.noise_seed, models.generator, folder, log)
    return 0 if complete else 1


def draw_again(recipe, generator, folder, log):
    """Draw the picture of a recipe, and say whether it is the same, pixel by pixel."""
    from tf_idinvert.files import digests, finding
    name = finding.clean(Path(f"{recipe.picture}.png"))     # it may come from anywhere
    pixels, = draw_edited([name], recipe.edited(), recipe.noise_seed, generator, folder, log)
    if digests.array_digest(pixels) == recipe.pixels_sha256:
        log.info("it is the picture of the recipe, pixel by pixel")
    else:
        log.warning("warning: its pixels are not those of the recipe: another network, processor or TensorFlow")


def draw_edited(names, codes, noise_seed, generator, folder, log):
    """Write NAME_edited.png of edited codes [N, L, D], and the codes -> pictures, each uint8 [R, R, 3]."""
    from tf_idinvert.editor import drawing
    from tf_idinvert.files import arrays, images
    draw, drawn = drawing.drawer(generator.synthesis), []
    for name, code in zip(names, codes):
        drawn += draw([(code, noise_seed)])
        images.save(folder / f"{name}_edited.png", drawn[-1])
    arrays.write(folder / "edited_codes.npy", codes)
    log.info("%d picture%s -> %s", len(drawn), "s" * (len(drawn) > 1),
             folder / f"{names[0]}_edited.png" if len(names) == 1 else folder)
    return drawn


def job_name(args, *paths):
    """Return the name of the results of a boundary, or of the log of several boundaries."""
    return f"{command.title(paths[0]).upper() if len(paths) == 1 else 'BOUNDARIES'}_{command.title(args.image_dir)}"


def fitted(path, boundary, generator, args):
    """Return the boundary for this generator, with its layers to manipulate; InputError if they do not fit."""
    from tf_idinvert import boundaries, editing
    text = args.manipulate_layers
    layers = None if text.strip() == "auto" else editing.parse_layers(text, generator.num_layers)
    if boundary.about.space == "z":
        if layers is not None or text.strip() or boundary.normal.shape[1:] != (1, generator.latent_size):
            raise InputError(f"{path}: a boundary of z [1, 1, {boundary.normal.shape[-1]}], which moves no single "
                             f"layers; this network has z of {generator.latent_size}")
        return boundary
    if layers is not None:      # they overrule what the file says, which then need not fit
        boundary = dataclasses.replace(boundary, layers=None)
    try:
        boundary = boundary.for_network(generator.num_layers, generator.dlatent_size, generator.synthesis.style_widths)
    except boundaries.BoundaryError as error:
        raise boundaries.BoundaryError(f"{path}: {error}") from error
    return boundary if layers is None else dataclasses.replace(boundary, layers=layers)


def with_best_layers(jobs, generator, args, log):
    """The boundaries {path: Boundary}, each with those of its layers that change its attribute best."""
    from tf_idinvert.codes import random_codes
    from tf_idinvert.directions import effects
    from tf_idinvert.jobs.directions import drawer
    scorer = scorer_options.load(args, generator.resolution)
    if scorer is None:
        raise InputError("--manipulate_layers auto needs somebody who scores: give --attributes, --classifier or "
                         "--scorer")
    widths, far = generator.synthesis.style_widths, max(abs(args.start_distance), abs(args.end_distance))
    measured = effects.Effects.of(drawer(generator.synthesis, args.batch_size), scorer, scorer.names,
                                  random_codes(generator, 1, 0, MEASURED), widths)
    found = {}
    for path, boundary in jobs.items():
        name = args.attribute or boundary.about.name or command.title(path)
        among = range(generator.num_layers) if boundary.layers is None else boundary.layers
        layers, (wanted, other), whole = effects.choose_layers(measured, boundary, name, far, list(among))
        log.info("%s: layers %s change %s by %+.2f deviations and another by at most %.2f; all layers by %+.2f and "
                 "%.2f", Path(path).name, ", ".join(map(str, layers)), name, wanted, other, *whole)
        found[path] = dataclasses.replace(boundary, layers=layers)
    return found


def exchanging(folder, found, generator):
    """Callable that gives the generator the weights tuned to picture i of `found`; InputError where one has none."""
    from tf_idinvert.formats import tuned
    from tf_idinvert.tunable import Tunable
    files, weights = tuned.files(folder), Tunable(generator.synthesis)
    missing = [name for name in found.names if name not in files]
    if missing:
        raise InputError(f"{folder}: holds no {missing[0]}.h5; a generator of all pictures is given as the file")
    return lambda i: weights.apply(files[found.names[i]])


def manipulate(path, boundary, found, generator, folder, args, log, exchange=None):
    """Draw and write the results of one boundary; before picture i is drawn, `exchange` is called with i."""
    from tf_idinvert.jobs import edit
    layers = boundary.layers
    job, shown = job_name(args, path), "all" if layers is None else ", ".join(map(str, layers))
    log.info("manipulating %s", "all layers" if layers is None else f"layers {shown}")
    results.write_options(folder / f"{job}_options.json", {"arguments": vars(args), "layers": layers})
    distances = distances_of(args)
    name = {"Name": boundary.about.name} if boundary.about.name else {}
    page = edit.Page(
        f"Manipulation: {command.title(path)}",
        ["Name", "Origin", "Inverted", *(f"Step {i:02d} ({far:.3g})" for i, far in enumerate(distances, start=1))],
        {"Model": Path(args.model_path).name, "Boundary": Path(path).name, **name, "Pictures": len(found.names),
         "Layers": shown}, viz_size=args.viz_size)
    shape = [len(found.names), args.step, *found.codes.shape[1:]]
    if boundary.about.space == "z":
        rows = edit.latent_manipulation(found, latents_of(path, found), boundary, distances,
                                        mapping_as_sampled(found.folder, generator))
    else:
        rows = edit.manipulation(found, boundary, distances, generator.synthesis.style_widths, exchange)
    edit.write(folder / job, rows, shape, generator.synthesis, args.batch_size, page, log, found)
    if args.paste:
        alignment_options.paster(args, log)(folder / job, folder / f"{job}_photographs")


def latents_of(path, found):
    """Return z of a folder of samples; InputError if it is not kept there."""
    from tf_idinvert.jobs import boundary
    if not (found.folder / boundary.LATENTS).is_file():
        raise InputError(f"{path}: a boundary of z, which moves samples alone whose z is kept: draw them by "
                         "boundary.py sample --latents")
    return boundary.read_latents(found.folder)


def mapping_as_sampled(folder, generator):
    """Return z -> codes, truncated with the psi that a folder of samples was drawn with."""
    try:
        psi = float(results.read_options(folder / results.OPTIONS)["arguments"]["truncation_psi"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / results.OPTIONS}: does not say the samples' truncation_psi") from error
    return lambda z: generator.truncate(generator.mapping(z), psi).numpy()


def distances_of(args):
    """Return the distances, [step], evenly spaced."""
    import numpy as np
    return np.linspace(args.start_distance, args.end_distance, args.step)
