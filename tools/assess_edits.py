"""Measure manipulations: whether each attribute follows its boundary's normal, and how much else changes.

    python tools/assess_edits.py                                    # 200 held-out portraits, the embedded model
    python tools/assess_edits.py network.h5 --boundaries mine/ --num_iterations 0

Portraits that no network was trained on are inverted, their codes moved along each boundary's normal, down and up by
1.5 times the deviation of W along it, and an attribute network scores what is drawn. Writes to the output folder:
edits.md and edits.json (share of portraits whose attribute follows the distance all the way; change of that attribute
and of every other one), and edits.png (for each boundary a row with one portrait on the way). 200 portraits take some
minutes, most of them for the inversion.
"""
from pathlib import Path

from tf_idinvert.cli import command, inversion_options
from tf_idinvert.errors import InputError
from tf_idinvert.files.progress import progress
from tf_idinvert.portraits import embedded

BATCH = 20      # portraits that are drawn at once, each at all distances
CODES = 1000    # of W, whose deviation along a normal is the unit of --distance


def parse_arguments():
    parser = command.parser(__doc__)
    parser.add_argument("model_path", nargs="?", help=inversion_options.MODEL_HELP)
    parser.add_argument("--attributes", help="network file with an attribute network of the same resolution; default: "
                        f"checkpoints/{embedded.ATTRIBUTES}")
    parser.add_argument("--boundaries", help="folder of NAME.npz or NAME.npy, NAME an attribute the network scores "
                        f"(checkpoints/{embedded.BOUNDARIES})")
    parser.add_argument("--count", type=command.number(int, 1, 100000), default=200, help="portraits (200)")
    parser.add_argument("--seed", type=command.number(int, 0, 2 ** 31 - 2), default=embedded.SEED,
                        help="of the portraits; "
                        f"not the trainings' --data-seed ({embedded.SEED})")
    parser.add_argument("--distance", type=command.number(float, 0, exclusive=True), default=1.5, help="the largest, "
                        "in deviations of W along the normal (1.5)")
    parser.add_argument("--step", type=command.number(int, 2, 50), default=7, help="distances, both ends included (7)")
    command.add_option(parser, "--output_dir", "-o", default="results/edits", help="(results/edits)")
    command.add_option(parser, "--gpu_id", default="0", help="CUDA_VISIBLE_DEVICES (0)")
    command.add_option(parser, "--batch_size", type=command.number(int, 1), default=8, help="inverted together (8)")
    group = parser.add_argument_group("inversion")
    inversion_options.add_optimisation_options(group)
    command.add_option(group, "--loss_weight_enc", type=command.number(float, 0), default=2.0,
                       help="lambda_dom, weight of the domain term (2.0)")
    return parser.parse_args()


def main():
    args = parse_arguments()
    command.choose_device(args.gpu_id)
    args.model_path = args.model_path or embedded.model_path()
    attributes_path = args.attributes or embedded.attributes_path()
    found = read_boundaries(args.boundaries)
    folder = Path(args.output_dir)
    log = command.open_log(folder / "edits.log")

    command.import_tensorflow()
    from tf_idinvert.portraits import portrait
    models, network = load(args, attributes_path, found)
    pictures = portrait.sample(args.count, args.seed, network.resolution)[0] / 127.5 - 1
    codes = invert(args, models, pictures.astype("float32"), log)
    result, rows = measure(args, models.generator, network, pictures, codes, found)
    write(folder, result, rows)
    print(f"-> {folder / 'edits.md'}")


def read_boundaries(folder):
    """{attribute: Boundary} of a folder's files, or of the embedded ones."""
    from tf_idinvert import boundaries
    if folder is None:
        paths = embedded.boundary_paths()
    else:
        paths = {path.stem: path for path in boundaries.files(folder)}
        if not paths:
            raise InputError(f"{folder}: no boundaries (.npy, .npz) in this folder")
    return {name: boundaries.read(path) for name, path in paths.items()}


def load(args, attributes_path, found):
    """(Models, attribute network). InputError where they do not fit each other, or a boundary does not."""
    from tf_idinvert import boundaries, checkpoint
    models = checkpoint.load(args.model_path, only=("encoder", "generator"))
    network = checkpoint.load(attributes_path, only=("attributes",)).attributes
    for path, each, what in ((args.model_path, models.encoder, "encoder"), (args.model_path, models.generator,
                             "generator"), (attributes_path, network, "attribute network")):
        if each is None:
            raise InputError(f"{path}: holds no {what}")
    if network.resolution != models.generator.resolution:
        raise InputError(f"{attributes_path}: for pictures of {network.resolution} px; the generator's have "
                         f"{models.generator.resolution}")
    for name, boundary in found.items():
        if name not in network.names:
            raise InputError(f"boundary {name}: the attribute network scores {', '.join(network.names)}; give a folder "
                             "with --boundaries whose files are called so")
        try:
            boundary.for_network(models.generator.num_layers, models.generator.dlatent_size)
        except boundaries.BoundaryError as error:
            raise InputError(f"boundary {name}: {error}") from error
    return models, network


def invert(args, models, pictures, log):
    """Codes of the pictures, by in-domain inversion."""
    from tf_idinvert.inversion import Inversion
    features, _ = inversion_options.load_features(args, log, models.generator.resolution)
    options = inversion_options.inversion_options(args, args.batch_size, domain_weight=args.loss_weight_enc)
    inversion = Inversion(synthesis=models.generator.synthesis, encoder=models.encoder, features=features,
                          options=options)
    with progress(100, "inverting", unit="%") as bar:
        return inversion(pictures, progress=lambda share, loss: bar.update(share * 100 - bar.n)).codes


def measure(args, generator, network, pictures, codes, found):
    """(numbers, the rows of the picture) of all boundaries."""
    import numpy as np
    import tensorflow as tf

    from tf_idinvert import editing
    from tf_idinvert.codes import random_codes
    from tf_idinvert.evaluation.quality import edits as edit_quality
    from tf_idinvert.portraits import portrait
    shares = np.linspace(-args.distance, args.distance, args.step)
    mapped = random_codes(generator, 0, 0, CODES)
    judge = tf.function(network.predict_attributes, reduce_retracing=True)
    synthesize = tf.function(lambda w: generator.synthesis(w), reduce_retracing=True)
    deviations = {name: float(np.std(values)) for name, values in joined(
        judge(tf.constant(part, tf.float32)) for part in np.array_split(pictures, -(-len(pictures) // 100))).items()}
    edits, units, rows = {}, {}, []
    with progress(len(found) * len(codes), "manipulating", unit="img") as bar:
        for name, boundary in found.items():
            boundary = boundary.for_network(generator.num_layers, generator.dlatent_size)
            scores, units[name] = [], boundary.deviation(mapped)
            for first in range(0, len(codes), BATCH):
                moved = editing.manipulate(codes[first:first + BATCH], boundary.normal, shares * units[name],
                                           boundary.layers)
                drawn = tf.clip_by_value(synthesize(tf.reshape(moved, [-1, *moved.shape[2:]])), -1, 1)
                scores.append({each: values.numpy().reshape(len(moved), -1) for each, values in judge(drawn).items()})
                bar.update(len(moved))
                if first == 0:
                    rows.append(drawn[:args.step].numpy())
            edits[name] = edit_quality.measure(joined(scores), name, deviations)
    edited = [name for name in network.names if name in portrait.ATTRIBUTES]
    numbers = {name: {"unit": units[name], "monotone": each.monotone, "strictly": each.strictly, "wanted": each.wanted,
                      "others": each.others, "ratio": each.ratio([other for other in edited if other != name])}
               for name, each in edits.items()}
    return {"model": str(args.model_path), "count": len(codes), "seed": args.seed, "distances": shares.tolist(),
            "arguments": vars(args), "edits": numbers}, rows


def joined(scores):
    """[{name: [n, ...]}, ...] -> {name: [N, ...]}"""
    import numpy as np
    scores = list(scores)
    return {name: np.concatenate([np.asarray(each[name]) for each in scores]) for name in scores[0]}


def write(folder, result, rows):
    """edits.json, edits.md and edits.png."""
    import json

    import numpy as np

    from tf_idinvert.evaluation import tables
    from tf_idinvert.files import atomic, images
    atomic.write_text(folder / "edits.json", json.dumps(tables.plain(result), indent=1, default=str) + "\n")
    atomic.write_text(folder / "edits.md", page(result))
    images.save(folder / "edits.png", images.grid(np.concatenate(rows), len(rows[0])))


def page(result):
    """Text of edits.md."""
    from tf_idinvert.evaluation import tables
    from tf_idinvert.evaluation.quality import edits as edit_quality
    from tf_idinvert.portraits import portrait
    edits = result["edits"]
    others = sorted({other for each in edits.values() for other in each["others"]} | set(edits),
                    key=(portrait.ATTRIBUTES + portrait.NUISANCES + tuple(edits)).index)
    rows = [[name, each["unit"], f"{100 * each['monotone']:.1f} %", f"{100 * each['strictly']:.1f} %", each["wanted"],
             each["ratio"], *(each["others"].get(other) for other in others)] for name, each in edits.items()]
    text = (f"{result['count']} portraits rendered with seed {result['seed']}, which no training draws, inverted, "
            f"their codes moved along each boundary's normal by {result['distances'][0]:+g} to "
            f"{result['distances'][-1]:+g} deviations of W, in {len(result['distances'])} distances. Unit: that "
            "deviation, as a distance of manipulate.py. Scores of the attribute network; changes from the first "
            "distance to the last, in standard deviations of the portraits' scores. Follows: share of portraits whose "
            f"score never falls by more than {edit_quality.SLACK:g} deviations from one distance to the next; "
            "strictly: whose score rises each time. Wanted: mean change of the attribute. Largest other: the largest "
            f"change among the other ones of {', '.join(portrait.ATTRIBUTES)}, in parts of the wanted one. Then the "
            "mean absolute change of every other attribute.")
    table = tables.Table("Manipulations", text, ["boundary", "unit", "follows", "strictly", "wanted",
                                                 "largest other / wanted", *others], rows)
    names = ", ".join(edits)
    return f"{tables.markdown(table)}\n![Manipulations](edits.png)\n\nRows of the picture, from the top: {names}.\n"


if __name__ == "__main__":
    command.run(main)
