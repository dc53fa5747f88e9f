"""Variants of official pickles: state version 4, five networks, other builders' defaults, final activations."""
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny
from tiny import relative

from tf_idinvert.checkpoint import CheckpointError, Models, load, record, save
from tf_idinvert.formats import pickles, weights

FORWARD, GRADIENT = 1e-4, 1e-3
CLASSIFIERS = {"classifier": "logits_mbstd0", "classifier_mbstd1": "logits_mbstd0",
               "classifier_mbstd4": "logits_mbstd4", "classifier_unfused": "logits_unfused",
               "same_weights_D_basic": "logits_D_basic"}


def assert_same(one, other):
    """The same networks, bit for bit."""
    for field in dataclasses.fields(Models):
        networks = getattr(one, field.name), getattr(other, field.name)
        assert (networks[0] is None) == (networks[1] is None), field.name
        if networks[0] is not None:
            assert networks[0].get_config() == networks[1].get_config(), field.name
            arrays = [weights.export_arrays(network) for network in networks]
            assert [{name: array.tobytes() for name, array in each.items()} for each in arrays[:1]] == \
                [{name: array.tobytes() for name, array in each.items()} for each in arrays[1:]]


# ------------------------------------------------------------------------------------------------- version 4

@pytest.mark.parametrize("name, shown", [("network.pkl", lambda x: x), ("network_tanh_source.pkl", np.tanh)])
def test_version_4(reference_file, name, shown):
    models = load(reference_file("sg1-v4-32", name))
    expected = dict(np.load(reference_file("sg1-v4-32", "expected.npz")))
    generator = models.generator
    assert relative(generator.mapping(expected["z"])[:, 0], expected["dlatents"]) < FORWARD
    assert relative(generator(expected["z"], truncation_psi=1), shown(expected["images"])) < FORWARD
    assert relative(generator(expected["z"][:1]), shown(expected["images_psi07"])) < FORWARD
    assert relative(generator.synthesis(expected["wp"]), shown(expected["images_wp"])) < FORWARD
    trained = models.training_generator(expected["z"][:1], truncation_psi=1)
    assert relative(trained, shown(expected["images_G"])) < FORWARD
    assert relative(models.discriminator(expected["x"]), expected["scores_x"]) < FORWARD
    assert relative(models.discriminator(expected["x"][:2]), expected["scores_x_first2"]) < FORWARD
    assert relative(models.discriminator(expected["images"]), expected["scores_images"]) < FORWARD


def test_gradient_of_version_4(reference_file):
    generator = load(reference_file("sg1-v4-32", "network.pkl"), only=("generator",)).generator
    expected = np.load(reference_file("sg1-v4-32", "expected.npz"))
    w = tf.tile(tf.constant(expected["dlatents"])[:, None], [1, 8, 1])
    with tf.GradientTape() as tape:
        tape.watch(w)
        energy = tf.reduce_sum(generator.synthesis(w) ** 2)
    assert relative(tape.gradient(energy, w), expected["grad_w"]) < GRADIENT


@pytest.mark.parametrize("folder, name", [
    ("sg1-v4-32", "network.pkl"), *(("classifier-64", f"{name}.pkl") for name in CLASSIFIERS)])
def test_round_trips(reference_file, tmp_path, folder, name):
    """Through both formats: arrays bit for bit, and all that says what is computed."""
    official = reference_file(folder, name)
    models = load(official)
    save(models, tmp_path / "ours.h5")
    ours = load(tmp_path / "ours.h5")
    assert_same(ours, models)
    save(ours, tmp_path / "again.pkl")
    assert_same(load(tmp_path / "again.pkl"), models)
    for before, after in zip(pickles.read(official), pickles.read(tmp_path / "again.pkl")):
        # D_basic that fuses and does not blur is D_paper, which alone pools last
        builder = before.build_func_name
        assert after.build_func_name == (builder if "unfused" in name else builder.replace("D_paper", "D_basic"))
        for one, other in [(before, after), *((before.components[c], after.components[c]) for c in before.components)]:
            assert (one.static_kwargs.keys() - {"label_size"} <= other.static_kwargs.keys()
                    and set(one.variables) == set(other.variables))
            assert all(array.tobytes() == other.variables[key].tobytes() for key, array in one.variables.items())


# ------------------------------------------------------------------------------------------------- final activation

@pytest.fixture(scope="module")
def plain():
    """(codes, {level of detail: the pictures of a layerwise generator without an activation})"""
    w, generator = tiny.normal(2, 4, 8), tiny.generator(layerwise=True, resolution=8)
    return w, {lod: np.asarray(generator.synthesis(w, lod=lod), "float64") for lod in (0, 0.5, 1)}


@pytest.mark.parametrize("name, function", [
    (None, lambda x: x), ("tanh", np.tanh), ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    ("softsign", lambda x: x / (1 + np.abs(x)))])
def test_final_activation_is_kept(tmp_path, plain, name, function):
    models = Models(generator=tiny.generator(layerwise=True, resolution=8, final_activation=name))
    for suffix in (".h5", ".pkl"):
        save(models, tmp_path / f"x{suffix}")
        again = load(tmp_path / f"x{suffix}")
        assert again.notes == () and again.generator.get_config()["final_activation"] == name
        assert_same(again, models)
        for lod, images in plain[1].items():
            assert relative(again.generator.synthesis(plain[0], lod=lod), function(images)) < 1e-5


def test_final_activation_of_stylegan2(tmp_path):
    generator, w = tiny.stylegan2_generator(resolution=8, final_activation="tanh"), tiny.normal(2, 4, 8)
    expected = np.tanh(tiny.stylegan2_generator(resolution=8).synthesis(w))
    for suffix in (".h5", ".pkl"):
        save(Models(generator=generator), tmp_path / f"x{suffix}")
        again = load(tmp_path / f"x{suffix}").generator
        assert again.get_config() == generator.get_config()
        assert relative(again.synthesis(w), expected) < 1e-5


@pytest.mark.parametrize("suffix", [".h5", ".pkl"])
def test_final_activation_that_the_caller_knows(tmp_path, suffix):
    path, generator = tmp_path / f"x{suffix}", tiny.generator(resolution=4, final_activation="tanh")
    save(Models(generator=generator, training_generator=generator,
                discriminator=tiny.discriminator(resolution=4)), path)
    for given, used in ((None, "tanh"), ("none", None), ("sigmoid", "sigmoid")):
        models = load(path, final_activation=given)
        assert {models.generator.synthesis.final_activation, models.training_generator.synthesis.final_activation} == \
            {used}
    with pytest.raises(CheckpointError, match="must be None, 'tanh', 'sigmoid' or 'softsign'; got 'r'"):
        load(path, final_activation="r")


def test_a_line_where_the_text_leaves_it_open(tmp_path, caplog):
    records = [record(network, name) for network, name in (
        (tiny.generator(resolution=4), "G"), (tiny.discriminator(resolution=4), "D"),
        (tiny.generator(seed=3, resolution=4), "Gs"))]
    for each in records[::2]:
        each.components["synthesis"].build_module_src = "# left out\n"
    pickles.write(tmp_path / "x.pkl", records)
    models = load(tmp_path / "x.pkl")
    assert len(models.notes) == 1 and "there is no source text of G_synthesis" in models.notes[0]
    assert [line.message for line in caplog.records] == list(models.notes)
    assert load(tmp_path / "x.pkl", final_activation="none").notes == ()
    assert load(tmp_path / "x.pkl", only=("discriminator",)).notes == ()


def test_a_final_activation_outside_the_synthesis_is_told(tmp_path):
    whole = record(tiny.generator(resolution=4), "Gs")
    whole.build_module_src = "def G_style(z, **kwargs):\n    return tf.tanh(synthesis(z))\n"
    pickles.write(tmp_path / "x.pkl", [whole])
    models = load(tmp_path / "x.pkl")
    assert models.generator.synthesis.final_activation is None
    assert models.notes == ("the source text of G_style names tanh, that of its synthesis does not; none is applied",)


# ------------------------------------------------------------------------------------------------- builders

@pytest.mark.parametrize("name", CLASSIFIERS)
def test_defaults_are_those_of_the_builder(reference_file, name):
    models = load(reference_file("classifier-64", f"{name}.pkl"))
    expected = np.load(reference_file("classifier-64", "expected.npz"))
    assert relative(models.discriminator(expected["x"]), expected[CLASSIFIERS[name]]) < FORWARD


def test_pooling_last():
    """Recomputed: without fusing, networks_progan averages after bias and activation."""
    network = tiny.discriminator(blur_filter=None, fused_scale=False, pool_last=True, mbstd_group_size=0, resolution=8)
    usual = tiny.copy(network)
    x = tiny.normal(2, 8, 8, 3)
    layer = network.conv1_down[0]
    features = tf.nn.leaky_relu(network.conv0[0](tf.nn.leaky_relu(network.from_rgb[0](tf.constant(x)), 0.2)), 0.2)
    y = tf.nn.conv2d(features, layer.used_weight("float32"), 1, "SAME") + layer.bias
    y = tf.nn.avg_pool2d(tf.nn.leaky_relu(y, 0.2), 2, 2, "VALID")
    y = tf.reshape(tf.transpose(tf.nn.leaky_relu(network.conv(y), 0.2), [0, 3, 1, 2]), [2, -1])
    expected = network.dense1(tf.nn.leaky_relu(network.dense0(y), 0.2))
    assert relative(network(x), expected) < 1e-5 and relative(usual(x), expected) < 1e-5
    with pytest.raises(ValueError, match="pool_last needs fused_scale False; got 'auto'"):
        tiny.discriminator(pool_last=True)


@pytest.mark.parametrize("builder", ["D_paper2", "G_paper", "x\ny" * 1000])
def test_unknown_builders_are_named(tmp_path, builder):
    unknown = record(tiny.discriminator(resolution=4), "D")
    unknown.build_func_name = builder
    pickles.write(tmp_path / "x.pkl", [unknown])
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / "x.pkl")
    message = str(caught.value)
    assert f"network 'D' is built by {ascii(builder)[:20]}" in message and len(message.splitlines()) == 1
    part = record(tiny.generator(resolution=4), "Gs")
    part.components["mapping"].build_func_name = "G_other"
    pickles.write(tmp_path / "x.pkl", [part])
    with pytest.raises(CheckpointError, match="has the parts synthesis by G_synthesis, mapping by G_other; expected"):
        load(tmp_path / "x.pkl")


# ------------------------------------------------------------------------------------------------- sets

def test_five_networks(tmp_path):
    """LIA's (E, G, D, Gs, NE): the three that are StyleGAN's."""
    models = tiny.models(resolution=8)
    strangers = [record(models.discriminator, name) for name in ("E", "NE")]
    for each in strangers:
        each.build_func_name = "Own"
    middle = [record(network, name) for network, name in (
        (models.training_generator, "G"), (models.discriminator, "D"), (models.generator, "Gs"))]
    pickles.write(tmp_path / "x.pkl", [strangers[0], *middle, strangers[1]])
    found = load(tmp_path / "x.pkl")
    assert_same(found, dataclasses.replace(models, encoder=None))
    assert found.notes == ("left out 'E' and 'NE' of five networks: this program has no such networks",)


def test_several_files_make_one_set(tmp_path):
    models = tiny.models(resolution=8, layerwise=True)
    save(Models(encoder=models.encoder), tmp_path / "encoder.h5")
    save(dataclasses.replace(models, encoder=None), tmp_path / "rest.pkl")
    assert_same(load(tmp_path / "rest.pkl", tmp_path / "encoder.h5"), models)
    assert load(tmp_path / "rest.pkl", tmp_path / "encoder.h5", only=("encoder",)).generator is None
    save(Models(encoder=tiny.encoder(resolution=8, num_layers=6)), tmp_path / "other.h5")
    for more, only, message in (
            ("rest.pkl", ("discriminator",), "rest.pkl: holds another discriminator; one is enough"),
            ("other.h5", ("generator", "encoder"), "other.h5: encoder and generator do not fit: R, L, D are")):
        with pytest.raises(CheckpointError, match=message):
            load(tmp_path / "rest.pkl", tmp_path / more, only=only)
