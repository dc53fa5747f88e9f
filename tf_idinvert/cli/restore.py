"""Restore pictures: colour, size, missing parts, noise.

Multi-code inversion with a generator as prior (Gu et al. 2020, mGANprior), here for StyleGAN.

    python tools/restore.py                                  # inpaints rendered portraits with the embedded model
    python tools/restore.py colorize network.pkl old_photographs/
    python tools/restore.py super-resolve network.pkl small/ --factor 4
    python tools/restore.py inpaint network.pkl photographs/ --mask scratches.png --degrade

Tasks: inversion, colorize, super-resolve, inpaint, denoise. The pictures are the degraded ones: small pictures for
super-resolve (fitted to the network's side / factor), noisy pictures for denoise. With --degrade the pictures are
intact; the tool degrades them and compares its results with them. N codes are composed at a layer of the generator.
More codes fit the picture better; a lower layer keeps the result closer to the generator's domain. The original (for
PGGAN) uses 20 to 30 codes, layers 4 to 8, and 1,500 to 3,000 steps of gradient descent with rate 1. --published takes
the loss, the operators, the step rule and the numbers of its code; options that are given besides stay as given.

Writes to the output folder, for every picture NAME: NAME_deg.png (degraded), NAME_res.png (restored), NAME_com.png
(restored, with the known parts of the input put back: for inpaint, and with --keep_input), NAME_ori.png (with
--degrade); restoration_mask.png (for inpaint); codes.npy [pictures, N, l, D], shared_codes.npy [pictures, L - l, D] and
alphas.npy [pictures, N, channels], in the order of options.json; restoration.html with all results, and
restoration.log. A picture takes about ten seconds with the embedded model on two CPU cores, and some minutes with
published StyleGAN at 256 px.
docs/differences.md: where it differs from the original.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import alignment_options, command, devices, inversion_options, loading
from tf_idinvert.cli.command import number
from tf_idinvert.restoration import published

TASKS = ("inversion", "colorize", "super-resolve", "inpaint", "denoise")
EXAMPLES = 4        # number of rendered portraits, the default input


def parse_arguments(argv):
    parser = command.parser(__doc__)
    parser.add_argument("task", nargs="?", choices=TASKS, default="inpaint", help=f"{', '.join(TASKS)} (inpaint)")
    command.add_model_arguments(parser, "network file with a generator: official pickle or .h5; an encoder in it "
                                "gives the initial code; default: the embedded model")
    parser.add_argument("image_list", nargs="*", help="pictures, folders, or text lists with one path per line; "
                        f"default: {EXAMPLES} rendered portraits, degraded")
    command.add_output_options(parser, "results/restoration/TASK", gpu=False)
    devices.add(parser.add_argument)
    parser.add_argument("--batch_size", type=number(int, 1), default=4,
                        help="pictures restored together on a device (4)")
    alignment_options.add_alignment_options(parser)
    add_task_options(parser.add_argument_group("the task"))
    add_search_options(parser.add_argument_group("the search"))
    args = parser.parse_args(argv)
    if args.mask and args.box:
        parser.error("--mask and --box exclude each other")
    if args.keep_input and args.task in ("inversion", "denoise"):
        parser.error(f"--keep_input: in the task {args.task} no part of the picture is known exactly")
    if args.published and args.task not in published.TASKS:
        parser.error(f"--published: the published code has the tasks {', '.join(published.TASKS)}; not {args.task}")
    return completed(args)


def completed(args):
    """Return the arguments with defaults for options that are not given: ours, or with --published its own."""
    ours = dict(num_codes=20, composing_layer=4 if args.task == "inpaint" else 6, num_iterations=200, factor=4,
                optimizer="cosine")
    theirs = published.TASKS.get(args.task)
    defaults = dict(num_codes=theirs.codes, composing_layer=theirs.layer, num_iterations=theirs.steps,
                    factor=published.FACTOR, optimizer="gd") if args.published else ours
    vars(args).update({name: value for name, value in defaults.items() if getattr(args, name) is None})
    if args.learning_rate is None:
        args.learning_rate = 1.0 if args.optimizer == "gd" else 0.05
    args.keep_input |= args.published and theirs.composite
    return args


def add_task_options(group):
    group.add_argument("--degrade", action="store_true", help="the pictures are intact; degrade them first")
    group.add_argument("--keep_input", action="store_true",
                       help="put the known parts of the input back: the pixels outside the mask (inpaint always does), "
                       "the grey values (colorize), the small picture (super-resolve)")
    group.add_argument("--factor", type=number(int, 2, 16),
                       help="factor of super-resolve, 2 to 16 (4; --published: 16)")
    group.add_argument("--mask", help="picture that marks the pixels to inpaint: its opaque part if it has transparent "
                       "pixels, else everything lighter than middle grey")
    group.add_argument("--box", type=box, help="rectangle to inpaint instead of --mask, LEFT,TOP,WIDTH,HEIGHT in the "
                       "network's pixels (a third of the side, in the middle)")
    group.add_argument("--noise", type=number(float, 0), default=0.2,
                       help="standard deviation of the noise that denoise --degrade adds, values in [-1, 1] (0.2)")
    group.add_argument("--blur", type=number(float, 0), default=0.7,
                       help="standard deviation in pixels of the Gaussian blur before denoise compares pictures (0.7)")


def add_search_options(group):
    group.add_argument("--published", action="store_true", help="loss, super-resolution, mask, step rule, -N, -l, "
                       "steps and factor of the published code, for comparisons (docs/differences.md)")
    group.add_argument("--num_codes", "-N", type=number(int, 1),
                       help="number of codes N (20; original and --published: 20 to 30)")
    group.add_argument("--composing_layer", "-l", type=number(int, 1),
                       help="layer at which the codes are composed: 2 at 4x4, 4 at 8x8, 6 at 16x16, 8 at 32x32, ...; "
                       "in StyleGAN2 at twice these sides (6; inpaint: 4; as in the paper, but its inversion: 8; "
                       "--published: 6; colorize, inpaint: 4)")
    group.add_argument("--optimizer", choices=(*inversion_options.OPTIMIZERS, "gd"), help="cosine: Adam with a rate "
                       "that decays to 0; gd: gradient descent (cosine; original and --published: gd)")
    group.add_argument("--learning_rate", type=number(float, 0, exclusive=True),
                       help="initial learning rate (0.05; gd: 1)")
    group.add_argument("--num_iterations", type=number(int, 0),
                       help="number of steps (200; original and --published: 1,500 to 3,000)")
    group.add_argument("--num_results", type=number(int, 0), default=4, help="number of steps that the page shows (4)")
    inversion_options.add_feature_options(group)
    group.add_argument("--loss_weight_enc", type=number(float, 0), default=0.0,
                       help="lambda_dom, weight of the domain term, which needs an encoder; 0: no term (0, as in the "
                       "original)")
    group.add_argument("--seed", type=number(int, 0, 2 ** 31 - 1), default=0, help="seed of codes and noise (0)")


def box(text):
    values = tuple(int(value) for value in text.split(","))
    if len(values) != 4:
        raise ValueError
    return values


def main(argv=None):
    args = parse_arguments(argv)
    devices.choose(args)
    worker = devices.worker_of(args)
    from tf_idinvert.files import finding
    from tf_idinvert.portraits import embedded
    folder = Path(args.output_dir or Path("results/restoration") / args.task)
    args.model_path = args.model_path or embedded.model_path()
    listing = finding.listing(args.image_list) if args.image_list else None
    log = devices.open_log(folder / "restoration.log", worker)
    if listing is None:
        args.degrade = True
        listing = finding.listing([embedded.sample_pictures(folder / "pictures", EXAMPLES)])
    command.import_tensorflow()
    with devices.scope(args):
        return run(args, listing, folder, log, worker)


def run(args, listing, folder, log, worker):
    """Restore the pictures of a listing; return the exit status."""
    from tf_idinvert import checkpoint
    from tf_idinvert.jobs import restore
    from tf_idinvert.restoration import tasks
    from tf_idinvert.restoration.multi_code import MultiCode, MultiCodeOptions
    models = loading.load_models(args, only=("encoder", "generator"))
    checkpoint.require(models, args.model_path, "generator")
    degrade = tasks.degradation(args.task, models.generator.resolution, factor=args.factor, sigma=args.blur,
                                known=known_part(args, models.generator.resolution), published=args.published)
    features, note = inversion_options.load_features(args, log, models.generator.resolution)
    if args.published:
        features, args.loss_weight_feat, note = published_features(args, features, note)
        log.info("%s", note)
    options = MultiCodeOptions(
        codes=args.num_codes, layer=args.composing_layer, steps=args.num_iterations,
        learning_rate=args.learning_rate, optimizer=args.optimizer, batch_size=args.batch_size,
        results=args.num_results, domain_weight=args.loss_weight_enc, feature_weight=args.loss_weight_feat,
        absolute_features=args.published)
    search = MultiCode(synthesis=models.generator.synthesis, degrade=degrade, encoder=models.encoder,
                       features=features, options=options)
    around = restore.RestoreOptions(args.task, args.degrade, args.keep_input, args.factor, args.noise, args.seed)
    restorer = restore.Restorer(models, search, around, viz_size=args.viz_size, log=log, notes=[*models.notes, note],
                                record={"model": str(args.model_path), "arguments": vars(args),
                                        "sha256": inversion_options.digests(args, args.mask)}, worker=worker)
    side = models.generator.resolution // (args.factor if around.takes_small() else 1)
    listing, refused = alignment_options.aligned(args, listing, side, folder, log)
    done, share = restorer(listing, folder), worker.share(listing)
    return command.outcome(done or not share, done == len(share) and not refused)


def published_features(args, features, note):
    """Return (V, its weight, note) of the published code's loss, by the feature network F that was loaded."""
    from tf_idinvert.networks.lpips import LPIPS
    from tf_idinvert.networks.perceptual import VGG16Features, resized
    if isinstance(features, LPIPS):
        features, scale, of = resized(features.block3, published.SIDE), published.SCALE, "torchvision's VGG16"
    elif isinstance(features, VGG16Features):
        features, scale = resized(features.at_layer("block3_conv3"), published.SIDE), published.KERAS_SCALE
        of = "Keras' VGG16, with a weight for its scale"
    else:
        scale, of = published.OTHER_SCALE, "the attribute network instead of VGG16"
    weight = published.TASKS[args.task].weight * scale if args.loss_weight_feat is None else args.loss_weight_feat
    about = f"absolute differences of features by {of}, weight {weight:g}" if features else "no features"
    return features, weight, " ".join(filter(None, [
        f"Loss, operators and step rule of the published code: {about}; {args.optimizer}, rate {args.learning_rate:g}.",
        note]))


def known_part(args, resolution):
    """[R, R], 1 where the pictures to be inpainted are known; None for the other tasks."""
    from tf_idinvert.files import images
    from tf_idinvert.restoration import tasks
    if args.task != "inpaint":
        return None
    if not args.mask:
        return tasks.box_known(resolution, args.box)
    return 1 - images.load_mask(args.mask, resolution)
