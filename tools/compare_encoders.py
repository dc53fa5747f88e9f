"""Compare encoders on rendered portraits that none of them has seen: reconstructions, attributes, and codes.

    python tools/compare_encoders.py                                    # those that come with the repository
    python tools/compare_encoders.py runs/a/network.h5 runs/b/network.h5 --seed 2000 -o results/again

Each file holds an encoder and its generator. Writes to the output folder: encoders.md and encoders.json (error, sliced
Wasserstein distance, agreement of attributes, and of the codes the Fréchet distance to mapped codes, outliers and the
nearest-neighbour test; a row for each encoder, and one without, to compare with), and encoders.png (originals, and
below them what each encoder makes of them). 500 portraits of 64 px take a minute for four encoders.
"""
from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError
from tf_idinvert.files.digests import file_digest
from tf_idinvert.files.progress import progress
from tf_idinvert.portraits import embedded

ENCODERS = ("traditional", "in-domain", "in-domain-nobn", "force-in-domain")       # of the repository
SHOWN = 12                  # columns of the picture
LONGEST = 20000             # portraits whose codes may be compared each with each


def parse_arguments():
    parser = command.parser(__doc__)
    parser.add_argument("models", nargs="*", help="network files with encoder and generator; default: "
                        f"checkpoints/portraits64-NAME.h5, NAME one of {', '.join(ENCODERS)}, that are there")
    parser.add_argument("--attributes", help="network file with an attribute network of the same resolution; default: "
                        f"checkpoints/{embedded.ATTRIBUTES}")
    parser.add_argument("--count", type=command.number(int, 20, LONGEST), default=500, help="portraits (500)")
    parser.add_argument("--seed", type=command.number(int, 0, 2 ** 31 - 2), default=embedded.SEED,
                        help="of the portraits; "
                        f"not the trainings' --data-seed; and of z ({embedded.SEED})")
    command.add_option(parser, "--output_dir", "-o", default="results/encoders", help="(results/encoders)")
    command.add_option(parser, "--gpu_id", default="0", help="CUDA_VISIBLE_DEVICES (0)")
    return parser.parse_args()


def main():
    args = parse_arguments()
    paths = [Path(path) for path in args.models] or embedded_encoders()
    attributes_path = args.attributes or embedded.attributes_path()
    command.choose_device(args.gpu_id)
    folder = Path(args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    command.import_tensorflow()
    from tf_idinvert.evaluation.quality import generator

    network = load_attributes(attributes_path)
    sets = {name: load_set(path, network.resolution) for name, path in zip(labels(paths), paths)}
    (originals, truth), (others, _) = (generator.rendered(args.count, seed, network.resolution)
                                       for seed in (args.seed, args.seed + 1))
    found, shown = measure(args, sets, network, originals, truth, others)
    result = {"count": args.count, "seed": args.seed, "resolution": network.resolution, "range": [-1, 1],
              "sha256": sums(dict(zip(sets, paths)), attributes_path), "encoders": found}
    write(folder, result, network)
    draw_sheet(folder / "encoders.png", [originals, *shown])
    print(f"-> {folder / 'encoders.md'}")


def embedded_encoders():
    """Paths of the repository's encoders that are there. InputError where there is none."""
    paths = [embedded.CHECKPOINTS / f"portraits64-{name}.h5" for name in ENCODERS]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise InputError(f"{paths[0]}: not there, and no other encoder of the repository; give network files")
    return found


def labels(paths):
    """A name for each file: that of the file, with its folder's where others are called the same. They must differ."""
    names = [path.name for path in paths]
    names = [f"{path.absolute().parent.name}/{name}" if names.count(name) > 1 else name
             for name, path in zip(names, paths)]
    for name, path in zip(names, paths):
        if names.count(name) > 1:
            raise InputError(f"{path}: given twice, or another file has the same name and folder name")
    return names


def load_attributes(path):
    """The attribute network. InputError where it is not one of the portraits'."""
    from tf_idinvert import checkpoint
    from tf_idinvert.portraits import portrait
    network = checkpoint.load(path, only=("attributes",)).attributes
    if network is None:
        raise InputError(f"{path}: holds no attribute network")
    if network.resolution not in portrait.RESOLUTIONS:
        raise InputError(f"{path}: for pictures of {network.resolution} px; portraits have "
                         f"{', '.join(map(str, portrait.RESOLUTIONS))}")
    unknown = sorted(set(network.names) - set(portrait.ATTRIBUTES + portrait.NUISANCES))
    if unknown:
        raise InputError(f"{path}: attribute {unknown[0]!r} is none of the portraits'")
    return network


def load_set(path, resolution):
    """Encoder and generator of a file, as Models. InputError where they do not take such pictures."""
    from tf_idinvert import checkpoint
    models = checkpoint.load(path, only=("encoder", "generator"))
    for field in "encoder", "generator":
        network = getattr(models, field)
        if network is None:
            raise InputError(f"{path}: holds no {field}")
        if network.resolution != resolution:
            raise InputError(f"{path}: the {field} is for pictures of {network.resolution} px; the attribute network's "
                             f"have {resolution}")
    return models


def measure(args, sets, network, originals, truth, others):
    """({name: numbers}, [Pictures of each encoder]); the last numbers, 'none', are those without an encoder."""
    import tensorflow as tf

    from tf_idinvert.codes import random_codes
    from tf_idinvert.evaluation.quality import encoders
    from tf_idinvert.metrics import intervals, sliced_wasserstein
    judge = tf.function(network.predict_attributes, reduce_retracing=True)
    reference = sliced_wasserstein.project(originals, args.seed)
    numbers, shown = {}, []
    with progress(args.count * len(sets), "encoding", unit="img") as bar:
        for name, models in sets.items():
            invert = inverter(models)
            try:
                found = encoders.reconstruct(originals, invert, judge, args.seed, bar.update)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
            mapped = random_codes(models.generator, args.seed, 0, args.count)
            numbers[name] = encoders.compare(found, reference, truth, network.binary, mapped)
            numbers[name]["samples"] = intervals.mean(encoders.sample_errors(
                mapped, tf.function(models.generator.synthesis, reduce_retracing=True), invert))
            shown.append(found.pictures)
    more = random_codes(models.generator, args.seed, args.count, args.count)
    found = encoders.strangers(originals, others, more, judge, args.seed)
    numbers["none"] = encoders.compare(found, reference, truth, network.binary, mapped)
    return numbers, shown


def inverter(models):
    """Function, pictures x -> (E(x), G(E(x)))."""
    import tensorflow as tf

    def invert(x):
        codes = models.encoder(x)
        return codes, models.generator.synthesis(codes)
    return tf.function(invert, reduce_retracing=True)


def sums(paths, attributes_path):
    """{name: SHA-256} of all files."""
    return {name: file_digest(path) for name, path in {**paths, "attributes": attributes_path}.items()}


# ------------------------------------------------------------------------------------------------- results

def write(folder, result, network):
    """encoders.json and encoders.md."""
    import json

    from tf_idinvert.evaluation import tables
    from tf_idinvert.files import atomic
    atomic.write_text(folder / "encoders.json", json.dumps(tables.plain(result), indent=1) + "\n")
    atomic.write_text(folder / "encoders.md", page(result, network))


def page(result, network):
    """Text of encoders.md."""
    from tf_idinvert.evaluation import tables
    from tf_idinvert.portraits import portrait
    found = result["encoders"]
    edited = [name for name in network.names if name in portrait.ATTRIBUTES]
    others = [name for name in network.names if name not in portrait.ATTRIBUTES]
    names = {name: f"`{name}`" if name != "none" else "none" for name in found}
    heads = {name: f"{name} ({'right' if name in network.binary else 'R²'})" for name in network.names}
    rows = [[names[name], each["mse"], each.get("samples"), each["swd"], *(each["agreement"][one] for one in edited),
             each["frechet"], each["outliers"], each["neighbours"]] for name, each in found.items()]
    parts = [tables.Table("Encoders on held-out portraits", about(result), [
        "encoder", "MSE", "MSE of samples", "SWD x 1000", *(heads[one] for one in edited), "Fréchet distance to W",
        "outliers", "nearest neighbours"], rows)]
    if others:
        rows = [[names[name], *(each["agreement"][one] for one in others)] for name, each in found.items()]
        parts.append(tables.Table("Further attributes", "Agreement, as above.", [
            "encoder", *(heads[one] for one in others)], rows))
    order = ", ".join(["the originals", *(names[name] for name in found if name != "none")])
    picture = f"![Reconstructions](encoders.png)\n\nRows of the picture, from the top: {order}.\n"
    return "\n".join([*map(tables.markdown, parts), picture])


def about(result):
    """What was measured, on what, how."""
    from tf_idinvert.evaluation.quality import encoders
    return (f"{result['count']:,} portraits rendered with seed {result['seed']}, which none of the trainings draws; "
            f"{result['resolution']} px, values in [-1, 1], reconstructions clipped to that. MSE: mean over pixels, "
            "channels and pictures; of samples: on as many pictures that the generator drew itself. SWD: sliced "
            "Wasserstein distance to the originals (Karras et al. 2018), mean over the pyramid's levels, 8 bits. "
            "Attributes: what the attribute network sees in the reconstructions against "
            "what the originals were rendered with, as the share of right answers, or R². Codes E(x) are compared with "
            f"as many FC(z), z of seed {result['seed']}. Fréchet distance to W: mean over the layers; too large with "
            f"few codes. Outliers: share with a component beyond {encoders.DEVIATIONS:g} standard deviations of "
            "FC(z). Nearest neighbours: share of codes whose nearest one is of their own set, 0.5 for two sets of one "
            "distribution, 1 for sets that lie apart. Row 'none', to compare with: other portraits (seed "
            f"{result['seed'] + 1}) in place of the reconstructions for MSE and SWD, the originals themselves for the "
            "attributes, FC(z) of other z (of the last encoder's generator) for the codes. In brackets: 95 % "
            "intervals.")


def draw_sheet(path, sets):
    """Pictures of each set, a row each."""
    import numpy as np

    from tf_idinvert.files import images
    images.save(path, images.grid(np.concatenate([each.first(SHOWN) for each in sets]), SHOWN))


if __name__ == "__main__":
    command.run(main)
