"""Invert pictures: find the codes that reproduce them.

Domain-regularized optimization, starting from the encoder's codes (Zhu et al. 2020, section 2.2).

    python tools/invert.py network.pkl photographs/
    python tools/invert.py network.pkl images.list -o results/mine --num_iterations 200
    python tools/invert.py photographs/ --model generator.pth encoder.pth       # files that make one set
    python tools/invert.py network.pkl holiday.jpg --align      # whole photographs: finds the faces, turns them upright
    python tools/invert.py network.pkl photographs/ --tune 350  # and tune a generator to each, as tune.py does
    python tools/invert.py                                      # the embedded model, on rendered portraits
    python tools/invert.py network.pkl photographs/ --optimizer lbfgs           # the same loss in a third of the steps

Writes to the output folder, for every picture NAME: NAME_ori.png (as the network sees it), NAME_enc.png (G(E(x))) and
NAME_inv.png (after the optimisation); and encoded_codes.npy, inverted_codes.npy ([N, L, D], in the order of
image_list.txt), inversion.html with all results (of more than 200 pictures an index of pages), skipped.txt with the
unreadable pictures, inversion.log, and options.json. The same command continues an interrupted run. 100 iterations
take some seconds per picture at 64 px on a CPU, minutes at 256 px, and a few seconds on a GPU. docs/differences.md says
where the tools differ from the originals.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import alignment_options, command, devices, inversion_options, loading, tuning_options


def parse_arguments(argv):
    parser = command.parser(__doc__)
    command.add_model_arguments(parser, "network file: official pickle (E, G, D, Gs) or (G, D, Gs), PyTorch file of a "
                                "public layout, or .h5; default: the embedded model")
    parser.add_argument("image_list", nargs="*", help="pictures, folders, or text lists with one path per line; "
                        f"{inversion_options.PICTURES_HELP}")
    command.add_output_options(parser, "results/inversion/NAME OF LIST", gpu=False)
    parser.add_argument("--batch_size", type=command.number(int, 1), default=4,
                        help="pictures optimised together on a device (4)")
    devices.add(parser.add_argument)
    alignment_options.add_alignment_options(parser)
    inversion_options.add_inversion_options(parser)
    inversion_options.add_precision(parser.add_argument)
    tuning_options.add_tuning_options(parser.add_argument_group("pivotal tuning, afterwards (see tune.py)"), 0)
    return inversion_options.parse(parser, argv, image_list=("portraits", 4))


def main(argv=None):
    args = parse_arguments(argv)
    devices.choose(args)
    worker = devices.worker_of(args)
    from tf_idinvert.files import finding
    listing = finding.listing(args.image_list)
    folder = Path(args.output_dir or Path("results/inversion") / command.title(args.image_list[0]))
    log = devices.open_log(folder / "inversion.log", worker)
    command.import_tensorflow()
    with devices.scope(args):
        return run(args, listing, folder, log, worker)


def run(args, listing, folder, log, worker):
    """Invert the pictures of a listing; return the exit status."""
    from tf_idinvert.files import results
    models = loading.load_models(args, only=("encoder", "generator"))
    inverter = inversion_options.make_inverter(args, args.batch_size, models, log, worker)
    tuner = args.tune and tuning_options.make_tuner(args, models, log, inverter.inversion.features, "")
    crops, refused = alignment_options.aligned(args, listing, models.generator.resolution, folder, log)
    done = inverter(crops, folder)
    if tuner and done:
        tuner(results.read(folder), folder / tuning_options.FOLDER)
        log.info(tuning_options.advice(folder / tuning_options.FOLDER))
    share = worker.share(crops)
    return command.outcome(done or not share, done == len(share) and not refused)
