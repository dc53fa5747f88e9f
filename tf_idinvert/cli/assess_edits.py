"""Measure edits: the wanted change, and what else changes.

Measure whether every attribute follows its boundary's normal, and how much the other attributes change.

    python tools/assess_edits.py                                    # 200 held-out portraits, the embedded model
    python tools/assess_edits.py network.h5 --boundaries mine/ --num_iterations 0
    python tools/assess_edits.py --tune 350         # each portrait with a generator tuned to it, as tune.py does

The tool inverts portraits that no network was trained on, moves their codes along every boundary's normal, up and down
by 1.5 standard deviations of W, and scores the images with an attribute network. Writes to the output folder: edits.md
and edits.json (share of portraits whose attribute changes monotonically with the distance; change of this attribute and
of every other one), and edits.png (one row per boundary, with one portrait at all distances). 200 portraits take some
minutes, mostly for the inversion.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import command, inversion_options, tuning_options
from tf_idinvert.files.printing import say
from tf_idinvert.files.progress import progress
from tf_idinvert.portraits import embedded


def parse_arguments(argv):
    parser = command.parser(__doc__)
    command.add_model_arguments(parser, inversion_options.MODEL_HELP)
    parser.add_argument("--attributes", help="network file with an attribute network of the same resolution; default: "
                        f"checkpoints/{embedded.ATTRIBUTES}")
    parser.add_argument("--boundaries", nargs="+", help="folders of NAME.npz or NAME.npy, and files; NAME, or the name "
                        f"in the file, is an attribute the network scores (checkpoints/{embedded.BOUNDARIES})")
    parser.add_argument("--count", type=command.number(int, 1, 100000), default=200, help="number of portraits (200)")
    parser.add_argument("--seed", type=command.number(int, 0, 2 ** 31 - 2), default=embedded.SEED,
                        help="seed of the portraits; "
                        f"must differ from the trainings' --data-seed ({embedded.SEED})")
    parser.add_argument("--distance", type=command.number(float, 0, exclusive=True), default=1.5, help="largest "
                        "distance, in standard deviations of W along the normal (1.5)")
    parser.add_argument("--step", type=command.number(int, 2, 50), default=7, help="number of distances (7)")
    parser.add_argument("--output_dir", "-o", default="results/edits", help="output folder (results/edits)")
    parser.add_argument("--gpu_id", default="0", help="CUDA_VISIBLE_DEVICES (0)")
    parser.add_argument("--batch_size", type=command.number(int, 1), default=8, help="pictures inverted together (8)")
    group = parser.add_argument_group("inversion")
    inversion_options.add_optimisation_options(group)
    group.add_argument("--loss_weight_enc", type=command.number(float, 0), default=2.0,
                       help="lambda_dom, weight of the domain term (2.0)")
    group = parser.add_argument_group("pivotal tuning of a generator for each portrait, or with --together for all")
    tuning_options.add_tuning_options(group, 0)
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_arguments(argv)
    command.choose_device(args.gpu_id)
    args.model_path = args.model_path or embedded.model_path()
    attributes_path = args.attributes or embedded.attributes_path()
    found = read_boundaries(args.boundaries)
    folder = Path(args.output_dir)
    log = command.open_log(folder / "edits.log")

    command.import_tensorflow()
    import numpy as np

    from tf_idinvert.evaluation import loading
    from tf_idinvert.evaluation.quality import edits
    from tf_idinvert.portraits import portrait
    encoder, generator = loading.load(command.model_files(args), "encoder", "generator",
                                      final_activation=args.final_activation, tuned=args.tuned)
    network = loading.load_attributes(attributes_path, generator.resolution)
    found = edits.fitted(found, generator, network)
    pictures = portrait.sample(args.count, args.seed, network.resolution)[0] / 127.5 - 1
    pictures = pictures.astype("float32")
    codes = invert(args, encoder, generator, pictures, log)
    exchange, mse = tuned_generators(args, generator, pictures, codes, log) if args.tune else (None, {})
    shares = np.linspace(-args.distance, args.distance, args.step)
    numbers, rows = edits.assess(generator, network, pictures, codes, found, shares, exchange)
    edits.write(folder, {"model": str(args.model_path), "count": len(codes), "seed": args.seed,
                         "distances": shares.tolist(), "arguments": vars(args), **mse, "edits": numbers}, rows)
    say(f"-> {folder / 'edits.md'}")


def read_boundaries(paths):
    """Return {attribute: Boundary} of a folder's files, or of the embedded ones."""
    from tf_idinvert import boundaries
    return boundaries.read_all(embedded.boundary_paths().values() if paths is None else paths)


def tuned_generators(args, generator, pictures, codes, log):
    """Tune -> (callable that gives the generator the weights of picture i, the mean MSE before and after)."""
    import numpy as np

    from tf_idinvert.jobs import tune
    from tf_idinvert.tunable import Tunable
    features, _ = inversion_options.load_features(args, log, generator.resolution)
    tuning, weights = tuning_options.make_tuning(args, generator, features), Tunable(generator.synthesis)
    copy, found, mse = Tunable(tuning.tuned), [], {"mse_before": [], "mse_after": []}
    sets = [range(len(codes))] if args.together else [[i] for i in range(len(codes))]
    with progress(len(sets), "tuning") as bar:
        for rows in map(list, sets):
            tuning.begin(pictures[rows], codes[rows])
            tuning.advance(args.tune)
            found.append(copy.differences())
            copy.put(found[-1])
            for name, synthesis in ("mse_before", tuning.original), ("mse_after", tuning.tuned):
                mse[name] += tune.measured(synthesis, pictures[rows], codes[rows], args.tune_batch_size)[1]
            bar.update()
    mse = {name: float(np.mean(values)) for name, values in mse.items()}
    log.info("tuned: mean MSE %.5f before, %.5f after", mse["mse_before"], mse["mse_after"])
    return lambda i: weights.put(found[0 if args.together else i]), mse


def invert(args, encoder, generator, pictures, log):
    """Return the codes of the pictures, by in-domain inversion."""
    from tf_idinvert.inversion import Inversion
    features, _ = inversion_options.load_features(args, log, generator.resolution)
    options = inversion_options.inversion_options(args, args.batch_size, domain_weight=args.loss_weight_enc)
    inversion = Inversion(synthesis=generator.synthesis, encoder=encoder, features=features, options=options)
    with progress(100, "inverting", unit="%") as bar:
        return inversion(pictures, progress=lambda share, loss: bar.update(share * 100 - bar.n)).codes
