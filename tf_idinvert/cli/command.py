"""Behaviour that all command-line tools share: quiet TensorFlow, one-line errors, exit codes, options, log.

Exit codes: 0 done; 1 done, but some inputs could not be used; 2 nothing could be done; 3 a fault of the program; 130
interrupted.
"""
from __future__ import annotations

import argparse
import contextlib
import difflib
import logging
import math
import os
import re
import signal
import sys
import threading
import traceback
from pathlib import Path

from tf_idinvert import starting
from tf_idinvert.errors import InputError
from tf_idinvert.files import locks
from tf_idinvert.files.paths import is_address, missing
from tf_idinvert.files.printing import on_one_line, printable, say

COMMAND = "idinvert"
FINAL_ACTIVATIONS = ("none", "tanh", "sigmoid", "softsign")     # as in `networks.layers`, which imports TensorFlow
DONE, PARTLY_DONE, NOTHING_DONE, FAULT, INTERRUPTED = 0, 1, 2, 3, 130


def run(main):
    """Run a tool's `main()` and exit with the code that it returns (None: 0).

    InputError and OSError (folders, full disks) are printed as one line on stderr. Any other exception is a fault of
    the program; its traceback is printed with the request to report it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.lastResort.setFormatter(_OneLine())         # for modules that log without a tool's log
    try:
        sys.exit(main() or DONE)
    except KeyboardInterrupt:
        say("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except (InputError, OSError) as error:
        refuse(error)
    except Exception:
        say(*traceback.format_exc().rstrip().split("\n"), "This is a fault of the program, not of your input: "
            "please report it with the lines above.", file=sys.stderr)
        sys.exit(FAULT)
    finally:
        locks.release()


def outcome(done, complete):
    """Return the exit code of a run that did `done` of its inputs; `complete`: none was left out."""
    return DONE if complete else PARTLY_DONE if done else NOTHING_DONE


def refuse(message):
    """Print an error as one line on stderr and exit with 2."""
    if isinstance(message, OSError) and message.strerror:
        message = ": ".join(filter(None, [os.fsdecode(message.filename or ""), message.strerror]))
    say(f"error: {on_one_line(message)}", file=sys.stderr)
    sys.exit(NOTHING_DONE)


@contextlib.contextmanager
def leaving_at_once(terminal=2):
    """Context manager for imports: Ctrl-C ends the process at once, without an exception.

    Extension modules turn a KeyboardInterrupt during their import into other errors, or swallow it.

    Args:
        terminal: file descriptor of the standard error output.
    """
    def leave(*_):
        os.write(terminal, b"interrupted\n")
        os._exit(INTERRUPTED)

    before = signal.getsignal(signal.SIGINT)
    if before != signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield           # the caller handles Ctrl-C itself
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def nearest(word, known):
    """Return '; did you mean ...?' with the most similar known word, or ''; - and _ count as equal."""
    alike = {each.replace("_", "-"): each for each in known}
    found = difflib.get_close_matches(word.replace("_", "-"), alike, 1)
    return f"; did you mean {alike[found[0]]}?" if found else ""


def number(kind, lowest, highest=None, exclusive=False):
    """Return an argparse type: an `int` or `float` >= `lowest` (> if `exclusive`), and <= `highest` if that is set."""
    def parse(text):
        value = kind(text)
        inside = (value > lowest if exclusive else value >= lowest) and (highest is None or value <= highest)
        if not inside or not math.isfinite(value):
            bound = f"{'more than' if exclusive else 'at least'} {lowest}"
            raise ValueError(bound + (f", at most {highest}" if highest is not None else ""))
        return value

    most = f", <= {highest}" if highest is not None else ""
    parse.__name__ = f"{'whole number' if kind is int else 'number'} ({'>' if exclusive else '>='} {lowest}{most})"
    return parse


class Parser(argparse.ArgumentParser):
    """argparse.ArgumentParser that accepts options --like_this and --like-this and prints errors as one line."""

    bare = {}               # {option: (values it takes, the one meant where none of them follows)}
    model_path = None       # the positional that --model replaces

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # argparse takes -1e3 for an option, not for a number
        self._negative_number_matcher = re.compile(r"-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$|-inf$")

    def parse_known_args(self, args=None, namespace=None):
        args = list(sys.argv[1:] if args is None else args)
        end = args.index("--") if "--" in args else len(args)
        self._leave_out_model_path(args[:end])
        args[:end] = map(self._as_known, args[:end])
        args[:end] = map(self._with_value, args[:end], [*args[1:end], ""])
        namespace, rest = super().parse_known_args(args, namespace)
        if getattr(namespace, "model", None):
            namespace.model_path = namespace.model[0]
        self._refuse_addresses(namespace)
        return namespace, rest

    def _refuse_addresses(self, namespace):
        """No tool fetches anything: an address in the place of a path is named as such."""
        for action in self._actions:
            values = getattr(namespace, action.dest, None)
            for value in values if isinstance(values, (list, tuple)) else [values]:
                if isinstance(value, (str, Path)) and is_address(value):
                    self.error(f"{'/'.join(action.option_strings) or action.dest} {value}: {missing(value)}")

    def parse_known_intermixed_args(self, args=None, namespace=None):
        args = list(sys.argv[1:] if args is None else args)
        self._leave_out_model_path(args[:args.index("--")] if "--" in args else args)
        self.model_path = None      # done: the method below parses again, without the arguments that are decided
        return super().parse_known_intermixed_args(args, namespace)

    def _leave_out_model_path(self, args):
        if self.model_path is not None and any(each.partition("=")[0] == "--model" for each in args):
            self._positionals._remove_action(self.model_path)
            self.model_path = None

    def _with_value(self, argument, following):
        """Return an argument; an option whose value is left out, before a positional, with the value that means."""
        values, meant = self.bare.get(argument, ((), None))
        return f"{argument}={meant}" if values and following not in values else argument

    def _as_known(self, argument):
        """Return an argument; an option that is spelled with - for _, or the reverse, in its own spelling."""
        name, equals, value = argument.partition("=")
        known = self._option_string_actions
        if not name.startswith("--") or any(each.startswith(name) for each in known):
            return argument
        alike = [each for each in known if each.replace("_", "-").startswith(name.replace("_", "-"))]
        return alike[0] + equals + value if len(alike) == 1 else argument

    def error(self, message):
        known = set(_options_of(self))
        unknown = [re.split("[=:,/]", word)[0] for word in message.split() if word.startswith("--")]
        hints = [nearest(name, known) for name in unknown if name not in known]
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        hints += [nearest(choice[1], [each.strip("' ") for each in choice[2].split(",")])] if choice else []
        refuse(f"{message}{next(filter(None, hints), '')} (--help lists the options)")


def _options_of(parser):
    """Yield the names of a parser's options and of those of its verbs."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _options_of(verb)


def parser(description):
    """Return the parser of a tool; the module docstring is its description, with commands as the tool was called."""
    shown = re.sub(r"python tools/(\w+)\.py", lambda found: call_of(found[1]), description)
    return Parser(description=shown, formatter_class=argparse.RawDescriptionHelpFormatter,
                  epilog="Options may be written with - or with _.")


def call_of(tool):
    """Return the command of a tool in the form of the running one: `idinvert mix-style` or `python tools/mix_style.py`.
    """
    installed = sys.argv[0].startswith(f"{COMMAND} ")
    return f"{COMMAND} {tool.replace('_', '-')}" if installed else f"python tools/{tool}.py"


def given(argv, option):
    """Whether an option, --such_as_this, is among the arguments; `argv` None: those of the command line."""
    argv = list(sys.argv[1:] if argv is None else argv)
    known = {each.partition("=")[0].replace("_", "-") for each in argv[:argv.index("--") if "--" in argv else None]}
    return option.replace("_", "-") in known


def add_model_arguments(parser, text):
    """Add the positional `model_path`, the option --model, which replaces it, and --final-activation."""
    parser.model_path = parser.add_argument("model_path", nargs="?", help=text)
    parser.add_argument("--model", nargs="+", action="extend", metavar="FILE", help="several files that make one "
                        "set, instead of the first argument: --model generator.pth encoder.pth")
    add_final_activation(parser.add_argument)
    parser.add_argument("--tuned", metavar="FILE", help="tuned generator that tune.py has made of the model's")


def add_final_activation(add):
    """Add --final-activation, by an `add_argument`."""
    add("--final-activation", choices=FINAL_ACTIVATIONS, help="final activation of the generator; default: as the "
        "files say; if they do not, the assumption is printed")


def files_of(text):
    """Return the files of a set that one argument names, FILE or FILE,FILE; an existing file's name may hold commas."""
    return [text] if os.path.exists(text) else text.split(",")


def model_files(args):
    """Return the paths of the model's files; see `add_model_arguments`."""
    return args.model or [args.model_path]


def add_features_option(add, default):
    """Add --features, by an `add_argument`; `default` says what is taken where it is not given."""
    add("--features", help="feature network F: 'imagenet' (VGG16, fetched once), the path of Keras' VGG16 notop .h5 or "
        f"of an attribute network, or 'none'; default: {default}")


def add_lpips_option(add, text):
    """Add --lpips, by an `add_argument`; `text` says what it does."""
    add("--lpips", nargs=2, metavar=("HEADS", "VGG16"), help="LPIPS by VGG16, from lpips' vgg.pth (learned heads) and "
        f"torchvision's vgg16-397923af.pth: {text}")


def add_output_options(group, default, gpu=True):
    """Add the options that all tools of the original have: output folder, size of pictures in the page, and `gpu`."""
    group.add_argument("--output_dir", "-o", default="", help=f"output folder ({default})")
    group.add_argument("--viz_size", type=number(int, 0), default=256, help="side of pictures in the page, in pixels; "
                       "0: as they are (256)")
    if gpu:
        group.add_argument("--gpu_id", default="0", help="GPU to use, as CUDA_VISIBLE_DEVICES (0)")


def choose_device(gpu_id):
    """Make only this GPU visible to TensorFlow, which must not be imported yet; CUDA_VISIBLE_DEVICES has priority."""
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", gpu_id)


def import_tensorflow(trains=False):
    """Import TensorFlow and discard what it prints meanwhile, which no log level of TensorFlow suppresses.

    Later it warns only of errors: it takes functions that are compiled for several networks for a mistake. `starting`
    prepares the process, for training if the tool `trains`.
    """
    starting.prepare(trains)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if "tensorflow" in sys.modules:
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere, leaving_at_once(terminal), starting.without_collections():
            os.dup2(nowhere.fileno(), 2)
            import tensorflow  # noqa: F401
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def title(path):
    """Return a name for the results of an input: the name of a folder, or of a file without its suffix."""
    path = Path(os.path.abspath(path))
    return (path.name if path.is_dir() else path.stem) or "images"


class _OneLine(logging.Formatter):
    def formatMessage(self, record):
        return printable(record.message)


class _LogFile(logging.FileHandler):
    def handleError(self, record):
        """Do nothing: on a full disk, tracebacks would fill the terminal, which shows the log anyway."""


def open_log(path=None, shared=False):
    """Return a logger to the terminal and to a file, which is overwritten; create and claim its folder.

    Args:
        path: path of the file; None: only to the terminal.
        shared: whether workers with other log files write to the folder, too.
    """
    log, handlers = logging.Logger(COMMAND, logging.INFO), [logging.StreamHandler(sys.stderr)]      # of this run alone
    if path is not None:
        locks.claim(Path(path).parent, own=Path(path).name if shared else None)
        handlers.append(_LogFile(path, mode="w", encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(_OneLine())
        log.addHandler(handler)
    return log
