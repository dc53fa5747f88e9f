"""What the tools that invert pictures share: the options of inversion, and from them the finished objects.

`invert.py` inverts; the editing tools do the same first where they are given pictures instead of what it wrote.
TensorFlow is imported only in the functions that need it, so that `--help` does not wait for it.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert import cli, images, results
from tf_idinvert.cli import number


def add_optimisation_options(group):
    """Add the options of every optimisation of codes."""
    cli.add_option(group, "--learning_rate", type=number(float, 0, exclusive=True), default=0.01, help="(0.01)")
    cli.add_option(group, "--num_iterations", type=number(int, 0), default=100, help="Adam steps (100)")
    cli.add_option(group, "--num_results", type=number(int, 0), default=5, help="steps shown in the page (5)")
    cli.add_option(group, "--loss_weight_feat", type=number(float, 0), default=5e-5,
                   help="lambda_vgg, weight of the feature term (5e-5)")
    group.add_argument("--features", help="feature network: 'imagenet' (VGG16, fetched once), the path of Keras' VGG16 "
                       "notop .h5, or 'none'; default: imagenet if it can be had, else none, with a warning")


def add_inversion_options(group):
    """Add the options of inversion, those of the optimisation included; the batch size is the tool's."""
    add_optimisation_options(group)
    cli.add_option(group, "--random_init", "-R", action="store_true",
                   help="start from the mapped code of a random z, not from the encoder's")
    group.add_argument("-E", "--domain_regularizer", "--no-domain-regularizer", dest="domain_regularizer",
                       action="store_false", help="leave the domain term out (the original's flag -E switches it off; "
                       "--no-domain-regularizer says so)")
    cli.add_option(group, "--loss_weight_enc", type=number(float, 0), default=2.0,
                   help="lambda_dom, weight of the domain term (2.0)")
    group.add_argument("--seed", type=number(int, 0, 2 ** 31 - 1), default=0, help="of --random_init (0)")


def add_editing_options(parser, default):
    """Add the options that the editing tools share; `default` is their output folder."""
    cli.add_output_options(parser, default)
    cli.add_option(parser, "--batch_size", type=number(int, 1), default=32, help="pictures drawn together (32)")
    group = parser.add_argument_group("inversion, where pictures are given instead of a folder of inversion")
    cli.add_option(group, "--inversion_batch_size", type=number(int, 1), default=4, help="optimised together (4)")
    add_inversion_options(group)


def load_features(args, log):
    """The feature network and a note about it; without --features it is done without where VGG16 cannot be had."""
    if args.features == "none" or not args.loss_weight_feat:
        return None, "The feature term was left out, as asked."
    from tf_idinvert.networks.perceptual import FeaturesError, VGG16Features
    try:
        return VGG16Features(args.features or "imagenet"), ""
    except FeaturesError as error:
        if args.features:
            raise
        log.warning("warning: inverting without the feature term (--features none does so silently): %s", error)
        return None, f"The feature term was left out: {error}"


def make_inverter(args, batch_size, models, log):
    """`inverting.Inverter` as the arguments ask; ValueError where the model cannot do that."""
    from tf_idinvert.inverting import Inverter
    from tf_idinvert.inversion import InversionOptions
    _check(models, args)
    features, note = load_features(args, log)
    options = InversionOptions(
        steps=args.num_iterations, learning_rate=args.learning_rate, batch_size=batch_size,
        results=args.num_results, feature_weight=args.loss_weight_feat if features else 0.0,
        domain_weight=args.loss_weight_enc if args.domain_regularizer else 0.0)
    return Inverter(models, options, features, random_seed=args.seed if args.random_init else None,
                    viz_size=args.viz_size, log=log, record={"model": str(args.model_path), "arguments": vars(args)},
                    notes=[note])


def _check(models, args):
    """ValueError where the model cannot do what the arguments ask."""
    if models.generator is None:
        raise ValueError(f"{args.model_path}: holds no generator")
    needs_encoder = [] if args.random_init else ["to start from (else give --random_init)"]
    if args.domain_regularizer and args.loss_weight_enc:
        needs_encoder.append("for the domain term (else give --no-domain-regularizer)")
    if models.encoder is None and needs_encoder:
        raise ValueError(f"{args.model_path}: holds no encoder, which is needed {' and '.join(needs_encoder)}")


class Inputs:
    """What an editing tool is given: folders of results, or pictures that are inverted first.

    Made before any model is loaded, so that a mistyped path costs no time.

    Args:
        paths: each a folder of results, a folder of pictures, a picture or a text list.
    """

    def __init__(self, paths):
        self.given = [results.read(path) if results.is_results(path) else images.listing([path]) for path in paths]
        self.paths = paths

    def networks(self):
        """Names of the networks that are needed."""
        inverts = any(isinstance(each, list) for each in self.given)
        return ("encoder", "generator") if inverts else ("generator",)

    def inverted(self, args, models, folder, log):
        """Results for each path: read, or inverted into `folder`/inversion/NAME; and whether any picture was left out.

        Raises:
            ValueError: codes that are not the generator's, or no picture that could be inverted.
        """
        generator, inverter, found, complete = models.generator, None, {}, True
        if generator is None:
            raise ValueError(f"{args.model_path}: holds no generator")
        for path, given in zip(self.paths, self.given):
            if path in found:
                continue
            if isinstance(given, list):
                inverter = inverter or make_inverter(args, args.inversion_batch_size, models, log)
                target = _free_name(folder / "inversion", cli.title(path), found.values())
                target.mkdir(parents=True, exist_ok=True)
                done = inverter(given, target)
                if not done:
                    raise ValueError(f"{path}: no picture could be inverted")
                complete, given = complete and done == len(given), results.read(target)
            given.check(generator.num_layers, generator.dlatent_size)
            found[path] = given
        return [found[path] for path in self.paths], complete


def _free_name(folder, name, taken):
    """Path of a folder in `folder` that none of the results `taken` is in: name, name_2, ..."""
    used, number_ = {each.folder for each in taken}, 2
    path = Path(folder) / name
    while path in used:
        path, number_ = Path(folder) / f"{name}_{number_}", number_ + 1
    return path
