"""Weights by their official names: the table of every network, the way in, the way out, and the sizes to expect.

The names and layouts are those of the official files (StyleGAN: Karras et al. 2019; idinvert: Zhu et al. 2020); our own
HDF5 files use the same, and for the latent discriminator and the attribute network, which have no official file, names
in their manner. Complete both ways: every Keras weight is filled exactly once, every stored array is used.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.formats.arguments import check_names, check_values, shown
from tf_idinvert.networks.attributes import Attributes
from tf_idinvert.networks.discriminator import Discriminator
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator
from tf_idinvert.networks.latent_discriminator import LatentDiscriminator
from tf_idinvert.networks.layers import feature_maps, log2_resolution
from tf_idinvert.networks.mapping import Mapping
from tf_idinvert.networks.synthesis import Synthesis


class WeightsError(InputError):
    """Arrays that do not make the network that their file describes; the message is one line."""


def table(network):
    """The table of a network's weights: list of (official name, Keras variable, layout).

    Layout 'NCHW' marks the two kinds of variable that the official files store channels first (`[1, C, H, W]`); the
    weights of a generator's parts carry the prefixes `mapping/` and `synthesis/`.
    """
    if isinstance(network, Generator):
        parts = [("synthesis", network.synthesis), ("mapping", network.mapping)]
        return [("dlatent_avg", network.dlatent_avg, "")] + [
            (f"{part}/{name}", variable, layout) for part, sub in parts for name, variable, layout in table(sub)]
    tables = {Mapping: _mapping_weights, Synthesis: _synthesis_weights, Discriminator: _discriminator_weights,
              Encoder: _encoder_weights, LatentDiscriminator: _latent_discriminator_weights,
              Attributes: _attributes_weights}
    return list(tables[type(network)](network))


def _equalized(name, layer):
    yield f"{name}/weight", layer.weight, ""
    if layer.bias is not None:
        yield f"{name}/bias", layer.bias, ""


def _mapping_weights(mapping):
    if mapping.label_weight is not None:
        yield "LabelConcat/weight", mapping.label_weight, ""
    for i, dense in enumerate(mapping.dense):
        yield from _equalized(f"Dense{i}", dense)


def _synthesis_weights(synthesis):
    for i, layer in enumerate(synthesis.styled):
        if layer.noise is not None:
            yield f"noise{i}", layer.noise, "NCHW"
    for i, layer in enumerate(synthesis.styled):
        name = synthesis_layer_name(i)
        if layer.conv is None:
            yield f"{name}/const", layer.const, "NCHW"
        else:
            yield f"{name}/weight", layer.conv.weight, ""
        if layer.noise is not None:
            yield f"{name}/Noise/weight", layer.noise_weight, ""
        yield f"{name}/bias", layer.bias, ""
        yield from _equalized(f"{name}/StyleMod", layer.style)
        if i % 2:
            level = (synthesis.num_layers - 1 - i) // 2
            yield from _equalized(f"ToRGB_lod{level}", synthesis.to_rgb[i // 2])


def synthesis_layer_name(i):
    """Official name of styled layer i: '4x4/Const', '4x4/Conv', '8x8/Conv0_up', '8x8/Conv1', ..."""
    side = 2 ** (i // 2 + 2)
    return f"{side}x{side}/" + (("Const", "Conv")[i] if i < 2 else ("Conv0_up", "Conv1")[i % 2])


def _discriminator_weights(discriminator):
    for level, from_rgb in enumerate(discriminator.from_rgb):
        side = discriminator.resolution >> level
        yield from _equalized(f"FromRGB_lod{level}", from_rgb)
        if side > 4:
            yield from _equalized(f"{side}x{side}/Conv0", discriminator.conv0[level])
            yield from _equalized(f"{side}x{side}/Conv1_down", discriminator.conv1_down[level])
    yield from _equalized("4x4/Conv", discriminator.conv)
    yield from _equalized("4x4/Dense0", discriminator.dense0)
    yield from _equalized("4x4/Dense1", discriminator.dense1)


def _encoder_weights(encoder):
    newer = encoder.get_config()["generation"] == "2020-09"
    norm = {True: "{0}/batch_norm", False: "{0}/{1}/BatchNorm"}[newer]

    def unit(name, layer, older_norm):
        yield f"{name}/weight", layer.weight, ""
        if layer.bias is not None:
            yield f"{name}/bias", layer.bias, ""
        if layer.norm is not None:
            prefix = norm.format(name, older_norm)
            if newer:
                yield f"{prefix}/gamma", layer.norm.gamma, ""
            yield f"{prefix}/beta", layer.norm.beta, ""
            yield f"{prefix}/moving_mean", layer.norm.moving_mean, ""
            yield f"{prefix}/moving_variance", layer.norm.moving_variance, ""

    yield from unit("FromImg" if newer else "encoder/input_image_stage", encoder.from_image, "bn_input_stage")
    for i, block in enumerate(encoder.blocks):
        name = f"E_block_{i}" if newer else f"encoder/encoder_res_block_{i}"
        if block.shortcut is not None:
            yield from unit(f"{name}/{'Shortcut' if newer else 'shortcut'}", block.shortcut, "shortcut_bn")
        yield from unit(f"{name}/{'Conva' if newer else 'conv1'}", block.conv_a, "bn_1")
        yield from unit(f"{name}/{'Convb' if newer else 'conv2'}", block.conv_b, "bn_2")
    yield from unit("Latent_out" if newer else "encoder/encoder_fc", encoder.latent_out, "fc_1")


def _latent_discriminator_weights(discriminator):
    if discriminator.layer_embedding is not None:
        yield "LayerEmbedding/weight", discriminator.layer_embedding, ""
    for i, dense in enumerate(discriminator.dense):
        yield from _equalized(f"Dense{i}", dense)
    yield from _equalized("Logit", discriminator.logit)


def _attributes_weights(attributes):
    layers = [(f"Conv{i}", convolution) for i, convolution in enumerate(attributes.convolutions)]
    for name, layer in [*layers, ("Hidden", attributes.hidden), ("Scores", attributes.scores)]:
        yield f"{name}/weight", layer.kernel, ""
        yield f"{name}/bias", layer.bias, ""


def export_arrays(network):
    """{official name: float32 array in official layout} of all weights of a network."""
    return {name: np.transpose(np.asarray(variable), (0, 3, 1, 2)) if layout == "NCHW" else np.asarray(variable)
            for name, variable, layout in table(network)}


def assign_arrays(network, arrays):
    """Fill a network from {official name: array}, complete both ways; WeightsError where they do not fit."""
    rows = table(network)
    missing = [name for name, _, _ in rows if name not in arrays]
    known = {name for name, _, _ in rows}
    surplus = [name for name in arrays if name not in known]
    if missing or surplus:
        raise WeightsError(f"{kind(network)}: " + "; ".join(
            f"{what} {len(names)} variable{'s' * (len(names) > 1)} ({', '.join(map(shown, names[:3]))}"
            f"{', ...' if len(names) > 3 else ''})"
            for what, names in (("lacks", missing), ("does not know", surplus)) if names))
    for name, variable, layout in rows:
        array = arrays[name]
        if layout == "NCHW" and array.ndim == 4:
            array = np.transpose(array, (0, 2, 3, 1))
        if array.shape != tuple(variable.shape) or array.dtype.kind != "f":
            raise WeightsError(f"{kind(network)}: variable {name!r} is {array.dtype} {list(arrays[name].shape)}, "
                                  f"expected float {_official_shape(variable, layout)}")
        variable.assign(array.astype("float32", copy=False))


def _official_shape(variable, layout):
    shape = list(variable.shape)
    return [shape[0], shape[3], shape[1], shape[2]] if layout == "NCHW" else shape


def kind(network):
    return type(network).__name__.lower()


def build(network_class, config, arrays):
    """A network of the constructor arguments `config`, filled with {official name: array}.

    What is built is never larger than what `arrays` holds: all weights that could make it so are compared first.

    Raises:
        WeightsError: arguments and arrays do not fit each other; one line.
    """
    try:
        check_names(network_class, config)
        check_values(config)
        _check_sizes(network_class, config, arrays)
        network = network_class(**config)
    except WeightsError:
        raise
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise WeightsError(f"{network_class.__name__.lower()}: {str(error).splitlines()[0]}") from error
    assign_arrays(network, arrays)
    return network


def _check_sizes(network_class, config, arrays):
    sizing = {Generator: _generator_sizes, Discriminator: _discriminator_sizes, Encoder: _encoder_sizes,
              LatentDiscriminator: _latent_discriminator_sizes, Attributes: _attributes_sizes}
    for name, shape in sizing[network_class](config):
        found = list(arrays[name].shape) if name in arrays else "none"
        if found != shape:
            raise WeightsError(f"{network_class.__name__.lower()}: by its arguments {name!r} is {shape}, "
                               f"the file holds {found}")


def _width(config, stage):
    return feature_maps(stage, config["fmap_base"], config["fmap_decay"], config["fmap_max"])


def _generator_sizes(config):
    stages = log2_resolution(config["resolution"])
    num_layers = stages * 2 - 2
    inputs = config["latent_size"] * (2 if config["label_size"] else 1)
    if config["label_size"]:
        yield "mapping/LabelConcat/weight", [config["label_size"], config["latent_size"]]
    for i in range(config["mapping_layers"]):
        outputs = config["mapping_fmaps"]
        if i == config["mapping_layers"] - 1:
            outputs = config["dlatent_size"] * (num_layers if config["layerwise"] else 1)
        yield f"mapping/Dense{i}/weight", [inputs, outputs]
        inputs = outputs
    for i in range(num_layers):
        name, width = f"synthesis/{synthesis_layer_name(i)}", _width(config, i // 2 + 1)
        if i > 0:
            yield f"{name}/weight", [3, 3, _width(config, (i + 1) // 2), width]
        yield f"{name}/StyleMod/weight", [config["dlatent_size"], width * 2]
        if config["use_noise"]:
            yield f"synthesis/noise{i}", [1, 1, 4 << i // 2, 4 << i // 2]
    for stage in range(1, stages):
        yield f"synthesis/ToRGB_lod{stages - 1 - stage}/weight", [1, 1, _width(config, stage), config["num_channels"]]


def _discriminator_sizes(config):
    stages = log2_resolution(config["resolution"])
    for stage in range(1, stages):
        width, side = _width(config, stage), 2 << stage
        yield f"FromRGB_lod{stages - 1 - stage}/weight", [1, 1, config["num_channels"], width]
        appended = config["mbstd_num_features"] if config["mbstd_group_size"] > 1 else 0
        yield ((f"{side}x{side}/Conv0/weight", [3, 3, width, width]) if stage > 1 else
               ("4x4/Conv/weight", [3, 3, width + appended, width]))
    yield "4x4/Dense0/weight", [_width(config, 1) * 16, _width(config, 0)]
    yield "4x4/Dense1/weight", [_width(config, 0), max(config["label_size"], 1)]


def _encoder_sizes(config):
    newer = config["generation"] == "2020-09"
    width = min(config["filters"], config["filters_max"])
    yield (("FromImg/weight", [5, 5, config["num_channels"], width]) if newer else
           ("encoder/input_image_stage/weight", [3, 3, config["num_channels"], width]))
    for i in range(log2_resolution(config["resolution"]) - 2):
        name = f"E_block_{i}/Convb/weight" if newer else f"encoder/encoder_res_block_{i}/conv2/weight"
        narrow, width = width, min(config["filters"] * 2 ** (i + 1), config["filters_max"])
        yield name, [3, 3, min(narrow, width), width]
    yield ("Latent_out/weight" if newer else "encoder/encoder_fc/weight",
           [width * 16, config["num_layers"] * config["dlatent_size"]])


def _latent_discriminator_sizes(config):
    inputs, outputs = config["num_layers"] * config["dlatent_size"], config["mlp_fmaps"]
    if config["design"] == "layerwise":
        yield "LayerEmbedding/weight", [config["num_layers"], outputs]
        inputs = config["dlatent_size"]
    for i in range(config["mlp_layers"]):
        yield f"Dense{i}/weight", [inputs, outputs]
        inputs = outputs
    yield "Logit/weight", [outputs, 1]


def _attributes_sizes(config):
    inputs = config["num_channels"]
    for i, outputs in enumerate(config["widths"]):
        yield f"Conv{i}/weight", [3, 3, inputs, outputs]
        inputs = outputs
    yield "Hidden/weight", [inputs * (config["resolution"] // 2 ** len(config["widths"])) ** 2, config["hidden"]]
    yield "Scores/weight", [config["hidden"], len(config["names"])]
