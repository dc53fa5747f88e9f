"""All tools: fast `--help` without TensorFlow, one-line errors, exit codes."""
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError

TOOLS = sorted((Path(__file__).parents[1] / "tools").glob("*.py"))


def test_help_does_not_wait_for_tensorflow():
    """Of all tools in one process, so that a slow module is named with the first tool that imports it."""
    code = ("import runpy, sys\n"
            "for tool in sys.argv[1:]:\n"
            "    sys.argv = [tool, '--help']\n"
            "    try: runpy.run_path(tool, run_name='__main__')\n"
            "    except SystemExit as stop: assert not stop.code, tool\n"
            "    slow = {'tensorflow', 'keras', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)\n"
            "    assert not slow, (tool, slow)")
    done = subprocess.run([sys.executable, "-c", code, *map(str, TOOLS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [done.stdout.count(f"usage: {tool.name}") for tool in TOOLS] == [1] * len(TOOLS)


def exit_code(main, capsys):
    with pytest.raises(SystemExit) as stop:
        command.run(main)
    return stop.value.code, capsys.readouterr().err


def raising(error):
    def main():
        raise error
    return main


@pytest.mark.parametrize("error, code, line", [
    (InputError("steps: expected\nless"), 2, "error: steps: expected less\n"),
    (InputError("\x1b[2Ja\x07\u202e.png: no picture"), 2, "error: \\x1b[2Ja\\x07\\u202e.png: no picture\n"),
    (OSError(28, "No space left on device", "x.npy"), 2, "error: x.npy: No space left on device\n"),
    (OSError("without a number"), 2, "error: without a number\n"),
    (KeyboardInterrupt(), 130, "interrupted\n"),
])
def test_errors_become_one_line_and_an_exit_code(error, code, line, capsys):
    assert exit_code(raising(error), capsys) == (code, line)


@pytest.mark.parametrize("returned, code", [(None, 0), (0, 0), (1, 1)])
def test_what_main_returns_is_the_exit_code(returned, code, capsys):
    assert exit_code(lambda: returned, capsys) == (code, "")


@pytest.mark.parametrize("error", [TypeError("a defect"), ValueError("of NumPy")])
def test_a_fault_of_the_program_shows_its_traceback(error, capsys):
    code, printed = exit_code(raising(error), capsys)
    assert code == 3 and printed.startswith("Traceback") and str(error) in printed and "report it" in printed


def test_names_in_the_log_cannot_forge_lines(tmp_path, capsys):
    command.open_log(tmp_path / "run.log").error("skipped: %s", "a\nerror: b\x1b[2J\udcff.png")
    expected = "skipped: a\\nerror: b\\x1b[2J\\udcff.png\n"
    assert capsys.readouterr().err == expected == (tmp_path / "run.log").read_text()


@pytest.mark.parametrize("text", ["0", "x", "nan", "inf", "1e999"])
def test_numbers_out_of_bounds_are_refused(text):
    with pytest.raises(ValueError):
        command.number(float, 0, exclusive=True)(text)


def test_numbers_within_bounds():
    assert command.number(int, 0)("0") == 0 and command.number(float, 0, 1)("0.5") == 0.5
    with pytest.raises(ValueError):
        command.number(int, 0, 10)("11")


def tool_parser():
    parser = command.parser("Does nothing.")
    parser.add_argument("path", nargs="?")
    parser.add_argument("--output_dir", "-o")
    parser.add_argument("--learning-rate", type=command.number(float, 0))
    parser.add_argument("--count", "-n", type=command.number(int, 1))
    return parser


@pytest.mark.parametrize("arguments, expected", [
    (["--output_dir", "x"], {"output_dir": "x"}), (["--output-dir", "x"], {"output_dir": "x"}),
    (["--output-dir=a-b_c"], {"output_dir": "a-b_c"}), (["-o", "x"], {"output_dir": "x"}),
    (["--learning_rate", "2"], {"learning_rate": 2.0}), (["--learning-rate=2"], {"learning_rate": 2.0}),
    (["--output-d", "x"], {"output_dir": "x"}), (["--output", "x"], {"output_dir": "x"})])
def test_options_are_understood_in_both_spellings(arguments, expected):
    for parse in tool_parser().parse_args, tool_parser().parse_intermixed_args:
        found = vars(parse(arguments))
        assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("parse", ["parse_args", "parse_intermixed_args"])
def test_several_files_stand_in_the_place_of_the_first_argument(parse):
    def parsed(*arguments):
        parser = command.parser("")
        command.add_model_arguments(parser, "network file")
        parser.add_argument("pictures", nargs="*")
        args = getattr(parser, parse)(list(arguments))
        return args.model_path, args.model, args.pictures, args.final_activation

    assert parsed("net.pkl", "a", "b") == ("net.pkl", None, ["a", "b"], None)
    assert parsed("a", "b", "--model", "g.pth", "e.pth") == ("g.pth", ["g.pth", "e.pth"], ["a", "b"], None)
    assert parsed("--model", "g.pth", "--model=e.pth", "--", "a") == ("g.pth", ["g.pth", "e.pth"], ["a"], None)
    assert parsed("--final_activation", "tanh", "net.pkl") == ("net.pkl", None, [], "tanh")
    assert parsed("net.pkl", "--", "--model") == ("net.pkl", None, ["--model"], None)


def test_final_activations_are_those_that_networks_know():
    from tf_idinvert.networks import layers
    assert set(command.FINAL_ACTIVATIONS) == {"none", *layers.FINAL_ACTIVATIONS}


def test_what_follows_two_dashes_is_no_option():
    assert tool_parser().parse_args(["-n", "3", "--", "--learning_rate"]).path == "--learning_rate"


def test_options_of_groups_and_verbs_are_understood_in_both_spellings():
    parser = tool_parser()
    parser.add_argument_group("more").add_argument("--keep_best", action="store_true")
    assert parser.parse_args(["--keep-best"]).keep_best
    parser = command.parser("")
    parser.add_subparsers(dest="verb").add_parser("fit").add_argument("--split_ratio")
    assert parser.parse_args(["fit", "--split-ratio", "1"]).split_ratio == "1"


@pytest.mark.parametrize("arguments, line", [
    (["--outptu-dir", "x"], "unrecognized arguments: --outptu-dir; did you mean --output_dir?"),
    (["--learningrate=2"], "unrecognized arguments: --learningrate=2; did you mean --learning-rate?"),
    (["--zzz"], "unrecognized arguments: --zzz"), (["x", "y\x1b[2J\n"], "unrecognized arguments: y\\x1b[2J"),
    (["--learning-rate", "x"], "argument --learning-rate: invalid number (>= 0) value: 'x'"),
    (["-n", "0"], "argument --count/-n: invalid whole number (>= 1) value: '0'"),
    (["--count"], "argument --count/-n: expected one argument"),
    (["https://example.org/a.pkl"], "path https://example.org/a.pkl: is an address, expected a path: download the file "
     "first"),
    (["-o", "s3://x/y"], "--output_dir/-o s3://x/y: is an address, expected a path: download the file first")])
def test_wrong_arguments_are_one_line(arguments, line, capsys):
    with pytest.raises(SystemExit) as stop:
        tool_parser().parse_args(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"error: {line} (--help lists the options)\n"


def test_wrong_options_of_verbs_are_one_line(capsys):
    parser = command.parser("")
    parser.add_subparsers(dest="verb").add_parser("fit").add_argument("--split_ratio")
    with pytest.raises(SystemExit):
        parser.parse_args(["fit", "--spilt-ratio", "1"])
    assert "did you mean --split_ratio?" in capsys.readouterr().err


def test_wrong_values_and_verbs_have_the_nearest_one_named(capsys):
    parser = tool_parser()
    parser.add_argument("--kind", choices=["encoder", "mean"])
    parser.add_subparsers(dest="verb").add_parser("extract")
    for arguments, hint in (["--kind", "encodr"], "encoder"), (["x", "extrcat"], "extract"):
        with pytest.raises(SystemExit):
            parser.parse_args(arguments)
        assert f"; did you mean {hint}? (--help" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parser.parse_args(["--kind", "zzz"])
    assert "did you mean" not in capsys.readouterr().err


def test_what_modules_log_on_their_own_is_escaped(capsys, monkeypatch):
    def main():
        log = logging.Logger("a module")        # as one without handlers
        log.warning("%s", "a\n\x1b[2J")

    assert exit_code(main, capsys) == (0, "a\\n\\x1b[2J\n")


# ---- Ctrl-C

def heeding_ctrl_c():
    """Processes of tests that run in the background ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.one_stack      # it ends at the first import
def test_ctrl_c_while_modules_are_imported(tmp_path):
    """A signal at the first import of the tool's module, of NumPy in most: one word, exit code 130. A fork of one
    process for each tool."""
    code = ("import runpy, signal, os, sys\n"
            "class Interrupt:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name in ('tf_idinvert.cli.' + tool.split('/')[-1][:-3], 'tf_idinvert.files'):\n"
            "            os.kill(os.getpid(), signal.SIGINT)\n"
            "for tool in sys.argv[1:]:\n"
            "    child = os.fork()\n"
            "    if not child:\n"
            "        sys.meta_path.insert(0, Interrupt())\n"
            "        sys.argv = [tool]\n"
            "        runpy.run_path(tool, run_name='__main__')\n"
            "        os._exit(0)\n"
            "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)")
    done = subprocess.run([sys.executable, "-c", code, *map(str, TOOLS)], capture_output=True, text=True, cwd=tmp_path,
                          preexec_fn=heeding_ctrl_c)
    assert (done.stdout, done.stderr) == ("130\n" * len(TOOLS), "interrupted\n" * len(TOOLS))
    assert not list(tmp_path.iterdir())


def test_ctrl_c_while_tensorflow_is_imported(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import os, signal\n"
                                            "try: os.kill(os.getpid(), signal.SIGINT)\n"
                                            "except KeyboardInterrupt: raise ImportError('as extension modules do')\n")
    code = "from tf_idinvert.cli import command\ncommand.run(command.import_tensorflow)"
    path = os.pathsep.join([str(tmp_path), str(TOOLS[0].parents[1])])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": path}, preexec_fn=heeding_ctrl_c)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_after_imports_ctrl_c_is_as_before():
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)      # in the background it is ignored
    try:
        with command.leaving_at_once():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, outside)
