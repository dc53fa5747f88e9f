"""Write networks as a SavedModel that TensorFlow Serving loads as it is: encoding, inversion, sampling, manipulation.

    python tools/export.py                                  # the embedded model and its boundaries
    python tools/export.py network.pkl -o serving/faces --boundaries boundaries/
    python tools/export.py network.h5 -o serving/faces-half --boundaries age.npy smile.npz --float16

Writes serving/NAME/VERSION/ (the version after the highest there, unless --version says which), with requests that
warm a server up, and beside NAME models.config, a list of all models there, and batching_parameters.txt. An attribute
is called as its boundary's file. The README tells how to serve and call it; each signature is described in
tf_idinvert/serving/export.py. Expect half a minute at 64 px and some minutes at 1024 px.
"""
import logging
from pathlib import Path

from tf_idinvert.cli import command, inversion_options
from tf_idinvert.errors import InputError


def parse_arguments():
    parser = command.parser(__doc__)
    add = parser.add_argument
    add("model_path", nargs="?", help="network file: official pickle or ours (.h5); without an encoder it serves less; "
        "default: the embedded model")
    add("--boundaries", nargs="+", help="files of boundaries, and folders of them; default: none, those of the "
        "embedded model if that is exported")
    command.add_option(parser, "--output_dir", "-o", default="", help="default: serving/NAME OF MODEL")
    add("--version", type=command.number(int, 1), default=None, help="default: the one after the highest there, from 1")
    add("--float16", action="store_true", help="store weights in half the bytes (they are read as float32)")
    command.add_option(parser, "--loss_weight_feat", type=command.number(float, 0),
                       help="lambda_vgg of inversion (5e-5; of an attribute network 20)")
    command.add_option(parser, "--loss_weight_enc", type=command.number(float, 0), default=2.0,
                       help="lambda_dom of inversion (2.0)")
    add("--features", help="feature network of inversion: 'imagenet' (VGG16, fetched once), the path of Keras' VGG16 "
        "notop .h5, or 'none'; default: imagenet if it can be had, else none, with a warning")
    return parser.parse_intermixed_args()


def main():
    args = parse_arguments()
    if args.model_path is None:
        from tf_idinvert.portraits import embedded
        args.model_path = embedded.model_path()
        args.boundaries = args.boundaries or embedded.boundary_paths().values()
    found = read_boundaries(args.boundaries or [])
    folder = Path(args.output_dir or Path("serving") / command.title(args.model_path))

    command.import_tensorflow()
    from tf_idinvert import checkpoint
    from tf_idinvert.inversion import InversionOptions
    from tf_idinvert.serving import export, server_files
    logging.getLogger("tensorflow").setLevel(logging.ERROR)      # saving tells of its progress
    log = logging.Logger("export")
    log.addHandler(logging.StreamHandler())
    models = checkpoint.load(args.model_path, only=("encoder", "generator"))
    features = None
    if models.encoder is not None and models.generator is not None:
        features, _ = inversion_options.load_features(args, log, models.generator.resolution)
    options = InversionOptions(feature_weight=args.loss_weight_feat, domain_weight=args.loss_weight_enc)
    written = export.export(models, folder, version=args.version, boundaries=found, features=features, options=options,
                            half=args.float16)
    server_files.write_configs(folder.parent)
    size = sum(path.stat().st_size for path in written.rglob("*") if path.is_file())
    print(f"{written}: {size / 1e6:.1f} MB; attributes: {', '.join(found) or 'none'}")


def read_boundaries(paths):
    """{file name without suffix: Boundary} of files and of folders' .npy and .npz files."""
    from tf_idinvert import boundaries
    files = []
    for path in map(Path, paths):
        inside = boundaries.files(path) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"{path}: no boundaries (.npy, .npz) in this folder")
        files += inside
    found = {path.stem: boundaries.read(path) for path in files}
    if len(found) < len(files):
        raise InputError("boundaries: two files of the same name; an attribute is called as its boundary's file")
    return found


if __name__ == "__main__":
    command.run(main)
