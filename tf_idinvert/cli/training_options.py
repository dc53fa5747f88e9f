"""Options of `tools/train.py` for all methods, and from them the run, the data and the strategy.

Every option belongs to some methods; the others refuse it. TensorFlow is imported inside functions, so that `--help`
does not wait for it.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.cli.command import number
from tf_idinvert.data import sides
from tf_idinvert.errors import InputError
from tf_idinvert.files.digests import file_digest
from tf_idinvert.files.records import check_exists
from tf_idinvert.portraits import embedded
from tf_idinvert.training import record

ENCODERS = ("traditional", "in-domain", "force-in-domain")
WORLDS = ("portraits", "wild")      # rendered data sets
RESOLUTIONS = tuple(2 ** i for i in range(3, 11))
METHODS = ("stylegan", *ENCODERS, "attributes")
SEED = number(int, 0, 2 ** 31 - 1)
WEIGHT, POSITIVE, COUNT = number(float, 0), number(float, 0, exclusive=True), number(int, 1)

# Options that may change when a run is resumed. Only stylegan may change kimg: other learning rates depend on it.
RESUMABLE = {"resume", "snapshot_minutes", "snapshot_kimg", "output"}
# Values that older runs used for options whose default has changed since, or that did not exist.
AS_BEFORE = {"resolution": 1024, "mirror": None, "counted_updates": 1, "held_out": 0, "feature_size": 0, "gpus": 8}
RESUMABLE_STYLEGAN = RESUMABLE | {"kimg", "initial", "initial_kimg"}


class _Options:
    """A parser whose options belong to some of the methods; `of(...)` starts a group of its help."""

    def __init__(self, description):
        self.parser, self.owners = command.parser(description), {}

    def of(self, *methods):
        every = methods == METHODS
        group = self.parser.add_argument_group("every method" if every else ", ".join(methods))

        def add(*names, **settings):
            self.owners[group.add_argument(*names, **settings).dest] = methods
        return add

    def parse(self, argv=None):
        """Return the arguments of the chosen method; refuse options of other methods."""
        args = self.parser.parse_args(argv)
        for name, methods in self.owners.items():
            if args.method not in methods:
                if getattr(args, name) != self.parser.get_default(name):
                    self.parser.error(f"--{name.replace('_', '-')} is no option of --method {args.method}")
                delattr(args, name)
        return args


def parse_arguments(description, argv=None):
    """Parse the arguments and fill in defaults that depend on other arguments."""
    options = _options(description)
    args = options.parse(argv)
    args.pictures = args.pictures or (24000 if args.method == "attributes" else 40000)
    if args.method != "attributes" and args.preset is None:
        own = getattr(args, "generator", None) or args.data not in (None, *WORLDS)
        args.preset = "official" if own else args.data or "portraits"
    preset = getattr(args, "preset", None)
    if preset == "faces" and args.method != "stylegan":
        options.parser.error("--preset faces is for --method stylegan")
    if preset in WORLDS and getattr(args, "w_per_layer", None) is not None:
        options.parser.error(f"--w-per-layer: the generator of --preset {preset} always has a w per layer")
    if getattr(args, "feature_network", None) and preset != "wild":
        options.parser.error("--feature-network is for --preset wild")
    if args.method == "attributes" and args.task != "attributes" and args.world != "wild":
        options.parser.error("--task nuisances is for --world wild")
    args.output = args.output or Path("runs") / "-".join(filter(None, (args.method, preset)))
    if preset:
        args.data = args.data or (preset if preset in WORLDS else None)
        if args.data is None and args.method != "traditional":
            options.parser.error("--data is needed, except with --preset portraits or wild")
    if args.method in ENCODERS:
        _add_files(args, options.parser)
    return args


def _add_files(args, parser):
    """Add the files for training an encoder, by default embedded ones, and their SHA-256, so that a resumed run checks
    that the files have not changed.
    """
    if args.initial_encoder:
        own = [name for name in ("encoder_norm", "encoder_filters", "encoder_filters_max") if getattr(args, name)]
        if own:
            parser.error(f"--{own[0].replace('_', '-')}: --initial-encoder already determines the encoder")
        args.initial_encoder_sha256 = _digest(args, "initial_encoder")
        args.generator = args.generator or args.initial_encoder
    else:
        args.encoder_norm = args.encoder_norm or ("none" if args.method == "force-in-domain" else "batch")
    if args.generator is None and args.preset == "official":
        parser.error("--generator is needed, except with --preset portraits or wild")
    args.generator = args.generator or embedded.generator_path(args.preset)
    args.generator_sha256 = _digest(args, "generator")
    if args.method != "traditional":
        known = args.preset in WORLDS
        args.features = args.features or (str(embedded.attributes_path(args.preset)) if known else "imagenet")
        args.features_sha256 = None if args.features in ("imagenet", "none") else _digest(args, "features")


def _digest(args, name):
    """SHA-256 of the file that an option gives; InputError, which names the option, where there is none."""
    try:
        return file_digest(getattr(args, name), "a network file")
    except InputError as error:
        raise InputError(f"--{name.replace('_', '-')} {error}") from None


def _options(description):
    options = _Options(description)
    _add_common_options(options.of(*METHODS))
    add = options.of("stylegan", *ENCODERS)
    add("--preset", choices=["official", "faces", "portraits", "wild"], help="hyper-parameters. official: published; "
        "faces: official with --mirror (stylegan); portraits, wild: rendered portraits of both kinds. "
        "Default: official with --data or --generator of your own, else that of the rendered --data, or portraits")
    add("--data", default=None, help="training pictures: 'portraits' or 'wild' (rendered), a .tfrecords file, a folder "
        "of NAME-rXX.tfrecords or FOLDER/NAME of them, a folder or list of pictures, or a .npy file of uint8 "
        "[N, R, R, 3] (that of the preset)")
    add("--test-data", default=None, help="pictures for the preview (encoders) and for the test losses in the log, in "
        "the same forms as --data (pictures of --data that are held out)")
    add("--held-out", type=number(int, 0), help="number of test pictures: those of --data are not trained on, at most "
        "a tenth; of --test-data the first ones are used; portraits are rendered with another seed (64)")
    add("--mirror", action=argparse.BooleanOptionalAction, help="flip half of the pictures (as published: no; stylegan "
        "with --preset faces or wild: yes)")
    add("--strategy", choices=["one", "mirrored", "multi-worker"], default="one", help="devices: one, all GPUs of the "
        "machine, or the workers in TF_CONFIG, which must share the output folder (one)")
    add("--snapshot-kimg", type=POSITIVE, help="thousands of images between snapshots, instead of minutes; for "
        "several workers (10)")
    _add_stylegan_options(options.of("stylegan"))
    add = options.of("attributes")
    add("--world", choices=WORLDS, default="portraits", help="which portraits to render (portraits)")
    add("--task", choices=["attributes", "nuisances"], default="attributes", help="what the network predicts: the "
        "attributes, or for --world wild everything else that varies, from crops of the pictures (attributes)")
    _add_encoder_options(options.of(*ENCODERS))
    _add_guided_options(options.of("in-domain", "force-in-domain"))
    add = options.of("force-in-domain")
    add("--latent-weight", type=WEIGHT, help="lambda_adv^Dw, weight of the latent adversarial term (presets official "
        "and wild: 0.1, portraits: 0.005)")
    add("--latent-r1-gamma", type=WEIGHT, help="gamma, weight of R1 of the latent discriminator (10)")
    add("--latent-discriminator", choices=["layerwise", "whole"], default="layerwise", help="what D_w judges: the w of "
        "every layer, or the whole code (layerwise)")
    return options


def _add_common_options(add):
    add("--method", choices=METHODS, default="stylegan", help="what to train (stylegan)")
    add("--kimg", type=POSITIVE, help="length in thousands of images (the preset's)")
    add("--seed", type=SEED, default=0, help="seed of initial weights, order of pictures and training (0)")
    add("--pictures", type=COUNT, help="number of portraits to render, at most one per image of the run (40000; "
        "attributes: 24000)")
    add("--data-seed", type=SEED, default=1, help="seed of the rendered portraits (1)")
    add("--output_dir", "-o", "--output", dest="output", type=Path, help="output folder (runs/METHOD-PRESET)")
    add("--resume", action=argparse.BooleanOptionalAction, default=True,
        help="resume a run in the output folder; --no-resume overwrites it (resume)")
    add("--snapshot-minutes", type=number(float, 0), default=5, help="minutes between snapshots (5)")


def _add_stylegan_options(add):
    add("--resolution", type=int, choices=RESOLUTIONS, help="side of the pictures in pixels, for the presets "
        "official and faces (that of --data)")
    add("--w-per-layer", action=argparse.BooleanOptionalAction, help="a w for every layer, as in the in-domain "
        "papers (no, as published for StyleGAN; presets portraits and wild: yes)")
    add("--gpus", type=int, choices=[1, 2, 4, 8], help="number of GPUs whose published batch sizes to use (the number "
        "of replicas)")
    add("--structure", choices=["growing", "fixed"], default="growing", help="progressive growing, or the full "
        "resolution from the start (growing)")
    add("--batch-size", type=COUNT, help="global batch size at all resolutions (the preset's)")
    add("--feature-network", type=Path, help="attribute network of the same resolution; small discriminators on its "
        "features then help D (preset wild)")
    add("--initial", type=Path, default=None, help="network file with initial weights, such as network.h5 of another "
        "run; the optimisers start anew")
    add("--initial-kimg", type=number(float, 0), default=0, help="position of --initial in the schedule, in thousands "
        "of images (0)")


def _add_encoder_options(add):
    add("--generator", type=Path, help="network file with G and D, official pickle or .h5 (preset portraits: "
        f"checkpoints/{embedded.GENERATOR}, wild: checkpoints/training/wild64-stylegan.h5)")
    command.add_final_activation(add)
    add("--initial-encoder", type=Path, help="network file, published or of another run, whose encoder to train "
        "further, with its discriminators and its generator; --generator, if given, must be the same generator")
    add("--learning-rate", type=POSITIVE, help="initial learning rate (preset official: 1e-4, portraits and wild: "
        "1e-3)")
    add("--counted-updates", type=int, choices=[1, 2], help="updates per iteration that advance the decay of the "
        "learning rate: 2, of E and D, as published, final factor 0.168; 1, of E only, final factor 0.41 (preset "
        "official: 2, portraits and wild: 1)")
    add("--batch-per-replica", type=COUNT, help="pictures per replica and step (preset official: 16, at 512 px 8, at "
        "1024 px 4; portraits and wild: 16)")
    add("--encoder-norm", choices=["batch", "none"], help="batch norm over all replicas, or none (force-in-domain: "
        "none, as in its paper; others: batch)")
    add("--encoder-filters", type=COUNT, help="channels of the first convolution (preset official: 64, others: 32)")
    add("--encoder-filters-max", type=COUNT, help="largest number of channels (preset official: 512, others: "
        "64)")
    add("--precision", choices=["float32", "mixed"], default="float32", help="mixed: the encoder computes in bfloat16; "
        "weights, losses, R1 and everything else stay float32 (float32)")


def _add_guided_options(add):
    add("--feature-size", type=number(int, 0), help="side in pixels to which pictures are resized for VGG16; 0: not "
        "resized (256, as published)")
    command.add_features_option(add, "imagenet; presets portraits and wild: the embedded attribute network")
    add("--options-of", choices=["paper", "code"], help="lambda_adv as published: 0.1 in the paper, 0.08 in its code "
        "(presets official and wild: 0.1, portraits: 0.02)")
    add("--feature-weight", type=WEIGHT, help="lambda_vgg, weight of the feature term (preset official: 5e-5, "
        "portraits, wild: 20)")
    add("--adversarial-weight", type=WEIGHT, help="lambda_adv, weight of the adversarial term, instead of --options-of")
    add("--r1-gamma", type=WEIGHT, help="gamma, weight of R1 of D (preset official: 10, portraits: 2, "
        "wild: 0.5)")


def check_options(args):
    """Check, before anything is loaded, that the data exist and that a run in the output folder has the same options.

    Options that the existing run did not store are newer than it, and it ran with their defaults. A resumed run keeps
    its own values of options whose default has changed or depends on the machine.
    """
    for name in "data", "test_data":
        _check_path(name, getattr(args, name, None))
    earlier = {name: _options("").parser.get_default(name) for name in vars(args)}
    if args.resume and (args.output / record.STATE).exists():
        before = record.read(args.output)
        begun = {} if "recipe" in before else _as_before(args)
        vars(args).update({name: {**begun, **before}.get(name) for name in AS_BEFORE if getattr(args, name, 0) is None})
        earlier.update(begun)
    _take_resolution(args)
    record.resumes(args.output, options_of(args), args.resume,
                   free=RESUMABLE_STYLEGAN if args.method == "stylegan" else RESUMABLE, earlier=earlier)


def _as_before(args):
    """Return the values that a run without a stored recipe used for options that it did not store."""
    return {**AS_BEFORE, "mirror": True} if getattr(args, "preset", None) == "official" else AS_BEFORE


def _check_path(name, path):
    """Raise InputError if there are no pictures at a path."""
    if path is not None and path not in WORLDS:
        try:
            check_exists(path)
        except InputError as error:
            raise InputError(f"--{name.replace('_', '-')} {error}") from None


def _take_resolution(args):
    """Use the resolution of the data if the user has not chosen one."""
    if getattr(args, "resolution", 0) is None and args.preset not in WORLDS and args.data not in WORLDS:
        args.resolution = sides.training_resolution(args.data, RESOLUTIONS)
        if args.resolution is None:
            raise InputError(f"--data {args.data}: neither its name nor a header tells the size of its pictures; give "
                             "--resolution")


def options_of(args):
    """Return the arguments as JSON values."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}


def make_run(args):
    """Return the training.run.Run of the arguments."""
    from tf_idinvert.training.run import Run
    return Run(folder=args.output, kimg=args.kimg, snapshot_minutes=args.snapshot_minutes,
               snapshot_kimg=getattr(args, "snapshot_kimg", None), resume=args.resume, seed=args.seed,
               strategy=make_strategy(getattr(args, "strategy", "one")), options=options_of(args))


def make_strategy(name):
    """Return the tf.distribute.Strategy of --strategy, None for one device.

    With several workers, it must be created before any other use of TensorFlow.
    """
    import tensorflow as tf
    return {"one": lambda: None, "mirrored": tf.distribute.MirroredStrategy,
            "multi-worker": tf.distribute.MultiWorkerMirroredStrategy}[name]()
