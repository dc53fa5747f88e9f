"""Show what a network file is and holds, and convert it.

Writes the official pickle format or ours.

    python tools/convert.py                                 # show the embedded model
    python tools/convert.py network.pkl                     # only show
    python tools/convert.py network.pkl network.h5          # to ours; --dtype float16 halves it
    python tools/convert.py network.h5 network.pkl          # to the official format, for the original code
    python tools/convert.py network.h5 --model generator.pth encoder.pth   # of several files that make one set
    python tools/convert.py runs/stylegan/network.h5 generator.h5 --w-deviation 0.5

Prints what kind of file it is and a line for every network: generation, resolution, parameters (trainable and stored),
layers and width of its codes, whether every layer has a w of its own (idinvert) or all share one (StyleGAN), the final
activation, and whose layout it has. Then what the file does not say and what is taken instead (--final-activation says
otherwise), and which networks are missing and what that means. Nothing in any file is executed.

The weights of the domain term and of R1 on codes, steps of the optimisation, distances of manipulation: all depend on
how large W is. A training may end at any size; --w-deviation changes it, and no picture.
"""
from __future__ import annotations

import logging
from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError
from tf_idinvert.files.printing import say
from tf_idinvert.formats.described import ROLES
from tf_idinvert.portraits import embedded

CODES = 10000       # of W, to measure its deviation


def parse_arguments(argv):
    parser = command.parser(__doc__)
    command.add_model_arguments(parser, "network file: official pickle, PyTorch file of a public layout, or ours; its "
                                "content tells which; default: the embedded model")
    parser.add_argument("target", nargs="?", help="file to write: .pkl official, .h5 ours")
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32", help="of an .h5 (float32)")
    parser.add_argument("--without", nargs="+", choices=ROLES.values(), default=(), metavar="NETWORK",
                        help=f"networks not to write, of {', '.join(ROLES.values())}")
    parser.add_argument("--w-deviation", type=command.number(float, 0, exclusive=True),
                        help="multiply W so that this is the mean standard deviation of its components; for generators "
                        "without encoder")
    args = parser.parse_intermixed_args(argv)
    if args.target and Path(args.target).is_dir():
        raise InputError(f"{args.target}: is a folder, expected a file name that ends in .pkl or .h5")
    return args


def main(argv=None):
    args = parse_arguments(argv)
    args.model_path = args.model_path or embedded.model_path()
    files = command.model_files(args)
    command.import_tensorflow()
    from tf_idinvert import checkpoint
    from tf_idinvert.formats import summary
    log = logging.getLogger("tf_idinvert.checkpoint")
    log.disabled = True         # the summary has its notes
    try:
        models = checkpoint.load(*files, final_activation=args.final_activation)
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
        checkpoint.save(models, args.target, dtype=args.dtype)
        say(f"-> {args.target}: {size(args.target)}")


def scale_w(source, models, deviation):
    """Give W this mean deviation in all generators -> the factor. InputError where other networks know its size."""
    from tf_idinvert import checkpoint
    from tf_idinvert.codes import random_codes
    checkpoint.require(models, source, "generator", why=" (Gs), whose W --w-deviation could change")
    if models.encoder is not None or models.latent_discriminator is not None:
        raise InputError(f"{source}: holds an encoder or a D_w, which know W's size; --w-deviation is for generators")
    factor = deviation / random_codes(models.generator, 0, 0, CODES).std(axis=0).mean()
    for generator in filter(None, (models.generator, models.training_generator)):
        generator.scale_codes(factor)
    return factor


def size(path):
    return f"{Path(path).stat().st_size / 1e6:.1f} MB"
