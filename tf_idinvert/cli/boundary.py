"""Find the boundary of an attribute, from scored pictures.

manipulate.py changes the attribute along the boundary's normal (Shen et al. 2020, InterFaceGAN).

    python tools/boundary.py sample network.pkl -o samples --num 2000            # 1. draw pictures, keep their codes
    python tools/boundary.py fit samples --scores scores.csv --attribute age -o age.npy        # 2. from scores,
    python tools/boundary.py fit samples --positive with/ --negative without/ -o glasses.npy   # or sorted by hand
    python tools/boundary.py condition age.npy glasses.npy -o age_c_glasses.npy  # 3. age without change of glasses
    python tools/boundary.py fit --positive inverted/with/ --negative inverted/without/ -o hat.npz    # or a dozen each
    python tools/boundary.py score samples --classifier celebahq-classifier-*.pkl       # scores of published networks
    python tools/boundary.py score samples --scorer smile.keras                         # scores of any Keras model
    python tools/boundary.py                                # all of it, for the embedded model and its attributes

`sample` writes a folder of the form that invert.py writes: NAME_inv.png, image_list.txt, inverted_codes.npy. `fit`
takes such a folder, or a .npy of codes [N, L, D] or [N, D]. Scores come from a CSV file, whose first line names the
columns; a column 'name' says to which picture a line belongs, else the lines are in the order of the codes; or from a
.npy file [N]; `score` writes such a CSV file: of portraits by an attribute network, of faces by NVIDIA's classifiers
for CelebA-HQ, a column of probabilities for each; or by a Keras model that maps pictures to scores. Or sort some of the
pictures into two folders. Or, without codes, give two folders that invert.py wrote of your own pictures: a dozen each
will do, though the boundary then knows no more than these. The linear support
vector machine is fitted to the codes with the highest and the lowest scores; printed are the shares of codes on the
right side: of those it was fitted to, of those kept back to validate it, and of all the rest. Boundaries are written in
the original's form (.npy) or without pickles (.npz). For networks whose W is of no use, `sample --latents` keeps z, and
`fit --space z` fits a boundary of z, which manipulate.py applies to such samples.
"""
from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path

from tf_idinvert.cli import command, devices, inversion_options, loading, scorer_options
from tf_idinvert.errors import InputError
from tf_idinvert.files import locks, paths
from tf_idinvert.files.printing import say

SAMPLES, BOUNDARIES = "results/samples", "results/boundaries"
COUNT = 2000        # of samples, without arguments


def make_parser():
    parser = command.parser(__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    sample = verbs.add_parser("sample", help="draw pictures and keep their codes")
    command.add_model_arguments(sample, "network file: official pickle or ours (.h5); default: the embedded model")
    sample.add_argument("--output_dir", "-o", default=SAMPLES, help=f"output folder ({SAMPLES})")
    sample.add_argument("--num", type=command.number(int, 1), default=1000, help="number of pictures (1000)")
    sample.add_argument("--truncation_psi", type=command.number(float, 0, 1e6), default=0.7,
                        help="psi, in all layers (0.7)")
    sample.add_argument("--batch_size", type=command.number(int, 1), default=32,
                        help="pictures drawn together on a device (32)")
    devices.add(sample.add_argument)
    sample.add_argument("--seed", type=command.number(int, 0, 2 ** 31 - 1), default=0, help="seed of z (0)")
    sample.add_argument("--latents", action="store_true", help="keep z, too, in latent_codes.npy, for fit --space z")
    inversion_options.add_label(sample.add_argument)
    score = verbs.add_parser("score", help="score pictures with an attribute network, classifiers or a Keras model")
    score.add_argument("codes", help="folder that invert.py or `sample` wrote")
    scorer_options.add(score, "the embedded one, which knows portraits")
    score.add_argument("-o", "--output", help="CSV file to write (FOLDER/scores.csv)")
    add_fit_arguments(verbs.add_parser("fit", help="scores or sorted pictures -> boundary"))
    condition = verbs.add_parser("condition", help="project other boundaries out of one")
    condition.add_argument("boundary", help="boundary to make independent of the others")
    condition.add_argument("others", nargs="+", help="boundaries whose attributes it must not change")
    condition.add_argument("-o", "--output", required=True, help="file to write, .npy or .npz")
    return parser


def add_fit_arguments(fit):
    fit.add_argument("codes", nargs="?", help="folder that invert.py or `sample` wrote, or codes in a .npy file; none: "
                     "--positive and --negative are folders that invert.py wrote")
    fit.add_argument("-o", "--output", required=True, help="file to write, .npy or .npz")
    fit.add_argument("-s", "--scores", help=".csv or .npy file of scores")
    fit.add_argument("--attribute", help="column of the CSV file; required if it has several")
    fit.add_argument("--positive", help="folder of pictures with the attribute, named as in the folder of codes")
    fit.add_argument("--negative", help="folder of pictures without the attribute")
    fit.add_argument("--chosen_num_or_ratio", "-n", type=command.number(float, 0, exclusive=True), default=None,
                   help="codes to use with the highest and with the lowest scores: a share up to 0.5, or a count "
                   "(0.02; sorted pictures: all)")
    fit.add_argument("--invalid_value", "-V", type=float, help="score of pictures to leave out (none; NaN always is)")
    fit.add_argument("--space", choices=["w", "z"], default="w", help="codes to fit to: w, or z of samples that were "
                     "drawn with --latents (w)")
    fit.add_argument("--split_ratio", "-r", type=command.number(float, 0, 1), default=0.7,
                   help="share of these codes to fit the boundary to; the others validate it (0.7)")
    fit.add_argument("--unit", choices=["all", "layer"], default="all", help="scale of the normal: all, root mean "
                     "square 1 over the layers, so that layers without influence on the attribute hardly move; layer, "
                     "length 1 in every layer, as in the published boundaries (all)")
    fit.add_argument("--manipulate_layers", default="", help="layers for manipulate.py to move, such as 0,1,2-5; "
                   "kept in the file (all)")
    fit.add_argument("--seed", type=command.number(int, 0, 2 ** 31 - 1), default=0, help="seed of the split (0)")


def main(argv=None):
    parser, argv = make_parser(), sys.argv[1:] if argv is None else argv
    return run(parser.parse_args(argv)) if argv else everything(parser)


def run(args):
    return {"sample": sample, "score": score, "fit": fit, "condition": condition}[args.verb](args)


def everything(parser):
    """Fit the boundaries of all attributes of the embedded model, and print the commands that do this."""
    from tf_idinvert.portraits import embedded, portrait
    for needed in embedded.model_path, embedded.attributes_path:        # report missing files before the work
        needed()
    Path(BOUNDARIES).mkdir(parents=True, exist_ok=True)
    fits = [["fit", SAMPLES, "-s", f"{SAMPLES}/scores.csv", "--attribute", name, "-n", "0.2",
             "-o", f"{BOUNDARIES}/{name}.npz"] for name in portrait.ATTRIBUTES]
    for arguments in [["sample", "--num", str(COUNT), "-o", SAMPLES], ["score", SAMPLES], *fits]:
        say(f"$ {command.call_of('boundary')} {shlex.join(arguments)}")
        run(parser.parse_args(arguments))


def sample(args):
    devices.choose(args)
    worker, folder = devices.worker_of(args), Path(args.output_dir)
    locks.claim(folder, own=f"sample-{worker.index}.log" if worker.count > 1 else None)
    command.import_tensorflow()
    from tf_idinvert import checkpoint
    from tf_idinvert.jobs import boundary
    from tf_idinvert.portraits import embedded
    args.model_path = args.model_path or embedded.model_path()
    with devices.scope(args):
        models = loading.load_models(args, only=("generator",))
        checkpoint.require(models, args.model_path, "generator")
        boundary.sample(models.generator, folder, args.num, truncation_psi=args.truncation_psi,
                        batch_size=args.batch_size, seed=args.seed,
                        record={"arguments": vars(args), "sha256": inversion_options.digests(args)},
                        latents=args.latents, label=args.label, worker=worker)


def score(args):
    command.import_tensorflow()
    from tf_idinvert.jobs import boundary
    output = args.output or Path(args.codes) / "scores.csv"
    scorer = scorer_options.load(args, probabilities=False)
    paths.make_folder_of(output)
    count = boundary.score(scorer, args.codes, output, read=scorer.read)
    say(f"{count} pictures scored -> {output}")


def fit(args):
    from tf_idinvert import boundaries, editing
    codes, scores, by_hand = codes_and_scores(args)
    if args.invalid_value is not None:
        scores[scores == args.invalid_value] = float("nan")
    keep = args.chosen_num_or_ratio
    if keep is None:
        keep = min((scores == 0).sum(), (scores == 1).sum()) if by_hand else 0.02
    found = boundaries.fit(codes, scores, keep=keep, train_share=args.split_ratio, unit=args.unit, seed=args.seed)
    layers = editing.parse_layers(args.manipulate_layers, found.boundary.normal.shape[1])
    about = boundaries.About(args.attribute or "", "InterFaceGAN", space=args.space)
    paths.make_folder_of(args.output)
    boundaries.write(args.output, dataclasses.replace(found.boundary, layers=layers, about=about))
    for part, what in ("train", "fitted to"), ("validation", "kept back"), ("rest", "all others"):
        share = f"{100 * found.accuracy[part]:.1f} % on the right side" if found.counts[part] else "none"
        say(f"{what:10} {found.counts[part]:8} codes: {share}")
    say(f"-> {args.output}: normal {list(found.boundary.normal.shape)}")


def codes_and_scores(args):
    """Return (codes, scores [N], whether these are labels 1 and 0 of sorted pictures) as the arguments say."""
    from tf_idinvert.jobs import boundary
    by_hand = bool(args.positive or args.negative)
    if by_hand == bool(args.scores) or by_hand and not (args.positive and args.negative):
        raise InputError("expected either --scores, or both --positive and --negative")
    if args.codes is None:
        if not by_hand or args.space == "z":
            raise InputError("expected codes: a folder that invert.py or `sample` wrote, or a .npy file")
        return (*boundary.sides(args.positive, args.negative), True)
    names, codes = boundary.read_codes(args.codes)
    if args.space == "z":
        if names is None:
            raise InputError(f"{args.codes}: expected a folder of samples, for --space z")
        codes = boundary.read_latents(args.codes)
    if by_hand and names is None:
        raise InputError(f"{args.codes}: has no names of pictures, which sorted pictures need; give the codes' folder")
    if by_hand:
        return codes, boundary.labels_by_hand(args.positive, args.negative, names), True
    return codes, boundary.read_scores(args.scores, args.attribute, names, len(codes)), False


def condition(args):
    import numpy as np

    from tf_idinvert import boundaries
    first, *others = (boundaries.read(path) for path in (args.boundary, *args.others))
    result = boundaries.conditional(first, others)
    paths.make_folder_of(args.output)
    boundaries.write(args.output, result)
    cosine = float(np.mean(np.sum(first.normal * result.normal, -1) / np.linalg.norm(first.normal, axis=-1)))
    say(f"-> {args.output}: normal {list(result.normal.shape)}, cosine with {args.boundary}: {cosine:.3f}")
