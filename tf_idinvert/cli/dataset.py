"""Make sets of training pictures, and unpack them.

TFRecords in the original's format, from rendered portraits, pictures, LSUN or CelebA, and back.

    python tools/dataset.py portraits sets/portraits64 --count 40000 --seed 1      # rendered, with their attributes
    python tools/dataset.py pack photographs/ sets/photographs --resolution 256    # a folder (or list) of pictures
    python tools/dataset.py pack pictures.npy sets/pictures                        # uint8 [N, R, R, C]; or TFRecords
    python tools/dataset.py lsun bedroom_train_lmdb/ sets/bedroom --resolution 256 --count 100000
    python tools/dataset.py celeba img_align_celeba/ sets/celeba                   # 128 px around the faces
    python tools/dataset.py extract sets/photographs photographs256/               # back to PNG files

A set is a folder with NAME-rXX.tfrecords (one file for each resolution 2^XX down to 4; features `shape` and `data`),
NAME-labels.npy (float32 [N, A]) with the names of the labels in NAME-labels.json, and set.json; train.py takes it as
--data. Labels beside the source (NAME-labels.npy, or labels.npy in a folder of pictures) are kept in both directions. A
folder without pictures of its own has a class for each of its sub folders, or as its dataset.json says (the form of
StyleGAN2-ADA). Pictures are cropped to their centre and resized with antialiasing; unreadable pictures are reported and
left out. The same command resumes an interrupted run and writes the same files.
"""
from __future__ import annotations

import os
import sys

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError
from tf_idinvert.files.printing import say
from tf_idinvert.files.progress import progress, say_above

RESOLUTIONS = (16, 32, 64, 128, 256)


def parse_arguments(argv):
    parser = command.parser(__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    portraits = verbs.add_parser("portraits", help="render portraits -> TFRecords")
    portraits.add_argument("--count", type=command.number(int, 1), default=40000, help="number of portraits (40000)")
    portraits.add_argument("--seed", type=command.number(int, 0, 2 ** 31 - 1), default=1,
                           help="seed of the portraits (1)")
    portraits.add_argument("--resolution", type=int, choices=RESOLUTIONS, default=64, help="side in pixels (64)")
    pack = verbs.add_parser("pack", help="pictures, or an existing set -> TFRecords")
    pack.add_argument("input", help="folder of pictures, text list with one path per line, .npy file of uint8 "
                      "[N, R, R, C], or TFRecords: their folder, or FOLDER/NAME")
    _add_published(verbs)
    extract = verbs.add_parser("extract", help="TFRecords, or a .npy file -> PNG files")
    extract.add_argument("input", help="folder of TFRecords, FOLDER/NAME of them, or .npy file")
    for verb in pack, extract:
        verb.add_argument("--resolution", type=command.number(int, 4), default=None,
                          help="side in pixels; required for pictures (the largest "
                          "resolution of the set)")
    by_option = _by_option(sys.argv[1:] if argv is None else argv)
    for verb in verbs.choices.values():
        if not by_option:
            verb.add_argument("output", help="folder of the set, or of the PNG files")
        verb.add_argument("--output_dir", "-o", "--output", dest="output" if by_option else "output_dir",
                          help="the same as an option, as the other tools have it")
        verb.add_argument("--processes", type=command.number(int, 1), default=os.cpu_count() or 1,
                          help="number of parallel processes (number of CPUs)")
    return parser.parse_args(argv)


def _by_option(argv):
    """Whether the output folder is given by an option; with an optional argument, argparse would misread the others."""
    return any(command.given(argv, each) for each in ("--output_dir", "--output")) or any(
        each.startswith("-o") for each in map(str, argv))


def _add_published(verbs):
    """Add the verbs for published sets, with the names and defaults of the original's tool."""
    lsun = verbs.add_parser("lsun", help="a category of LSUN -> TFRecords")
    lsun.add_argument("input", help="folder of the unpacked LMDB database, with data.mdb; needs lmdb: "
                      "pip install 'tf_idinvert[lsun]'")
    lsun.add_argument("--resolution", type=command.number(int, 4), default=256, help="side in pixels (256)")
    lsun.add_argument("--count", "--max_images", type=command.number(int, 1), help="only the first so many (all)")
    celeba = verbs.add_parser("celeba", help="CelebA's aligned pictures -> TFRecords of 128 px")
    celeba.add_argument("input", help="folder of the aligned pictures, 178 x 218: img_align_celeba")
    for name, limits, centre in (("--cx", (64, 114), 89), ("--cy", (64, 154), 121)):
        celeba.add_argument(name, type=command.number(int, *limits), default=centre,
                            help=f"centre of the square of 128 px ({centre})")


def main(argv=None):
    args = parse_arguments(argv)
    command.import_tensorflow()
    from tf_idinvert.data import packing
    source = make_source(args)
    convert = packing.unpack if args.verb == "extract" else packing.pack
    with progress(len(source), args.verb, unit="img") as bar:
        count, left_out = convert(source, args.output, args.processes, progress=bar.update,
                                  report=say_above)
    say(f"{count} of {len(source)} pictures, {source.resolution} x {source.resolution} -> {args.output}")
    return 1 if left_out else 0


def make_source(args):
    """Return what the verb reads, see `packing`."""
    from tf_idinvert.data import celeba, lsun, packing, pipeline
    if args.verb == "portraits":
        return packing.Portraits(args.count, args.seed, args.resolution)
    if args.verb == "lsun":
        return lsun.Lsun(args.input, args.resolution, args.count)
    if args.verb == "celeba":
        return celeba.CelebA(args.input, args.cx, args.cy)
    resolution = args.resolution or pipeline.largest_resolution(args.input)
    if resolution is None:
        raise InputError(f"{args.input}: --resolution is needed for pictures, such as --resolution 256")
    return packing.Pictures(args.input, resolution)
