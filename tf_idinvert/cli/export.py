"""Write a SavedModel for TensorFlow Serving.

The model encodes, inverts, samples and manipulates, and TensorFlow Serving can serve it directly.

    python tools/export.py                                  # the embedded model and its boundaries
    python tools/export.py network.pkl -o serving/faces --boundaries boundaries/
    python tools/export.py network.h5 -o serving/faces-half --boundaries age.npy smile.npz --float16

Writes serving/NAME/VERSION/ with warm-up requests, and beside NAME models.config, which lists all models, and
batching_parameters.txt. An attribute has the name of its boundary's file. docs/serving.md explains how to serve and
call the model; tf_idinvert/serving/export.py describes the signatures. The export takes half a minute at 64 px and some
minutes at 1024 px.
"""
from __future__ import annotations

import logging
import time
from pathlib import Path

from tf_idinvert.cli import command, inversion_options, loading
from tf_idinvert.files import locks
from tf_idinvert.files.printing import say


def parse_arguments(argv):
    parser = command.parser(__doc__)
    add = parser.add_argument
    command.add_model_arguments(parser, "network file: official pickle or .h5; without an encoder, the SavedModel "
                                "has fewer signatures; default: the embedded model")
    add("--boundaries", nargs="+", help="files of boundaries, and folders of them (embedded model: its boundaries; "
        "others: none)")
    parser.add_argument("--output_dir", "-o", default="", help="output folder (serving/NAME OF MODEL)")
    add("--version", type=command.number(int, 1), default=None, help="version number (1 + the highest existing one)")
    add("--float16", action="store_true", help="store weights as float16; the server computes in float32")
    parser.add_argument("--label", type=command.number(int, 0), help="class of a network with labels, from 0: `sample` "
                        "draws this class alone and takes no labels (labels are an input of `sample`)")
    inversion_options.add_feature_options(parser)
    parser.add_argument("--loss_weight_enc", type=command.number(float, 0), default=2.0,
                        help="lambda_dom, weight of the domain term of inversion (2.0)")
    return parser.parse_intermixed_args(argv)


def main(argv=None):
    args = parse_arguments(argv)
    from tf_idinvert import boundaries
    if args.model_path is None:
        from tf_idinvert.portraits import embedded
        args.model_path = embedded.model_path()
        args.boundaries = args.boundaries or embedded.boundary_paths().values()
    found = boundaries.read_all(args.boundaries or [])
    folder = Path(args.output_dir or Path("serving") / command.title(args.model_path))

    command.import_tensorflow()
    from tf_idinvert import checkpoint, codes
    from tf_idinvert.inversion import InversionOptions
    from tf_idinvert.serving import export, server_files
    logging.getLogger("tensorflow").setLevel(logging.ERROR)      # saving logs its progress
    log = command.open_log()
    models = loading.load_models(args, only=("encoder", "generator"))
    checkpoint.require(models, args.model_path, "generator")
    codes.check_label(models.generator, args.label)
    features = None
    if models.encoder is not None:
        features, _ = inversion_options.load_features(args, log, models.generator.resolution)
    options = InversionOptions(feature_weight=args.loss_weight_feat, domain_weight=args.loss_weight_enc)
    locks.claim(folder)
    started = time.time()
    log.info("exporting %s: half a minute at 64 px, some minutes at 1024 px", args.model_path)
    written = export.export(models, folder, version=args.version, boundaries=found, features=features, options=options,
                            half=args.float16, label=args.label)
    server_files.write_configs(folder.parent)
    size = sum(path.stat().st_size for path in written.rglob("*") if path.is_file())
    say(f"{time.time() - started:.0f} s -> {written}: {size / 1e6:.1f} MB; attributes: {', '.join(found) or 'none'}")
