"""Tune the generator to inverted pictures, so that it draws them exactly.

Pivotal tuning (Roich et al. 2021): the codes stay, the weights of the synthesis network move.

    python tools/tune.py results/inversion/photographs                  # with the model that inverted them
    python tools/tune.py network.pkl results/inversion/anna --together  # one generator for all pictures of a person
    python tools/tune.py network.pkl photographs/ --tune 200 --locality 0.1
    python tools/tune.py                                                # the embedded model, on rendered portraits
    python tools/manipulate.py network.pkl results/inversion/photographs smile.npz --tuned \\
        results/inversion/photographs/tuned

The pictures are a folder that invert.py wrote, or pictures, which are inverted first, into OUTPUT/inversion/. Writes to
the output folder, for every picture NAME, NAME.h5 (with --together: together.h5 alone), what was added to the weights,
as float16, for the option --tuned of the other tools; it fits that model alone. And NAME_tun.png, what it draws;
tuning.html with all of them before and after; tuning.json and tuning.log. A run that was stopped goes on. Expect some
ten to twenty seconds a picture with the embedded model on two processor cores.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import command, inversion_options, loading, tuning_options
from tf_idinvert.errors import InputError
from tf_idinvert.files import results

STEPS, DEFAULT = 350, "results/tuning"


def parse_arguments(argv):
    parser = command.parser(__doc__)
    command.add_model_arguments(parser, f"{inversion_options.EDITING_MODEL_HELP}, or the one that wrote the results")
    parser.add_argument("image_dir", nargs="?", help=inversion_options.FOLDER_HELP)
    tuning_options.add_tuning_options(parser.add_argument_group("tuning"), STEPS)
    inversion_options.add_editing_options(parser, f"FOLDER OF INVERSION/{tuning_options.FOLDER}, or {DEFAULT}")
    args = parser.parse_intermixed_args(argv)
    if args.image_dir is None and args.model_path is not None and results.is_results(args.model_path):
        args.image_dir, args.model_path = args.model_path, None
        use_its_model(args)
    return inversion_options.completed(parser, args, image_dir=("portraits", 4))


def use_its_model(args):
    """Take the model with which the results were made, as their options.json has it."""
    path = Path(args.image_dir) / results.OPTIONS
    try:
        record = results.read_options(path)
        model, arguments = record["model"], record.get("arguments", {})
        files, activation = arguments.get("model"), arguments.get("final_activation")
    except (InputError, KeyError, AttributeError):
        raise InputError(f"{path}: does not say with which model these were inverted; give it as the first "
                         "argument") from None
    if not isinstance(model, str) or files is not None and not (
            isinstance(files, list) and files and all(isinstance(each, str) for each in files)):
        raise InputError(f"{path}: names no model; give it as the first argument")
    args.model_path, args.model = model, files
    args.final_activation = args.final_activation or (activation if activation in command.FINAL_ACTIVATIONS else None)


def main(argv=None):
    args = parse_arguments(argv)
    command.choose_device(args.gpu_id)
    inputs = inversion_options.Inputs([args.image_dir])
    default = Path(args.image_dir) / tuning_options.FOLDER if results.is_results(args.image_dir) else DEFAULT
    folder = Path(args.output_dir or default)
    log = command.open_log(folder / "tuning.log")

    command.import_tensorflow(trains=True)
    from tf_idinvert import checkpoint
    models = loading.load_models(args, only=inputs.networks())
    checkpoint.require(models, args.model_path, "generator")
    features, note = inversion_options.load_features(args, log, models.generator.resolution)
    tuner = tuning_options.make_tuner(args, models, log, features, note)
    (found,), complete = inputs.inverted(args, models, folder, log)
    tuner(found, folder)
    log.info(tuning_options.advice(folder))
    return 0 if complete else 1
