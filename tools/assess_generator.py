"""Measure a portraits generator against rendered portraits that it has not seen; renders against renders are the floor.

    python tools/assess_generator.py                                    # those that come with the repository
    python tools/assess_generator.py runs/stylegan-portraits/network.h5 --count 2000

Writes to the output folder: quality.md and quality.json (sliced Wasserstein distance at each level, Fréchet distance of
the attribute network's embedding, attributes seen in samples and in renders, how well attributes separate in W, path
length), samples.png (64 samples with psi 1, 64 with psi 0.7, 64 renders) and interpolations.png. 2,000 pictures of 64
px take 100 seconds of processor time, 10,000 some five times as long.
"""
import math
from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError
from tf_idinvert.files.progress import progress
from tf_idinvert.portraits import embedded

SHOWN, COLUMNS, GAP = 64, 8, 12
INTERPOLATIONS, STEPS = 6, 10
PATHS = 500                 # straight lines in W that the path length is measured on
TFGAN_PICTURES = 1000       # TF-GAN's function takes what fits in memory
TOLD = 0.5                  # least agreement of the attribute network with the truth for its word to count


def parse_arguments():
    parser = command.parser(__doc__)
    parser.add_argument("model_path", nargs="?", help="network file with a generator of portraits; default: "
                        f"checkpoints/{embedded.GENERATOR}")
    parser.add_argument("attributes_path", nargs="?", help="network file with an attribute network of the same "
                        f"resolution; default: checkpoints/{embedded.ATTRIBUTES}")
    parser.add_argument("--world", choices=["portraits", "wild"], default="portraits",
                        help="which portraits to render; for wild ones, give both networks (portraits)")
    parser.add_argument("--count", type=command.number(int, SHOWN), default=10000, help="pictures in each set (10000)")
    parser.add_argument("--seed", type=command.number(int, 0, 2 ** 31 - 2), default=1000,
                        help="of the renders, those of "
                        "the floor have the next one, and of the samples; not the training's --data-seed (1000)")
    command.add_option(parser, "--output_dir", "-o", default="results/quality", help="(results/quality)")
    command.add_option(parser, "--gpu_id", default="0", help="CUDA_VISIBLE_DEVICES (0)")
    return parser.parse_intermixed_args()


def main():
    args = parse_arguments()
    if args.world == "portraits":
        args.model_path = args.model_path or str(embedded.generator_path())
        args.attributes_path = args.attributes_path or str(embedded.attributes_path())
    elif args.attributes_path is None:
        raise InputError("--world wild: give the files of a generator and of an attribute network of wild portraits")
    command.choose_device(args.gpu_id)
    folder = Path(args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    command.import_tensorflow()
    import tensorflow as tf

    from tf_idinvert.evaluation.quality import generator as generator_quality
    generator, network = load_networks(args)
    draw = tf.function(generator.synthesis, reduce_retracing=True)
    renders, truth = rendered(args, args.seed, generator, network)
    others, _ = rendered(args, args.seed + 1, generator, network)
    samples, codes = sample(args, generator)
    result = {"model": args.model_path, "attribute network": args.attributes_path, "count": args.count,
              "seed": args.seed, "resolution": generator.resolution,
              **measure(args, network, renders, truth, others, samples, codes),
              "path": path_length(generator, draw, network, args.seed), "tfgan": by_tfgan(renders, others, samples)}
    write(folder, result, network.binary)
    draw_sheets(folder, generator, draw, samples, renders, args.seed)
    print(f"-> {folder / 'quality.md'}")


def load_networks(args):
    """(generator, attribute network)"""
    from tf_idinvert import checkpoint
    from tf_idinvert.portraits import portrait, wild
    from tf_idinvert.portraits.wild import scores
    generator = checkpoint.load(args.model_path, only=("generator",)).generator
    network = checkpoint.load(args.attributes_path, only=("attributes",)).attributes
    for path, each, what in (args.model_path, generator, "generator"), (args.attributes_path, network, "attribute net"):
        if each is None:
            raise InputError(f"{path}: holds no {what}")
    if args.world == "portraits":
        sides, names, whole = portrait.RESOLUTIONS, portrait.ATTRIBUTES + portrait.NUISANCES, network.resolution
    else:       # a network of half the resolution sees parts
        sides, names, whole = wild.RESOLUTIONS, sum(scores.TASKS.values(), ()), 2 * network.resolution
    if generator.resolution not in (network.resolution, whole) or generator.resolution not in sides:
        raise InputError(f"{args.attributes_path}: for pictures of {network.resolution} px; the generator's have "
                         f"{generator.resolution}; expected one of {', '.join(map(str, sides))}")
    unknown = sorted(set(network.names) - set(names))
    if unknown:
        raise InputError(f"{args.attributes_path}: attribute {unknown[0]!r} is none of the portraits'")
    return generator, network


def rendered(args, seed, generator, network):
    """(Pictures, {name: [N]} what the attribute network should tell) of the world's portraits."""
    from tf_idinvert.evaluation.quality import generator as generator_quality
    if args.world == "portraits":
        return generator_quality.rendered(args.count, seed, generator.resolution)
    from tf_idinvert.portraits import wild
    from tf_idinvert.portraits.wild import scores
    pictures, traits = generator_quality.rendered(args.count, seed, generator.resolution, wild.sample)
    return pictures, scores.answers(traits, network.names)


def sample(args, generator):
    """Samples with psi 1 and fresh noise -> (Pictures, codes [N, D], or [N, L, D] where layers have their own)."""
    import numpy as np
    import tensorflow as tf

    from tf_idinvert.codes import random_codes
    from tf_idinvert.evaluation.quality.generator import BATCH, Pictures
    pictures, codes = Pictures(generator.resolution), []
    draw = tf.function(lambda w, seed: generator.synthesis(w, noise_seed=seed), reduce_retracing=True)
    with progress(args.count, "sampling", unit="img") as bar:
        for first in range(0, args.count, BATCH):
            w = random_codes(generator, args.seed, first, min(BATCH, args.count - first))
            pictures.add(draw(tf.constant(w), tf.constant([args.seed, first])).numpy())
            codes.append(w[:, 0] if (w == w[:, :1]).all() else w)
            bar.update(len(w))
    return pictures, np.concatenate(codes)


def measure(args, network, renders, truth, others, samples, codes):
    """What is measured on the three sets of pictures, and on the codes of the samples."""
    import tensorflow as tf

    from tf_idinvert.evaluation.quality import generator as generator_quality
    from tf_idinvert.metrics.agreement import agreement
    from tf_idinvert.portraits.wild import scores
    judge = tf.function(lambda x: (network.embedding(x), network.predict_attributes(x)), reduce_retracing=True)
    with progress(3 * args.count, "measuring", unit="img") as bar:
        reference, floor, found = (generator_quality.measure(each, judge, args.seed, bar.update)
                                   for each in (renders, others, samples))
    told = agreement(reference.attributes, truth, network.binary)
    seen = {name: values for name, values in found.attributes.items() if told[name] >= TOLD}
    ranges = {name: (-1, 1) if name in (*scores.MIRRORED, "expression") else (0, 1) for name in network.names}
    return {"samples": generator_quality.compare(reference, found, ranges),
            "floor": generator_quality.compare(reference, floor, ranges),
            "renders": {name: {"mean": float(values.mean()), "std": float(values.std())}
                        for name, values in reference.attributes.items()},
            "agreement": told, "separability": generator_quality.separability(codes, seen, seed=args.seed)}


def path_length(generator, draw, network, seed):
    from tf_idinvert.codes import random_codes
    from tf_idinvert.evaluation.quality import generator as generator_quality
    codes = random_codes(generator, seed, 0, 2 * PATHS)
    return generator_quality.path_length(codes[:PATHS], codes[PATHS:], lambda w: network.embedding(draw(w)), seed)


def by_tfgan(renders, others, samples):
    """{level: (samples, floor)} by TF-GAN's function; the reason where it cannot be had."""
    from tf_idinvert.metrics import sliced_wasserstein
    first = [pictures.first(min(TFGAN_PICTURES, len(pictures))) for pictures in (renders, others, samples)]
    try:
        floor, found = (sliced_wasserstein.by_tfgan(first[0], each) for each in first[1:])
    except InputError as error:
        return {"failure": str(error)}
    return {level: (found[level][1], floor[level][1]) for level in found}


# ------------------------------------------------------------------------------------------------- results

def write(folder, result, binary):
    """quality.json and quality.md."""
    import json

    from tf_idinvert.files import atomic
    lines = [f"# {Path(result['model']).name} against rendered portraits", "",
             f"{result['count']:,} samples (psi 1, fresh noise, seed {result['seed']}) against as many renders (seed "
             f"{result['seed']}), {result['resolution']} px, 8 bits, not resized. Floor: as many renders of seed "
             f"{result['seed'] + 1} against the same renders.", "",
             *distances_table(result), "", *attributes_table(result, binary), "", *codes_table(result)]
    atomic.write_text(folder / "quality.json", json.dumps(plain(result), indent=1) + "\n")
    atomic.write_text(folder / "quality.md", "\n".join(lines) + "\n")


def plain(value):
    """The same for JSON, which has no NaN."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def distances_table(result):
    """Lines of the table of distances."""
    rows = []
    for what, key in ("samples", "samples"), ("floor", "floor"):
        each = result[key]
        rows.append({**{f"SWD x 1000, {level if level == 'mean' else f'{level} px'}": 1000 * value
                        for level, value in each["sliced_wasserstein"].items()},
                     "FD of the attribute network's embedding": each["frechet"],
                     "FD, extrapolated to infinitely many": each["frechet_extrapolated"]})
    if "failure" not in result["tfgan"]:
        for i, row in enumerate(rows):
            row.update({f"TF-GAN's SWD x 1000, {level} px": 1000 * values[i]
                        for level, values in result["tfgan"].items()})
    samples, floor = rows
    lines = ["| distance | samples | floor | times the floor |", "|---|---|---|---|"]
    for name, value in samples.items():
        ratio = f"{value / floor[name]:.3g}" if floor[name] > 0 else ""
        lines.append(f"| {name} | {value:.4g} | {floor[name]:.4g} | {ratio} |")
    note = f"TF-GAN's: the first {min(TFGAN_PICTURES, result['count']):,} of each set, each patch normalised, unseeded"
    return [*lines, "", "SWD: 64 patches of 7 x 7 a picture and level, 512 directions (Karras et al. 2018). "
            f"{result['tfgan'].get('failure', note)}. FD: not to be compared with FID."]


def attributes_table(result, binary):
    """Lines of the table of attributes."""
    lines = ["| attribute | told by the network | mean, renders | mean, samples | deviation, renders | "
             "deviation, samples | differing share | its floor |", "|---|---|---|---|---|---|---|---|"]
    for name, true in result["renders"].items():
        found = result["samples"]["attributes"][name]
        told = f"{result['agreement'][name]:.3f} {'right' if name in binary else 'R^2'}"
        lines.append(f"| {name} | {told} | {true['mean']:.3f} | {found['mean']:.3f} | {true['std']:.3f} | "
                     f"{found['std']:.3f} | {found['difference']:.3f} | "
                     f"{result['floor']['attributes'][name]['difference']:.3f} |")
    return [*lines, "", "Means and deviations of what the network sees, in the units of `portraits`, a binary "
            "attribute as its probability. Told by the network: on these renders, against the truth. Differing share: "
            "of pictures that would have to change bins, of ten over the range."]


def codes_table(result):
    """Lines about W."""
    lines = ["| attribute | confident tenths, held out | all others |", "|---|---|---|"]
    for name in result["agreement"]:
        found = result["separability"].get(name, {"failure": "not told by the network"})
        values = [found["failure"], ""] if "failure" in found else [f"{100 * found[part]:.1f} %"
                                                                    for part in ("validation", "rest")]
        lines.append(f"| {name} | {values[0]} | {values[1]} |")
    path = result["path"]
    return [*lines, "", "Share of codes w on the right side of a linear SVM's hyperplane (70 % of the samples with the "
            "highest and lowest tenth of an attribute are fitted to).", "",
            f"Path length in W, by the same embedding: {path['length']:.4g}, {path['ratio']:.3g} times that of "
            f"straight and even change ({path['straight']:.4g})."]


def draw_sheets(folder, generator, draw, samples, renders, seed):
    """samples.png: psi 1, psi 0.7, renders, side by side; interpolations.png: straight lines in W."""
    import numpy as np

    from tf_idinvert import editing
    from tf_idinvert.codes import random_codes
    from tf_idinvert.files import images
    codes = random_codes(generator, seed, 0, SHOWN)
    truncated = draw(generator.truncate(codes, 0.7)).numpy()
    sheets = [images.grid(each, COLUMNS) for each in (samples.first(SHOWN), truncated, renders.first(SHOWN))]
    space = np.full([len(sheets[0]), GAP, 3], 255, np.uint8)
    images.save(folder / "samples.png", np.concatenate([sheets[0], space, sheets[1], space, sheets[2]], axis=1))
    steps = editing.interpolate(codes[:INTERPOLATIONS], codes[INTERPOLATIONS:2 * INTERPOLATIONS], STEPS)
    pictures = draw(steps.reshape(-1, *codes.shape[1:])).numpy()
    images.save(folder / "interpolations.png", images.grid(pictures, STEPS))


if __name__ == "__main__":
    command.run(main)
