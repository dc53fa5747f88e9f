"""Show what a network file holds, and convert it.

Writes the official pickle format or ours.

    python tools/convert.py                                 # show the embedded model
    python tools/convert.py network.pkl                     # only show
    python tools/convert.py network.pkl network.h5          # to ours; --dtype float16 halves it
    python tools/convert.py network.h5 network.pkl          # to the official format, for the original code
    python tools/convert.py runs/stylegan/network.h5 generator.h5 --w-deviation 0.5

Prints a line for every network: resolution, parameters (trainable and stored), layers and width of its codes, and
whether every layer has a w of its own (idinvert) or all share one (StyleGAN). Nothing in either file is executed.

The weights of the domain term and of R1 on codes, steps of the optimisation, distances of manipulation: all depend on
how large W is. A training may end at any size; --w-deviation changes it, and no picture.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError
from tf_idinvert.files.printing import say
from tf_idinvert.portraits import embedded

ROLES = {"encoder": "E", "training_generator": "G", "discriminator": "D", "generator": "Gs",
         "latent_discriminator": "D_w", "attributes": "A"}
CODES = 10000       # of W, to measure its deviation


def main(argv=None):
    parser = command.parser(__doc__)
    parser.add_argument("source", nargs="?", help="network file: official pickle or ours, told by its content; "
                        "default: the embedded model")
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

    source = args.source or embedded.model_path()

    command.import_tensorflow()
    from tf_idinvert import checkpoint
    models = checkpoint.load(source)
    say(f"{source}: {size(source)}")
    for field, role in ROLES.items():
        network = getattr(models, field)
        if network is not None:
            say(f"  {role:3} {type(network).__name__:14} {described(network)}")
    if args.w_deviation:
        say(f"  W times {scale_w(source, models, args.w_deviation):.6g}")
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


def described(network):
    """Facts about a network, in one line."""
    import math
    config = network.get_config()
    counts = [sum(math.prod(weight.shape) for weight in weights)
              for weights in (network.trainable_weights, network.weights)]
    facts = [f"{config['resolution']} px" if "resolution" in config else "",
             f"{counts[0]:,} parameters ({counts[1]:,} stored)",
             f"codes {network.num_layers} x {network.dlatent_size}" if hasattr(network, "num_layers") else ""]
    if "layerwise" in config:
        facts.append("a w for each layer" if config["layerwise"] else "one w for all layers")
    facts += [f"{config['label_size']} labels" if config.get("label_size") else "",
              f"lod {config['lod']:g}" if config.get("lod") else "",
              f"generation {config['generation']}" if "generation" in config else "",
              f"architecture {config['architecture']}" if "architecture" in config else "",
              "without batch norm" if config.get("batch_norm") is False else ""]
    return ", ".join(filter(None, facts))
