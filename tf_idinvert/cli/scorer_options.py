"""The options that say who scores pictures, and from them a `scoring.Scorer`."""
from __future__ import annotations

from tf_idinvert.errors import InputError
from tf_idinvert.portraits import embedded

RANGES = ("-1..1", "0..1", "0..255")        # of `scoring.RANGES`, which would import TensorFlow


def add(parser, default="of the embedded model its own, else nobody scores"):
    """Add the options; `default` says who scores where none is given."""
    scorers = parser.add_mutually_exclusive_group()
    scorers.add_argument("--attributes", help=f"network file with an attribute network; default: {default}")
    scorers.add_argument("--classifier", nargs="+", metavar="FILE", help="files of one classifier each, such as "
                         "celebahq-classifier-31-smiling.pkl; an attribute is named after its file")
    scorers.add_argument("--scorer", metavar="FILE", help="Keras model, .h5, .keras or SavedModel, that maps pictures "
                         "to scores; Lambda layers are refused")
    parser.add_argument("--score_names", help="names of the --scorer's scores, such as age,smile (the file's name)")
    parser.add_argument("--score_range", choices=RANGES, default="-1..1", help="of the pixels that the --scorer takes "
                        "(-1..1)")


def load(args, resolution=None, probabilities=True):
    """The scorer that the arguments ask for; None where none is given and the model is not an embedded one.

    Args:
        args: with `model_path`, or without it: then the embedded attribute network is the default.
        resolution: of the pictures, for Keras models that leave it open.
        probabilities: binary attributes of attribute networks as probabilities.
    """
    from tf_idinvert import checkpoint, classifiers, scoring
    if args.classifier:
        network = classifiers.load(args.classifier)
        return scoring.Scorer(network, network.names, network.resolution, network.read)
    if args.scorer:
        names = [name.strip() for name in args.score_names.split(",")] if args.score_names else None
        return scoring.of_keras(args.scorer, names, args.score_range, resolution)
    if args.score_names:
        raise InputError("--score_names belongs to --scorer")
    path = args.attributes or _embedded(getattr(args, "model_path", None))
    if path is None:
        return None
    models = checkpoint.load(path, only=("attributes",))
    checkpoint.require(models, path, "attributes")
    return scoring.of_attributes(models.attributes, probabilities)


def _embedded(model_path):
    """The embedded attribute network, if the model is an embedded one or none is named; else None."""
    return embedded.attributes_path() if model_path is None else embedded.attributes_for(model_path)
