"""Measure the tables and figures of both papers.

It measures all methods on the same held-out pictures and decides every claim of the papers.

    python tools/evaluate.py --quick                    # 2 minutes, to check that it runs; too few pictures to decide
    python tools/evaluate.py                            # the embedded portraits networks, 12 minutes on two cores
    python tools/evaluate.py --encoders styleganinv_face_256.pkl --images photographs/ \
        --inception pt_inception-2015-12-05-6726825d.pth --lpips vgg.pth vgg16-397923af.pth
    python tools/evaluate.py --encoders encoder.h5 --images photographs/ --labels labels.csv --boundaries boundaries/
    python tools/evaluate.py --world wild -o results/wild --beside results/evaluation     # hours; both worlds' claims

Encoders are given as ROLE=FILE, where FILE holds an encoder and its generator, and ROLE is in-domain, in-domain-nobn
(without batch norm), force-in-domain or traditional; without ROLE=, a role in the file's name counts, else in-domain.
Two files that make one set are given as ROLE=FILE,FILE: in-domain=generator.pth,encoder.pth.
Without --images, the tool renders held-out portraits, whose attributes are known. --world wild takes the wild portraits
and their networks instead. There the FD is that of a network that no method minimises, and beside it that of the
attribute network; and MSE-based optimisation has pixels and features, with 35 times the steps of in-domain inversion.
If something is missing (an encoder, boundaries, ...), the log and the rows of the tables say so.

Writes to the output folder: index.html (all results on one page), tables.md, tables.json, figures/*.png, and cache/
with the inversions of every method and the numbers of every part. An interrupted run resumes from the cache, and a new
run computes only what has changed. All numbers except seconds are reproducible from the seed. With --strategy
multi-worker, each machine of TF_CONFIG makes a part of the inversions; the first one waits for them and measures.

Parts: table1 and table1-force (reconstruction), table2 (edits), figure3 (attributes in codes), figures5-7 (codes
and W), figure9 (the weight of the domain term), figure10 (out of the domain), diffusion; with
--identity also whether faces stay the same persons.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from tf_idinvert.cli import command, devices
from tf_idinvert.errors import InputError
from tf_idinvert.evaluation.papers import PARTS
from tf_idinvert.files.progress import progress
from tf_idinvert.portraits import embedded

TITLE = "In-domain and force-in-domain GAN inversion, measured"
ROLES = ("force-in-domain", "in-domain-nobn", "in-domain", "traditional")       # longer names before their beginnings
FULL = dict(count=500, optimised=100, steps=100, mse_steps=500, ablated=24, diffused=16, codes=1000, projected=500)
WILD = dict(FULL, optimised=50, mse_steps=3500)     # the papers' ratio of time: 290 s against 8 s
QUICK = dict(count=40, optimised=8, steps=40, mse_steps=100, ablated=4, diffused=4, codes=100, projected=100)
HELP = {"count": "number of held-out pictures", "optimised": "number of them for methods that optimise",
        "steps": "steps of in-domain inversion", "mse_steps": "steps of MSE-based optimisation",
        "ablated": "pictures for λ_dom 0 and 40", "diffused": "pairs for semantic diffusion",
        "codes": "codes of W, for comparing distributions", "projected": "number of these codes for t-SNE"}


def parse_arguments(argv):
    parser = command.parser(__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="few pictures and steps")
    add("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help="(all)")
    add("--world", choices=("portraits", "wild"), default="portraits", help="which rendered portraits (portraits)")
    add("--encoders", nargs="+", metavar="[ROLE=]FILE[,FILE]", help="(checkpoints/portraits64-ROLE.h5; --world wild: "
        "checkpoints/training/wild64-ROLE.h5, and likewise all other files)")
    command.add_final_activation(add)
    add("--images", help="pictures: a folder, a text list or one picture (rendered portraits)")
    add("--labels", help="attributes of --images, for figure3: CSV file, first line 'picture,NAME,...', then the file "
        "name and the numbers of a picture per line; NAME as in --boundaries (scores of the attribute network)")
    add("--attributes", help="attribute network, which scores attributes and gives the embedding for the FD "
        "(for portraits: checkpoints/portraits64-attributes.h5)")
    add("--judge", help="second network of `train.py --method attributes` to compute the FD with; its features should "
        "not be those that a method minimises (the network of --attributes)")
    add("--inception", metavar="FILE", help="compute FID in place of the attribute network's FD: pytorch-fid's "
        "pt_inception-2015-12-05-6726825d.pth gives values comparable with published ones, Keras' InceptionV3 'notop' "
        "weights (.h5) values that compare only with each other")
    command.add_lpips_option(add, "a column of Table 1; with --features lpips also the feature network")
    add("--identity", metavar="FOLDER", help="face embedding, a graph model of TensorFlow.js such as faceres of the "
        "npm package @vladmandic/human: adds the cosine of every picture, inverted and edited, with its original")
    command.add_features_option(add, "that of --attributes, without one imagenet")
    parser.add_argument("--loss_weight_feat", type=command.number(float, 0),
                        help="lambda_vgg, weight of the feature term (attribute network: 20, VGG16: 5e-5, LPIPS: 0.8)")
    add("--boundaries", help="folder of NAME.npz or NAME.npy (checkpoints/boundaries)")
    add("--photographs", help="pictures for figure10, in addition to drawn scenes: a folder, a list or one picture")
    add("--reasons", help="JSON file {name of a claim: reason why it does not hold}, names as in tables.json "
        f"(checkpoints/{embedded.REASONS} for the embedded networks without --quick)")
    add("--beside", metavar="FOLDER", help="output folder of another evaluation, whose claims are shown beside these")
    parser.add_argument("--baseline_features", action=argparse.BooleanOptionalAction, help="whether MSE-based "
                        "optimisation has the feature term too, as in Image2StyleGAN (--world wild: yes, else no)")
    for name, what in HELP.items():
        parser.add_argument(f"--{name}", type=command.number(int, 2),
                            help=f"{what} ({FULL[name]}; --quick: {QUICK[name]})")
    parser.add_argument("--inversion_batch_size", type=command.number(int, 1), default=4,
                        help="pictures optimised together (4)")
    add("--seed", type=command.number(int, 0, 2 ** 31 - 2), default=1000, help="seed of all random numbers (1000)")
    parser.add_argument("--output_dir", "-o", default="results/evaluation", help="output folder (results/evaluation)")
    devices.add(parser.add_argument)
    return _completed(parser, parser.parse_args(argv))


def _completed(parser, args):
    """Fill in defaults that depend on other arguments."""
    if args.world != "portraits" and args.images:
        parser.error(f"--world {args.world}: only without --images")
    if args.baseline_features is None:
        args.baseline_features = args.world == "wild"
    for name, value in (QUICK if args.quick else WILD if args.world == "wild" else FULL).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    return args


def main(argv=None):
    args = parse_arguments(argv)
    devices.choose(args)
    listing, photographs, reasons, known = given_files(args)
    beside = claims_beside(args)
    paths, missing = encoder_paths(args)
    folder, worker = Path(args.output_dir), devices.worker_of(args)
    log = devices.open_log(folder / "evaluate.log", worker)
    for reason in missing.values():
        log.warning("%s", reason)

    command.import_tensorflow()
    with devices.scope(args):
        bench, about = make_bench(args, paths, missing, listing, known, log)
        if worker.count > 1:
            from tf_idinvert.evaluation.papers import shares
            if not shares.inverted(bench, worker, [*args.parts, *["identity"] * bool(bench.faces)], log):
                return 1 if bench.originals.left_out else 0
        return measure(args, bench, about, photographs, (reasons, beside), folder, log)


def measure(args, bench, about, photographs, beside_claims, folder, log):
    """Measure the parts and write their numbers; return the exit status.

    `beside_claims`: reasons and other claims, to be shown beside the claims; see `parts.write`.
    """
    from tf_idinvert.evaluation.papers import figure10, parts
    for note in filter(lambda note: "left out: " in note, bench.originals.notes):
        log.error("%s", note)
    readable = list(figure10.readable(photographs, log))
    title = f"{TITLE} (quick: too few pictures to decide)" if args.quick else TITLE
    results = {}
    try:
        parts.measure(bench, args.parts, readable, folder, results, log)
    finally:        # also after Ctrl-C: keep the finished parts
        if results:
            done = parts.write(folder, title, about, results, args.parts, *beside_claims)
            log.info("%d of %d parts -> %s", done, len(PARTS), folder / "index.html")
    return 1 if bench.originals.left_out or len(readable) < min(len(photographs), figure10.PHOTOGRAPHS) else 0


def given_files(args):
    """Check the files first; return (listing of --images or None, of --photographs, {claim: reason}, labels or None).
    """
    from tf_idinvert.evaluation.papers import labels
    from tf_idinvert.files import finding, texts
    if args.labels and not args.images:
        raise InputError("--labels: only with --images; the attributes of rendered portraits are known")
    reasons, path, own = {}, args.reasons, embedded.files_of(args.world).reasons
    if path is None and args.encoders is None and not args.quick and own.is_file():
        path = own
    if path:
        reasons = texts.read_json(path, "a JSON object of texts")
        if not isinstance(reasons, dict) or not all(isinstance(each, str) for each in reasons.values()):
            raise InputError(f"{path}: expected a JSON object of texts")
    return (finding.listing([args.images]) if args.images else None,
            finding.listing([args.photographs]) if args.photographs else [], reasons,
            labels.read(args.labels) if args.labels else None)


def claims_beside(args):
    """Return (name of the folder, its decided claims) of --beside; None without."""
    from tf_idinvert.files import texts
    if not args.beside:
        return None
    path, needed = Path(args.beside) / "tables.json", "--beside needs the folder of an evaluation"
    tables = texts.read_json(path, f"claims; {needed}")
    try:
        return Path(args.beside).name, {row["name"]: (row["ours"], row["holds"]) for row in tables["claims"]}
    except (KeyError, TypeError):
        raise InputError(f"{path}: holds no claims; {needed}") from None


def encoder_paths(args):
    """Return ({role: files of its set}, {role: reason why it is missing})."""
    if args.encoders is None:
        paths = {role: embedded.files_of(args.world).network(role) for role in ROLES}
        missing = {role: f"{path.name} is not there" for role, path in paths.items() if not path.is_file()}
        if len(missing) == len(paths):
            raise InputError(f"{next(iter(paths.values())).parent}: holds none of "
                             f"{', '.join(path.name for path in paths.values())}; give --encoders")
        return {role: [path] for role, path in paths.items() if role not in missing}, missing
    paths = {}
    for given in args.encoders:
        role, _, path = given.partition("=")
        if not path or role not in ROLES:
            role, path = next((each for each in ROLES if each in Path(given).name), "in-domain"), given
        if role in paths:
            raise InputError(f"--encoders: {', '.join(paths[role])} and {path} are both {role}; say ROLE=FILE, ROLE "
                             f"one of {', '.join(ROLES)}, or FILE,FILE if they make one set")
        paths[role] = command.files_of(path)
    return paths, {role: f"no {role} encoder was given" for role in ROLES if role not in paths}


def make_bench(args, paths, missing, listing, known, log):
    """Return (Bench, {label: text} about the evaluation) for the arguments."""
    from tf_idinvert.evaluation import loading, store
    from tf_idinvert.evaluation.identity import Embedding
    from tf_idinvert.evaluation.papers import labels
    from tf_idinvert.evaluation.papers.bench import Bench
    from tf_idinvert.evaluation.papers.methods import Sizes
    from tf_idinvert.evaluation.papers.originals import load
    from tf_idinvert.portraits import wild
    faces = Embedding(args.identity) if args.identity else None     # first, for a mistyped path
    networks, notes = loading.load_networks(paths, args.final_activation)
    generator = next(iter(networks.values())).generator
    attributes, judge = loading.load_judge(attributes_path(args, listing), args.inception, generator.resolution,
                                           judge_path(args))
    likeness = args.lpips and loading.load_lpips(args.lpips, generator.resolution)
    features, features_key, weight, said = load_features(args, attributes, judge, generator.resolution, log)
    boundaries, remarks = loading.load_boundaries(args.boundaries, generator, args.world)
    kept = store.Store(Path(args.output_dir) / "cache")
    originals, others = load(kept, listing, args.count, args.seed, generator.resolution, progress,
                             *([("wild", wild.sample)] if args.world == "wild" else []))
    if known is not None:
        originals = labels.labelled(originals, known, args.labels)
    if judge is not None and features_key == judge.key:
        remarks.append("In-domain inversion minimises features of the network that measures the FD, which lowers its "
                       "FD; SWD and MSE do not depend on that network.")
    remarks += of_few(judge, min(args.optimised, len(originals.pictures)))
    about = {"Pictures": originals.about,
             "Encoders": ", ".join(f"{role}: {each.name}" for role, each in networks.items()),
             "Distance": judge.about if judge else "none: no feature network was given",
             **({likeness.name: likeness.about} if likeness else {}),
             "Features of in-domain inversion": said, "Seed": str(args.seed),
             "notes": [*missing.values(), *notes, *remarks, *originals.notes]}
    count = len(originals.pictures)
    sizes = Sizes(**{name: min(getattr(args, name), count) if name in ("count", "optimised", "ablated") else
                     getattr(args, name) for name in FULL}, inversion_batch=args.inversion_batch_size)
    return Bench(store=kept, originals=originals, others=others, networks=networks, missing=missing,
                 features=features, features_key=features_key, feature_weight=weight, judge=judge,
                 boundaries=boundaries, sizes=sizes, seed=args.seed, progress=progress, likeness=likeness,
                 faces=faces, baseline_features=args.baseline_features), about


def of_few(judge, count):
    """A note where some FID is of so few pictures that their covariance is singular, in a list; else []."""
    from tf_idinvert.networks.inception import WIDTH
    if judge is None or judge.distance != "FID" or count > WIDTH:
        return []
    return [f"FID of {count} pictures: with {WIDTH} or fewer the covariance of its {WIDTH} features is singular and "
            "the value too large; it compares with values of as many pictures alone, and published ones are mostly of "
            "50,000."]


def attributes_path(args, listing):
    """Return the path of the attribute network: --attributes, else for rendered portraits the embedded one, else None.
    """
    own = embedded.files_of(args.world).network("attributes")
    return own if args.attributes is None and listing is None and own.is_file() else args.attributes


def judge_path(args):
    """Return the path of the network that judges besides the attribute network: --judge, else the world's own, if any.
    """
    own = embedded.files_of(args.world).network("judge")
    return own if args.judge is None and not args.inception and not args.images and own.is_file() else args.judge


def load_features(args, attributes, judge, resolution, log):
    """Return (F or None, its key in the cache, lambda_vgg, description)."""
    from tf_idinvert import features as network
    from tf_idinvert.files.digests import file_digest
    from tf_idinvert.losses import feature_weight
    given = args.features
    if given == "none" or args.loss_weight_feat == 0:
        return None, "none", 0.0, "none, as asked"
    if given == "lpips" and not args.lpips:
        raise InputError("--features lpips: give its files, --lpips HEADS VGG16")
    if given is None and attributes is not None:
        weight = feature_weight(attributes.features, args.loss_weight_feat)
        key = judge.second.key if judge.second else judge.key
        return attributes.features, key, weight, f"the attribute network's convolutions, weight {weight:g}"
    try:
        features = network.load(given or "imagenet", resolution, lpips=args.lpips)
        weight = feature_weight(features, args.loss_weight_feat)
        if given in (None, "imagenet"):
            return features, "imagenet", weight, f"VGG16, ImageNet weights, block4_conv3, weight {weight:g}"
        if given == "lpips":
            return features, " ".join(map(file_digest, args.lpips)), weight, f"LPIPS, weight {weight:g}"
        return features, file_digest(given), weight, f"{Path(given).name}, weight {weight:g}"
    except network.FeaturesError as error:
        if given:
            raise
        log.warning("warning: in-domain inversion without the feature term: %s", error)
        return None, "none", 0.0, f"none: {error}"
