"""Official records <-> Keras networks: constructor arguments by tables, weights by `weights`.

An unknown constructor argument is an error, and so is a known one whose value we do not build.
Source: the published networks of StyleGAN (Karras et al. 2019) and idinvert (Zhu et al. 2020).
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.formats.arguments import check_values, shown
from tf_idinvert.formats.pickles import NetworkRecord
from tf_idinvert.formats.weights import build, export_arrays
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator


class ConversionError(InputError):
    """A record that is no network we know, or a network that has no official form; the message is one line."""


# Official constructor argument -> (ours, official default). What a file leaves out has the official default.
MAPPING_ARGUMENTS = {
    "latent_size": ("latent_size", 512),
    "label_size": ("label_size", 0),
    "dlatent_size": ("dlatent_size", 512),
    "mapping_layers": ("mapping_layers", 8),
    "mapping_fmaps": ("mapping_fmaps", 512),
    "mapping_lrmul": ("mapping_lrmul", 0.01),
    "normalize_latents": ("normalize_latents", True),
}
SYNTHESIS_ARGUMENTS = {
    "dlatent_size": ("dlatent_size", 512),
    "num_channels": ("num_channels", 3),
    "resolution": ("resolution", 1024),
    "fmap_base": ("fmap_base", 8192),
    "fmap_decay": ("fmap_decay", 1.0),
    "fmap_max": ("fmap_max", 512),
    "use_noise": ("use_noise", True),
    "fused_scale": ("fused_scale", "auto"),
    "blur_filter": ("blur_filter", [1, 2, 1]),
}
STYLE_ARGUMENTS = {
    "truncation_psi": ("truncation_psi", 0.7),
    "truncation_cutoff": ("truncation_cutoff", 8),
    "dlatent_avg_beta": ("dlatent_avg_beta", 0.995),
    "style_mixing_prob": ("style_mixing_prob", 0.9),
}
DISCRIMINATOR_ARGUMENTS = {
    "num_channels": ("num_channels", 1),
    "resolution": ("resolution", 32),
    "label_size": ("label_size", 0),
    "fmap_base": ("fmap_base", 8192),
    "fmap_decay": ("fmap_decay", 1.0),
    "fmap_max": ("fmap_max", 512),
    "mbstd_group_size": ("mbstd_group_size", 4),
    "mbstd_num_features": ("mbstd_num_features", 1),
    "fused_scale": ("fused_scale", "auto"),
    "blur_filter": ("blur_filter", [1, 2, 1]),
}
# Arguments that we support at one value only: another one means a network that is built differently.
FIXED_ARGUMENTS = {
    "use_wscale": True, "mapping_use_wscale": True, "use_styles": True, "const_input_layer": True,
    "use_pixel_norm": False, "use_instance_norm": True, "nonlinearity": "lrelu", "mapping_nonlinearity": "lrelu",
    "dtype": "float32",
}
# Arguments that say how the official code runs a network, not what it computes.
RUN_ARGUMENTS = {
    "structure", "randomize_noise", "is_training", "is_validation", "is_template_graph", "return_dlatents",
    "force_clean_graph", "truncation_psi_val", "truncation_cutoff_val", "dlatent_broadcast", "num_gpus", "phase",
}
GENERATOR_ARGUMENTS = {**MAPPING_ARGUMENTS, **SYNTHESIS_ARGUMENTS, **STYLE_ARGUMENTS}

IMPORT_STYLEGAN = "from training.networks_stylegan import *\n"      # run by the original's loader, in its own checkout
IMPORT_ENCODER = "from training.networks_encoder import *\n"


# ------------------------------------------------------------------------------------------ from record to network

def network_class(record):
    """Generator, Discriminator or Encoder, told by what an official record contains; else ConversionError."""
    if set(record.components) == {"mapping", "synthesis"}:
        return Generator
    telling = {"4x4/Dense1/weight": Discriminator, "FromImg/weight": Encoder,
               "encoder/input_image_stage/weight": Encoder}
    for name, kind in telling.items():
        if name in record.variables and not record.components:
            return kind
    raise ConversionError(f"network {shown(record.name)} (built by {shown(record.build_func_name)}) is neither a "
                          "StyleGAN generator or discriminator nor an idinvert encoder")


def to_network(record):
    """Keras network of an official record.

    Raises:
        ConversionError: not a network we know, or an argument we do not.
        WeightsError: variables that do not fit the arguments.
    """
    readers = {Generator: _to_generator, Discriminator: _to_discriminator, Encoder: _to_encoder}
    return readers[network_class(record)](record)


def _to_generator(record):
    mapping, synthesis = record.components["mapping"], record.components["synthesis"]
    given = {**record.static_kwargs, **mapping.static_kwargs, **synthesis.static_kwargs}
    config = _constructor_arguments(record.name, given, GENERATOR_ARGUMENTS)
    lod = _scalar(synthesis.variables, "lod")
    arrays = {name: array for name, array in record.variables.items() if name != "lod"}
    arrays.update((f"{part}/{name}", array) for part in ("mapping", "synthesis")
                  for name, array in record.components[part].variables.items() if name != "lod")
    # idinvert's mapping gives every layer a w of its own, NVIDIA's one for all: told by the width of the last layer.
    last = arrays.get(f"mapping/Dense{config['mapping_layers'] - 1}/weight")
    layerwise = last is not None and last.shape[-1:] != (config["dlatent_size"],)
    return build(Generator, dict(config, lod=lod, layerwise=layerwise), arrays)


def _to_discriminator(record):
    config = _constructor_arguments(record.name, record.static_kwargs, DISCRIMINATOR_ARGUMENTS)
    arrays = {name: array for name, array in record.variables.items() if name != "lod"}
    return build(Discriminator, dict(config, lod=_scalar(record.variables, "lod")), arrays)


def _to_encoder(record):
    newer = "FromImg/weight" in record.variables
    first, last, block = (("FromImg", "Latent_out", "E_block_{}/Convb") if newer else
                          ("encoder/input_image_stage", "encoder/encoder_fc", "encoder/encoder_res_block_{}/conv2"))
    arrays = record.variables
    widths = [_outputs(arrays, first)]
    while f"{block.format(len(widths) - 1)}/weight" in arrays:
        widths.append(_outputs(arrays, block.format(len(widths) - 1)))
    # What a file leaves out is read off its weights; the width of W is 512 where nothing is said.
    arguments = {"size": ("resolution", 4 << (len(widths) - 1)), "filter": ("filters", widths[0]),
                 "filter_max": ("filters_max", widths[-1]), "dlatent_size": ("dlatent_size", 512),
                 "num_layers": ("num_layers", _outputs(arrays, last) // 512)}
    config = _constructor_arguments(record.name, record.static_kwargs, arguments)
    config.update(num_channels=3, generation="2020-09" if newer else "2020-05", batch_norm=True)
    return build(Encoder, config, arrays)


def _outputs(arrays, layer):
    shape = np.shape(arrays.get(f"{layer}/weight", 0))
    if not shape:
        raise ConversionError(f"encoder: the file holds no {layer}/weight")
    return shape[-1]


def _constructor_arguments(name, given, known):
    for argument, value in given.items():
        if argument in known or argument in RUN_ARGUMENTS:
            continue
        if argument not in FIXED_ARGUMENTS:
            if argument in GENERATOR_ARGUMENTS:      # the official code hands all arguments to all parts
                continue
            raise ConversionError(f"network {shown(name)}: unknown argument {shown(argument)[1:-1]}={shown(value)}")
        if value != FIXED_ARGUMENTS[argument]:
            raise ConversionError(f"network {shown(name)}: {argument}={shown(value)} is not supported, "
                                  f"only {FIXED_ARGUMENTS[argument]!r}")
    config = {ours: given.get(official, default) for official, (ours, default) in known.items()}
    try:
        check_values(config)
    except InputError as error:
        raise ConversionError(f"network {shown(name)}: {error}") from error
    if config.get("blur_filter") is not None:
        config["blur_filter"] = tuple(config["blur_filter"])
    return config


def _scalar(variables, name):
    value = variables.get(name, np.zeros(()))
    if np.ndim(value) != 0 or not np.isfinite(value):
        raise ConversionError(f"variable {name!r} must be one finite number; got shape {list(np.shape(value))}")
    return float(value)


# ------------------------------------------------------------------------------------------ from network to record

def to_record(network, name):
    """Official record of a Generator, Discriminator or Encoder, complete with constructor arguments.

    Raises:
        ConversionError: the network has no official form (an encoder without batch norm, a latent discriminator, an
            attribute network).
    """
    config, arrays = network.get_config(), export_arrays(network)
    if isinstance(network, Generator):
        return _generator_record(network, name, config, arrays)
    if isinstance(network, Discriminator):
        kwargs = _official_arguments(config, DISCRIMINATOR_ARGUMENTS)
        return _record(name, kwargs, dict(lod=_lod(config), **arrays), "D_basic")
    if not isinstance(network, Encoder) or not config["batch_norm"]:
        raise ConversionError(f"{type(network).__name__}: the official format has no such network"
                              + (" without batch norm" if isinstance(network, Encoder) else ""))
    kwargs = dict(size=config["resolution"], filter=config["filters"], filter_max=config["filters_max"],
                  num_layers=config["num_layers"])
    if config["generation"] == "2020-09":
        kwargs.update(is_training=True, num_gpus=1, dlatent_size=config["dlatent_size"])
    elif config["dlatent_size"] == 512:
        kwargs.update(phase=True)
    else:
        raise ConversionError(f"encoder: the official 2020-05 encoder has codes of 512 numbers a layer; "
                              f"this one has {config['dlatent_size']}")
    return NetworkRecord(name=name, static_kwargs=kwargs, variables=arrays, components={}, build_func_name="Encoder",
                         build_module_src=IMPORT_ENCODER)


def _generator_record(network, name, config, arrays):
    kwargs = _official_arguments(config, GENERATOR_ARGUMENTS)
    parts = {}
    for part in ("synthesis", "mapping"):
        own = {key[len(part) + 1:]: array for key, array in arrays.items() if key.startswith(f"{part}/")}
        if part == "synthesis":
            parts[part] = _record("G_synthesis", kwargs, dict(lod=_lod(config), **own), "G_synthesis")
        else:
            parts[part] = _record("G_mapping", dict(kwargs, dlatent_broadcast=network.num_layers), own, "G_mapping")
    record = _record(name, kwargs, dict(lod=_lod(config), dlatent_avg=arrays["dlatent_avg"]), "G_style")
    record.components = parts
    return record


def _record(name, kwargs, variables, build_func_name):
    return NetworkRecord(name=name, static_kwargs=dict(kwargs), variables=variables, components={},
                         build_func_name=build_func_name, build_module_src=IMPORT_STYLEGAN)


def _official_arguments(config, known):
    arguments = {official: config[ours] for official, (ours, _) in known.items()}
    if arguments["blur_filter"] is not None:
        arguments["blur_filter"] = list(arguments["blur_filter"])
    return arguments


def _lod(config):
    return np.asarray(config["lod"], "float32")
