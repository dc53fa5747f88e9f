"""Options of training: which method has which, defaults, and output folders that already hold a run."""
from __future__ import annotations

import json
import sys

import pytest

from tf_idinvert.cli import train_encoder, training_options
from tf_idinvert.portraits import embedded
from tf_idinvert.training import record


@pytest.fixture
def parse(monkeypatch, tmp_path):
    def parsed(*arguments):
        monkeypatch.setattr(sys, "argv", ["train.py", "--output", str(tmp_path / "run"), *arguments])
        args = training_options.parse_arguments("")
        args.output.mkdir(exist_ok=True)
        return args
    return parsed


@pytest.fixture
def files(monkeypatch, tmp_path):
    """The embedded files, empty, in a folder of their own."""
    monkeypatch.setattr(embedded, "CHECKPOINTS", tmp_path)
    for name in (embedded.GENERATOR, embedded.ATTRIBUTES):
        (tmp_path / name).touch()
    return tmp_path


def refusal(parse, capsys, *arguments):
    with pytest.raises(SystemExit):
        parse(*arguments)
    return capsys.readouterr().err.splitlines()[-1]


def test_data_is_needed_but_for_the_portraits(parse, files, capsys):
    assert parse("--preset", "portraits").data == "portraits"
    assert (parse().preset, parse("--data", "portraits").preset, parse("--data", "x").preset) == (
        "portraits", "portraits", "official")
    assert "--data is needed" in refusal(parse, capsys, "--preset", "official")
    assert parse("--method", "traditional", "--generator", str(files / embedded.ATTRIBUTES)).data is None
    assert "--generator is needed" in refusal(parse, capsys, "--method", "in-domain", "--data", "x")


def test_embedded_files_are_the_default_of_the_portraits(parse, files):
    args = parse("--method", "in-domain", "--preset", "portraits")
    assert args.generator == files / "portraits64-stylegan.h5"
    assert args.features == str(files / "portraits64-attributes.h5")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert args.generator_sha256 == args.features_sha256 == empty
    (files / embedded.ATTRIBUTES).unlink()
    with pytest.raises(embedded.EmbeddedError):
        parse("--method", "in-domain", "--preset", "portraits")
    args = parse("--method", "in-domain", "--data", "x", "--generator", str(files / embedded.GENERATOR))
    assert (args.features, args.features_sha256) == ("imagenet", None)
    assert not hasattr(parse("--method", "traditional", "--preset", "portraits"), "features")


def test_encoders_of_the_wild_world(parse, files):
    (files / "training").mkdir()
    for name in "stylegan", "attributes":
        (files / f"training/wild64-{name}.h5").touch()
    args = parse("--method", "force-in-domain", "--data", "wild")
    assert (args.preset, args.generator, args.features) == (
        "wild", files / "training/wild64-stylegan.h5", str(files / "training/wild64-attributes.h5"))
    assert parse("--method", "in-domain", "--preset", "wild").data == "wild"
    (files / "training/wild64-stylegan.h5").unlink()
    with pytest.raises(embedded.EmbeddedError, match="wild64-stylegan.h5: the generator of portraits is not there"):
        parse("--method", "traditional", "--preset", "wild")


@pytest.mark.parametrize("method, option", [
    ("stylegan", ["--features", "none"]), ("stylegan", ["--latent-weight", "1"]), ("traditional", ["--r1-gamma", "1"]),
    ("in-domain", ["--latent-discriminator", "whole"]), ("in-domain", ["--structure", "fixed"]),
    ("attributes", ["--strategy", "mirrored"]), ("attributes", ["--generator", "x"])])
def test_options_of_other_methods_are_refused(parse, files, capsys, method, option):
    preset = [] if method == "attributes" else ["--preset", "portraits"]
    assert f"{option[0]} is no option of --method {method}" in refusal(
        parse, capsys, "--method", method, *preset, *option)


@pytest.mark.parametrize("options, expected", [
    ([], (0.02, 0.005)), (["--options-of", "code"], (0.08, 0.005)), (["--options-of", "paper"], (0.1, 0.005)),
    (["--options-of", "paper", "--adversarial-weight", "0", "--latent-weight", "1"], (0, 1)),
    (["--data", "x"], (0.1, 0.1)), (["--data", "x", "--options-of", "code"], (0.08, 0.1))])
def test_adversarial_weights(parse, files, options, expected):
    generator = ["--generator", str(files / embedded.GENERATOR)] if "--data" in options else []
    found = train_encoder.make_recipe(parse("--method", "force-in-domain", *generator, *options), 256).options
    assert (found.adversarial_weight, found.latent_weight) == expected


@pytest.mark.parametrize("option", ["-o", "--output_dir", "--output-dir", "--output"])
def test_the_output_folder_is_named_as_in_other_tools(option):
    assert str(training_options.parse_arguments("", ["--preset", "portraits", option, "x"]).output) == "x"


def test_defaults_that_depend_on_the_method(parse, monkeypatch):
    assert parse("--preset", "portraits").pictures == 40000
    assert parse("--method", "attributes").pictures == 24000
    monkeypatch.setattr(sys, "argv", ["train.py", "--preset", "portraits"])
    assert str(training_options.parse_arguments("").output) == "runs/stylegan-portraits"


def test_run_is_taken_up_by_the_same_options_only(parse, tmp_path):
    check, folder = training_options.check_options, tmp_path / "run"
    check(parse("--preset", "portraits"))
    record.write(folder, training_options.options_of(parse("--preset", "portraits")))
    assert json.loads((folder / "options.json").read_text())["preset"] == "portraits"
    check(parse("--preset", "portraits", "--seed", "1"))                # without a state, there is no run
    (folder / "state.npz").touch()
    check(parse("--preset", "portraits", "--kimg", "2000"))             # a longer run is the same run
    with pytest.raises(ValueError, match="holds a run with seed 0, now 1; give the same options"):
        check(parse("--preset", "portraits", "--seed", "1"))
    assert json.loads((folder / "options.json").read_text())["seed"] == 0
    check(parse("--preset", "portraits", "--seed", "1", "--no-resume"))


def test_encoders_are_not_taken_up_with_another_length(parse, files, tmp_path):
    arguments = ["--method", "in-domain", "--preset", "portraits"]
    record.write(tmp_path / "run", training_options.options_of(parse(*arguments)))
    (tmp_path / "run/state.npz").touch()
    training_options.check_options(parse(*arguments, "--snapshot-minutes", "1"))
    with pytest.raises(ValueError, match="holds a run with kimg None, now 100.0"):
        training_options.check_options(parse(*arguments, "--kimg", "100"))


def test_options_that_came_later_count_as_their_defaults(parse, tmp_path):
    """Such as these of a run of the first version, which had no --initial."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/options.json").write_text(json.dumps(dict(
        method="stylegan", preset="portraits", data="portraits", kimg=None, batch_size=None, pictures=40000,
        data_seed=1, output="elsewhere")))
    (tmp_path / "run/state.npz").touch()
    training_options.check_options(parse("--preset", "portraits"))
    with pytest.raises(ValueError, match="holds a run with structure growing, now fixed"):
        training_options.check_options(parse("--preset", "portraits", "--structure", "fixed"))


def test_encoders_have_batch_norm_as_in_their_papers(parse, files):
    arguments = ["--preset", "portraits", "--method"]
    found = {method: parse(*arguments, method).encoder_norm for method in training_options.ENCODERS}
    assert found == {"traditional": "batch", "in-domain": "batch", "force-in-domain": "none"}
    assert parse(*arguments, "force-in-domain", "--encoder-norm", "batch").encoder_norm == "batch"


def test_encoder_that_is_trained_on_keeps_its_sizes(parse, files, capsys):
    initial = str(files / embedded.GENERATOR)
    args = parse("--method", "force-in-domain", "--initial-encoder", initial)
    assert str(args.generator) == initial and args.encoder_norm is None and len(args.initial_encoder_sha256) == 64
    for option in (["--encoder-norm", "none"], ["--encoder-filters", "4"]):
        assert f"{option[0]}: --initial-encoder already determines the encoder" in refusal(
            parse, capsys, "--method", "in-domain", "--initial-encoder", initial, *option)


def test_run_of_an_earlier_version_goes_on_as_it_began(parse, files, tmp_path):
    """It had neither these options nor their defaults of today."""
    arguments = ["--method", "in-domain", "--generator", str(files / embedded.GENERATOR), "--data", str(files)]
    args = parse(*arguments)
    before = {name: value for name, value in training_options.options_of(args).items()
              if name not in training_options.AS_BEFORE}
    record.write(tmp_path / "run", before)
    training_options.check_options(args)
    assert (args.mirror, args.counted_updates, args.held_out) == (None, None, None)      # there is no state yet
    (tmp_path / "run/state.npz").touch()
    training_options.check_options(args)
    assert (args.mirror, args.counted_updates, args.held_out, args.feature_size) == (True, 1, 0, 0)
    record.write(tmp_path / "run", training_options.options_of(args))
    again = parse(*arguments)
    training_options.check_options(again)
    assert again == args
    with pytest.raises(ValueError, match="holds a run with mirror True, now False"):
        training_options.check_options(parse(*arguments, "--no-mirror"))


@pytest.mark.parametrize("option", ["--data", "--test-data"])
@pytest.mark.parametrize("name", ["none", "set-r03.tfrecords", "sets/faces"])
def test_data_that_are_not_there_are_refused_before_anything_is_loaded(parse, tmp_path, option, name):
    (tmp_path / "own").mkdir()
    arguments = {"--data": str(tmp_path / "own"), option: str(tmp_path / name)}
    with pytest.raises(ValueError, match=f"{option} .*{name}: no such file or folder"):
        training_options.check_options(parse(*sum(arguments.items(), ())))
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets/faces-r03.tfrecords").touch()
    training_options.check_options(parse("--data", str(tmp_path / "sets/faces")))


@pytest.mark.parametrize("option", ["--generator", "--initial-encoder", "--features"])
def test_an_option_whose_file_is_not_there_is_named(parse, tmp_path, option):
    with pytest.raises(ValueError, match=f"{option} {tmp_path}: is a folder, not a file, expected a network file"):
        parse("--method", "in-domain", "--preset", "portraits", option, str(tmp_path))


@pytest.mark.parametrize("content", ["[", "[]", "3"])
def test_damaged_options_are_one_line(parse, tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/state.npz").touch()
    (tmp_path / "run/options.json").write_text(content)
    with pytest.raises(ValueError, match="options.json: damaged"):
        training_options.check_options(parse("--preset", "portraits"))
