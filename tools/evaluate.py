"""The tables and figures of both papers, measured: every method on the same held-out pictures, every claim decided.

    python tools/evaluate.py --quick                    # 2 minutes: that all works; so few pictures decide nothing
    python tools/evaluate.py                            # the embedded portraits networks, 12 minutes on two cores
    python tools/evaluate.py --encoders styleganinv_ffhq256_encoder.pkl --images photographs/ --inception weights.h5
    python tools/evaluate.py --encoders encoder.h5 --images photographs/ --labels labels.csv --boundaries boundaries/

Encoders are files that hold an encoder and its generator, ROLE=FILE, ROLE one of in-domain, in-domain-nobn (without
batch norm), force-in-domain, traditional; without ROLE= the file's name tells, else it is in-domain. Without --images,
held-out portraits are rendered, whose attributes are known. What is not there (an encoder, boundaries, ...) is named,
and its rows say so.

Writes to the output folder: index.html (all on one page), tables.md, tables.json, figures/*.png, and cache/, where each
method's inversions and each part's numbers wait: a run that was stopped goes on from there, and what did not change is
not made again. All numbers but seconds follow from the seed.

Parts: table1 and table1-force (reconstruction), table2 (edits), figure3 (attributes read off codes), figures5-7 (codes
and W), figure9 (the weight of the domain term), figure10 (out of the domain), diffusion.
"""
import dataclasses
import time
from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError
from tf_idinvert.files.progress import progress
from tf_idinvert.portraits import embedded

TITLE = "In-domain and force-in-domain GAN inversion, measured"
PARTS = ("table1", "table1-force", "table2", "figure3", "figures5-7", "figure9", "figure10", "diffusion")
ROLES = ("force-in-domain", "in-domain-nobn", "in-domain", "traditional")       # longer names before their beginnings
FULL = dict(count=500, optimised=100, steps=100, mse_steps=500, ablated=24, diffused=16, codes=1000, projected=500)
QUICK = dict(count=40, optimised=8, steps=40, mse_steps=100, ablated=4, diffused=4, codes=100, projected=100)
HELP = {"count": "held-out pictures", "optimised": "the first of them, for the methods that optimise",
        "steps": "of in-domain inversion", "mse_steps": "of MSE-based optimisation",
        "ablated": "pictures for λ_dom 0 and 40", "diffused": "pairs for semantic diffusion",
        "codes": "of W, for the comparison of distributions", "projected": "of these, for t-SNE"}


def parse_arguments():
    parser = command.parser(__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="few pictures and steps")
    add("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help="(all)")
    add("--encoders", nargs="+", metavar="[ROLE=]FILE", help="(checkpoints/portraits64-ROLE.h5)")
    add("--images", help="pictures: a folder, a text list or one picture (portraits are rendered)")
    add("--labels", help="what is known of --images, for figure3: CSV, first line 'picture,NAME,...', then file name "
        "and numbers of each; NAME as in --boundaries (what the attribute network sees)")
    add("--attributes", help="attribute network of ours: scores attributes, its embedding is behind the FD "
        "(checkpoints/portraits64-attributes.h5 for portraits)")
    add("--inception", help="InceptionV3 'notop' weights of Keras, for FID, instead of the attribute network's FD")
    add("--features", help="F of in-domain inversion: an attribute network, 'imagenet' (VGG16), the path of VGG16 "
        "'notop' weights, or 'none' (the attribute network; without one imagenet)")
    command.add_option(parser, "--loss_weight_feat", type=command.number(float, 0),
                       help="lambda_vgg (20 with an attribute network, 5e-5 with VGG16)")
    add("--boundaries", help="folder of NAME.npz or NAME.npy (checkpoints/boundaries)")
    add("--photographs", help="pictures for figure10, besides drawn scenes: a folder, a list or one picture")
    add("--reasons", help="JSON file {name of a claim: why it does not hold}, names as in tables.json "
        f"(checkpoints/{embedded.REASONS} for the networks there, but with --quick)")
    for name, what in HELP.items():
        command.add_option(parser, f"--{name}", type=command.number(int, 2),
                           help=f"{what} ({FULL[name]}; {QUICK[name]})")
    command.add_option(parser, "--inversion_batch_size", type=command.number(int, 1), default=4,
                       help="optimised together (4)")
    add("--seed", type=command.number(int, 0, 2 ** 31 - 2), default=1000, help="of everything drawn at random (1000)")
    command.add_option(parser, "--output_dir", "-o", default="results/evaluation", help="(results/evaluation)")
    command.add_option(parser, "--gpu_id", default="0", help="CUDA_VISIBLE_DEVICES (0)")
    args = parser.parse_args()
    for name, value in (QUICK if args.quick else FULL).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    return args


def main():
    args = parse_arguments()
    command.choose_device(args.gpu_id)
    listing, photographs, reasons, known = given_files(args)
    paths, missing = encoder_paths(args)
    folder = Path(args.output_dir)
    log = command.open_log(folder / "evaluate.log")
    for reason in missing.values():
        log.warning("%s", reason)

    command.import_tensorflow()
    bench, about = prepare(args, paths, missing, listing, known, log)
    results = {}
    try:
        measure(args, bench, photographs, folder, results, log)
    finally:        # Ctrl-C keeps what is done
        if results:
            write(args, folder, about, results, reasons, log)


def given_files(args):
    """(listing of --images or None, of --photographs, {claim: reason}, labels or None); checked before all else."""
    import json

    from tf_idinvert.evaluation.papers import labels
    from tf_idinvert.files import images
    if args.labels and not args.images:
        raise InputError("--labels: for --images; of rendered portraits all is known")
    reasons, path, own = {}, args.reasons, embedded.CHECKPOINTS / embedded.REASONS
    if path is None and args.encoders is None and not args.quick and own.is_file():
        path = own
    if path:
        try:
            reasons = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path}: not JSON ({error})") from None
        if not isinstance(reasons, dict) or not all(isinstance(each, str) for each in reasons.values()):
            raise InputError(f"{path}: expected a JSON object of texts")
    return (images.listing([args.images]) if args.images else None,
            images.listing([args.photographs]) if args.photographs else [], reasons,
            labels.read(args.labels) if args.labels else None)


# ------------------------------------------------------------------------------------------------- what is there

def encoder_paths(args):
    """({role: path}, {role: why it is not there})"""
    if args.encoders is None:
        paths = {role: embedded.CHECKPOINTS / f"portraits64-{role}.h5" for role in ROLES}
        missing = {role: f"{path.name} is not there" for role, path in paths.items() if not path.is_file()}
        if len(missing) == len(paths):
            raise InputError(f"{embedded.CHECKPOINTS}: holds none of "
                             f"{', '.join(path.name for path in paths.values())}; give --encoders")
        return {role: path for role, path in paths.items() if role not in missing}, missing
    paths = {}
    for given in args.encoders:
        role, _, path = given.partition("=")
        if not path or role not in ROLES:
            role, path = next((each for each in ROLES if each in Path(given).name), "in-domain"), given
        if role in paths:
            raise InputError(f"--encoders: {paths[role]} and {path} are both {role}; say ROLE=FILE, ROLE one of "
                             f"{', '.join(ROLES)}")
        paths[role] = Path(path)
    return paths, {role: f"no {role} encoder was given" for role in ROLES if role not in paths}


def prepare(args, paths, missing, listing, known, log):
    """(Bench, about) of everything that the arguments ask for."""
    from tf_idinvert.evaluation import store
    from tf_idinvert.evaluation.papers import labels, originals
    from tf_idinvert.evaluation.papers.methods import Bench, Sizes
    networks, notes = load_networks(paths)
    resolution = next(iter(networks.values())).generator.resolution
    attributes, judge = load_judge(args, resolution, listing is None)
    features, features_key, weight, said = load_features(args, attributes, judge, resolution, log)
    kept, others = store.Store(Path(args.output_dir) / "cache"), None
    if listing is None:
        pictures = originals.rendered(kept, args.count, args.seed, resolution, progress)
        others = originals.rendered(kept, args.count, args.seed + 1, resolution, progress)
    else:
        everything = originals.read(kept, listing[:2 * args.count], resolution, progress)
        pictures, others = split(everything, args.count)
        if known is not None:
            pictures = dataclasses.replace(pictures, source=Path(args.labels).name,
                                           attributes=labels.of(known, pictures.files, args.labels))
    count = len(pictures.pictures)
    sizes = Sizes(**{name: min(getattr(args, name), count) if name in ("count", "optimised", "ablated") else
                     getattr(args, name) for name in FULL}, inversion_batch=args.inversion_batch_size)
    found, told = load_boundaries(args, networks)
    if judge is not None and features_key == judge.key:
        told.append("In-domain inversion is optimised with features of the network that measures the FD, which favours "
                    "it there; SWD and MSE know nothing of that network.")
    about = {"Pictures": pictures.about,
             "Encoders": ", ".join(f"{role}: {each.name}" for role, each in networks.items()),
             "Distance": judge.about if judge else "none: no feature network was given",
             "Features of in-domain inversion": said, "Seed": str(args.seed),
             "notes": [*missing.values(), *notes, *told, *pictures.notes]}
    return Bench(store=kept, originals=pictures, others=others, networks=networks, missing=missing, features=features,
                 features_key=features_key, feature_weight=weight, judge=judge, boundaries=found, sizes=sizes,
                 seed=args.seed, progress=progress), about


def split(everything, count):
    """The first `count` pictures, and as many of the rest or None."""
    def part(first, last, about):
        return dataclasses.replace(everything, pictures=everything.pictures[first:last],
                                   files=everything.files[first:last],
                                   key=[everything.key, first, last], about=about)
    total = len(everything.pictures)
    if total < 2:
        raise InputError("expected at least two pictures")
    count = min(count, total)
    about = everything.about.replace(f"{total} pictures", f"{count} pictures", 1)
    return part(0, count, about), part(count, total, about) if total > count else None


def load_networks(paths):
    """({role: Networks}, notes). InputError where a file lacks encoder or generator, or sizes differ."""
    from tf_idinvert import checkpoint
    from tf_idinvert.evaluation.papers import methods
    from tf_idinvert.files import digests
    from tf_idinvert.formats.weights import export_arrays
    networks, generators, sizes = {}, set(), {}
    for role, path in paths.items():
        models = checkpoint.load(path, only=("encoder", "generator"))
        if models.encoder is None or models.generator is None:
            raise InputError(f"{path}: holds no {'encoder' if models.encoder is None else 'generator'}")
        generator = models.generator
        networks[role] = methods.Networks(Path(path).name, digests.file_digest(path), models.encoder, generator)
        generators.add(digests.digest([digests.array_digest(each) for each in export_arrays(generator).values()]))
        sizes[generator.resolution, generator.num_layers, generator.dlatent_size] = path
    if len(sizes) > 1:
        raise InputError("the encoders' networks are of unlike sizes: " + "; ".join(
            f"{path}: {size[0]} px, {size[1]} layers of {size[2]}" for size, path in sizes.items()))
    return networks, [] if len(generators) == 1 else [
        "The encoders' files hold different generators: each was used with its own."]


def load_judge(args, resolution, is_portraits):
    """(attribute network or None, measures.Judge or None)"""
    import tensorflow as tf

    from tf_idinvert import checkpoint
    from tf_idinvert.evaluation.measures import Judge
    from tf_idinvert.files.digests import file_digest
    path, network = args.attributes, None
    if path is None and is_portraits and (embedded.CHECKPOINTS / embedded.ATTRIBUTES).is_file():
        path = embedded.attributes_path()
    if path is not None:
        network = checkpoint.load(path, only=("attributes",)).attributes
        if network is None or network.resolution != resolution:
            raise InputError(f"{path}: holds no attribute network" if network is None else
                             f"{path}: for pictures of {network.resolution} px; the generator's have {resolution}")
    score = network and tf.function(network.predict_attributes, reduce_retracing=True)
    binary = network.binary if network else ()
    key = " ".join(file_digest(each) for each in (path, args.inception) if each)
    if args.inception:
        from tf_idinvert.networks.inception import InceptionFeatures
        return network, Judge("FID", f"Inception, Keras' weights {Path(args.inception).name}, 2048 pooled features, "
                              "pictures resized to 299 px (bilinear)",
                              tf.function(InceptionFeatures(args.inception), reduce_retracing=True), score, binary, key)
    if network is None:
        return None, None
    return network, Judge("FD", f"the embedding of the attribute network {Path(path).name} (not comparable with FID)",
                          tf.function(network.embedding, reduce_retracing=True), score, binary, key)


def load_features(args, attributes, judge, resolution, log):
    """(F or None, what tells it from others, lambda_vgg, what it is)"""
    from tf_idinvert import features as network
    from tf_idinvert.files.digests import file_digest
    from tf_idinvert.losses import feature_weight
    given = args.features
    if given == "none" or args.loss_weight_feat == 0:
        return None, "none", 0.0, "none, as asked"
    if given is None and attributes is not None:
        weight = feature_weight(attributes.features, args.loss_weight_feat)
        return attributes.features, judge.key, weight, f"the attribute network's convolutions, weight {weight:g}"
    try:
        features = network.load(given or "imagenet", resolution)
        weight = feature_weight(features, args.loss_weight_feat)
        if given in (None, "imagenet"):
            return features, "imagenet", weight, f"VGG16, ImageNet weights, block4_conv3, weight {weight:g}"
        return features, file_digest(given), weight, f"{Path(given).name}, weight {weight:g}"
    except network.FeaturesError as error:
        if given:
            raise
        log.warning("warning: in-domain inversion without the feature term: %s", error)
        return None, "none", 0.0, f"none: {error}"


def load_boundaries(args, networks):
    """({name: Boundary}, notes)"""
    from tf_idinvert import boundaries
    if args.boundaries is None:
        try:
            paths = embedded.boundary_paths()
        except embedded.EmbeddedError as error:
            return {}, [f"No manipulations: {error}"]
    else:
        paths = {path.stem: path for path in boundaries.files(args.boundaries)}
        if not paths:
            raise InputError(f"{args.boundaries}: holds no boundaries (.npz or .npy)")
    generator, found, notes = next(iter(networks.values())).generator, {}, []
    for name, path in paths.items():
        try:
            found[name] = boundaries.read(path).for_network(generator.num_layers, generator.dlatent_size)
        except boundaries.BoundaryError as error:
            if args.boundaries:
                raise InputError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
            notes.append(f"Boundary {path.name} left out: {error}")
    return found, notes


# ------------------------------------------------------------------------------------------------- measuring

def measure(args, bench, photographs, folder, results, log):
    """Measure the parts that were asked for, into `results`; others are shown where they are known already."""
    from tf_idinvert.evaluation import tables
    from tf_idinvert.evaluation.papers import figures
    from tf_idinvert.evaluation.papers.methods import Missing
    compute, key = parts(photographs), everything(bench, photographs)
    for name in PARTS:
        began = time.perf_counter()

        def fill(entry):
            part = compute[name](bench)
            for array, values in part.arrays.items():
                entry.create(array, values.shape, values.dtype)[...] = values
            return tables.plain({"numbers": part.numbers, "tables": [vars(table) for table in part.tables]})

        try:
            entry = bench.store.known(f"part-{name}", [name, key])
            if entry is None and name in args.parts:
                entry = bench.store.entry(f"part-{name}", [name, key], fill)
                log.info("%s: %.0f s", name, time.perf_counter() - began)
        except Missing as error:
            results[name] = {"missing": str(error)}
            log.warning("%s: %s", name, error)
            continue
        if entry is not None:
            numbers = entry.numbers["numbers"]
            results[name] = {"numbers": numbers, "tables": [tables.Table(**each) for each in entry.numbers["tables"]],
                             "figures": figures.draw(name, numbers, entry.arrays(), folder / "figures")}


def parts(photographs):
    """{name: function, Bench -> Part}"""
    from tf_idinvert.evaluation.papers import diffusion, figure3, figure9, figure10, figures5_7, table1, table2
    return {"table1": table1.in_domain, "table1-force": table1.force_in_domain,
            "table2": table2.table, "figure3": figure3.precision_recall, "figures5-7": figures5_7.alignment,
            "figure9": figure9.ablation, "diffusion": diffusion.diffusion,
            "figure10": lambda bench: figure10.out_of_domain(bench, photographs)}


def everything(bench, photographs):
    """What the numbers of a part follow from, for the store."""
    from tf_idinvert.evaluation.papers import methods as benches
    from tf_idinvert.files.digests import array_digest, file_digest
    originals = bench.originals
    labelled = originals.attributes if originals.files and originals.attributes else {}
    return [benches.VERSION, benches.PARTS, dataclasses.asdict(bench.sizes), bench.seed,
            originals.key, originals.about, *([name, array_digest(each)] for name, each in labelled.items()),
            {role: each.sha256 for role, each in bench.networks.items()}, bench.missing,
            bench.judge and [bench.judge.key, bench.judge.about], bench.features_key, bench.feature_weight,
            {name: [array_digest(each.normal), each.layers] for name, each in bench.boundaries.items()},
            [file_digest(path) for _, path in photographs if Path(path).is_file()]]


def write(args, folder, about, results, reasons, log):
    """All files but the figures, from what is known by now."""
    from tf_idinvert.evaluation.papers import claims, writing
    measured = {name: part["numbers"] for name, part in results.items() if "missing" not in part}
    absent = {name: part["missing"] for name, part in results.items() if "missing" in part}
    absent.update({name: "stopped before" for name in args.parts if name not in results})
    rows = claims.decide(measured, absent, reasons)
    title = f"{TITLE} (quick: too few pictures to decide)" if args.quick else TITLE
    writing.write(folder, title, about, results, rows, claims.table(rows))
    log.info("%d of %d parts -> %s", len(measured), len(PARTS), folder / "index.html")


if __name__ == "__main__":
    command.run(main)
