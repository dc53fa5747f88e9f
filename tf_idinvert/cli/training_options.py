"""What the trainings of `tools/train.py` share: options, the run that they mean, data, strategy.

Every option says which methods it is for; another method refuses it. TensorFlow is imported only in the functions that
need it, so that `--help` does not wait for it.
"""
from __future__ import annotations

import argparse
import glob
from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.cli.command import number
from tf_idinvert.errors import InputError
from tf_idinvert.files.digests import file_digest
from tf_idinvert.portraits import embedded
from tf_idinvert.training import record

ENCODERS = ("traditional", "in-domain", "force-in-domain")
WORLDS = ("portraits", "wild")      # sets that are rendered
RESOLUTIONS = tuple(2 ** i for i in range(3, 11))
METHODS = ("stylegan", *ENCODERS, "attributes")
SEED = number(int, 0, 2 ** 31 - 1)
WEIGHT, POSITIVE, COUNT = number(float, 0), number(float, 0, exclusive=True), number(int, 1)

# What may differ when a run is taken up. The learning rates of other methods than stylegan depend on their length.
RESUMABLE = {"resume", "snapshot_minutes", "snapshot_kimg", "output"}
# Options with another default, or none, when there were fewer: what runs had then.
AS_BEFORE = {"mirror": None, "counted_updates": 1, "held_out": 0, "feature_size": 0, "gpus": 8}
RESUMABLE_STYLEGAN = RESUMABLE | {"kimg", "initial", "initial_kimg"}


class _Options:
    """A parser whose options belong to some of the methods; each `of(...)` is a group of its help."""

    def __init__(self, description):
        self.parser, self.owners = command.parser(description), {}

    def of(self, *methods):
        every = methods == METHODS
        group = self.parser.add_argument_group("every method" if every else ", ".join(methods))

        def add(*names, **settings):
            self.owners[group.add_argument(*names, **settings).dest] = methods
        return add

    def parse(self, argv=None):
        """Arguments of the method that was chosen; those of others are refused, and left out."""
        args = self.parser.parse_args(argv)
        for name, methods in self.owners.items():
            if args.method not in methods:
                if getattr(args, name) != self.parser.get_default(name):
                    self.parser.error(f"--{name.replace('_', '-')} is no option of --method {args.method}")
                delattr(args, name)
        return args


def parse_arguments(description, argv=None):
    """The arguments, with the defaults that depend on other arguments filled in."""
    options = _options(description)
    args = options.parse(argv)
    args.pictures = args.pictures or (24000 if args.method == "attributes" else 40000)
    if args.method != "attributes" and args.preset is None:
        own = getattr(args, "generator", None) or args.data not in (None, *WORLDS)
        args.preset = "official" if own else args.data if args.method == "stylegan" and args.data else "portraits"
    preset = getattr(args, "preset", None)
    if preset in ("wild", "faces") and args.method != "stylegan":
        options.parser.error(f"--preset {preset} is for --method stylegan")
    if preset in WORLDS and getattr(args, "w_per_layer", None) is not None:
        options.parser.error(f"--w-per-layer: the generator of --preset {preset} has one")
    if args.method == "attributes" and args.task != "attributes" and args.world != "wild":
        options.parser.error("--task nuisances is for --world wild")
    args.output = args.output or Path("runs") / "-".join(filter(None, (args.method, preset)))
    if preset:
        args.data = args.data or (preset if preset in WORLDS else None)
        if args.data is None and args.method != "traditional":
            options.parser.error("--data is needed, except with --preset portraits")
    if args.method in ENCODERS:
        _add_files(args, options.parser)
    return args


def _add_files(args, parser):
    """The files that an encoder learns from: by default the embedded ones; with sums, so that none is exchanged."""
    if args.initial_encoder:
        own = [name for name in ("encoder_norm", "encoder_filters", "encoder_filters_max") if getattr(args, name)]
        if own:
            parser.error(f"--{own[0].replace('_', '-')}: the encoder of --initial-encoder is as it is")
        args.initial_encoder_sha256 = file_digest(args.initial_encoder)
        args.generator = args.generator or args.initial_encoder
    else:
        args.encoder_norm = args.encoder_norm or ("none" if args.method == "force-in-domain" else "batch")
    if args.generator is None and args.preset == "official":
        parser.error("--generator is needed, except with --preset portraits")
    args.generator = args.generator or embedded.generator_path()
    args.generator_sha256 = file_digest(args.generator)
    if args.method != "traditional":
        args.features = args.features or (str(embedded.attributes_path()) if args.preset == "portraits" else "imagenet")
        args.features_sha256 = None if args.features in ("imagenet", "none") else file_digest(args.features)


def _options(description):
    options = _Options(description)
    _add_common_options(options.of(*METHODS))
    add = options.of("stylegan", *ENCODERS)
    add("--preset", choices=["official", "faces", "portraits", "wild"], help="set of hyper-parameters "
        "(official where --data or --generator is given, else portraits); faces, for stylegan: official, mirrored; "
        "wild, for stylegan: of --data wild")
    add("--data", default=None, help="'portraits' or 'wild' (both rendered), a .tfrecords file, a folder of "
        "NAME-rXX.tfrecords or FOLDER/NAME of them, a folder or a list of pictures, or a .npy file of uint8 "
        "[N, R, R, 3]; default: that of the preset")
    add("--test-data", default=None, help="pictures for the preview (encoders) and for losses in the log (test_...); "
        "forms as --data (default: --held-out of --data)")
    add("--held-out", type=number(int, 0), help="pictures of --data that are never trained on, at most a tenth; of "
        "--test-data, as many are used (64; of rendered portraits, others are drawn)")
    add("--mirror", action=argparse.BooleanOptionalAction, help="flip half of the pictures (as published: no; stylegan "
        "with --preset faces or wild: yes)")
    add("--strategy", choices=["one", "mirrored", "multi-worker"], default="one", help="one device, all GPUs of the "
        "machine, or (encoders only) the workers that TF_CONFIG names, which share the output folder (one)")
    _add_stylegan_options(options.of("stylegan"))
    add = options.of("attributes")
    add("--world", choices=WORLDS, default="portraits", help="which portraits to render (portraits)")
    add("--task", choices=["attributes", "nuisances"], default="attributes", help="what to tell; nuisances, of the "
        "wild world: all that the other task leaves out, from parts of pictures alone (attributes)")
    _add_encoder_options(options.of(*ENCODERS))
    _add_guided_options(options.of("in-domain", "force-in-domain"))
    add = options.of("force-in-domain")
    add("--latent-weight", type=WEIGHT, help="lambda_adv^Dw, of the latent adversarial term (the preset's: 0.1 "
        "official, 0.005 portraits)")
    add("--latent-r1-gamma", type=WEIGHT, help="gamma of the latent discriminator (the preset's: 10)")
    add("--latent-discriminator", choices=["layerwise", "whole"], default="layerwise", help="judges the w of each "
        "layer, or the whole code at once (layerwise)")
    return options


def _add_common_options(add):
    add("--method", choices=METHODS, default="stylegan", help="what to train (stylegan)")
    add("--kimg", type=POSITIVE, help="length in thousands of images (the preset's)")
    add("--seed", type=SEED, default=0, help="of weights, data order and training (0)")
    add("--pictures", type=COUNT, help="portraits to render, at most one for each image of the run (40000; attributes: "
        "24000)")
    add("--data-seed", type=SEED, default=1, help="of the rendered portraits (1)")
    add("--output", type=Path, default=None, help="folder (runs/METHOD-PRESET)")
    add("--resume", action=argparse.BooleanOptionalAction, default=True,
        help="go on where a run in the output folder stopped; --no-resume starts again and overwrites it")
    add("--snapshot-minutes", type=number(float, 0), default=5, help="time between snapshots (5)")


def _add_stylegan_options(add):
    add("--resolution", type=int, choices=RESOLUTIONS, default=1024, help="of the official and faces presets (1024)")
    add("--w-per-layer", action=argparse.BooleanOptionalAction, help="a w for every layer, as encoders and inversion "
        "expect of a generator in the in-domain papers (no, as published for StyleGAN; the rendered presets: yes)")
    add("--gpus", type=int, choices=[1, 2, 4, 8], help="whose published batch sizes to take (as many as replicas)")
    add("--structure", choices=["growing", "fixed"], default="growing", help="fixed: no growing (growing)")
    add("--batch-size", type=COUNT, help="over all replicas, at all resolutions (the preset's)")
    add("--initial", type=Path, default=None, help="network file to start from, such as network.h5 of another run; the "
        "optimisers start afresh")
    add("--initial-kimg", type=number(float, 0), default=0, help="where in the schedule those networks stand (0)")


def _add_encoder_options(add):
    add("--generator", type=Path, help="network file with G and D, official pickle or ours; default with the portraits "
        f"preset: checkpoints/{embedded.GENERATOR}")
    add("--initial-encoder", type=Path, help="network file, published or of another run, whose encoder is trained on: "
        "with its discriminators, fresh optimisers, and its generator, which a --generator must be equal to")
    add("--learning-rate", type=POSITIVE, help="at the start (the preset's: 1e-4 official, 1e-3 portraits)")
    add("--counted-updates", type=int, choices=[1, 2], help="of an iteration, that advance the learning rate: 2, E's "
        "and D's, as in the published code: it falls to 0.168 of itself; 1: to 0.41 (the preset's: 2 official, "
        "1 portraits)")
    add("--batch-per-replica", type=COUNT, help="(the preset's; official: 16, at 512 px 8, at 1024 px 4)")
    add("--encoder-norm", choices=["batch", "none"], help="batch norm, over all replicas, or none (force-in-domain: "
        "none, as in its paper; else batch)")
    add("--encoder-filters", type=COUNT, help="width of the first convolution (the preset's: 64 or 32)")
    add("--encoder-filters-max", type=COUNT, help="largest width (the preset's: 512 or 64)")
    add("--precision", choices=["float32", "mixed"], default="float32", help="mixed: the encoder computes in bfloat16; "
        "weights, losses and all else, R1 included, stay float32 (float32)")
    add("--snapshot-kimg", type=POSITIVE, help="snapshots by images instead of by time; with several workers, 10")


def _add_guided_options(add):
    add("--feature-size", type=number(int, 0), help="side of the pictures that VGG16 sees; 0: as they are (256, as "
        "published)")
    command.add_features_option(add, "imagenet, with the portraits preset the embedded attribute network")
    add("--options-of", choices=["paper", "code"], help="lambda_adv as published: 0.1 in the paper, 0.08 in its code "
        "(the preset's: 0.1 official, 0.02 portraits)")
    add("--feature-weight", type=WEIGHT, help="lambda_vgg (the preset's: 5e-5 official)")
    add("--adversarial-weight", type=WEIGHT, help="lambda_adv, any other")
    add("--r1-gamma", type=WEIGHT, help="gamma (the preset's: 10 official, 2 portraits)")


def check_options(args):
    """Before anything is loaded: that the data are there, and that the output folder holds no run of other options.

    An option that the earlier run does not name did not exist then: its run was as by default. Of those whose default
    was another then, or depends on the machine, a run that is taken up keeps its own.
    """
    for name in "data", "test_data":
        _check_path(name, getattr(args, name, None))
    earlier = {name: _options("").parser.get_default(name) for name in vars(args)}
    if args.resume and (args.output / record.STATE).exists():
        before = record.read(args.output)
        begun = {} if "recipe" in before else _as_before(args)
        vars(args).update({name: {**begun, **before}.get(name) for name in AS_BEFORE if getattr(args, name, 0) is None})
        earlier.update(begun)
    record.resumes(args.output, options_of(args), args.resume,
                   free=RESUMABLE_STYLEGAN if args.method == "stylegan" else RESUMABLE, earlier=earlier)


def _as_before(args):
    """What runs had of the options that they did not have yet: those that did not keep their recipe."""
    return {**AS_BEFORE, "mirror": True} if getattr(args, "preset", None) == "official" else AS_BEFORE


def _check_path(name, path):
    """InputError where there is nothing at a path of pictures."""
    if path is None or path in WORLDS or Path(path).exists() or any(
            Path(path).parent.glob(f"{glob.escape(Path(path).name)}-r*.tfrecords")):
        return
    raise InputError(f"--{name.replace('_', '-')} {path}: no such file or folder, nor files {path}-rXX.tfrecords")


def options_of(args):
    """The arguments as JSON can hold them."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}


def make_run(args):
    """The training.run.Run of the arguments."""
    from tf_idinvert.training.run import Run
    return Run(folder=args.output, kimg=args.kimg, snapshot_minutes=args.snapshot_minutes,
               snapshot_kimg=getattr(args, "snapshot_kimg", None), resume=args.resume, seed=args.seed,
               strategy=make_strategy(getattr(args, "strategy", "one")), options=options_of(args))


def make_strategy(name):
    """The tf.distribute.Strategy of --strategy, None for one device; several workers: before any other TensorFlow."""
    import tensorflow as tf
    return {"one": lambda: None, "mirrored": tf.distribute.MirroredStrategy,
            "multi-worker": tf.distribute.MultiWorkerMirroredStrategy}[name]()
