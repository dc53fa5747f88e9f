"""weights: the tables are complete both ways, in official layouts; no network is larger than the file's arrays."""
from __future__ import annotations

import functools
import time
import tracemalloc

import numpy as np
import pytest
import tiny

from tf_idinvert.errors import InputError
from tf_idinvert.formats import weights
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator
from tf_idinvert.networks.latent_discriminator import LatentDiscriminator
from tf_idinvert.networks.synthesis import layer_name

NETWORKS = {
    "generator": tiny.generator, "layerwise": lambda: tiny.generator(layerwise=True, resolution=8),
    "labels": lambda: tiny.generator(label_size=3, resolution=8),
    "quiet": lambda: tiny.generator(use_noise=False, resolution=8),
    "discriminator": tiny.discriminator, "scores": lambda: tiny.discriminator(label_size=3, resolution=8),
    "spread": lambda: tiny.discriminator(mbstd_num_features=2, resolution=8),
    "alone": lambda: tiny.discriminator(mbstd_group_size=0, resolution=8),
    "encoder": tiny.encoder, "older": lambda: tiny.encoder(generation="2020-05", resolution=8),
    "latent": tiny.latent_discriminator, "latent whole": lambda: tiny.latent_discriminator(design="whole"),
    "no norm": lambda: tiny.encoder(batch_norm=False, resolution=8),
    "narrow": lambda: tiny.encoder(filters=16, filters_max=8, resolution=8),
    "attributes": tiny.attributes, "unnamed": lambda: tiny.attributes(binary=(), widths=(4,)),
}
HUGE = [
    (Generator, dict(resolution=2 ** 20)), (Generator, dict(fmap_max=10 ** 9, fmap_base=2 ** 30)),
    (Generator, dict(dlatent_size=10 ** 9)), (Generator, dict(latent_size=10 ** 9)),
    (Generator, dict(mapping_layers=10 ** 9)), (Generator, dict(mapping_fmaps=10 ** 9)),
    (Generator, dict(label_size=10 ** 9)), (Generator, dict(num_channels=10 ** 9)), (Generator, dict(layerwise=True)),
    (Generator, dict(fmap_decay=0, fmap_max=10 ** 9)), (Generator, dict(resolution=2 ** 2000)),
    (Generator, dict(fmap_base=1e-300)),
    (Discriminator, dict(resolution=2 ** 20)), (Discriminator, dict(num_channels=10 ** 9)),
    (Discriminator, dict(label_size=10 ** 9)), (Discriminator, dict(mbstd_num_features=10 ** 9)),
    (Discriminator, dict(fmap_max=10 ** 9, fmap_base=2 ** 30)),
    (Encoder, dict(resolution=2 ** 20)), (Encoder, dict(filters=10 ** 9, filters_max=10 ** 9)),
    *((LatentDiscriminator, {size: 10 ** 9}) for size in ("num_layers", "dlatent_size", "mlp_layers", "mlp_fmaps")),
    (Encoder, dict(num_layers=10 ** 9)), (Encoder, dict(dlatent_size=10 ** 9)), (Encoder, dict(num_channels=10 ** 9)),
    *((Attributes, {size: 2 ** 30}) for size in ("num_channels", "resolution", "hidden")),
    (Attributes, dict(widths=(4, 2 ** 30))), (Attributes, dict(widths=(4,) * 20)),
    (Attributes, dict(names=tuple(map(str, range(1000))), binary=())),
]
WRONG = [
    (dict(resolution="x"), "resolution must be a whole number, 1 or more; got 'x'"),
    (dict(resolution=True), "resolution must be a whole number, 1 or more; got True"),
    (dict(resolution=24), "resolution must be a power of two, at least 4; got 24"),
    (dict(num_channels=-3), "num_channels must be a whole number, 1 or more; got -3"),
    (dict(use_noise="no"), "use_noise must be True or False; got 'no'"),
    (dict(fused_scale=2), "fused_scale must be 'auto', True or False; got 2"),
    (dict(blur_filter=(1, -1)), "blur_filter must be None or a list of numbers with a sum; got (1, -1)"),
    (dict(blur_filter=(1,) * 65), "blur_filter must be None or a list"),
    (dict(mapping_lrmul=0), "mapping_lrmul must be a positive number; got 0"),
    (dict(fmap_base=float("nan")), "fmap_base must be a positive number; got nan"),
    (dict(truncation_psi="0.7"), "truncation_psi must be None or a number; got '0.7'"),
    (dict(lod=-1), "lod must be a number, 0 or more; got -1"),
    (dict(dtype="float64"), "unknown argument 'dtype'"), (dict(name="x\ny"), "unknown argument 'name'"),
]


def arrays_of(network):
    return {name: array.copy() for name, array in weights.export_arrays(network).items()}


@functools.cache
def made(network_class):
    """A small network of a class, made once: no test changes it."""
    return {Generator: tiny.generator, Discriminator: tiny.discriminator, Encoder: tiny.encoder,
            LatentDiscriminator: tiny.latent_discriminator, Attributes: tiny.attributes}[network_class]()


def small(network_class):
    """Configuration and arrays of a small network of a class."""
    return made(network_class).get_config(), arrays_of(made(network_class))


def refusal(network_class, config, arrays, build=weights.build):
    """The message with which building is refused, checked to be one line, quick, and cheap."""
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(InputError) as caught:
        build(network_class, config, arrays)
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(network_class.__name__.lower() + ": ")
    assert len(message.splitlines()) == 1 and len(message) < 300, message
    assert seconds < 5 and peak < 2e7
    return message


@pytest.mark.parametrize("name", NETWORKS)
def test_every_variable_is_in_the_table_once_and_arrays_build_the_same_network(name):
    network = NETWORKS[name]()
    rows = weights.table(network)
    names = [row[0] for row in rows]
    assert len(set(names)) == len(names)
    assert sorted(id(variable) for _, variable, _ in rows) == sorted(id(variable) for variable in network.variables)
    arrays = weights.export_arrays(network)
    again = weights.build(type(network), network.get_config(), arrays)
    assert again.get_config() == network.get_config()
    for key, array in weights.export_arrays(again).items():
        assert array.dtype == "float32" and np.array_equal(array, arrays[key]), key


def test_channels_first_in_the_files():
    network = tiny.generator()
    arrays = weights.export_arrays(network)
    assert arrays["synthesis/4x4/Const/const"].shape == (1, 8, 4, 4)
    assert arrays["synthesis/noise5"].shape == (1, 1, 16, 16)
    first, noise = network.synthesis.styled[0], network.synthesis.styled[5].noise
    assert arrays["synthesis/4x4/Const/const"][0, 5, 1, 3] == np.asarray(first.const)[0, 1, 3, 5]
    assert np.array_equal(arrays["synthesis/noise5"][0, 0], np.asarray(noise)[0, :, :, 0])


def test_official_layer_names():
    assert [layer_name(i) for i in range(6)] == [
        "4x4/Const", "4x4/Conv", "8x8/Conv0_up", "8x8/Conv1", "16x16/Conv0_up", "16x16/Conv1"]


@pytest.mark.parametrize("network_class", [Generator, Discriminator, Encoder, LatentDiscriminator, Attributes])
def test_missing_surplus_and_misshapen_arrays(network_class):
    config, arrays = small(network_class)
    name = [key for key in arrays if key.endswith("bias")][2]
    value = arrays.pop(name)
    assert f"lacks 1 variable ('{name}')" in refusal(network_class, config, arrays)
    network = weights.build(network_class, config, {**arrays, name: value.astype("float16")})

    def filled(network_class, config, arrays):
        weights.assign_arrays(network, arrays)      # the last that `build` does

    arrays.update({name: value, "more": value, "even more": value})
    assert "does not know 2 variables ('more', 'even more')" in refusal(network_class, config, arrays, filled)
    del arrays["more"], arrays["even more"]
    for wrong in (value[:-1], value[:, None], value[0], value.astype("int32")):
        arrays[name] = np.asarray(wrong)
        assert f"variable '{name}' is {wrong.dtype} {list(np.shape(wrong))}, expected float" in \
            refusal(network_class, config, arrays, filled)


def test_misshapen_arrays_stored_channels_first():
    config, arrays = small(Generator)
    arrays["synthesis/4x4/Const/const"] = np.zeros((1, 4, 4, 8), "float32")
    assert "is float32 [1, 4, 4, 8], expected float [1, 8, 4, 4]" in refusal(Generator, config, arrays)


@pytest.mark.one_stack      # refused before a network is built
@pytest.mark.parametrize("network_class, argument", HUGE, ids=str)
def test_absurd_sizes_are_refused_before_they_are_built(network_class, argument):
    config, arrays = small(network_class)
    refusal(network_class, {**config, **argument}, arrays)


def test_sizes_that_multiply_are_refused_before_they_are_built():
    """The styles of a small file may be as wide as they like: the convolutions between must be there, too."""
    config, arrays = small(Generator)
    width = 50_000
    config.update(dlatent_size=1, fmap_max=width, fmap_base=width, fmap_decay=0)
    arrays["mapping/Dense1/weight"] = np.zeros((8, 1), "float32")
    for name in [name for name in arrays if name.endswith("StyleMod/weight")]:
        arrays[name] = np.zeros((1, 2 * width), "float32")
    arrays["synthesis/ToRGB_lod0/weight"] = np.zeros((1, 1, width, 3), "float32")
    assert f"is [3, 3, {width}, {width}], the file holds [3, 3, 8, 8]" in refusal(Generator, config, arrays)


@pytest.mark.one_stack      # refused before a network is built
@pytest.mark.parametrize("argument, message", WRONG, ids=str)
def test_arguments_of_the_wrong_kind(argument, message):
    config, arrays = small(Generator)
    assert message in refusal(Generator, {**config, **argument}, arrays)


@pytest.mark.one_stack      # refused before a network is built
@pytest.mark.parametrize("change, message", [
    (dict(names="age"), "names must be a list of at most 1000 different names, of 100 characters each; got 'age'"),
    (dict(names=("age", 3)), "names must be a list"), (dict(names=("age", "age")), "names must be a list"),
    (dict(names=("age", "x" * 101)), "names must be a list"), (dict(names=("age", "x\ny")), "names must be a list"),
    (dict(names=tuple(map(str, range(1001)))), "names must be a list"), (dict(names=(("a",),)), "names must be a list"),
    (dict(names=()), "'Scores/weight' is [8, 0], the file holds [8, 2]"), (dict(binary=None), "binary must be a list"),
    (dict(binary=("hat",)), "binary attributes must be among the names; 'hat' is not"),
    (dict(widths=()), "widths must be a list of 1 to 20 whole numbers, 1 or more; got ()"),
    (dict(widths=(4, 0)), "widths must be a list"), (dict(widths=(4, True)), "widths must be a list"),
    (dict(widths=(4, 6.0)), "widths must be a list"), (dict(widths=(4,) * 21), "widths must be a list"),
    (dict(hidden=0), "hidden must be a whole number, 1 or more; got 0"),
    (dict(resolution=18), "resolution must be a multiple of 2 for each width, 4; got 18")], ids=str)
def test_arguments_that_no_attribute_network_has(change, message):
    config, arrays = small(Attributes)
    assert message in refusal(Attributes, {**config, **change}, arrays)


@pytest.mark.one_stack      # refused before a network is built
@pytest.mark.parametrize("network_class", [Generator, Discriminator, Encoder, LatentDiscriminator, Attributes])
def test_every_argument_is_needed(network_class):
    config, arrays = small(network_class)
    for name in set(config) - set(weights.entry_of(network_class).late):
        rest = {key: value for key, value in config.items() if key != name}
        assert f"lacks the argument '{name}'" in refusal(network_class, rest, arrays)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(value):
    network = tiny.attributes()
    arrays = weights.export_arrays(network)
    name = next(iter(arrays))
    arrays[name] = arrays[name].copy()
    arrays[name].flat[0] = value
    with pytest.raises(InputError, match=f"attributes: variable '{name}' holds NaN or infinity"):
        weights.assign_arrays(network, arrays)
