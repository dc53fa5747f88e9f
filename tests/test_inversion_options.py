"""Options of inversion: names that are repeated for a fast --help equal those of the modules."""
from __future__ import annotations

import argparse

import numpy as np
import pytest
import tiny

from tf_idinvert import checkpoint, optimizers
from tf_idinvert.cli import command, inversion_options, precision
from tf_idinvert.files import digests
from tf_idinvert.jobs import invert


def test_names_are_those_of_the_modules():
    assert inversion_options.OPTIMIZERS == optimizers.NAMES
    assert inversion_options.STARTS == tuple(invert.STARTS)


def parsed(*arguments):
    parser = command.parser("")
    parser.add_argument("model_path", nargs="?")
    inversion_options.add_inversion_options(parser)
    inversion_options.add_precision(parser.add_argument)
    return inversion_options.parse(parser, ["model.h5", *arguments])


@pytest.mark.parametrize("arguments, expected", [
    ([], dict(steps=100, learning_rate=0.01, feature_weight=None, domain_weight=2.0)),
    (["--optimizer", "lbfgs"], dict(steps=33, learning_rate=0.02)),
    (["--jit"], dict(jit=True)), (["--no-jit"], dict(jit=False)),
    (["--loss-weight-feat", "3", "--keep-best"], dict(feature_weight=3.0, keep_best=True))])
def test_arguments_become_options(arguments, expected):
    options = inversion_options.inversion_options(parsed(*arguments), 4)
    assert {name: getattr(options, name) for name in expected} == expected


def test_without_features_there_is_a_note():
    features, note = inversion_options.load_features(parsed("--features", "none"), None, 16)
    assert features is None and "left out" in note


def test_a_run_is_told_by_the_files_that_its_networks_come_from(tmp_path):
    for name in "model.h5", "tuned.h5", "features.h5":
        (tmp_path / name).write_text(name)
    named = dict(model=None, model_path=tmp_path / "model.h5", tuned=tmp_path / "tuned.h5", lpips=None)
    for features, count in ("none", 2), ("imagenet", 2), (tmp_path / "features.h5", 3), (None, 2):
        found = inversion_options.digests(argparse.Namespace(**named, features=features))
        assert len(found) == count and found[str(tmp_path / "tuned.h5")] == digests.file_digest(tmp_path / "tuned.h5")


def test_mixed_precision_is_that_of_encoder_and_features(tmp_path, rng):
    if not precision.convolves_in_bfloat16():
        pytest.skip("TensorFlow has no convolution in bfloat16 on this processor, which the tool says")
    models, images = tiny.models(), rng.uniform(-1, 1, (2, 16, 16, 3)).astype("float32")
    checkpoint.save(checkpoint.Models(attributes=tiny.attributes()), tmp_path / "attributes.h5")
    found = [inversion_options.computing(parsed("--features", str(tmp_path / "attributes.h5"), "--precision", each),
                                         models, None) for each in ("float32", "mixed")]
    (full, features, _), (mixed, half, _) = found
    assert mixed.generator is models.generator and full.encoder is models.encoder and half.weight == features.weight
    for one, other in ((full.encoder, mixed.encoder), (features, half)):
        one, other = np.asarray(one(images)), np.asarray(other(images))
        assert other.dtype == np.float32 and 1e-5 < tiny.relative(other, one) < 0.1
    assert models.encoder.dtype == "float32" and precision.again(models.encoder)(images).dtype.name == "float32"
