"""Find directions of edits without labels, or from a dozen pictures.

    python tools/directions.py sefa network.pkl                         # from the weights alone, at once
    python tools/directions.py pca network.pkl --samples 1000000        # principal components of W
    python tools/directions.py styles network.pkl --positive with/ --negative without/     # a dozen pictures each
    python tools/directions.py regions network.pkl --box 88,120,80,48   # what changes there, and little elsewhere
    python tools/directions.py sefa network.pkl --name 3=smile          # call one by its name
    python tools/directions.py                                  # sefa and pca of the embedded model

Each verb writes to its output folder a file for every direction, VERB_00.npz, VERB_01.npz ..., in the order of their
weight, and index.html, a page to choose from: for each direction five pictures, moved along it by -3 to 3 standard
deviations. The pictures are samples, or your own: --images takes a folder that invert.py wrote, or pictures, which are
inverted first. Where attributes can be scored, by --attributes, --classifier or --scorer (those of the embedded model
are), the page says how each direction changes them.

--name 3=smile writes named/smile.npz from direction 3, --name=-3=frown the same turned round; of a folder that has its
directions already, nothing is computed again. --name auto writes for each attribute named/VERB-ATTRIBUTE.npz, the
direction that changes it most per change of the others. The files are boundaries: manipulate.py, assess_edits.py and
export.py take them; distance 1 is one standard deviation.

sefa (Shen and Zhou 2021) takes no time; pca (Haerkoenen et al. 2020, GANSpace) seconds to two minutes; styles (Wu et
al. 2021, StyleSpace) the time of the inversion; regions (Zhu et al. 2022, ReSeFa) seconds at 64 px. The page costs 35
pictures a direction.
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

from tf_idinvert.cli import command, inversion_options, loading, scorer_options
from tf_idinvert.errors import InputError
from tf_idinvert.files.printing import say

VERBS = {"sefa": "from the weights of the generator alone (SeFa)",
         "pca": "principal components of W, or of a layer's activations (GANSpace)",
         "styles": "single style channels, from a dozen pictures with an attribute (StyleSpace)",
         "regions": "what changes a region of the picture and little else (ReSeFa)"}
MEASURED = 32       # codes whose scores tell what a direction does
SCORED = 1000       # samples that are scored for `styles` without pictures, of which EXTREME on either side are taken
EXTREME = 25
PORTRAITS_EYES = "14,22,36,14"      # left, top, width, height at 64 px: glasses and brows of the rendered portraits


def make_parser():
    parser = command.parser(__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, text in VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        command.add_model_arguments(verb, inversion_options.EDITING_MODEL_HELP)
        _add_shared(verb, name)
        if name in ("sefa", "pca"):
            verb.add_argument("--per_layer", action="store_true", help="directions of each layer by itself: as many as "
                              "--num for every layer")
        {"pca": _add_pca, "styles": _add_styles, "regions": _add_regions}.get(name, lambda verb: None)(verb)
        inversion_options.add_editing_options(verb, f"results/directions/{name}")
    return parser


def _add_shared(verb, name):
    verb.add_argument("--num", "-k", type=command.number(int, 1, 999), default=10, help="directions (10)")
    verb.add_argument("--layers", default="", help="that are looked at and moved, such as 0,1,2-5 (all)")
    verb.add_argument("--images", help="whose pictures the page shows: a folder that invert.py wrote, or pictures; "
                      "default: samples")
    verb.add_argument("--shown", type=command.number(int, 0, 50), default=5, help="pictures in the page for each "
                      "direction; 0: no page (5)")
    verb.add_argument("--distance", type=command.number(float, 0, exclusive=True), default=10.0 if name == "styles" else
                      3.0, help=f"of the outermost pictures, in deviations ({'10' if name == 'styles' else '3'})")
    verb.add_argument("--step", type=command.number(int, 2, 50), default=7, help="pictures in a row (7)")
    verb.add_argument("--name", action="append", default=[], metavar="N=NAME", help="write direction N as NAME.npz; "
                      "=-N=NAME turns it round; 'auto': for each attribute the best direction")
    scorer_options.add(verb)


def _add_pca(verb):
    verb.add_argument("--samples", type=command.number(int, 2), default=None, help="random codes (100000; of "
                      "activations 2000)")
    verb.add_argument("--centre", action="store_true", help="edits first bring the code to the middle of W along the "
                      "component")
    verb.add_argument("--activations", type=command.number(int, 0), metavar="LAYER", help="components of the "
                      "activations after this layer, regressed on w")


def _add_styles(verb):
    verb.add_argument("--positive", help="pictures with the attribute, or a folder that invert.py wrote of them")
    verb.add_argument("--negative", help="the same without it")
    verb.add_argument("--attribute", help=f"in place of --positive: the {EXTREME} of {SCORED} samples with the highest "
                      "scores of this attribute against the lowest")


def _add_regions(verb):
    region = verb.add_mutually_exclusive_group()
    region.add_argument("--box", help="LEFT,TOP,WIDTH,HEIGHT in pixels of the network's pictures")
    region.add_argument("--mask", help="picture of the network's size, opaque within the region, or bright "
                        "where it has no transparent parts")
    verb.add_argument("--codes", type=command.number(int, 1, 1000), default=5, help="codes at which the Jacobian is "
                      "taken: of --images, else samples (5)")


def main(argv=None):
    parser, argv = make_parser(), sys.argv[1:] if argv is None else argv
    if argv:
        return run(parser.parse_args(argv))
    for arguments in (["sefa", "--per_layer", "--num", "2"], ["pca"]):
        say(f"$ {command.call_of('directions')} {' '.join(arguments)}")
        run(parser.parse_args(arguments))


def run(args):
    command.choose_device(args.gpu_id)
    folder = Path(args.output_dir or f"results/directions/{args.verb}")
    names = names_of(args.name)
    if args.name and "auto" not in args.name and all((folder / f"{args.verb}_{index:02d}.npz").is_file()
                                                     for index, *_ in names.values()):
        return tell_names(folder, args.verb, names)
    region = region_of(args) if args.verb == "regions" else None
    paths = [path for path in (args.images, getattr(args, "positive", None), getattr(args, "negative", None)) if path]
    inputs = inversion_options.Inputs(paths)
    from tf_idinvert.portraits import embedded
    args.model_path = args.model_path or embedded.model_path()
    folder.mkdir(parents=True, exist_ok=True)
    log = command.open_log(folder / "directions.log")
    command.import_tensorflow()
    from tf_idinvert import checkpoint
    models = loading.load_models(args, only=inputs.networks())
    checkpoint.require(models, args.model_path, "generator")
    scorer = scorer_options.load(args, models.generator.resolution)
    given, complete = inputs.inverted(args, models, folder, log)
    given = dict(zip(paths, given))
    found = find(args, models.generator, scorer, given, region)
    changes = write(args, models.generator, scorer, given.get(args.images), found, folder)
    page = f", {folder / 'index.html'}" if args.shown else ""
    say(f"{len(found)} directions -> {folder / args.verb}_00.npz ...{page}")
    if "auto" in args.name:
        from tf_idinvert.jobs import directions
        if changes is None:
            raise InputError("--name auto needs somebody who scores: give --attributes, --classifier or --scorer")
        best = directions.best(changes, scorer.names)
        names.update({f"{args.verb}-{name}": (*found, name) for name, found in best.items()})
    tell_names(folder, args.verb, names)
    return 0 if complete else 1


def find(args, generator, scorer, given, region):
    """List of jobs.directions.Direction, by the method of the verb."""
    from tf_idinvert import editing
    from tf_idinvert.jobs import directions
    layers = list(editing.parse_layers(args.layers, generator.num_layers) or range(generator.num_layers))
    source = Path(str(args.model_path)).name[:80]
    if args.verb in ("sefa", "regions") and generator.mapping.layerwise and len(layers) > 1 and \
            not getattr(args, "per_layer", False):
        say("note: every layer of this network has a w of its own, so that a direction shared by all layers changes "
            f"little; better {'--per_layer' if args.verb == 'sefa' else 'one of --layers at a time'}")
    if args.verb == "sefa":
        return directions.by_sefa(generator, layers, args.num, source, args.per_layer)
    if args.verb == "pca" and args.activations is not None:
        if args.centre or args.per_layer:
            raise InputError("--activations goes with neither --centre nor --per_layer")
        if not args.activations < generator.synthesis.last_start:
            raise InputError(f"--activations {args.activations}: the network has layers 0 to "
                             f"{generator.synthesis.last_start - 1} with activations")
        return directions.by_activations(generator, layers, args.num, source, layer=args.activations, seed=args.seed,
                                         samples=args.samples or directions.ACTIVATIONS)
    if args.verb == "pca":
        return directions.by_pca(generator, layers, args.num, source, samples=args.samples or 100_000, seed=args.seed,
                                 per_layer=args.per_layer, centre=args.centre)
    if args.verb == "styles":
        positive, negative = sides_of(args, generator, scorer, given)
        return directions.by_styles(generator, layers, args.num, source, positive=positive, negative=negative)
    codes = codes_shown(args, generator, given.get(args.images), args.codes)[0]
    return directions.by_regions(generator, layers, args.num, source, codes=codes,
                                 inside=inside_of(region, generator.resolution))


def write(args, generator, scorer, images, found, folder):
    """Files and page of the directions -> their changes of the scores, or None."""
    import numpy as np

    from tf_idinvert.codes import random_codes
    from tf_idinvert.directions import effects
    from tf_idinvert.jobs import directions
    widths = generator.synthesis.style_widths
    draw, measured = directions.drawer(generator.synthesis, args.batch_size), None
    if scorer is not None:
        measured = effects.Effects.of(draw, scorer, scorer.names, random_codes(generator, 1, 0, MEASURED), widths)
    codes, names = codes_shown(args, generator, images, args.shown)
    return directions.write(
        folder, args.verb, found, draw=draw, style_widths=widths, codes=codes, names=names,
        distances=np.linspace(-args.distance, args.distance, args.step), measured=measured,
        summary={"Model": Path(str(args.model_path)).name, "Directions": len(found), "Layers": args.layers or "all"},
        viz_size=min(args.viz_size, 128))


def codes_shown(args, generator, images, count):
    """(codes [n, L, D], names) of the user's pictures, or of samples with psi 0.7."""
    import tensorflow as tf

    from tf_idinvert.codes import random_codes
    if images is not None:
        return images.codes[:count], images.names[:count]
    w = random_codes(generator, args.seed + 2, 0, max(count, 1))[:count]
    return generator.truncate(tf.constant(w), 0.7).numpy(), [f"sample {i + 1}" for i in range(count)]


def sides_of(args, generator, scorer, given):
    """Codes with and without the attribute, for `styles`."""
    if args.positive:
        if args.attribute:
            raise InputError("expected either --positive, or --attribute")
        return given[args.positive].codes, given[args.negative].codes if args.negative else None
    import numpy as np

    from tf_idinvert.codes import random_codes
    from tf_idinvert.jobs import directions
    if scorer is None or args.negative:
        raise InputError("styles needs --positive, a dozen pictures with the attribute; or --attribute and who scores "
                         "it: --attributes, --classifier or --scorer")
    attribute = args.attribute or scorer.names[0]
    if attribute not in scorer.names:
        raise InputError(f"--attribute {attribute}: there are scores of {', '.join(scorer.names)}")
    codes = random_codes(generator, args.seed + 3, 0, SCORED)
    draw = directions.drawer(generator.synthesis, args.batch_size)
    parts = [scorer(draw(codes[first:first + 100])) for first in range(0, SCORED, 100)]
    scores = np.concatenate(parts)[:, scorer.names.index(attribute)]
    known = np.flatnonzero(np.isfinite(scores))
    if len(known) < 2 * EXTREME or scores[known].min() == scores[known].max():
        raise InputError(f"scores of {attribute!r}: {len(known)} of {SCORED} are numbers"
                         f"{', all the same' if len(known) else ''}")
    order = known[np.argsort(scores[known], kind="stable")]
    return codes[order[-EXTREME:]], codes[order[:EXTREME]]


def region_of(args):
    """What the user says of the region: (left, top, width, height), an array of the mask's brightness, or None."""
    if args.mask:
        from tf_idinvert.files import images
        return images.to_float(images.read_mask(args.mask)).mean(axis=-1)
    if args.box is None:
        if args.model_path is not None:
            raise InputError("regions needs --box or --mask")
        return tuple(map(int, PORTRAITS_EYES.split(",")))
    if not re.fullmatch(r"\d{1,5}(,\d{1,5}){3}", args.box):
        raise InputError(f"--box {args.box}: expected LEFT,TOP,WIDTH,HEIGHT, such as 88,120,80,48")
    return tuple(map(int, args.box.split(",")))


def inside_of(region, resolution):
    """bool [h, h] of a region, h the side of the pictures, at most that at which Jacobians are taken."""
    import numpy as np

    from tf_idinvert.directions import regions
    if isinstance(region, tuple):
        left, top, width, height = region
        if not (width and height) or left + width > resolution or top + height > resolution:
            raise InputError(f"--box {','.join(map(str, region))}: reaches beyond the picture of {resolution} px, or "
                             "is empty")
        inside = np.zeros([resolution, resolution])
        inside[top:top + height, left:left + width] = 1
    else:
        if region.shape != (resolution, resolution):
            raise InputError(f"--mask: {region.shape[1]} x {region.shape[0]} px, expected {resolution} x {resolution}")
        inside = (region > 0).astype(float)
    factor = max(resolution // regions.SIDE, 1)
    side = resolution // factor
    return inside.reshape(side, factor, side, factor).mean(axis=(1, 3)) > 0.5


def names_of(given):
    """{name: (index, whether turned round, name)} of what --name says; InputError where it says something else."""
    found = {}
    for text in given:
        parts = re.fullmatch(r"(-?)(\d{1,3})=([^/\\\0]{1,100})", text)
        if text == "auto":
            continue
        if not parts or parts[3].strip(". ") != parts[3] or not parts[3].isprintable():
            raise InputError(f"--name {text}: expected N=NAME, such as 3=smile, or auto")
        found[parts[3]] = int(parts[2]), bool(parts[1]), parts[3]
    return found


def tell_names(folder, verb, names):
    """Write the named files and say so."""
    if names:
        from tf_idinvert.jobs import directions
        for path, (index, turned, _) in zip(directions.name(folder, verb, names), names.values()):
            say(f"{verb}_{index:02d}{' turned round' if turned else ''} -> {path}")
