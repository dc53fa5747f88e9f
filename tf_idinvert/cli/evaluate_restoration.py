"""Measure restoration by multi-code inversion.

It measures the quality and the cost of the method of Gu et al. 2020, and compares it with simpler methods.

    python tools/evaluate_restoration.py                                # the embedded model, 50 held-out portraits
    python tools/evaluate_restoration.py network.h5 --photographs faces/ --parts codes layers photographs
    python tools/evaluate_restoration.py --quick                        # tiny settings, to check that it runs

Parts:
`codes`: error of inversion as a function of N.
`layers`: error as a function of the composing layer (figure 11 of the article).
`tasks`: every task, compared with methods without a network (bicubic, grey, mean fill, Gaussian blur) and with one
    code, without and with the domain term.
`photographs`: one code and several, for pictures outside the model's domain (figure 13).
`cost`: seconds per iteration and memory as functions of N, for this model and for published StyleGAN at 256 px.

Writes to the output folder: index.html (all results on one page), tables.md, tables.json, figures/*.png, and cache/. An
interrupted run resumes from the cache, and a run with other settings computes only what they change. All parts take two
hours on two CPU cores.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import command, inversion_options
from tf_idinvert.cli.command import number
from tf_idinvert.errors import InputError

PARTS = ("codes", "layers", "tasks", "photographs", "cost")
TASKS = ("colorize", "super-resolve", "inpaint", "denoise")     # of `evaluation.quality.restoration`


def parse_arguments(argv):
    parser = command.parser(__doc__)
    command.add_model_arguments(parser, "network file; default: the embedded model")
    command.add_output_options(parser, "results/restoration_evaluation")
    parser.set_defaults(viz_size=0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="parts to measure (all)")
    parser.add_argument("--pictures", help="picture, folder or list; default: held-out rendered portraits")
    parser.add_argument("--photographs", help="picture, folder or list outside the model's domain, for that part")
    parser.add_argument("--count", type=number(int, 1), default=50, help="largest number of pictures (50)")
    parser.add_argument("--codes", type=number(int, 1), nargs="+", default=[1, 5, 10, 20, 30], help="numbers of codes "
                        "N in the part codes (1 5 10 20 30)")
    parser.add_argument("--layers", type=number(int, 1), nargs="+", default=[2, 4, 6, 8, 10],
                        help="composing layers in the part layers, as far as the model has them (2 4 6 8 10)")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="tasks in the part tasks (all)")
    parser.add_argument("--num_codes", "-N", type=number(int, 1), default=20, help="codes in the other parts (20)")
    parser.add_argument("--composing_layer", "-l", type=number(int, 1), default=6, help="layer in the other parts (6)")
    parser.add_argument("--num_iterations", type=number(int, 1), default=200, help="number of steps (200)")
    parser.add_argument("--learning_rate", type=number(float, 0, exclusive=True), default=0.05,
                        help="initial learning rate (0.05)")
    parser.add_argument("--optimizer", choices=inversion_options.OPTIMIZERS, default="cosine",
                        help="optimiser (cosine)")
    parser.add_argument("--batch_size", type=number(int, 1), default=5, help="pictures restored together (5)")
    inversion_options.add_feature_options(parser)
    parser.add_argument("--factor", type=number(int, 2, 16), default=4, help="factor of super-resolution (4)")
    parser.add_argument("--noise", type=number(float, 0), default=0.2, help="denoising: noise, values in [-1, 1] (0.2)")
    parser.add_argument("--blur", type=number(float, 0), default=0.7, help="denoising: blur in pixels (0.7)")
    parser.add_argument("--seed", type=number(int, 0, 2 ** 31 - 1), default=0, help="seed of codes and noise (0)")
    parser.add_argument("--quick", action="store_true", help="4 pictures, 20 iterations, N of 1 and 3, two layers")
    args = parser.parse_args(argv)
    if args.quick:
        args.count, args.num_iterations, args.codes, args.layers, args.num_codes = 4, 20, [1, 3], [4, 6], 3
    return args


def main(argv=None):
    args = parse_arguments(argv)
    command.choose_device(args.gpu_id)
    from tf_idinvert.files import finding
    from tf_idinvert.portraits import embedded
    folder = Path(args.output_dir or "results/restoration_evaluation")
    args.model_path = args.model_path or embedded.model_path()
    listings = {name: finding.listing([path]) for name in ("pictures", "photographs") if (path := getattr(args, name))}
    log = command.open_log(folder / "evaluation.log")
    if "pictures" not in listings:
        listings["pictures"] = finding.listing([embedded.sample_pictures(folder / "pictures", args.count)])

    command.import_tensorflow()
    import tensorflow as tf

    from tf_idinvert.evaluation import writing
    from tf_idinvert.evaluation.quality import restoration_page as page
    tf.get_logger().setLevel("ERROR")       # TensorFlow warns of retracing, but every search needs its own graph
    bench, note, complete = make_bench(args, folder, listings, log)
    results, measure = {}, measurements(args, bench)
    for part in args.parts:
        if part == "photographs" and part not in listings:
            log.warning("warning: the part photographs is left out: give --photographs")
            results[part] = {"missing": "give --photographs"}
        else:
            results[part] = page.part(part, *measure[part](), folder / "figures")
        writing.write(folder, "Restoration, measured", about(args, bench, note), results)
    log.info("-> %s, %s", folder / "tables.md", folder / "index.html")
    return 0 if complete else 1


def make_bench(args, folder, listings, log):
    """Return (restoration.Bench, note about the feature term, whether all pictures could be read)."""
    from tf_idinvert.evaluation import loading, store
    from tf_idinvert.evaluation.quality import restoration
    from tf_idinvert.files.digests import file_digest
    from tf_idinvert.losses import feature_weight
    from tf_idinvert.restoration.multi_code import MultiCodeOptions
    generator, encoder = loading.load(command.model_files(args), "generator", optional=("encoder",),
                                      final_activation=args.final_activation, tuned=args.tuned)
    features, note = inversion_options.load_features(args, log, generator.resolution)
    options = MultiCodeOptions(
        codes=args.num_codes, layer=args.composing_layer, steps=args.num_iterations, learning_rate=args.learning_rate,
        optimizer=args.optimizer, batch_size=args.batch_size,
        feature_weight=feature_weight(features, args.loss_weight_feat))
    pictures = {name: read_pictures(listing[:args.count], generator.resolution, log)
                for name, listing in listings.items()}
    complete = all(len(pictures[name]) == len(listing[:args.count]) for name, listing in listings.items())
    return restoration.Bench(
        store=store.Store(folder / "cache"), generator=generator, encoder=encoder, features=features,
        key=[*map(file_digest, command.model_files(args)), *filter(None, [args.final_activation]), args.features,
             *map(file_digest, [*(args.lpips or []), *filter(None, [args.tuned])])],
        files=list(map(str, command.model_files(args))), pictures=pictures, options=options,
        degraded=restoration.Degraded(args.factor, args.noise, args.blur), seed=args.seed,
        log=log), note, complete


def read_pictures(listing, resolution, log):
    """float32 [N, R, R, 3] of the pictures that can be read; the log names the others. InputError where none can."""
    import numpy as np

    from tf_idinvert.files import images
    found = []
    for _, path in listing:
        try:
            found.append(images.load(path, resolution)[0])
        except images.ImageError as error:
            log.error("left out: %s", error)
    if not found:
        raise InputError(f"none of {len(listing)} pictures could be read")
    return np.stack(found)


def measurements(args, bench):
    """Return {part: function that returns its rows and sheets}."""
    from tf_idinvert.evaluation.quality import restoration, restoration_cost
    return {"codes": lambda: restoration.by_codes(bench, args.codes),
            "layers": lambda: restoration.by_layers(bench, args.layers),
            "tasks": lambda: restoration.by_tasks(bench, args.tasks),
            "photographs": lambda: restoration.out_of_domain(bench),
            "cost": lambda: restoration.costs(bench, args.codes, restoration_cost.measure_apart,
                                              published=not args.quick)}


def about(args, bench, note):
    """Return {label: text} about the settings, and 'notes'."""
    options = bench.options
    notes = [note or f"Feature term: {args.features or 'the default for this model'}, weight "
             f"{options.feature_weight:g}."]
    if bench.encoder is None:
        notes.append("The model has no encoder: searches start at w_avg and have no domain term.")
    return {"Model": Path(args.model_path).name, "Pictures": str(len(bench.pictures["pictures"])),
            "Iterations": f"{options.steps} ({options.optimizer}, {options.learning_rate:g})",
            "Codes": f"{options.codes}, composed at layer {options.layer}, but where they are varied", "notes": notes}
