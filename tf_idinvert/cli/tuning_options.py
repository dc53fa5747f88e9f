"""What tune.py and invert.py share: the options of pivotal tuning, and from them the finished objects."""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.cli.command import number
from tf_idinvert.errors import InputError

FOLDER = "tuned"        # in a folder of inversion


def add_tuning_options(group, steps):
    """Add the options of pivotal tuning; `steps` is the default of their number, 0 in tools that need not tune."""
    group.add_argument("--tune", type=number(int, 0), default=steps, metavar="STEPS",
                       help=f"steps, at most ({steps or '0: none; published: 350'})")
    group.add_argument("--together", action="store_true", help="one generator for all pictures, such as those of one "
                       "person; default: one for each")
    group.add_argument("--tune_rate", type=number(float, 0, exclusive=True), default=3e-4,
                       help="learning rate of Adam (3e-4)")
    group.add_argument("--stop_loss", type=number(float, 0), default=0.0,
                       help="stop at this loss, pixel and weighted feature term; 0: never (0)")
    group.add_argument("--locality", type=number(float, 0), default=0.0, help="lambda_R, weight of the locality term, "
                       "which keeps the pictures of nearby codes (0; published, where it is on: 0.1)")
    group.add_argument("--locality_distance", type=number(float, 0, exclusive=True), help="alpha, how near, in W "
                       "(the deviation of W; published: 30)")
    group.add_argument("--tune_batch_size", type=number(int, 1), default=4,
                       help="with --together, pictures of a step (4)")


def make_tuning(args, generator, features):
    """`tuning.PivotalTuning` of a generator, as the arguments ask. InputError where it is tuned already."""
    from tf_idinvert.jobs import tune
    from tf_idinvert.tuning import PivotalTuning, TuningOptions
    if args.tuned:
        raise InputError("--tuned: its generator is tuned already; tune the original model, to whose weights files of "
                         "tuned generators are differences")
    options = TuningOptions(
        steps=args.tune, learning_rate=args.tune_rate, stop_loss=args.stop_loss, feature_weight=args.loss_weight_feat,
        locality_weight=args.locality, locality_distance=args.locality_distance, batch_size=args.tune_batch_size,
        seed=args.seed)
    codes, alpha = tune.neighbours(generator, args.seed) if args.locality else (None, None)
    return PivotalTuning(generator.synthesis, features=features, codes=codes, alpha=alpha, options=options)


def make_tuner(args, models, log, features, note):
    """`jobs.tune.Tuner` as the arguments ask; `features` F and a note about it. InputError where that cannot be."""
    from tf_idinvert.jobs import tune
    from tf_idinvert.tunable import Tunable
    tuning = make_tuning(args, models.generator, features)
    return tune.Tuner(tuning, Tunable(tuning.tuned), known, together=args.together, viz_size=args.viz_size,
                      log=log, record={"model": str(args.model_path), "arguments": vars(args)},
                      notes=[*models.notes, note])


def known(path):
    """Record of a file of a tuned generator; None where there is none that can be read."""
    from tf_idinvert.formats import tuned
    try:
        return tuned.read(path)[1] if Path(path).exists() else None
    except tuned.TunedError:
        return None


def advice(folder):
    """How to go on with what was written."""
    return f"{command.call_of('manipulate')} ... --tuned {folder} edits with these generators"
