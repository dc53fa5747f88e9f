"""Find the boundary of an attribute, along whose normal manipulate.py changes it (Shen et al. 2020, InterFaceGAN).

    python tools/boundary.py sample network.pkl -o samples --num 2000            # 1. draw pictures, keep their codes
    python tools/boundary.py fit samples --scores scores.csv --attribute age -o age.npy        # 2. scores of a program
    python tools/boundary.py fit samples --positive with/ --negative without/ -o glasses.npy   # 2. or sorted by hand
    python tools/boundary.py condition age.npy glasses.npy -o age_c_glasses.npy  # 3. age, glasses left as they are
    python tools/boundary.py                                # all of it, for the embedded model and its attributes

`sample` writes a folder of the form that invert.py writes: NAME_inv.png, image_list.txt, inverted_codes.npy. `fit`
takes such a folder, or a .npy of codes [N, L, D] or [N, D]. Scores come from a CSV file, whose first line names the
columns; a column 'name' says to which picture a line belongs, else the lines are in the order of the codes; or from a
.npy file [N]; `score` writes such a CSV file for portraits. Or sort some of the pictures into two folders. The linear
support vector machine is fitted to the codes with the highest and the lowest scores; printed are the shares of codes on
the right side: of those it was fitted to, of those kept back to validate it, and of all the rest. Boundaries are
written in the original's form (.npy) or without pickles (.npz).
"""
import csv
import sys
from pathlib import Path

from tf_idinvert.cli import command as cli
from tf_idinvert.errors import InputError
from tf_idinvert.files.progress import progress

SAMPLES, BOUNDARIES = "results/samples", "results/boundaries"


def make_parser():
    parser = cli.parser(__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    sample = verbs.add_parser("sample", help="draw pictures and keep their codes")
    sample.add_argument("model_path", nargs="?", help="network file: official pickle or ours (.h5); default: the "
                        "embedded model")
    cli.add_option(sample, "--output_dir", "-o", default=SAMPLES, help=f"({SAMPLES})")
    sample.add_argument("--num", type=cli.number(int, 1), default=1000, help="pictures (1000)")
    cli.add_option(sample, "--truncation_psi", type=cli.number(float, 0), default=0.7, help="psi, in all layers (0.7)")
    cli.add_option(sample, "--batch_size", type=cli.number(int, 1), default=32, help="pictures drawn together (32)")
    cli.add_option(sample, "--gpu_id", default="0", help="CUDA_VISIBLE_DEVICES (0)")
    sample.add_argument("--seed", type=cli.number(int, 0, 2 ** 31 - 1), default=0, help="(0)")
    score = verbs.add_parser("score", help="score pictures with an attribute network")
    score.add_argument("codes", help="folder that invert.py or `sample` wrote")
    score.add_argument("--attributes", help="network file with an attribute network; default: the embedded one, which "
                       "knows portraits")
    score.add_argument("-o", "--output", help="CSV file to write (FOLDER/scores.csv)")
    add_fit_arguments(verbs.add_parser("fit", help="scores or sorted pictures -> boundary"))
    condition = verbs.add_parser("condition", help="project other boundaries out of one")
    condition.add_argument("boundary", help="boundary to make independent of the others")
    condition.add_argument("others", nargs="+", help="boundaries that it shall leave as they are")
    condition.add_argument("-o", "--output", required=True, help="file to write, .npy or .npz")
    return parser


def add_fit_arguments(fit):
    fit.add_argument("codes", help="folder that invert.py or `sample` wrote, or codes in a .npy file")
    fit.add_argument("-o", "--output", required=True, help="file to write, .npy or .npz")
    fit.add_argument("-s", "--scores", help=".csv or .npy file of scores")
    fit.add_argument("--attribute", help="column of the CSV file; needed where there are several")
    fit.add_argument("--positive", help="folder of pictures with the attribute, named as in the folder of codes")
    fit.add_argument("--negative", help="folder of pictures without it")
    cli.add_option(fit, "--chosen_num_or_ratio", "-n", type=cli.number(float, 0, exclusive=True), default=None,
                   help="codes to take from either end of the scores: a share up to 0.5, or a count (0.02; of sorted "
                   "pictures all)")
    cli.add_option(fit, "--split_ratio", "-r", type=cli.number(float, 0, 1), default=0.7,
                   help="share of them that the boundary is fitted to, the others validate it (0.7)")
    fit.add_argument("--unit", choices=["all", "layer"], default="all", help="what has length 1: the layers' parts of "
                     "the normal in root mean square, so that layers without the attribute hardly move, or each "
                     "layer's part, as in the published boundaries (all)")
    cli.add_option(fit, "--manipulate_layers", default="", help="layers for manipulate.py to move, such as 0,1,2-5; "
                   "kept in the file (all)")
    fit.add_argument("--seed", type=cli.number(int, 0, 2 ** 31 - 1), default=0, help="of the split (0)")


def main():
    parser = make_parser()
    if len(sys.argv) == 1:
        return everything(parser)
    return run(parser.parse_args())


def run(args):
    return {"sample": sample, "score": score, "fit": fit, "condition": condition}[args.verb](args)


def everything(parser):
    """Boundaries of all attributes of the embedded model, by the commands that are printed."""
    from tf_idinvert.portraits import embedded, portrait
    for needed in embedded.model_path, embedded.attributes_path:        # what is missing is told before the work
        needed()
    Path(BOUNDARIES).mkdir(parents=True, exist_ok=True)
    fits = [["fit", SAMPLES, "-s", f"{SAMPLES}/scores.csv", "--attribute", name, "-n", "0.2",
             "-o", f"{BOUNDARIES}/{name}.npz"] for name in portrait.ATTRIBUTES]
    for command in [["sample", "--num", "2000", "-o", SAMPLES], ["score", SAMPLES], *fits]:
        print("boundary.py", *command, flush=True)
        run(parser.parse_args(command))


# ------------------------------------------------------------------------------------------------- sample

def sample(args):
    cli.choose_device(args.gpu_id)
    folder = Path(args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    cli.import_tensorflow()
    from tf_idinvert import checkpoint
    from tf_idinvert.files import results
    from tf_idinvert.portraits import embedded
    args.model_path = args.model_path or embedded.model_path()
    generator = checkpoint.load(args.model_path, only=("generator",)).generator
    if generator is None:
        raise InputError(f"{args.model_path}: holds no generator")
    codes = []
    try:
        draw_samples(args, generator, folder, codes)
    finally:
        if codes:
            results.write_index(folder, [f"{sample_name(i)}.png" for i in range(len(codes))], codes)
            results.write_options(folder / "options.json", {"arguments": vars(args)})
            print(f"{len(codes)} of {args.num} pictures -> {folder}")


def draw_samples(args, generator, folder, codes):
    """Draw pictures into the folder and append their codes to a list, batch by batch."""
    import tensorflow as tf

    from tf_idinvert.codes import random_codes
    from tf_idinvert.files import images
    draw = tf.function(generator.synthesis)
    with progress(args.num, "sampling", unit="img") as bar:
        for first in range(0, args.num, args.batch_size):
            count = min(args.batch_size, args.num - first)
            w = random_codes(generator, args.seed, first, count)
            w = generator.truncate(tf.constant(w), args.truncation_psi)
            for i, (code, picture) in enumerate(zip(w.numpy(), draw(w).numpy()), start=first):
                images.save(folder / f"{sample_name(i)}_inv.png", picture)
                codes.append(code)
            bar.update(count)


def sample_name(i):
    return f"{i:06d}"


# ------------------------------------------------------------------------------------------------- score

def score(args):
    """Write a line for every picture: its name, and its scores; higher is more of the attribute."""
    cli.import_tensorflow()
    from tf_idinvert import checkpoint
    from tf_idinvert.files import atomic, results
    from tf_idinvert.portraits import embedded
    path = args.attributes or embedded.attributes_path()
    network = checkpoint.load(path, only=("attributes",)).attributes
    if network is None:
        raise InputError(f"{path}: holds no attribute network")
    found, output = results.read(args.codes), args.output or Path(args.codes) / "scores.csv"
    pictures = [found.picture(i, "inv") for i in range(len(found.names))]
    if None in pictures:
        raise InputError(f"{args.codes}: there is no picture {found.names[pictures.index(None)]}_inv.png")
    with atomic.replacing(output) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["name", *network.names])
        for first in range(0, len(pictures), 32):
            scores = scored(network, pictures[first:first + 32])
            lines.writerows([name, *map(str, line)] for name, line in zip(found.names[first:], scores))
    print(f"{len(pictures)} pictures scored -> {output}")


def scored(network, paths):
    """Scores [N, A] of pictures; of a binary attribute its logit."""
    import numpy as np

    from tf_idinvert.files import images
    return np.asarray(network(np.stack([images.load(path, network.resolution)[0] for path in paths])))


# ------------------------------------------------------------------------------------------------- fit

def fit(args):
    import dataclasses

    from tf_idinvert import boundaries, editing
    names, codes = read_codes(args.codes)
    by_hand = bool(args.positive or args.negative)
    if by_hand == bool(args.scores) or by_hand and not (args.positive and args.negative):
        raise InputError("expected either --scores, or both --positive and --negative")
    scores = labels_by_hand(args, names) if by_hand else read_scores(args, names, len(codes))
    keep = args.chosen_num_or_ratio
    if keep is None:
        keep = min((scores == 0).sum(), (scores == 1).sum()) if by_hand else 0.02
    found = boundaries.fit(codes, scores, keep=keep, train_share=args.split_ratio, unit=args.unit, seed=args.seed)
    layers = editing.parse_layers(args.manipulate_layers, found.boundary.normal.shape[1])
    boundaries.write(args.output, dataclasses.replace(found.boundary, layers=layers))
    for part, what in ("train", "fitted to"), ("validation", "kept back"), ("rest", "all others"):
        share = f"{100 * found.accuracy[part]:.1f} % on the right side" if found.counts[part] else "none"
        print(f"{what:10} {found.counts[part]:8} codes: {share}")
    print(f"-> {args.output}: normal {list(found.boundary.normal.shape)}")


def read_codes(path):
    """(names or None, codes) of a folder of results or a .npy file."""
    from tf_idinvert.files import arrays, results
    if Path(path).is_dir():
        found = results.read(path)
        return found.names, found.codes
    codes = arrays.read(path)
    if codes.ndim not in (2, 3) or codes.dtype.kind != "f":
        raise InputError(f"{path}: expected codes [N, L, D] or [N, D] of floats, got {list(codes.shape)} {codes.dtype}")
    return None, codes


def read_scores(args, names, count):
    """Scores [N] in the order of the codes; NaN where there is none."""
    import numpy as np

    from tf_idinvert.files import arrays
    if Path(args.scores).suffix.lower() == ".npy":
        scores = arrays.read(args.scores).astype(np.float64)
        if scores.size != count:
            raise InputError(f"{args.scores}: {scores.size} scores for {count} codes")
        return scores.reshape(-1)
    with open(args.scores, newline="", encoding="utf-8-sig") as file:
        try:
            lines = [line for line in csv.DictReader(file, restkey="") if any(line.values())]
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{args.scores}: not a CSV file in UTF-8 ({error})") from None
    column = score_column(args, lines)
    values = [number_of(args.scores, i, line[column]) for i, line in enumerate(lines, start=2)]
    if "name" not in lines[0]:
        if len(values) != count:
            raise InputError(f"{args.scores}: {len(values)} scores for {count} codes, and no column 'name'")
        return np.asarray(values)
    if names is None:
        raise InputError(f"{args.scores}: has names, but {args.codes} has none; give the folder of the codes")
    scores = np.full(count, np.nan)
    scores[[index_of(args.scores, line["name"], names) for line in lines]] = values
    return scores


def score_column(args, lines):
    """Name of the column that holds the scores."""
    columns = [column for column in (lines[0] if lines else {}) if column and column != "name"]
    if args.attribute in columns or args.attribute is None and len(columns) == 1:
        return args.attribute or columns[0]
    raise InputError(f"{args.scores}: expected lines of scores under column names" if not columns else
                     f"{args.scores}: --attribute must be one of {', '.join(columns[:20])}; got {args.attribute}")


def number_of(path, line, text):
    try:
        return float(text) if text else float("nan")
    except (TypeError, ValueError):
        raise InputError(f"{path}: line {line}: expected a number, got {text!r}") from None


def labels_by_hand(args, names):
    """1 and 0 for the pictures in the two folders, NaN for all others, [N]."""
    import numpy as np

    from tf_idinvert.files import images
    if names is None:
        raise InputError(f"{args.codes}: has no names; give the folder of the codes for pictures sorted by hand")
    labels = np.full(len(names), np.nan)
    for folder, label in (args.positive, 1), (args.negative, 0):
        rows = [index_of(folder, path.stem, names) for _, path in images.listing([folder])]
        both = [names[row] for row in rows if labels[row] == 1 - label]
        if both:
            raise InputError(f"{both[0]}: is in both {args.positive} and {args.negative}")
        labels[rows] = label
    return labels


def index_of(where, name, names):
    """Place of a picture among the names; NAME, NAME.png, NAME_inv and NAME_ori mean the same."""
    stem = Path(name or "").stem
    for candidate in (name, stem, stem[:-4] if stem.endswith(("_inv", "_ori")) else stem):
        if candidate in names:
            return names.index(candidate)
    raise InputError(f"{where}: {name!r} is none of the {len(names)} pictures that have codes")


# ------------------------------------------------------------------------------------------------- condition

def condition(args):
    import numpy as np

    from tf_idinvert import boundaries
    first, *others = (boundaries.read(path) for path in (args.boundary, *args.others))
    result = boundaries.conditional(first, others)
    boundaries.write(args.output, result)
    cosine = float(np.mean(np.sum(first.normal * result.normal, -1) / np.linalg.norm(first.normal, axis=-1)))
    print(f"-> {args.output}: normal {list(result.normal.shape)}, cosine with {args.boundary}: {cosine:.3f}")


if __name__ == "__main__":
    cli.run(main)
