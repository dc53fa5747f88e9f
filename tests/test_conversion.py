"""conversion: official records become networks and back, complete both ways; others give a one-line error."""
from __future__ import annotations

import functools
import time

import numpy as np
import pytest
import tiny

from tf_idinvert.checkpoint import record as to_record
from tf_idinvert.errors import InputError
from tf_idinvert.formats import conversion
from tf_idinvert.formats.weights import ENTRIES, build, export_arrays
from tf_idinvert.networks import discriminator, generator
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator

NETWORKS = {        # name: (function of `tiny`, arguments beside the resolution)
    "generator": (tiny.generator, {}), "layerwise": (tiny.generator, dict(layerwise=True)),
    "labels": (tiny.generator, dict(label_size=3)), "quiet": (tiny.generator, dict(use_noise=False)),
    "fused": (tiny.generator, dict(fused_scale=True)), "unfused": (tiny.generator, dict(fused_scale=False)),
    "unblurred": (tiny.generator, dict(blur_filter=None)), "growing": (tiny.generator, dict(lod=1.5)),
    "untruncated": (tiny.generator, dict(truncation_psi=None, truncation_cutoff=None)),
    "one layer": (tiny.generator, dict(mapping_layers=1, normalize_latents=False)),
    "discriminator": (tiny.discriminator, {}), "scores": (tiny.discriminator, dict(label_size=3)),
    "alone": (tiny.discriminator, dict(mbstd_group_size=0)), "spread": (tiny.discriminator, dict(mbstd_num_features=2)),
    "D unblurred": (tiny.discriminator, dict(blur_filter=None)),
    "D fused": (tiny.discriminator, dict(fused_scale=True)), "D growing": (tiny.discriminator, dict(lod=2.0)),
    "encoder": (tiny.encoder, {}), "older": (tiny.encoder, dict(generation="2020-05", dlatent_size=512)),
    "narrow": (tiny.encoder, dict(filters=16, filters_max=8)),
}


GENERATOR_ARGUMENTS = generator.ENTRY.official[0].arguments
DISCRIMINATOR_ARGUMENTS = discriminator.ENTRY.official[0].arguments


def to_network(record):
    described, = conversion.describe([record], ENTRIES)
    return build(next(entry.network for entry in ENTRIES if entry.network.__name__ == described.network),
                 described.config, described.arrays)


def refusal(record):
    """The message with which a record is refused, checked to be one line and quick."""
    start = time.process_time()
    with pytest.raises(InputError) as caught:
        to_network(record)
    assert time.process_time() - start < 5
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and len(message) < 300, message
    return message


@functools.cache
def shared(make):
    """The network that a function of `tiny` makes, made once: tests change its records alone."""
    return make()


def record_of(network):
    """A record as a reader gives it: with dictionaries of its own that a test may change."""
    return to_record(network, "Gs" if isinstance(network, Generator) else "X")


@pytest.mark.parametrize("name", NETWORKS)
def test_there_and_back(name):
    make, arguments = NETWORKS[name]
    network = make(resolution=8, **arguments)
    record = record_of(network)
    again = to_network(record)
    assert type(again) is type(network)
    assert again.get_config() == network.get_config()
    arrays = export_arrays(network)
    for key, array in export_arrays(again).items():
        assert np.array_equal(array, arrays.pop(key)), key
    assert not arrays
    second = record_of(again)
    assert second.static_kwargs == record.static_kwargs and list(second.variables) == list(record.variables)


def test_generator_record_is_laid_out_as_the_official_one():
    network = tiny.generator(layerwise=True, lod=1.0)
    record = record_of(network)
    assert (record.build_func_name, list(record.variables)) == ("G_style", ["lod", "dlatent_avg"])
    assert {name: part.build_func_name for name, part in record.components.items()} == {
        "synthesis": "G_synthesis", "mapping": "G_mapping"}
    synthesis, mapping = record.components["synthesis"], record.components["mapping"]
    assert mapping.static_kwargs["dlatent_broadcast"] == 6 and synthesis.variables["lod"] == 1.0
    assert mapping.variables["Dense1/weight"].shape == (8, 48)
    stored = sum(array.size for part in (record, synthesis, mapping) for array in part.variables.values())
    assert stored == sum(int(np.prod(v.shape)) for v in network.variables) + 2


def test_code_for_the_official_loader_only_imports_it():
    for network in (shared(tiny.generator), shared(tiny.discriminator), shared(tiny.encoder)):
        record = record_of(network)
        for part in (record, *record.components.values()):
            source = part.build_module_src
            assert source.startswith("from training.networks_") and source.count("\n") == 1


@pytest.mark.parametrize("make, arguments", [
    (tiny.generator, GENERATOR_ARGUMENTS), (tiny.discriminator, DISCRIMINATOR_ARGUMENTS)])
def test_absent_arguments_have_their_official_default(make, arguments):
    network = shared(make)
    defaults = {ours: default for ours, default in arguments.values()}
    defaults["blur_filter"] = (1, 2, 1)
    record = record_of(network)
    config = network.get_config()
    for part in (record, *record.components.values()):
        for official, (ours, _) in arguments.items():
            if config[ours] == defaults[ours]:
                del part.static_kwargs[official]
    assert len(record.static_kwargs) < len(arguments) - 5
    assert to_network(record).get_config() == config


def test_what_an_encoder_leaves_out_is_read_off_its_weights():
    for network in (tiny.encoder(dlatent_size=512), tiny.encoder(generation="2020-05", dlatent_size=512)):
        record = record_of(network)
        record.static_kwargs.clear()
        assert to_network(record).get_config() == network.get_config()


def test_arguments_that_change_nothing():
    record = record_of(shared(tiny.generator))
    record.static_kwargs.update(structure="recursive", randomize_noise=False, use_wscale=True, nonlinearity="lrelu",
                                mapping_nonlinearity="lrelu", use_styles=True, dtype="float32", num_gpus=8)
    assert to_network(record).get_config() == shared(tiny.generator).get_config()


@pytest.mark.one_stack      # refused before a network is built
@pytest.mark.parametrize("argument, value, message", [
    ("use_styles", False, "network 'Gs': use_styles=False is not supported, only True"),
    ("const_input_layer", False, "const_input_layer=False is not supported, only True"),
    ("nonlinearity", "relu", "nonlinearity='relu' is not supported, only 'lrelu'"),
    ("use_pixel_norm", True, "use_pixel_norm=True is not supported, only False"),
    ("resample_kernel", [1, 3, 3, 1], "network 'Gs': unknown argument resample_kernel=[1, 3, 3, 1]"),
    ("x\n" * 1000, "y" * 1000, "network 'Gs': unknown argument x\\nx"),
    ("fused_scale", "maybe", "network 'Gs': fused_scale must be 'auto', True or False; got 'maybe'"),
    ("blur_filter", 3, "blur_filter must be None or a list of numbers"),
    ("resolution", 20, "resolution must be a power of two, at least 4; got 20"),
    ("resolution", "a\nb", "resolution must be a whole number, 1 or more; got 'a\\nb'"),
    ("resolution", 2 ** 20, "the file holds none"), ("fmap_max", 4, "is [8, 8], the file holds [8, 16]"),
    ("fmap_base", 16, "generator: "), ("mapping_layers", 10 ** 9, "generator: "),
    ("latent_size", 10 ** 9, "generator: "), ("label_size", 10 ** 9, "'mapping/LabelConcat/weight'"),
    ("truncation_psi", [0.7], "truncation_psi must be None or a number; got [0.7]")])
def test_arguments_that_are_refused(argument, value, message):
    record = record_of(shared(tiny.generator))
    for part in (record, *record.components.values()):
        part.static_kwargs[argument] = value
    assert message in refusal(record)


@pytest.mark.one_stack      # refused before a network is built
@pytest.mark.parametrize("argument", ["fmap_max", "resolution", "label_size", "mbstd_num_features", "num_channels"])
def test_absurd_sizes_of_a_discriminator(argument):
    record = record_of(shared(tiny.discriminator))
    record.static_kwargs.update({"fmap_base": 2 ** 40, argument: 2 ** 20})
    assert refusal(record).startswith("discriminator: ")


@pytest.mark.one_stack      # refused before a network is built
@pytest.mark.parametrize("argument", ["size", "filter", "num_layers", "dlatent_size"])
def test_absurd_sizes_of_an_encoder(argument):
    record = record_of(shared(tiny.encoder))
    record.static_kwargs[argument] = 2 ** 20
    assert refusal(record).startswith("encoder: ")


def test_the_table_lists_every_constructor_argument():
    """Complete both ways: every constructor argument is either stored or inferred from the variables."""
    told = {Generator: {"lod", "layerwise", "final_activation"}, Discriminator: {"lod", "pool_last"}}
    for make, arguments in ((tiny.generator, GENERATOR_ARGUMENTS), (tiny.discriminator, DISCRIMINATOR_ARGUMENTS)):
        network = shared(make)
        assert {ours for ours, _ in arguments.values()} == set(network.get_config()) - told[type(network)]


@pytest.mark.parametrize("make", [tiny.generator, tiny.discriminator, tiny.encoder])
def test_missing_and_surplus_variables(make):
    record = record_of(shared(make))
    part = record.components.get("mapping", record)
    name = [key for key in part.variables if key.endswith("bias")][0]
    value = part.variables.pop(name)
    assert "lacks 1 variable" in refusal(record) and name in refusal(record)
    part.variables.update({name: value, "surplus": value})
    assert "does not know 1 variable" in refusal(record)


def test_unknown_networks():
    generator, discriminator = record_of(shared(tiny.generator)), record_of(shared(tiny.discriminator))
    discriminator.components["more"] = generator.components["mapping"]
    assert "network 'X' (built by 'D_basic') has the parts more by G_mapping; expected none" in refusal(discriminator)
    generator.components["more"] = generator.components["mapping"]
    assert "more by" in refusal(generator) and "; expected synthesis by G_synthesis, mapping by G_mapping" in \
        refusal(generator)
    assert "network 'G_mapping' is built by 'G_mapping'; known builders are Encoder, G_style, D_basic" in \
        refusal(generator.components["mapping"])


@pytest.mark.parametrize("lod", [np.zeros(3, "float32"), np.float32("nan"), np.float32(-1)])
def test_level_of_detail_is_one_number(lod):
    record = record_of(shared(tiny.discriminator))
    record.variables["lod"] = np.asarray(lod)
    assert "lod" in refusal(record)


def test_an_encoder_without_its_last_layer():
    record = record_of(shared(tiny.encoder))
    del record.variables["Latent_out/weight"]
    assert refusal(record) == "encoder: the file holds no Latent_out/weight"


@pytest.mark.parametrize("network, message", [
    (tiny.encoder(batch_norm=False), "Encoder: the official format has no such network without batch norm"),
    (tiny.encoder(generation="2020-05"), "official 2020-05 encoder has codes of 512 numbers a layer; this one has 8"),
    (shared(tiny.generator).mapping, "Mapping: no file format has such a network")])
def test_networks_without_official_form(network, message):
    with pytest.raises(InputError, match=message):
        to_record(network, "X")


def test_encoders_are_told_apart():
    newer, older = record_of(shared(tiny.encoder)), record_of(tiny.encoder(generation="2020-05", dlatent_size=512))
    assert (newer.static_kwargs["is_training"], older.static_kwargs["phase"]) == (True, True)
    assert [to_network(record).get_config()["generation"] for record in (newer, older)] == ["2020-09", "2020-05"]
    assert type(to_network(newer)) is Encoder
