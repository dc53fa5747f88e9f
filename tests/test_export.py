"""The SavedModel, called in a process without this package and compared with the results of the Python functions."""
from __future__ import annotations

import dataclasses
import functools
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import encoder_training
import numpy as np
import pytest
import running
import served_pictures
import tensorflow as tf
import tiny
from PIL import Image

from tf_idinvert import boundaries, checkpoint, optimizers
from tf_idinvert.benchmarks import serving
from tf_idinvert.errors import InputError
from tf_idinvert.files import images
from tf_idinvert.inversion import Inversion, InversionOptions
from tf_idinvert.serving import export, half_weights, server_files

STEPS, RATES = np.array([0, 5, 3], np.int32), np.array([0.01, 0.05, 0.02], np.float32)
ATTRIBUTES, DISTANCES = ["smile", "0", "age"], np.array([-2, 0.5, 3], np.float32)
PSI = np.array([1, 0.7, 0], np.float32)
BOUNDARIES = {"age": boundaries.Boundary(tiny.normal(1, 4, 8), (1, 2)),
              "smile": boundaries.Boundary(tiny.normal(1, 1, 8, seed=3))}
LOSSES = {"pixel": "pixel_loss", "feature": "feature_loss", "domain": "domain_loss", "total": "total_loss"}
CLIENT = Path(__file__).with_name("serving_client.py")
HALF_TOLERANCE = 0.02       # of the largest value, for these random networks


def features(pictures):
    return tf.nn.avg_pool2d((pictures + 1) * 127.5, 8, 8, "VALID")


@functools.lru_cache(maxsize=None)
def inputs():
    """{signature: {input: array of three rows}}"""
    pictures, codes = tiny.normal(3, 8, 8, 3, seed=5) / 3, tiny.normal(3, 4, 8, seed=6)
    data = np.array([served_pictures.encoded(served_pictures.pixels(40, 52, 4), "PNG"),
                     served_pictures.turned(6, "JPEG"), served_pictures.deep(0, 1)])
    sample = {"z": tiny.normal(3, 8, seed=7), "psi": PSI}
    manipulate = {"codes": codes, "attribute": np.array(ATTRIBUTES, "S"), "distance": DISTANCES}
    rates = {"steps": STEPS, "learning_rate": RATES}
    return {"serving_default": {"images": pictures}, "reconstruct": {"images": pictures},
            "reconstruct_bytes": {"image_bytes": data}, "encode": {"images": pictures},
            "encode_bytes": {"image_bytes": data}, "invert": {"images": pictures, **rates},
            "invert_bytes": {"image_bytes": data, **rates}, "sample": sample, "sample_bytes": sample,
            "synthesize": {"codes": codes}, "synthesize_bytes": {"codes": codes}, "manipulate": manipulate,
            "manipulate_bytes": manipulate}


@functools.lru_cache(maxsize=None)
def hostile():
    """{name: (signature, {input: array of one row}, words of the refusal)}"""
    good = {signature: {name: array[:1] for name, array in rows.items()} for signature, rows in inputs().items()}

    def changed(signature, words, **arrays):
        return signature, {**good[signature], **arrays}, words

    picture = good["reconstruct"]["images"]
    nan = np.full_like(picture, np.nan)
    shape = r"images: expected \[N, 8, 8, 3\]"
    found = {
        "size": changed("reconstruct", shape, images=np.zeros([1, 4, 4, 3], np.float32)),
        "channels": changed("encode", shape, images=np.zeros([1, 8, 8, 4], np.float32)),
        "axes": changed("encode", shape, images=np.zeros([8, 8, 3], np.float32)),
        "NaN": changed("reconstruct", "finite", images=nan), "NaN inverted": changed("invert", "finite", images=nan),
        "values to 255": changed("reconstruct", r"images: expected values in \[-1, 1\]; got.*255",
                                 images=np.linspace(0, 255, picture.size, dtype=np.float32).reshape(picture.shape)),
        "huge distance": changed("manipulate", "distance: expected values in -1e.06 to 1e.06",
                                 distance=np.array([1e38], np.float32)),
        "bytes of no text": changed("manipulate", r"attribute: expected one of .*got.*\?\?\[2J\?",
                                    attribute=np.array([b"\xff\x1b[2J\n"])),
        "huge z": changed("sample", "z: expected values", z=np.full([1, 8], 1e20, np.float32)),
        "infinite codes": changed("synthesize", "finite", codes=np.full([1, 4, 8], np.inf, np.float32)),
        "NaN codes": changed("manipulate", "finite", codes=np.full([1, 4, 8], np.nan, np.float32)),
        "million steps": changed("invert", "steps: expected 0 to 1000", steps=np.array([10 ** 6], np.int32)),
        "negative steps": changed("invert_bytes", "steps: expected 0 to 1000", steps=np.array([-1], np.int32)),
        "rate": changed("invert", "learning_rate: expected 0.0 to 1.0", learning_rate=np.array([2], np.float32)),
        "NaN rate": changed("invert", "learning_rate", learning_rate=np.array([np.nan], np.float32)),
        "rows": changed("manipulate", "a row for each of codes", distance=np.zeros(2, np.float32)),
        "no axes": changed("sample", r"psi: expected \[N\]", psi=np.array(1, np.float32)),
        "no rows": changed("encode", "1 to 256 rows", images=picture[:0]),
        "many rows": changed("synthesize", "1 to 256 rows", codes=np.zeros([257, 4, 8], np.float32)),
        "attribute": changed("manipulate", r"one of age \(0\), smile \(1\)", attribute=np.array([b"wisdom"])),
        "number": changed("manipulate_bytes", "attribute: expected one of", attribute=np.array([b"2"])),
        "type": changed("encode", "float tensor", images=np.zeros([1, 8, 8, 3], np.int32))}
    for name in "text", "cut jpeg", "huge png", "huge jpeg", "scans":
        data, words = served_pictures.hostile()[name]
        found[name] = changed("invert_bytes", words, image_bytes=np.array([data]))
    return found


@pytest.fixture(scope="module")
def models():
    """Networks for 8 px, with codes 4 x 8."""
    return checkpoint.Models(encoder=tiny.encoder(resolution=8, num_layers=4), generator=tiny.generator(resolution=8),
                             discriminator=tiny.discriminator(resolution=8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, models):
    """Folder of a model whose version 1 `serving.export` has written."""
    path = tmp_path_factory.mktemp("serving") / "tiny"
    export.export(models, path, boundaries=BOUNDARIES, features=features, options=InversionOptions(feature_weight=1e-4))
    return path


@pytest.fixture(scope="module")
def half_folder(tmp_path_factory, models):
    """Folder of a model whose version 1 the tool has written, in float16: a generator and boundaries."""
    path = tmp_path_factory.mktemp("tool")
    (path / "attributes").mkdir()
    checkpoint.save(checkpoint.Models(generator=models.generator), path / "network.h5")
    for name, boundary in BOUNDARIES.items():
        boundaries.write(path / f"attributes/{name}.npz", boundary)
    with pytest.MonkeyPatch.context() as patch:
        arguments = "--boundaries", path / "attributes", "--features", "none", "-o", path / "serving/half", "--float16"
        assert running.run(patch, "export.py", path / "network.h5", *arguments) == 0
    return path / "serving/half"


@pytest.fixture(scope="module")
def generator_alone(tmp_path_factory):
    """A generator with labels, of 4 px and codes 2 x 8, and its served version."""
    generator = tiny.generator(label_size=3, resolution=4, mapping_layers=1)
    return generator, export.export(checkpoint.Models(generator=generator), tmp_path_factory.mktemp("alone") / "labels")


CODES = tiny.normal(3, 2, 8, seed=6)        # of `generator_alone`


def called(folder, alone, requests, work):
    """(answers, refusals, what the command line of TensorFlow printed and drew) in the other process."""
    np.savez(work / "requests.npz", **requests)
    np.save(work / "codes.npy", CODES)
    common = ["--tag_set", "serve", "--signature_def"]
    commands = [["show", "--dir", str(folder / "1"), *common, "invert_bytes"],
                ["run", "--dir", str(alone), *common, "synthesize", "--inputs", "codes=codes.npy", "--outdir", "."]]
    done = subprocess.run([sys.executable, "-I", CLIENT, "requests.npz", "answers.npz", "refusals.json", folder / "1",
                           json.dumps(commands)], cwd=work, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return (dict(np.load(work / "answers.npz")), json.loads((work / "refusals.json").read_text()),
            (done.stdout, np.load(work / "images.npy")))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The encoded pictures of `inputs`, as the tools read them, [3, 8, 8, 3]."""
    path, found = tmp_path_factory.mktemp("pictures") / "picture", []
    for data in inputs()["encode_bytes"]["image_bytes"]:
        path.write_bytes(data)
        found.append(images.load(path, 8)[0])
    return np.stack(found)


@pytest.fixture(scope="module")
def answered(folder, generator_alone, pictures, tmp_path_factory):
    """(answers, refusals) to all requests, and what the command line of TensorFlow printed and drew."""
    requests = {"read/invert/images": pictures, "read/invert/steps": STEPS, "read/invert/learning_rate": RATES}
    for signature, rows in inputs().items():
        for name, array in rows.items():
            requests[f"three/{signature}/{name}"] = array
            requests[f"second/{signature}/{name}"] = array[1:2]
    for call, (signature, arrays, _) in hostile().items():
        requests.update({f"bad {call}/{signature}/{name}": array for name, array in arrays.items()})
    return called(folder, generator_alone[1], requests, tmp_path_factory.mktemp("client"))


def inverted(models, pictures):
    """Codes, images and losses after STEPS at RATES, from our own inversion, each picture alone."""
    found = {"codes": [], "images": [], **{name: [] for name in LOSSES.values()}}
    with encoder_training.eagerly():        # it has no graph, which takes longer than these steps
        inversion = Inversion(synthesis=models.generator.synthesis, encoder=models.encoder, features=features,
                              options=InversionOptions(feature_weight=1e-4))
    rate = tf.Variable(0.0)
    inversion.optimizer = optimizers.Adam(rate)
    for picture, steps, value in zip(pictures, STEPS.tolist(), RATES):
        rate.assign(value)
        inversion.options = dataclasses.replace(inversion.options, steps=steps)
        done = inversion(picture[None])
        inversion.options = dataclasses.replace(inversion.options, steps=steps + 1)     # losses are those before a step
        further = inversion(picture[None])
        found["codes"].append(done.codes[0])
        found["images"].append(done.images[0])
        for term, name in LOSSES.items():
            found[name].append(further.losses[term][steps, 0])
    return {name: np.stack(values) for name, values in found.items()}


@pytest.fixture(scope="module")
def expected(models, pictures):
    """{signature, without _bytes where no picture comes in: {output: array}} from our Python functions."""
    generator, encoder, given = models.generator, models.encoder, inputs()
    found = {"invert": inverted(models, given["invert"]["images"])}
    for suffix, source in ("", given["encode"]["images"]), ("_bytes", pictures):
        codes = np.asarray(encoder(source))
        found[f"encode{suffix}"] = {"codes": codes}
        found[f"reconstruct{suffix}"] = {"codes": codes, "images": np.asarray(generator.synthesis(codes))}
    found["serving_default"] = found["reconstruct"]
    codes = given["synthesize"]["codes"]
    moved = codes.copy()
    moved[0] += -2 * tiny.normal(1, 1, 8, seed=3)[0]
    moved[1, 1:3] += 0.5 * tiny.normal(1, 4, 8)[0, 1:3]
    moved[2, 1:3] += 3 * tiny.normal(1, 4, 8)[0, 1:3]
    drawn = [generator(given["sample"]["z"][i:i + 1], truncation_psi=float(psi)) for i, psi in enumerate(PSI)]
    found["synthesize"] = {"images": np.asarray(generator.synthesis(codes))}
    found["manipulate"] = {"images": np.asarray(generator.synthesis(moved)), "codes": moved}
    found["sample"] = {"images": np.concatenate(drawn)}
    return found


def assert_same(answers, signature, expected, rows, call, tolerance=1e-4):
    outputs = expected.get(signature) or expected[signature.replace("_bytes", "")]
    for name, values in outputs.items():
        values, prefix = values[rows], f"{call}/{signature}"
        if name == "images" and signature.endswith("_bytes"):
            pictures = answers[f"{prefix}/image_bytes"]
            found = np.stack([np.asarray(Image.open(io.BytesIO(data)), np.int32) for data in pictures])
            assert np.abs(found - images.to_uint8(values)).max() <= max(1, tolerance * 255 * np.abs(values).max())
        else:
            assert tiny.relative(answers[f"{prefix}/{name}"], values) <= tolerance, (signature, name)


@pytest.mark.parametrize("call, rows", [("three", slice(0, 3)), ("second", slice(1, 2))])
@pytest.mark.parametrize("signature", inputs())
def test_another_process_gets_what_our_functions_give(answered, expected, signature, call, rows):
    answers = answered[0]
    if signature == "invert_bytes":     # the same as `invert`, which our own inversion is compared with
        read = {key.split("/")[2]: values for key, values in answers.items() if key.startswith("read/invert/")}
        expected = {**expected, signature: read}
    assert_same(answers, signature, expected, rows, call)


def test_half_the_bytes_give_nearly_the_same(half_folder, expected, models):
    """Called in this process: that the graph needs nothing of ours, the one in float32 shows in another."""
    model, answers = tf.saved_model.load(str(half_folder / "1")), {}
    signatures = "sample", "synthesize", "manipulate", "synthesize_bytes"
    for signature in signatures:
        given = {name: tf.constant(array.astype(object) if array.dtype.kind == "S" else array)
                 for name, array in inputs()[signature].items()}
        for name, tensor in model.signatures[signature](**given).items():
            answers[f"three/{signature}/{name}"] = tensor.numpy()
    for signature in signatures:
        assert_same(answers, signature, expected, slice(0, 3), "three", tolerance=HALF_TOLERANCE)
    size = (half_folder / "1/variables/variables.data-00000-of-00001").stat().st_size
    count = sum(int(np.prod(weight.shape)) for weight in models.generator.weights)
    assert count * 2 <= size < count * 2 + 20_000


def test_an_encoder_keeps_its_norms_whole(expected, models):
    half = half_weights.halved(models.encoder)
    codes = expected["encode"]["codes"]
    assert 0 < tiny.relative(half(inputs()["encode"]["images"]), codes) < HALF_TOLERANCE
    kept = [value for layer in half._flatten_layers() for value in vars(layer).values()
            if isinstance(value, half_weights.HalfWeight)]
    norms = [layer.norm for layer in models.encoder._flatten_layers() if getattr(layer, "norm", None) is not None]
    whole, count = (sum(int(np.prod(weight.shape)) for weight in weights) for weights in (
        [weight for norm in norms for weight in norm.weights], models.encoder.weights))
    assert whole and sum(int(np.prod(weight.shape)) for weight in kept) == count - whole
    assert all(weight.stored.dtype == tf.float16 for weight in kept)


@pytest.mark.parametrize("network", ["idinvert-128", "idinvert-v1-64", "stylegan-32"])
def test_half_the_bytes_of_official_networks(reference_file, network):
    given = np.load(reference_file(network, "expected.npz"))
    found = checkpoint.load(reference_file(network, "network.pkl"), only=("encoder", "generator"))
    half = half_weights.halved(found.generator)
    codes = given["dlatents"][:1]
    assert 0 < tiny.relative(half.synthesis(codes), found.generator.synthesis(codes)) < 0.01
    if found.encoder is not None:
        x = given["x"][:1]
        assert 0 < tiny.relative(half_weights.halved(found.encoder)(x), found.encoder(x)) < 0.01


def test_callers_at_once_get_their_own_answers(generator_alone):
    result = serving.load_test(generator_alone[1], signature="synthesize", callers=4, calls=60)
    assert result["mixed_rows"] == 0 and result["largest_difference"] < 1e-4
    assert not result["memory_after"] > result["memory_before"] * 1.2      # NaN where it is unknown


@pytest.mark.parametrize("name", hostile())
def test_hostile_requests_are_refused_with_a_reason(answered, name):
    refusal = answered[1][f"bad {name}"]
    assert re.search(hostile()[name][2], refusal["text"]), refusal["text"]
    assert refusal["seconds"] < 20


def test_shapes_are_compared_where_the_server_does_not(generator_alone):
    """Fed past the checks of Python's session, as C++ feeds it."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        model = tf.compat.v1.saved_model.load(session, ["serve"], str(generator_alone[1]))
        signature = model.signature_def["synthesize"]
        feed, fetch = signature.inputs["codes"].name, signature.outputs["images"].name
        graph = tf.compat.v1.get_default_graph()
        for shape, words in ([1, 3, 8], "expected [N, 2, 8]"), ([2, 2, 4], "expected [N, 2, 8]"):
            with pytest.raises(tf.errors.InvalidArgumentError) as error:
                session._call_tf_sessionrun(
                    None, {graph.get_tensor_by_name(feed)._as_tf_output(): np.zeros(shape, np.float32)},
                    [graph.get_tensor_by_name(fetch)._as_tf_output()], [], None)
            assert words in str(error.value)


# ---- the files

def test_warm_up_requests_are_answered(answered):
    warmed = {key.split("/")[1] for key in answered[0] if key.startswith("warm-up of tiny/")}
    assert warmed == set(inputs()) - {"serving_default"}


def test_warm_up_requests_are_what_the_api_reads(folder):
    api = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    path = folder / "1/assets.extra" / server_files.WARM_UP
    for record in (record.numpy() for record in tf.data.TFRecordDataset(str(path))):
        log = api.PredictionLog.FromString(record)
        request = log.predict_log.request
        assert request.model_spec.name == "tiny" and not log.FindInitializationErrors()
        for name, array in inputs()[request.model_spec.signature_name].items():
            found = tf.make_ndarray(request.inputs[name])
            assert found.shape == (1, *array.shape[1:]) or array.dtype.kind == "S" and found.shape == (1,)
        assert log.SerializeToString(deterministic=True) and len(log.SerializeToString()) == len(record)


def test_configurations_list_the_models_there(tmp_path):
    for name in "b/1", "a/3", "a/20", "no-version/x", "a b/1":
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "saved_model.pb").touch()
    server_files.write_configs(tmp_path)
    text = (tmp_path / "models.config").read_text()
    assert text.startswith("#") and [line.split('"')[1] for line in text.splitlines() if "name:" in line] == ["a", "b"]
    assert 'base_path: "/models/a"' in text and "max_batch_size" in (tmp_path / "batching_parameters.txt").read_text()
    (tmp_path / "models.config").write_bytes(b"mine \xff")
    (tmp_path / "batching_parameters.txt").write_text("mine, too")
    server_files.write_configs(tmp_path)
    assert (tmp_path / "models.config").read_bytes() == b"mine \xff"
    assert (tmp_path / "batching_parameters.txt").read_text() == "mine, too"


def test_configurations_are_what_the_api_reads(tmp_path):
    api = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    from google.protobuf import text_format
    (tmp_path / "a/1").mkdir(parents=True)
    (tmp_path / "a/1/saved_model.pb").touch()
    server_files.write_configs(tmp_path)
    config = text_format.Parse((tmp_path / "models.config").read_text(), api.ModelServerConfig())
    assert [(each.name, each.base_path) for each in config.model_config_list.config] == [("a", "/models/a")]


def test_the_command_line_of_tensorflow_shows_and_runs_it(answered, generator_alone):
    printed, drawn = answered[2]
    for words in "image_bytes", "learning_rate", "steps", "DT_STRING", "DT_INT32", "total_loss", "(-1, 4, 8)":
        assert words in printed
    assert tiny.relative(drawn, generator_alone[0].synthesis(CODES)) < 1e-4


# ---- what can be exported, and what cannot

def test_a_generator_alone_with_labels_serves_what_it_can(generator_alone):
    generator, folder = generator_alone
    signatures = tf.saved_model.load(str(folder)).signatures
    assert set(signatures) == {"sample", "synthesize", "sample_bytes", "synthesize_bytes", "serving_default"}
    z, labels = tiny.normal(2, 8), np.eye(3, dtype="float32")[:2]
    found = signatures["serving_default"](z=tf.constant(z), psi=tf.constant([0.7, 0.7]), labels=tf.constant(labels))
    assert tiny.relative(found["images"], generator(z, labels=labels, truncation_psi=0.7)) < 1e-4
    served = export._Served(generator, None, SimpleNamespace(names=[]), None, InversionOptions(), label=1)
    assert [spec.name for spec in served.signatures()[0].inputs] == ["z", "psi"]
    one = served.sample(tf.constant(z), tf.constant([0.7, 0.7]))["images"]
    assert tiny.relative(one, generator(z, labels=np.eye(3, dtype="float32")[[1, 1]], truncation_psi=0.7)) < 1e-4


@pytest.mark.parametrize("settings, words", [
    (dict(version=1), "version 1 is there already"), (dict(version=0), "expected 1 or more"),
    (dict(boundaries={"big": boundaries.Boundary(tiny.normal(1, 14, 512))}), "'big': a boundary of 14 layers"),
    (dict(name="a b"), "a model's name has letters"), (dict(models=checkpoint.Models()), "no generator"),
    (dict(models=checkpoint.Models(generator=tiny.generator(resolution=4, num_channels=1))), "not RGB"),
    (dict(name="file/x"), "file")])
def test_what_cannot_be_exported_is_one_line(monkeypatch, tmp_path, models, settings, words):
    (tmp_path / "there/1").mkdir(parents=True)
    (tmp_path / "file").touch()
    monkeypatch.setattr(export, "_Served", None)        # all of it is known before anything is traced
    given = {"models": models, **settings}
    with pytest.raises(InputError, match=words) as error:
        export.export(given.pop("models"), tmp_path / given.pop("name", "there"), **given)
    assert "\n" not in str(error.value)
    assert [path.name for path in (tmp_path / "there").rglob("*")] == ["1"]


def test_nothing_is_left_of_a_version_that_cannot_be_written(monkeypatch, tmp_path, models):
    def full(folder, _):
        (folder / "saved_model.pb").touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export._Served, "signatures", lambda _: [])
    monkeypatch.setattr(export, "_both", lambda *_: [])
    monkeypatch.setattr(export, "_write", full)
    with pytest.raises(InputError, match="x/1: cannot be written: No space left"):
        export.export(models, tmp_path / "x")
    assert not list((tmp_path / "x").iterdir())


def test_weights_beyond_float16_are_refused():
    generator = tiny.generator()
    generator.dlatent_avg.assign(np.full(8, 1e5, np.float32))
    with pytest.raises(InputError, match="'dlatent_avg'.*65504"):
        half_weights.halved(generator)


# ---- the tool

def test_the_tool_writes_a_model_and_what_a_server_needs_beside_it(half_folder):
    assert sorted(path.name for path in half_folder.parent.iterdir()) == [
        "batching_parameters.txt", "half", "models.config"]
    assert sorted(path.name for path in (half_folder / "1").iterdir() if path.name != "fingerprint.pb") == [
        "assets", "assets.extra", "saved_model.pb", "variables"]


@pytest.mark.parametrize("arguments, words", [
    (["absent.h5"], "absent.h5"), (["network.h5", "--boundaries", "absent.npy"], "absent.npy"),
    (["network.h5", "--boundaries", "empty"], "no boundaries"),
    (["network.h5", "--boundaries", "a/x.npz", "b/x.npz"], "two files of the same name"),
    (["network.h5", "--features", "absent.h5"], "absent.h5"), (["discriminator.h5"], "no generator")])
def test_what_the_tool_cannot_do_is_one_line(monkeypatch, tmp_path, models, capfd, arguments, words):
    monkeypatch.chdir(tmp_path)
    for folder in "a", "b", "empty":
        Path(folder).mkdir()
        if folder != "empty":
            boundaries.write(tmp_path / folder / "x.npz", BOUNDARIES["age"])
    checkpoint.save(models, "network.h5")
    checkpoint.save(checkpoint.Models(discriminator=models.discriminator), "discriminator.h5")
    assert running.run(monkeypatch, "export.py", *arguments) == 2
    assert words in running.error_line(capfd)
    assert not Path("serving").exists()
