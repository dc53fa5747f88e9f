"""PyTorch layouts: the public code's own results, networks of other sizes bit for bit, and what is refused and why."""
from __future__ import annotations

import functools
import logging

import numpy as np
import pytest
import tiny
import torch_states as states
import torch_writer as writer
from hostile_pickles import text
from tiny import relative

from tf_idinvert.checkpoint import CheckpointError, Models, load, save
from tf_idinvert.formats.weights import export_arrays

FORWARD = 1e-4


def assert_same(network, expected, without=()):
    config = {name: value for name, value in network.get_config().items() if not name.startswith("fmap")}
    assert config == {name: value for name, value in expected.get_config().items() if name in config}
    arrays, own = export_arrays(network), export_arrays(expected)
    assert list(arrays) == list(own)
    for name, array in arrays.items():
        if not name.startswith(tuple(without)) or not without:
            assert array.tobytes() == own[name].tobytes(), name


def refusal(*paths, **options):
    """The message with which loading is refused, checked to be one line."""
    with pytest.raises(CheckpointError) as caught:
        load(*paths, **options)
    message = str(caught.value)
    assert message.startswith(str(paths[0].parent)) and len(message.splitlines()) == 1 and len(message) < 500, message
    return message


def saved(folder, content, container="zip"):
    return writer.save(folder / "x.pth", content, container)


# ---- the public code's own results

@pytest.fixture(scope="module")
def reference(reference_file):
    """Callable: (folder, names of files, **options) -> (Models, expected arrays), read once and not to be changed."""
    @functools.cache
    def loaded(folder, *names, **options):
        return (load(*(reference_file(folder, name) for name in names), **options),
                dict(np.load(reference_file(folder, "expected.npz"))))

    return loaded


@pytest.mark.parametrize("folder, form, options", [
    ("idp-64", "generator_zip", {"final_activation": "none"}), ("idp-tanh-128", "generator", {})])
def test_idinvert_pytorch(folder, form, options, reference):
    models, expected = reference(folder, f"{folder}_{form}.pth", f"{folder}_encoder.pth", **options)
    generator = models.generator
    assert relative(generator.mapping(expected["z"]), expected["w"]) < FORWARD
    assert relative(generator.truncate(expected["w"], 0.7, 8), expected["w_psi07"]) < FORWARD
    assert relative(generator.synthesis(expected["w"]), expected["images"]) < FORWARD
    assert relative(generator(expected["z"][:1]), expected["images_psi07"]) < FORWARD
    assert relative(generator.synthesis(expected["wp"]), expected["images_wp"]) < FORWARD
    assert relative(models.encoder(expected["x"]), expected["codes"]) < FORWARD
    assert relative(generator.synthesis(expected["codes"][:1]), expected["reconstruction"]) < FORWARD
    assert (np.asarray(generator.dlatent_avg) == expected["w_avg"]).all()


@pytest.mark.parametrize("folder", ["higan-64", "interfacegan-128"])
def test_one_code_for_all_layers(folder, reference):
    models, expected = reference(folder, f"{folder}.pth")
    w = models.generator.mapping(expected["z"])
    assert relative(w[:, 0], expected["w"]) < FORWARD
    assert relative(models.generator.synthesis(w), expected["images"]) < FORWARD
    assert relative(models.generator(expected["z"][:1]), expected["images_psi07"]) < FORWARD
    assert relative(models.generator.synthesis(expected["wp"]), expected["images_wp"]) < FORWARD
    assert models.notes == ()


@pytest.mark.parametrize("folder, name", [
    ("gf-32", "gf-32.pth"), ("gf-32", "gf-32_checkpoint.pth"), ("gf-32", "gf-32_bare_pytorch_model.bin"),
    ("gf-128", "gf-128.pth")])
def test_genforce(folder, name, reference):
    models, expected = reference(folder, name)
    generator, training, discriminator = models.generator, models.training_generator, models.discriminator
    assert relative(generator.mapping(expected["z"])[:, 0], expected["w"]) < FORWARD
    assert relative(generator(expected["z"], truncation_psi=1), expected["images"]) < FORWARD
    assert relative(generator(expected["z"][:1]), expected["images_psi07"]) < FORWARD
    assert relative(generator.synthesis(expected["wp"]), expected["images_wp"]) < FORWARD
    assert (training is None) == (discriminator is None) == ("bare" in name)
    if training is not None:
        assert relative(training.mapping(expected["z"])[:, 0], expected["w_G"]) < FORWARD
        assert relative(training(expected["z"][:1], truncation_psi=1), expected["images_G"]) < FORWARD
        assert relative(discriminator(expected["x"]), expected["scores_x"]) < FORWARD
        assert relative(discriminator(expected["x"][:2]), expected["scores_x_first2"]) < FORWARD
    assert ("optimizers" in " ".join(models.notes)) == ("checkpoint" in name)


def test_lernapparat(reference):
    models, expected = reference("lernapparat-32", "lernapparat-32.for_g_all.pt")
    generator = tiny.copy(models.generator)
    assert relative(generator.mapping(expected["z"])[:, 0], expected["w"]) < FORWARD
    error = expected["w_std_20000"] * np.sqrt(1 / 10_000 + 1 / 20_000)
    assert (np.abs(np.asarray(generator.dlatent_avg) - expected["w_mean_20000"]) < 5 * error).all()
    assert "w_avg is the mean of 10,000 codes" in models.notes[0]
    for i, layer in enumerate(generator.synthesis.styled):
        layer.noise.assign(expected[f"noise{i}"].transpose(0, 2, 3, 1))
    assert relative(generator(expected["z"], truncation_psi=1), expected["images_eps1e-8"]) < FORWARD
    assert relative(generator.synthesis(expected["wp"]), expected["images_wp_eps1e-8"]) < FORWARD


@pytest.mark.parametrize("folder, name", [
    ("gf-32", "gf-32_checkpoint.pth"), ("lernapparat-32", "lernapparat-32.for_g_all.pt")])
def test_to_our_formats_and_back(folder, name, reference, tmp_path):
    models, _ = reference(folder, name)
    for file in "ours.h5", "official.pkl":
        save(models, tmp_path / file)
        loaded = load(tmp_path / file)
        for field in ("generator", "training_generator", "discriminator"):
            if getattr(models, field) is not None:
                assert_same(getattr(loaded, field), getattr(models, field))
                assert getattr(loaded, field).get_config() == getattr(models, field).get_config()


# ---- networks of other sizes

SIZES = [dict(resolution=8), dict(resolution=8, label_size=3), dict(resolution=16, mapping_layers=3, num_channels=1),
         dict(resolution=128, mapping_layers=1), dict(resolution=32, fmap_base=256, fmap_max=24, lod=0.5)]


@pytest.mark.parametrize("size, layerwise, container", [
    *((size, True, "legacy") for size in SIZES), (SIZES[0], False, "zip")], ids=str)
def test_other_generators(size, layerwise, container, tmp_path):
    generator = tiny.generator(layerwise=layerwise, **{"mapping_fmaps": 512, **size} if size.get(
        "mapping_layers") == 1 else size)
    path = saved(tmp_path, states.idinvert(generator), container)
    assert_same(load(path, final_activation="none").generator, generator)
    path = saved(tmp_path, states.genforce(generator), container)
    assert_same(load(path).generator, generator)
    if size == SIZES[0]:
        path = saved(tmp_path, states.idinvert(generator, "linear", "first_layer"), container)
        assert_same(load(path, final_activation="none").generator, generator)


@pytest.mark.parametrize("size", [SIZES[0], SIZES[3]], ids=str)
def test_other_generators_of_lernapparat(size, tmp_path):
    generator = tiny.generator(**{"mapping_fmaps": 512, **size} if size.get("mapping_layers") == 1 else size)
    filled = ("dlatent_avg", "synthesis/noise", *(f"synthesis/ToRGB_lod{k}" for k in range(1, 6)))
    assert_same(load(saved(tmp_path, states.lernapparat(generator))).generator, generator, without=filled)
    state = {**states.lernapparat(generator), "truncation.avg_latent": np.asarray(generator.dlatent_avg)}
    assert_same(load(saved(tmp_path, state)).generator, generator, without=filled[1:])


@pytest.mark.parametrize("resolution, fused_scale, fused_from", [(32, True, 8), (128, False, 512)])
def test_fusing_is_told_by_the_keys(resolution, fused_scale, fused_from, tmp_path):
    generator = tiny.generator(resolution=resolution, fused_scale=fused_scale)
    path = saved(tmp_path, states.idinvert(generator, fused_from=fused_from))
    assert_same(load(path).generator, generator)
    assert "layers [6" in refusal(saved(tmp_path, states.idinvert(generator, fused_from=32)))


@pytest.mark.parametrize("size", [dict(resolution=8), dict(resolution=64, fmap_max=16, label_size=4),
                                  dict(resolution=4, mbstd_group_size=0),
                                  dict(resolution=4, num_channels=1, mbstd_num_features=2)], ids=str)
def test_other_discriminators(size, tmp_path):
    discriminator = tiny.discriminator(**size)
    assert_same(load(saved(tmp_path, states.genforce_discriminator(discriminator))).discriminator, discriminator)


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("size", [dict(resolution=8, num_layers=4), dict(filters=4, filters_max=16),
                                  dict(resolution=64, num_layers=10, dlatent_size=6, filters=8, filters_max=8)],
                         ids=str)
def test_other_encoders(size, batch_norm, tmp_path):
    encoder = tiny.encoder(generation="2020-05", batch_norm=batch_norm, **size)
    loaded = load(saved(tmp_path, states.idinvert_encoder(encoder))).encoder
    assert_same(loaded, encoder, without=("encoder/encoder_fc/weight",))
    name = "encoder/encoder_fc/weight"
    assert relative(export_arrays(loaded)[name], export_arrays(encoder)[name]) < 1e-6


def test_gamma_and_bias_are_folded(tmp_path):
    encoder, rng = tiny.encoder(generation="2020-05"), np.random.default_rng(5)
    state, x = states.idinvert_encoder(encoder), tiny.normal(2, 16, 16, 3)
    gamma = rng.uniform(0.5, 1.5, state["block1.bn2.bn.weight"].shape).astype("float32")
    bias = rng.standard_normal(gamma.shape).astype("float32")
    mean = state["block1.bn2.bn.running_mean"]
    # The same function: gamma over a variance gamma^2 as large, the bias in the mean as well.
    state.update({"block1.bn2.bn.weight": gamma, "block1.wscale2.bias": bias,
                  "block1.bn2.bn.running_mean": mean + bias,
                  "block1.bn2.bn.running_var": (state["block1.bn2.bn.running_var"] + 1e-5) * gamma ** 2 - 1e-5})
    assert relative(load(saved(tmp_path, state)).encoder(x), encoder(x)) < 1e-5


def test_a_set_of_several_networks(tmp_path):
    networks = {"generator": tiny.generator(seed=3, resolution=8), "discriminator": tiny.discriminator(resolution=8),
                "generator_smooth": tiny.generator(resolution=8)}
    content = {"generator": states.genforce(networks["generator"]),
               "discriminator": states.genforce_discriminator(networks["discriminator"]),
               "generator_smooth": states.genforce(networks["generator_smooth"])}
    optimizers = {"d": {"state": {0: {"step": np.ones((), "float32")}}}}
    for wrapped in (content, {"models": content, "optimizers": optimizers}):
        models = load(saved(tmp_path, wrapped))
        assert_same(models.training_generator, networks["generator"])
        assert_same(models.generator, networks["generator_smooth"])
        assert_same(models.discriminator, networks["discriminator"])
    only = load(saved(tmp_path, content), only=("discriminator",))
    assert only.generator is None and only.training_generator is None and only.discriminator is not None
    del content["generator_smooth"]
    models = load(saved(tmp_path, content))
    assert_same(models.generator, networks["generator"])
    assert models.training_generator is None
    wrapped = {"state_dict": content["generator"], "epoch": 3}
    assert_same(load(saved(tmp_path, wrapped)).generator, networks["generator"])
    of_several_devices = {f"module.{key}": each for key, each in content["generator"].items()}
    assert_same(load(saved(tmp_path, of_several_devices)).generator, networks["generator"])


def test_an_encoder_of_another_kind_is_left_out(tmp_path):
    generator = states.genforce(tiny.generator(resolution=8))
    content = {"generator": generator, "encoder": {"conv1.weight": np.zeros((2, 2), "float32")}}
    models = load(saved(tmp_path, {"models": content}))
    assert models.encoder is None and models.generator is not None
    assert models.notes == ("left out: 'encoder'",)


# ---- the final activation

def test_final_activation(tmp_path, caplog):
    generator, w = tiny.generator(layerwise=True, resolution=8), tiny.normal(2, 4, 8)
    path = saved(tmp_path, states.idinvert(generator))
    linear = np.asarray(generator.synthesis(w))
    with caplog.at_level(logging.WARNING):
        models = load(path)
    assert relative(models.generator.synthesis(w), np.tanh(linear)) < 1e-6
    assert len(models.notes) == 1 and "tanh is taken" in models.notes[0] and models.notes[0] in caplog.text
    told = load(path, final_activation="tanh")
    assert told.notes == () and relative(told.generator.synthesis(w), np.tanh(linear)) < 1e-6
    models = load(path, final_activation="none")
    assert models.notes == () and relative(models.generator.synthesis(w), linear) == 0
    assert "final_activation must be" in refusal(path, final_activation="relu")


def test_one_code_for_all_layers_ends_in_nothing(tmp_path):
    models = load(saved(tmp_path, states.idinvert(tiny.generator(resolution=8))))
    assert models.notes == () and models.generator.get_config()["final_activation"] is None


def test_nothing_is_guessed_where_another_file_says_it(tmp_path):
    generator, encoder = (tiny.generator(layerwise=True, resolution=8),
                          tiny.encoder(generation="2020-05", filters=4, resolution=8, num_layers=4))
    files = [writer.save(tmp_path / "g.pth", states.idinvert(generator)),
             writer.save(tmp_path / "e.pth", states.idinvert_encoder(encoder)), tmp_path / "official.pkl"]
    save(Models(generator=generator, discriminator=tiny.discriminator(resolution=8)), files[2])
    models = load(*files)
    assert_same(models.generator, generator)
    assert models.encoder is not None and models.discriminator is not None
    assert models.notes == (f"{files[0]}: left out its generator, {files[2]} holds one",)


# ---- several files

def test_files_that_do_not_belong_together(tmp_path):
    generator = writer.save(tmp_path / "g.pth", states.genforce(tiny.generator(resolution=8)))
    assert "holds another generator; one is enough" in refusal(generator, generator)
    encoder = tiny.encoder(generation="2020-05", resolution=8, num_layers=6)
    other = writer.save(tmp_path / "e.pth", states.idinvert_encoder(encoder))
    message = refusal(generator, other)
    assert message.startswith(f"{other}: ") and "do not fit" in message


# ---- what is refused

def wrong_states():
    """{name: (content, words expected)}"""
    generator = states.idinvert(tiny.generator())
    genforce = states.genforce(tiny.generator(layerwise=True))
    encoder = states.idinvert_encoder(tiny.encoder(generation="2020-05"))
    discriminator = states.genforce_discriminator(tiny.discriminator())
    one = np.zeros((2, 2), "float32")

    def changed(state, **values):
        made = {key.replace("__", "."): each for key, each in values.items()}
        return {key: each for key, each in {**state, **made}.items() if each is not None}

    averages = tiny.normal(48)
    bias = np.ones_like(encoder["block1.wscale1.bias"])
    unnormalized = {key: each for key, each in encoder.items() if ".bn" not in key}
    return {
        "nothing": ({}, "holds no network"),
        "a list": ([one], "holds no network"),
        "a text": ("network", "holds no network"),
        "only optimisers": ({"optimizers": {"state": {0: {"step": one}}}}, "it holds 'optimizers'"),
        "numbers as keys": ({0: one, 1: one}, "holds no network that we know by name; it holds 0, 1"),
        "an unknown network": ({"conv.weight": one, "conv.bias": one}, "no layout we know; known are those of"),
        "an unknown network by name": ({"generator": {"conv.weight": one}}, "no layout we know"),
        "a discriminator as generator": ({"generator": discriminator}, "'generator' is a network of another kind"),
        "rosinality": ({"generator": {"style.1.linear.weight_orig": one, "generator.progression.0.conv1.input": one}},
                       "rosinality"),
        "rosinality, bare": ({"generator.progression.0.conv1.input": one, "style.1.linear.bias": one}, "rosinality"),
        "rosinality's average": ({"g_running": {"generator.progression.0.conv1.input": one}}, "rosinality"),
        "MMGeneration": ({"state_dict": {"generator_ema.style_mapping.1.mapping.weight": one}, "meta": {"epoch": 1}},
                         "MMGeneration"),
        "StyleGAN2 of genforce": ({"generator_smooth": {"mapping.dense0.weight": one,
                                                        "synthesis.early_layer.const": one}}, "StyleGAN2 of genforce"),
        "StyleGAN2 of rosinality": ({"g_ema": {"conv1.conv.modulation.weight": one}, "latent_avg": one},
                                    "stylegan2-pytorch"),
        "pSp": ({"state_dict": {"decoder.conv1.conv.modulation.weight": one}, "opts": {"a": 1}}, "pSp"),
        "a key missing": (changed(generator, synthesis__layer2__epilogue__style_mod__dense__wscale__bias=None),
                          "lacks 1 key ('synthesis.layer2.epilogue.style_mod"),
        "a key too many": (changed(generator, synthesis__more=one), "does not know 1 key ('synthesis.more')"),
        "w_avg missing": (changed(generator, truncation__w_avg=None), "lacks 1 key ('truncation.w_avg')"),
        "both spellings": (changed(generator, synthesis__layer0__first_layer=one), "does not know 1 key"),
        "a layer missing": ({key: each for key, each in generator.items() if "layer3" not in key}, "does not know"),
        "one layer": ({key: each for key, each in generator.items() if "synthesis" not in key}, "no StyleGAN"),
        "another blur": (changed(generator, synthesis__layer2__blur__kernel=np.ones((8, 1, 3, 3), "float32") / 9),
                         "another filter"),
        "weights of another rank": (changed(generator, mapping__dense0__fc__weight=tiny.normal(8)), "expected 2"),
        "weights of another size": (changed(generator, mapping__dense1__fc__weight=tiny.normal(8, 9)), "Dense1"),
        "const of another size": (changed(generator, synthesis__layer0__const=tiny.normal(1, 8, 5, 5)), "const"),
        "noise of another size": (changed(generator, synthesis__layer0__epilogue__apply_noise__noise=one), "noise0"),
        "whole numbers": (changed(generator, truncation__w_avg=np.zeros(8, "int64")), "int64"),
        "no width": (changed(generator, mapping__dense0__fc__weight=np.zeros((0, 8), "float32")), "mapping"),
        "lod of two": (changed(generator, synthesis__lod=np.zeros(2, "float32")), "lod must be one finite number"),
        "lod not a number": (changed(generator, synthesis__lod=np.array(np.nan, "float32")), "lod must be one"),
        "lod negative": (changed(generator, synthesis__lod=np.array(-1, "float32")), "lod"),
        "w_avg for every layer": (changed(genforce, truncation__w_avg=averages), "separate w_avg for every layer"),
        "odd widths": (states.genforce(tiny.generator(fmap_base=1024, fmap_max=40, fmap_decay=2.0)), "halved"),
        "encoder without batch norm": (changed(unnormalized, block1__wscale1__bias=bias), "no batch norm"),
        "encoder with some batch norm": (changed(encoder, block1__bn1__bn__weight=None), "lacks 1 key"),
        "encoder of odd outputs": (changed(unnormalized, block3__fc__weight=tiny.normal(47, 128)), "cannot be shared"),
        "encoder without blocks": ({"block0.conv.weight": one}, "no residual block"),
        "batch norm of another size": (changed(encoder, block0__bn__bn__bias=tiny.normal(5)), "does not fit"),
        "discriminator cut": (changed(discriminator, layer6__weight=None, layer6__bias=None), "lacks 2 keys"),
        "many layers": ({"mapping.dense0.fc.weight": one, **{
            f"synthesis.layer{i}.epilogue.bias": one for i in range(200)}}, "more than 64 layers"),
        "many blocks": ({"g_mapping.dense0.weight": one, **{
            f"g_synthesis.blocks.{4 << k}x{4 << k}.epi1.style_mod.lin.weight": one for k in range(30)}},
                        "up to 1024 px"),
        "lernapparat without synthesis": ({"g_mapping.dense0.weight": one, "g_mapping.dense0.bias": one}, "lacks"),
        "lernapparat of parts that do not fit": (changed(states.lernapparat(tiny.generator()),
                                                         g_mapping__dense1__weight=tiny.normal(8, 9)), "do not fit"),
    }


@pytest.fixture(scope="module")
def wrong():
    return wrong_states()


NAMES = [line.split('"')[1] for line in __import__("inspect").getsource(wrong_states).splitlines()
         if line.startswith('        "')]


@pytest.mark.one_stack      # our own look at names and shapes
@pytest.mark.parametrize("name", NAMES)
def test_wrong_states_are_refused(name, wrong, tmp_path):
    content, words = wrong[name]
    assert words in refusal(saved(tmp_path, content))


def test_nested_deeply(tmp_path):
    deep = b"}" + (text("a") + b"}") * 50_000 + b"s" * 50_000
    path = tmp_path / "x.pth"
    path.write_bytes(writer.zipped(deep))
    assert "holds no network that we know by name; it holds 'a'" in refusal(path)
    path.write_bytes(writer.zipped(b"}" + b"q\0" + text("models") + b"h\0" + b"s"))
    assert "holds no network" in refusal(path)
