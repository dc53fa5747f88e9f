"""Load the model that a tool's arguments name."""
from __future__ import annotations

from tf_idinvert.cli import command


def load_models(args, only=None, tuned="as asked"):
    """The networks that the arguments of `command.add_model_arguments` name, as `checkpoint.Models`.

    Args:
        args: the arguments.
        only: as of `checkpoint.load`.
        tuned: file of a tuned generator or None, where a tool has --tuned mean more than a file.
    """
    from tf_idinvert import checkpoint
    return checkpoint.load(*command.model_files(args), only=only, final_activation=args.final_activation,
                           tuned=args.tuned if tuned == "as asked" else tuned)
