"""Options of all tools that invert pictures, and the objects that are made from them.

`invert.py` inverts pictures. The editing tools start from its results, or invert pictures first. TensorFlow is imported
inside functions, so that `--help` does not wait for it.
"""
from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from tf_idinvert.cli import alignment_options, command
from tf_idinvert.cli.command import number
from tf_idinvert.errors import InputError
from tf_idinvert.files import finding, results
from tf_idinvert.files.codes import SUFFIXES, CodesFile
from tf_idinvert.files.workers import Worker
from tf_idinvert.portraits import embedded

OPTIMIZERS = ("adam", "cosine", "lbfgs")        # `optimizers.NAMES`, which would import TensorFlow
STARTS = ("encoder", "mean", "random", "gaussian")      # of `jobs.invert.STARTS`, likewise
MODEL_HELP = "network file with an encoder: official pickle (E, G, D, Gs) or .h5; default: the embedded model"
EDITING_MODEL_HELP = "network file: official pickle or .h5; default: the embedded model"
PICTURES_HELP = "default: rendered portraits that no network was trained on"
FOLDER_HELP = ("folder that invert.py wrote, or pictures, or a .npy or .npz file of codes [N, L, D], [N, D] or [L, D]; "
               f"{PICTURES_HELP}")
SAMPLES = "results/pictures"                    # folder of these portraits


def parse(parser, argv, **samples):
    """Parse the command line; use the embedded model and sample pictures as defaults.

    Args:
        parser: argparse.ArgumentParser with the positional `model_path`, nargs '?'.
        argv: the arguments; None: those of the command line.
        samples: {positional: (name of the folder, number of pictures)}; nargs '?' or '*'. The user must give all of
            these positionals or none.
    """
    args = parser.parse_intermixed_args(argv)       # allows options between optional positionals
    return completed(parser, args, **samples)


def completed(parser, args, **samples):
    """Return the parsed arguments with the defaults of `parse` for absent positionals; arguments as there."""
    missing = [name for name in samples if not getattr(args, name)]
    if 0 < len(missing) < len(samples):
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    args.model_path = args.model_path or embedded.model_path()
    for i, name in enumerate(missing):
        folder, count = samples[name]
        scene = getattr(args, "align", None) not in (None, "none")
        path = embedded.sample_scene(Path(SAMPLES), embedded.SEED + i) if scene else \
            embedded.sample_pictures(Path(SAMPLES) / folder, count, embedded.SEED + i)
        setattr(args, name, [path] if getattr(args, name) == [] else path)
    return args


def add_optimisation_options(group):
    """Add the options that all optimisations of codes have."""
    group.add_argument("--learning_rate", type=number(float, 0, exclusive=True),
                       help="learning rate; of lbfgs, length of the first step (adam: 0.01, cosine: 0.05, lbfgs: 0.02)")
    group.add_argument("--num_iterations", type=number(int, 0),
                       help="number of steps; 0 returns the initial codes (adam: 100, cosine: 75, lbfgs: 33)")
    group.add_argument("--optimizer", choices=OPTIMIZERS, default="adam", help="adam: as published; cosine: Adam with "
                       "a larger, decaying rate; lbfgs: L-BFGS, the same loss in a third of the steps (adam)")
    group.add_argument("--keep_best", action="store_true",
                       help="keep the code with the lowest loss instead of the last one")
    group.add_argument("--cut_rising", action="store_true",
                       help="if the loss of a picture rises, return to its best code and halve the step")
    group.add_argument("--tolerance", type=number(float, 0), default=0.0, help="stop a picture when ten steps have "
                       "lowered its loss by less than this share; 0: never (0)")
    group.add_argument("--jit", action=argparse.BooleanOptionalAction, default=False, help="compile loss and gradient "
                       "with XLA: longer to start; whether a step is faster then, measure on your device (no)")
    add_feature_options(group)
    group.add_argument("--feature_layers", type=weights_of_layers, default=None, metavar="LAYER[:WEIGHT],...",
                       help="layers of VGG16 up to block4_conv3, with their weights in the feature term, such as "
                       "block1_conv2:0.5,block3_conv3,block4_conv3 (block4_conv3)")


def add_num_results(group):
    """Add --num_results, for tools whose page shows the course of the optimisation."""
    group.add_argument("--num_results", type=number(int, 0), default=5, help="number of steps that the page shows (5)")


def add_feature_options(group):
    """Add --features and the weight of the feature term."""
    group.add_argument("--loss_weight_feat", type=number(float, 0),
                       help="lambda_vgg, weight of the feature term (VGG16: 5e-5, attribute network: 20, LPIPS: 0.8)")
    command.add_features_option(group.add_argument, "for the embedded model the embedded attribute network, else "
                                "imagenet; if that is not available none, with a warning")
    command.add_lpips_option(group.add_argument, "the feature network, in place of --features")


def weights_of_layers(text):
    """argparse type: 'a,b:0.5' -> {'a': 1.0, 'b': 0.5}."""
    pairs = [part.strip().partition(":") for part in text.split(",")]
    return {name: number(float, 0, exclusive=True)(weight) if colon else 1.0 for name, colon, weight in pairs}


def add_inversion_options(group):
    """Add the options of inversion, including those of the optimisation; tools add the batch size themselves."""
    add_optimisation_options(group)
    add_num_results(group)
    group.add_argument("--start", choices=STARTS, default="encoder", help="initial code: the encoder's, the mean "
                       "code, the code of a random z, or N(0, 1) in W+ (encoder)")
    group.add_argument("--random_init", "-R", action="store_const", dest="start", const="random",
                       help="the same as --start random; the original's is --start gaussian (docs/differences.md)")
    add_domain_options(group)
    group.add_argument("--seed", type=number(int, 0, 2 ** 31 - 1), default=0,
                       help="seed of --start random and gaussian (0)")
    add_label(group.add_argument)


def add_domain_options(group):
    """Add the options of the domain term."""
    group.add_argument("-E", "--domain_regularizer", "--no-domain-regularizer", dest="domain_regularizer",
                       action="store_false", help="leave out the domain term; as in the original, -E and "
                       "--domain_regularizer switch it off too")
    group.add_argument("--loss_weight_enc", type=number(float, 0), default=2.0,
                       help="lambda_dom, weight of the domain term (2.0)")


def add_precision(add):
    """Add --precision, by an `add_argument`."""
    add("--precision", choices=["float32", "mixed"], default="float32", help="mixed: encoder and feature network (not "
        "LPIPS) compute in bfloat16; the generator, codes and losses stay float32 (float32)")


def add_label(add):
    """Add --label, by an `add_argument`."""
    add("--label", type=number(int, 0), help="class of a network with labels, from 0, for codes that are drawn or "
        "averaged (random labels)")


def add_editing_options(parser, default):
    """Add the options that the editing tools share; `default` is their output folder."""
    command.add_output_options(parser, default)
    parser.add_argument("--batch_size", type=number(int, 1), default=32, help="pictures drawn together (32)")
    alignment_options.add_alignment_options(parser)
    group = parser.add_argument_group("inversion of pictures that are not inverted yet")
    group.add_argument("--inversion_batch_size", type=number(int, 1), default=4,
                       help="pictures optimised together (4)")
    add_inversion_options(group)


def load_features(args, log, resolution):
    """Return (F for images of `resolution` or None, note for the user).

    F is also None if the user chose none and VGG16 cannot be downloaded.
    """
    lpips = getattr(args, "lpips", None)
    if lpips and args.features:
        raise InputError(f"--features {args.features} and --lpips: one network gives the features; leave one out")
    given = "lpips" if lpips else args.features or str(embedded.attributes_for(args.model_path) or "")
    if given == "none" or args.loss_weight_feat == 0:
        return None, "The feature term was left out, as chosen."
    from tf_idinvert import features as network
    try:
        return network.load(given or "imagenet", resolution, getattr(args, "feature_layers", None), lpips), ""
    except network.FeaturesError as error:
        if given:
            raise
        log.warning("warning: inverting without the feature term (--features none does so silently): %s", error)
        return None, f"The feature term was left out: {error}"


def inversion_options(args, batch_size, **more):
    """Return the InversionOptions of the arguments; steps and learning rate default to the optimiser's."""
    from tf_idinvert import optimizers
    from tf_idinvert.inversion import InversionOptions
    suits = optimizers.recommended(args.optimizer)
    return InversionOptions(
        steps=suits.steps if args.num_iterations is None else args.num_iterations,
        learning_rate=suits.learning_rate if args.learning_rate is None else args.learning_rate,
        optimizer=args.optimizer, keep_best=args.keep_best, cut_rising=args.cut_rising, tolerance=args.tolerance,
        batch_size=batch_size, results=getattr(args, "num_results", 0), jit=args.jit,
        feature_weight=args.loss_weight_feat, **more)


def make_inverter(args, batch_size, models, log, worker=Worker()):
    """Return the `jobs.invert.Inverter` of the arguments; InputError if the model lacks a network for it."""
    from tf_idinvert.jobs.invert import Inverter
    _check(models, args)
    models, features, note = computing(args, models, log)
    options = inversion_options(args, batch_size,
                                domain_weight=args.loss_weight_enc if args.domain_regularizer else 0.0)
    return Inverter(models, options, features, start=args.start, seed=args.seed, label=args.label,
                    viz_size=args.viz_size, log=log, record={
                        "model": str(args.model_path), "sha256": digests(args), "arguments": vars(args)},
                    notes=[*models.notes, note], worker=worker)


def computing(args, models, log):
    """Return (models, F or None, note) with E and F that compute as --precision says."""
    resolution = models.generator.resolution
    if getattr(args, "precision", "float32") == "float32":
        return models, *load_features(args, log, resolution)
    from tf_idinvert.cli import precision
    precision.check(args.precision)
    with precision.policy(args.precision):
        encoder = models.encoder and precision.again(models.encoder)
        features, note = load_features(args, log, resolution)
    return (dataclasses.replace(models, encoder=encoder and precision.in_float32(encoder)),
            features and precision.in_float32(features), note)


def digests(args, *more):
    """Return {path: SHA-256} of the files that the networks come from, and `more`: a run continues only with the same
    ones.
    """
    from tf_idinvert.files.digests import file_digest
    networks = [args.tuned, getattr(args, "features", None), *(getattr(args, "lpips", None) or [])]
    paths = [*command.model_files(args), *networks, *more]
    return {str(path): file_digest(path) for path in paths if path and Path(path).is_file()}


def _check(models, args):
    """Raise InputError if the model lacks a network or a label that the arguments require."""
    from tf_idinvert import checkpoint, codes
    checkpoint.require(models, args.model_path, "generator")
    codes.check_label(models.generator, args.label)
    needs_encoder = []
    if args.start == "encoder":
        needs_encoder.append("to start from (else give --start mean or --random_init)")
    if args.domain_regularizer and args.loss_weight_enc:
        needs_encoder.append("for the domain term (else give --no-domain-regularizer)")
    if needs_encoder:
        checkpoint.require(models, args.model_path, "encoder", why=f", which is needed {' and '.join(needs_encoder)}")


def _read(path):
    """What a path holds: Results, CodesFile, or (name, path) of pictures."""
    if results.is_results(path):
        return results.read(path)
    if Path(path).suffix.lower() in SUFFIXES and not Path(path).is_dir():
        return CodesFile(path)
    return finding.listing([path])


class Inputs:
    """Inputs of an editing tool: folders of results, files of codes, or pictures, which are inverted first.

    The paths are checked at once, before a model is loaded, so that a mistyped path costs no time.

    Args:
        paths: list of folders of results, files of codes, folders of pictures, pictures, or text lists.
    """

    def __init__(self, paths):
        self.given = [_read(path) for path in paths]
        self.paths = paths

    def networks(self):
        """Return the names of the networks that the inputs need."""
        inverts = any(isinstance(each, list) for each in self.given)
        return ("encoder", "generator") if inverts else ("generator",)

    def inverted(self, args, models, folder, log):
        """Return (results of every path, whether no picture was left out); invert pictures to `folder`/inversion/NAME.

        Raises:
            InputError: codes do not fit the generator, or no picture could be inverted.
        """
        generator, inverter, found, complete = models.generator, None, {}, True
        for path, given in zip(self.paths, self.given):
            if path in found:
                continue
            if isinstance(given, list):
                inverter = inverter or make_inverter(args, args.inversion_batch_size, models, log)
                target = _free_name(folder / "inversion", command.title(path), found.values())
                target.mkdir(parents=True, exist_ok=True)
                crops, refused = alignment_options.aligned(args, given, generator.resolution, target, log)
                done = inverter(crops, target)
                if not done:
                    raise InputError(f"{path}: no picture could be inverted")
                complete, given = complete and done == len(crops) and not refused, results.read(target)
            if isinstance(given, CodesFile):
                given, line = given.results(generator.num_layers, generator.dlatent_size)
                log.info("%s", line)
            given.check(generator.num_layers, generator.dlatent_size)
            found[path] = given
        return [found[path] for path in self.paths], complete


def _free_name(folder, name, taken):
    """Return the path of a folder in `folder` that holds none of the results `taken`: name, name_2, ..."""
    used, number_ = {each.folder for each in taken}, 2
    path = Path(folder) / name
    while path in used:
        path, number_ = Path(folder) / f"{name}_{number_}", number_ + 1
    return path
