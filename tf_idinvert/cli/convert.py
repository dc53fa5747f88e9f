"""Show what a network file is and holds, and convert it.

It writes official pickles and this project's .h5 files.

    python tools/convert.py                                 # show the embedded model
    python tools/convert.py network.pkl                     # only show
    python tools/convert.py network.pkl network.h5          # to .h5; --dtype float16 halves its size
    python tools/convert.py network.h5 network.pkl          # to the official format, for the original code
    python tools/convert.py network.h5 --model generator.pth encoder.pth   # from several files that make one set
    python tools/convert.py runs/stylegan/network.h5 generator.h5 --w-deviation 0.5

Prints the format of the file and a line for every network: generation, resolution, parameters (trainable and stored),
layers and width of codes, whether every layer has a separate w (idinvert) or all share one (StyleGAN), final
activation, and project of the layout. Then it prints the assumptions about what the file leaves open (override with
--final-activation), and the missing networks with the consequences. Nothing in a file is executed.

The scale of W differs between trainings. It affects the domain term, R1 on codes, learning rates of the optimisation
and distances of manipulation. --w-deviation changes the scale without changing any picture.
"""
from __future__ import annotations

import logging
from pathlib import Path

from tf_idinvert.cli import command, loading
from tf_idinvert.errors import InputError
from tf_idinvert.files import paths
from tf_idinvert.files.printing import say
from tf_idinvert.formats.described import ROLES
from tf_idinvert.portraits import embedded

SUFFIXES = (".pkl", ".h5", ".hdf5")     # that `checkpoint.save` takes, which would import TensorFlow
CODES = 10000       # number of codes to measure the standard deviation of W


def parse_arguments(argv):
    parser = command.parser(__doc__)
    command.add_model_arguments(parser, "network file: official pickle, PyTorch file of a public layout, or .h5, "
                                "recognised by content; default: the embedded model")
    parser.add_argument("target", nargs="?", help="file to write: official .pkl, or .h5")
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32", help="number type of weights in "
                        ".h5 (float32)")
    parser.add_argument("--without", nargs="+", choices=ROLES.values(), default=(), metavar="NETWORK",
                        help=f"networks to leave out, of {', '.join(ROLES.values())}")
    parser.add_argument("--w-deviation", type=command.number(float, 0, exclusive=True),
                        help="multiply W so that its components have this mean standard deviation; for generators "
                        "without encoder")
    args = parser.parse_intermixed_args(argv)
    if args.target and (Path(args.target).is_dir() or Path(args.target).suffix.lower() not in SUFFIXES):
        what = "is a folder, " if Path(args.target).is_dir() else ""
        raise InputError(f"{args.target}: {what}expected a file name that ends in .pkl (official format) or .h5 (ours)")
    return args


def main(argv=None):
    args = parse_arguments(argv)
    args.model_path = args.model_path or embedded.model_path()
    files = command.model_files(args)
    command.import_tensorflow()
    from tf_idinvert import checkpoint
    from tf_idinvert.formats import summary
    log = logging.getLogger("tf_idinvert.checkpoint")
    log.disabled = True         # the summary prints these notes
    try:
        models = loading.load_models(args)
    finally:
        log.disabled = False
    say(f"{', '.join(map(str, files))}: {', '.join(map(size, files))}, {summary.kinds(models)}")
    for line in summary.lines(models):
        say(f"  {line}")
    if args.w_deviation:
        say(f"  W times {scale_w(files[0], models, args.w_deviation):.6g}")
    if args.target:
        for field, role in ROLES.items():
            if role in args.without:
                setattr(models, field, None)
        paths.make_folder_of(args.target)
        checkpoint.save(models, args.target, dtype=args.dtype)
        say(f"-> {args.target}: {size(args.target)}")


def scale_w(source, models, deviation):
    """Scale W in all generators to a mean standard deviation; return the factor.

    Raises:
        InputError: the file holds networks that depend on the scale of W.
    """
    from tf_idinvert import checkpoint
    from tf_idinvert.codes import random_codes
    checkpoint.require(models, source, "generator", why=" (Gs), whose W --w-deviation could change")
    if models.encoder is not None or models.latent_discriminator is not None:
        raise InputError(f"{source}: holds an encoder or D_w, which depend on the scale of W; --w-deviation is for "
                         "generators alone")
    factor = deviation / random_codes(models.generator, 0, 0, CODES).std(axis=0).mean()
    for generator in filter(None, (models.generator, models.training_generator)):
        generator.scale_codes(factor)
    return factor


def size(path):
    return f"{Path(path).stat().st_size / 1e6:.1f} MB"
