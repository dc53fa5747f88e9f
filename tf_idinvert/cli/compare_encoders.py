"""Compare encoders on held-out rendered portraits.

The comparison covers reconstructions, attributes and codes.

    python tools/compare_encoders.py                                    # the encoders of the repository
    python tools/compare_encoders.py runs/a/network.h5 runs/b/network.h5 --seed 2000 -o results/again

Every file holds an encoder and its generator. Writes to the output folder: encoders.md and encoders.json (one row per
encoder and one row without encoder for comparison; error, sliced Wasserstein distance, agreement of attributes; for the
codes the Fréchet distance to mapped codes, outliers and the nearest-neighbour test), and encoders.png (originals, and
below them the reconstructions of every encoder). 500 portraits of 64 px take a minute for four encoders.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError
from tf_idinvert.files import locks
from tf_idinvert.files.digests import file_digest
from tf_idinvert.files.printing import say
from tf_idinvert.portraits import embedded

ENCODERS = ("traditional", "in-domain", "in-domain-nobn", "force-in-domain")       # of the repository
LONGEST = 20000             # limit of portraits, because all pairs of their codes are compared


def parse_arguments(argv):
    parser = command.parser(__doc__)
    parser.add_argument("models", nargs="*", help="network files with encoder and generator, FILE,FILE for two that "
                        "make one set; default: "
                        f"the existing ones of checkpoints/portraits64-NAME.h5, NAME being {', '.join(ENCODERS)}")
    parser.add_argument("--attributes", help="network file with an attribute network of the same resolution; default: "
                        f"checkpoints/{embedded.ATTRIBUTES}")
    parser.add_argument("--count", type=command.number(int, 20, LONGEST), default=500, help="portraits (500)")
    parser.add_argument("--seed", type=command.number(int, 0, 2 ** 31 - 2), default=embedded.SEED,
                        help="seed of portraits and z; "
                        f"must differ from the trainings' --data-seed ({embedded.SEED})")
    parser.add_argument("--output_dir", "-o", default="results/encoders", help="(results/encoders)")
    parser.add_argument("--gpu_id", default="0", help="CUDA_VISIBLE_DEVICES (0)")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_arguments(argv)
    paths = [Path(path) for path in args.models] or embedded_encoders()
    attributes_path = args.attributes or embedded.attributes_path()
    command.choose_device(args.gpu_id)
    folder = Path(args.output_dir)
    locks.claim(folder)
    command.import_tensorflow()
    from tf_idinvert.evaluation import loading
    from tf_idinvert.evaluation.quality import encoders, encoders_page
    network = loading.load_portraits_attributes(attributes_path)
    paths = dict(zip(labels(paths), paths))
    sets = {name: load_set(path, network.resolution) for name, path in paths.items()}
    numbers, shown = encoders.assess(sets, network, args.count, args.seed)
    result = {"count": args.count, "seed": args.seed, "resolution": network.resolution, "range": [-1, 1],
              "sha256": {name: ", ".join(map(file_digest, command.files_of(str(path))))
                         for name, path in {**paths, "attributes": attributes_path}.items()},
              "encoders": numbers}
    encoders_page.write(folder, result, network)
    encoders_page.draw_sheet(folder / "encoders.png", shown)
    say(f"-> {folder / 'encoders.md'}")


def embedded_encoders():
    """Return the paths of the repository's encoders that exist; InputError if none does."""
    paths = [embedded.CHECKPOINTS / f"portraits64-{name}.h5" for name in ENCODERS]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise InputError(f"{paths[0]}: not found, nor any other encoder of the repository; give network files")
    return found


def labels(paths):
    """Return different names for the files: file names, preceded by the folder's name where file names are equal."""
    names = [", ".join(Path(each).name for each in command.files_of(str(path))) for path in paths]
    names = [f"{path.absolute().parent.name}/{name}" if names.count(name) > 1 else name
             for name, path in zip(names, paths)]
    for name, path in zip(names, paths):
        if names.count(name) > 1:
            raise InputError(f"{path}: given twice, or another file has the same name and folder name")
    return names


def load_set(path, resolution):
    """Return (encoder, generator) of a file; InputError if they are for pictures of another size."""
    from tf_idinvert.evaluation import loading
    names = "encoder", "generator"
    found = loading.load(command.files_of(str(path)), *names)
    for name, network in zip(names, found):
        if network.resolution != resolution:
            raise InputError(f"{path}: the {name} is for pictures of {network.resolution} px; the attribute network's "
                             f"have {resolution}")
    return found
