"""Key tables of PyTorch layouts: state dict -> arrays by official name, and constructor arguments.

A table is complete both ways: every key of the state dict is used once or listed as ignored, and every official
variable is filled. Kernels are [out, in, kh, kw] in PyTorch and [kh, kw, in, out] here; dense weights are [out, in] and
[in, out]. Constructor arguments are derived from the shapes.


Source: the public code of genforce/idinvert_pytorch, genforce/higan, genforce/interfacegan, genforce/genforce and
lernapparat/lernapparat (also in harskish/ganspace).
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.formats.arguments import shown
from tf_idinvert.networks.layers import feature_maps
from tf_idinvert.networks.synthesis import layer_name

COMMON_FMAP_BASE = 8192     # fmap_base of StyleGAN's published networks
MEAN_CODES = 10_000         # number of codes to average for w_avg
MAX_COUNT = 64              # largest number of layers; the largest networks have 18
MAX_FILLED_BLOCKS = 9       # largest network, 1024 px, for which missing noise is drawn


# --------------------------------------------------------------------------------- conversions of an array of a key

def as_it_is(key, array):
    return array


def dense(key, array):
    return _of_rank(key, array, 2).T


def convolution(key, array):
    return _of_rank(key, array, 4).transpose(2, 3, 1, 0)


def blur(key, array):
    """Check the blur kernel, which is a constant of the network; return None."""
    expected = np.outer([1, 2, 1], [1, 2, 1]) / 16
    if array.shape[-2:] != (3, 3) or not np.allclose(array, expected, rtol=1e-5, atol=0):
        raise InputError(f"{shown(key)} is another filter than [1, 2, 1] x [1, 2, 1] / 16, which is not supported")


def ignored(key, array):
    """Return None: the network does not need this array."""


def _of_rank(key, array, rank):
    if array.ndim != rank:
        raise InputError(f"{shown(key)} has the shape {shown(list(array.shape))}, expected {rank} dimensions")
    return array


def taken(rows, optional, state):
    """Convert a state dict to {official name: array} by a table, complete both ways.

    Args:
        rows: (key, official name, conversion: one of the functions above) for all required keys.
        optional: the same for optional keys.
        state: {key: array}.
    Raises:
        InputError: keys are missing or unknown, or an array does not fit; one line.
    """
    table = {key: (name, how) for key, name, how in (*rows, *optional)}
    faults = {"lacks": [key for key, _, _ in rows if key not in state],
              "does not know": [key for key in state if key not in table]}
    if any(faults.values()):
        raise InputError("; ".join(
            f"{what} {len(keys)} key{'s' * (len(keys) > 1)} ({', '.join(map(shown, keys[:3]))}"
            f"{', ...' if len(keys) > 3 else ''})" for what, keys in faults.items() if keys))
    arrays = {}
    for key, (name, how) in table.items():
        array = how(key, state[key]) if key in state else None
        if array is not None:
            arrays[name] = array
    return arrays


def _count(state, key, first=0):
    """Return the number of consecutive keys `key.format(first)`, `key.format(first + 1)`, ... in the state dict."""
    number = 0
    while key.format(first + number) in state:
        number += 1
        if number > MAX_COUNT:
            raise InputError(f"has more than {MAX_COUNT} layers {shown(key)}")
    return number


# -------------------------------------------------------------------------------------------------------- generators

def idinvert_generator(state):
    """Generator of idinvert_pytorch, HiGAN, or InterFaceGAN (two keys have other names there) -> (config, arrays)."""
    inner = "linear" if "mapping.dense0.linear.weight" in state else "fc"
    const = "first_layer" if "synthesis.layer0.first_layer" in state else "const"
    num_layers = _count(state, "synthesis.layer{}.epilogue.bias")
    rows, optional = _synthesis_outputs(num_layers, "synthesis.output{}.conv.weight", "synthesis.output{}.bias")
    for k in range(_count(state, f"mapping.dense{{}}.{inner}.weight")):
        rows.append((f"mapping.dense{k}.{inner}.weight", f"mapping/Dense{k}/weight", dense))
        rows.append((f"mapping.dense{k}.wscale.bias", f"mapping/Dense{k}/bias", as_it_is))
    fused = [i for i in range(2, num_layers, 2) if f"synthesis.layer{i}.weight" in state]
    for i in range(num_layers):
        name, key = f"synthesis/{layer_name(i)}", f"synthesis.layer{i}"
        if i == 0:
            rows.append((f"{key}.{const}", f"{name}/const", as_it_is))
        elif i in fused:                            # copied from the authors' TensorFlow, with the axes in its order
            rows.append((f"{key}.weight", f"{name}/weight", as_it_is))
        else:
            rows.append((f"{key}.conv.weight", f"{name}/weight", convolution))
        epilogue = f"{key}.epilogue"
        rows += [(f"{epilogue}.bias", f"{name}/bias", as_it_is),
                 (f"{epilogue}.apply_noise.weight", f"{name}/Noise/weight", as_it_is),
                 (f"{epilogue}.apply_noise.noise", f"synthesis/noise{i}", as_it_is),
                 (f"{epilogue}.style_mod.dense.{inner}.weight", f"{name}/StyleMod/weight", dense),
                 (f"{epilogue}.style_mod.dense.wscale.bias", f"{name}/StyleMod/bias", as_it_is)]
    rows.append(("truncation.w_avg", "dlatent_avg", as_it_is))
    optional += [("truncation.truncation", None, ignored), ("synthesis.lod", "lod", as_it_is),
                 ("mapping.label_weight", "mapping/LabelConcat/weight", as_it_is)]
    config, arrays = _generator(taken(rows, optional, state), num_layers)
    return dict(config, fused_scale=_fused_scale(fused, num_layers)), arrays


def genforce_generator(state):
    """StyleGAN generator of genforce -> (config, arrays)."""
    num_layers = _count(state, "synthesis.layer{}.style.weight")
    rows, optional = _synthesis_outputs(num_layers, "synthesis.output{}.weight", "synthesis.output{}.bias")
    for k in range(_count(state, "mapping.dense{}.weight")):
        rows.append((f"mapping.dense{k}.weight", f"mapping/Dense{k}/weight", dense))
        rows.append((f"mapping.dense{k}.bias", f"mapping/Dense{k}/bias", as_it_is))
    for i in range(num_layers):
        name, key = f"synthesis/{layer_name(i)}", f"synthesis.layer{i}"
        rows += [(f"{key}.weight", f"{name}/weight", convolution) if i else (f"{key}.const", f"{name}/const", as_it_is),
                 (f"{key}.bias", f"{name}/bias", as_it_is),
                 (f"{key}.apply_noise.weight", f"{name}/Noise/weight", as_it_is),
                 (f"{key}.apply_noise.noise", f"synthesis/noise{i}", as_it_is),
                 (f"{key}.style.weight", f"{name}/StyleMod/weight", dense),
                 (f"{key}.style.bias", f"{name}/StyleMod/bias", as_it_is)]
    rows.append(("truncation.w_avg", "dlatent_avg", as_it_is))
    optional += [("synthesis.lod", "lod", as_it_is), ("mapping.label_weight", "mapping/LabelConcat/weight", as_it_is)]
    return _generator(taken(rows, optional, state), num_layers)


def lernapparat_generator(state):
    """Generator of lernapparat and GANSpace -> (config, arrays).

    The layout has neither w_avg, nor noise, nor the ToRGB layers of coarser levels. They are filled as follows: w_avg
    is the mean of w over 10,000 codes, the noise is drawn with a fixed seed, and the ToRGB layers, which full
    resolution does not use, are zero.
    """
    num_layers = 2 * _count_blocks(state)
    rows, optional = [], [("truncation.avg_latent", "dlatent_avg", as_it_is)]
    for k in range(_count(state, "g_mapping.dense{}.weight")):
        rows.append((f"g_mapping.dense{k}.weight", f"mapping/Dense{k}/weight", dense))
        rows.append((f"g_mapping.dense{k}.bias", f"mapping/Dense{k}/bias", as_it_is))
    for i in range(num_layers):
        name = f"synthesis/{layer_name(i)}"
        block, layer = f"g_synthesis.blocks.{_side(i)}x{_side(i)}", ("conv0_up", "conv1")[i % 2]
        key, epilogue = f"{block}.{layer}" if i > 1 else f"{block}.conv", f"{block}.epi{i % 2 + 1}"
        if i == 0:
            rows += [(f"{block}.const", f"{name}/const", as_it_is), (f"{block}.bias", f"{name}/bias", as_it_is)]
        else:
            rows += [(f"{key}.weight", f"{name}/weight", convolution), (f"{key}.bias", f"{name}/bias", as_it_is)]
        rows += [(f"{epilogue}.top_epi.noise.weight", f"{name}/Noise/weight", as_it_is),
                 (f"{epilogue}.style_mod.lin.weight", f"{name}/StyleMod/weight", dense),
                 (f"{epilogue}.style_mod.lin.bias", f"{name}/StyleMod/bias", as_it_is)]
        optional.append((f"{key}.intermediate.kernel", None, blur))
    rows += [("g_synthesis.torgb.weight", "synthesis/ToRGB_lod0/weight", convolution),
             ("g_synthesis.torgb.bias", "synthesis/ToRGB_lod0/bias", as_it_is)]
    arrays = taken(rows, optional, state)
    if not num_layers or "mapping/Dense0/weight" not in arrays:
        raise InputError("generator: has no mapping or no synthesis network of lernapparat's layout")
    channels = arrays["synthesis/ToRGB_lod0/bias"].size
    rng = np.random.default_rng(0)
    for i in range(num_layers):
        arrays[f"synthesis/noise{i}"] = rng.standard_normal((1, 1, _side(i), _side(i)), "float32")
        if i % 2 and i < num_layers - 1:
            rgb = f"synthesis/ToRGB_lod{(num_layers - 1 - i) // 2}"
            width = arrays[f"synthesis/{layer_name(i)}/bias"].size
            arrays[f"{rgb}/weight"] = np.zeros((1, 1, width, channels), "float32")
            arrays[f"{rgb}/bias"] = np.zeros(channels, "float32")
    if "dlatent_avg" not in arrays:
        arrays["dlatent_avg"] = _mean_w(arrays, rng)
    return _generator(arrays, num_layers)


def _mean_w(arrays, rng):
    """Return the mean of w [D] over random z, with the mapping of Karras et al. 2019.

    Batches have about a million numbers, to limit memory.
    """
    weights = [arrays[f"mapping/Dense{k}/weight"] for k in range(_count(arrays, "mapping/Dense{}/weight"))]
    biases = [arrays[f"mapping/Dense{k}/bias"] for k in range(len(weights))]
    fits = all(bias.shape == weight.shape[1:] for weight, bias in zip(weights, biases))
    if not fits or any(first.shape[1] != second.shape[0] for first, second in zip(weights, weights[1:])):
        raise InputError("generator: the layers of its mapping do not fit each other")
    rows = max(1, (1 << 20) // max(max(weight.shape) for weight in weights))
    total, lrmul = 0, 0.01
    for start in range(0, MEAN_CODES, rows):
        x = rng.standard_normal((min(rows, MEAN_CODES - start), weights[0].shape[0]), "float32")
        x = x / np.sqrt(np.mean(x ** 2, axis=1, keepdims=True) + 1e-8)
        for weight, bias in zip(weights, biases):
            x = x @ weight * np.float32(np.sqrt(2 / weight.shape[0]) * lrmul) + bias * np.float32(lrmul)
            x = np.maximum(x, 0.2 * x)
        total = total + x.sum(axis=0, dtype="float64")
    return (total / MEAN_CODES).astype("float32")


def _count_blocks(state):
    blocks = 0
    while f"g_synthesis.blocks.{4 << blocks}x{4 << blocks}.epi1.style_mod.lin.weight" in state:
        blocks += 1
    if blocks > MAX_FILLED_BLOCKS:
        raise InputError(f"generator: is of {2 << blocks} px, this layout is read up to {2 << MAX_FILLED_BLOCKS} px")
    return blocks


def _side(i):
    """Return the image side at styled layer i."""
    return 4 << i // 2


def _synthesis_outputs(num_layers, weight, bias):
    """Return (rows of the ToRGB layers, 4x4 first; optional rows of the blur kernels)."""
    rows = []
    for k in range(num_layers // 2):
        level = num_layers // 2 - 1 - k
        rows.append((weight.format(k), f"synthesis/ToRGB_lod{level}/weight", convolution))
        rows.append((bias.format(k), f"synthesis/ToRGB_lod{level}/bias", as_it_is))
    return rows, [(f"synthesis.layer{i}.blur.kernel", None, blur) for i in range(2, num_layers, 2)]


def _generator(arrays, num_layers):
    """Return (constructor arguments of Generator, arrays without those that became arguments)."""
    if num_layers < 4 or num_layers % 2 or "mapping/Dense0/weight" not in arrays:
        raise InputError(f"generator: has {num_layers} synthesis layers and "
                         f"{_count(arrays, 'mapping/Dense{}/weight')} of the mapping, which is no StyleGAN")
    layers = _count(arrays, "mapping/Dense{}/weight")
    inputs, hidden = arrays["mapping/Dense0/weight"].shape
    styles = [arrays[f"synthesis/{layer_name(i)}/StyleMod/weight"].shape for i in range(num_layers)]
    dlatent_size = styles[0][0]
    last = arrays[f"mapping/Dense{layers - 1}/weight"].shape[1]
    labels = arrays.get("mapping/LabelConcat/weight", np.zeros((0, inputs)))
    _of_rank("label_weight", labels, 2)
    lod = arrays.pop("lod", np.zeros(()))
    if lod.size != 1 or not np.isfinite(lod).all():
        raise InputError(f"generator: lod must be one finite number; got shape {shown(list(lod.shape))}")
    config = dict(
        resolution=_side(num_layers - 1), latent_size=labels.shape[1], label_size=labels.shape[0],
        dlatent_size=dlatent_size, num_channels=arrays["synthesis/ToRGB_lod0/weight"].shape[-1], mapping_layers=layers,
        mapping_fmaps=hidden if layers > 1 else 512, mapping_lrmul=0.01, normalize_latents=True,
        layerwise=last == dlatent_size * num_layers, use_noise=True, fused_scale="auto", blur_filter=(1, 2, 1),
        lod=float(lod.reshape(())), truncation_psi=0.7, truncation_cutoff=8, dlatent_avg_beta=0.995,
        style_mixing_prob=0.9, **_widths([style[1] // 2 for style in styles[::2]], first_stage=1))
    arrays["dlatent_avg"] = _shared_average(arrays["dlatent_avg"], config, num_layers)
    return config, arrays


def _shared_average(average, config, num_layers):
    """Return w_avg [D]; genforce stores one for every layer of a layerwise mapping."""
    if not config["layerwise"] or average.shape != (num_layers * config["dlatent_size"],):
        return average
    rows = average.reshape(num_layers, -1)
    if (rows != rows[0]).any():
        raise InputError("generator: has a separate w_avg for every layer, which is not supported; one for all layers "
                         "would change its truncation")
    return rows[0]


def _fused_scale(fused, num_layers):
    """Return 'auto', True or False, according to the layers that are fused with upsampling."""
    choices = {"auto": [i for i in range(2, num_layers, 2) if _side(i) >= 128],
               True: list(range(2, num_layers, 2)), False: []}
    for choice, layers in choices.items():
        if fused == layers:
            return choice
    raise InputError(f"generator: layers {shown(fused)} are fused with upsampling, expected none, all, or those from "
                     "128 px")


def _widths(widths, first_stage):
    """Return {fmap_base, fmap_decay, fmap_max} that give these widths at first_stage, first_stage + 1, ...

    Raises:
        InputError: no such arguments exist.
    """
    stages = list(enumerate(widths, first_stage))
    most = max(widths)
    base = max(width << stage for stage, width in stages)
    for fmap_base in (COMMON_FMAP_BASE, base):
        if all(feature_maps(stage, fmap_base, 1.0, most) == width for stage, width in stages):
            return dict(fmap_base=fmap_base, fmap_decay=1.0, fmap_max=most)
    raise InputError(f"has layers of {shown(widths)} channels, expected them halved from one resolution to the next")


# --------------------------------------------------------------------------------- discriminator and encoder

def genforce_discriminator(state):
    """StyleGAN discriminator of genforce -> (config, arrays); its layer 0 is at full resolution."""
    levels = _count(state, "input{}.weight") - 1        # halvings
    sides = [4 << levels >> k for k in range(levels)]
    names = [f"{side}x{side}/{layer}" for side in sides for layer in ("Conv0", "Conv1_down")]
    kinds = [convolution] * (len(names) + 1) + [dense, dense]
    names += ["4x4/Conv", "4x4/Dense0", "4x4/Dense1"]
    rows = [(f"layer{i}.{part}", f"{name}/{part}", how if part == "weight" else as_it_is)
            for i, (name, how) in enumerate(zip(names, kinds)) for part in ("weight", "bias")]
    rows += [(f"input{k}.{part}", f"FromRGB_lod{k}/{part}", convolution if part == "weight" else as_it_is)
             for k in range(levels + 1) for part in ("weight", "bias")]
    optional = [("lod", "lod", as_it_is), *((f"layer{i}.blur.kernel", None, blur) for i in range(2 * levels))]
    arrays = taken(rows, optional, state)
    lod = arrays.pop("lod", np.zeros(()))
    if lod.size != 1 or not np.isfinite(lod).all():
        raise InputError(f"discriminator: lod must be one finite number; got shape {shown(list(lod.shape))}")
    inputs, width = arrays["4x4/Conv/weight"].shape[2:]
    outputs = arrays["4x4/Dense1/weight"].shape[1]
    widths = [arrays["4x4/Dense0/weight"].shape[1],
              *(arrays[f"FromRGB_lod{k}/weight"].shape[3] for k in range(levels, -1, -1))]
    return dict(resolution=4 << levels, num_channels=arrays["FromRGB_lod0/weight"].shape[2],
                label_size=outputs if outputs > 1 else 0, mbstd_group_size=4 if inputs > width else 0,
                mbstd_num_features=max(inputs - width, 1), fused_scale="auto", blur_filter=(1, 2, 1),
                lod=float(lod.reshape(())), **_widths(widths, first_stage=0)), arrays


def idinvert_encoder(state):
    """Encoder of idinvert_pytorch, generation 2020-05 in TensorFlow -> (config, arrays).

    Our 2020-05 encoder has no gamma in batch norm and no biases. Gamma is folded into the weights and the moving mean,
    a bias before batch norm into the moving mean; both are exact. The constant scale of the last layer is folded into
    its weights.
    """
    blocks = _count(state, "block{}.conv1.weight", first=1) + 2     # the first and the last are no residual blocks
    if blocks == 2:
        raise InputError("encoder: has no residual block, expected at least one")
    units = [("block0.conv", "block0.bn", None, "encoder/input_image_stage", "bn_input_stage")]
    for b in range(1, blocks - 1):
        name = f"encoder/encoder_res_block_{b - 1}"
        if f"block{b}.conv.weight" in state:
            units.append((f"block{b}.conv", f"block{b}.bn", None, f"{name}/shortcut", "shortcut_bn"))
        units += [(f"block{b}.conv{c}", f"block{b}.bn{c}", f"block{b}.wscale{c}.bias", f"{name}/conv{c}", f"bn_{c}")
                  for c in (1, 2)]
    units.append((f"block{blocks - 1}.fc", f"block{blocks - 1}.bn", None, "encoder/encoder_fc", "fc_1"))
    normalized = any(".bn" in key for key in state)
    rows, optional = [], []
    for conv, norm, bias, _, _ in units:
        rows += [(key, key, as_it_is) for key in (f"{conv}.weight", bias) if key]
        parts = ("weight", "bias", "running_mean", "running_var") if normalized else ()
        rows += [(f"{norm}.bn.{part}", f"{norm}.bn.{part}", as_it_is) for part in parts]
        optional.append((f"{norm}.bn.num_batches_tracked", None, ignored))
    state, arrays = taken(rows, optional, state), {}
    for unit in units:
        arrays.update(_encoder_unit(state, *unit, normalized))
    return _encoder_config(arrays, blocks, normalized), arrays


def _encoder_unit(state, conv, norm, bias, name, older_norm, normalized):
    """Return {official name: array} of one layer with its batch norm."""
    key = f"{conv}.weight"
    weight = dense(key, state[key]) if conv.endswith("fc") else convolution(key, state[key])
    if conv.endswith("fc"):
        weight = weight * np.float32(1 / np.sqrt(weight.shape[0]))
    bias = np.zeros(weight.shape[-1:], "float32") if bias is None else state[bias]
    if not normalized:
        if np.any(bias):
            raise InputError(f"encoder: has biases ({shown(conv)}) and no batch norm, which no encoder of ours has")
        return {f"{name}/weight": weight}
    gamma, beta, mean, variance = (state[f"{norm}.bn.{part}"]
                                   for part in ("weight", "bias", "running_mean", "running_var"))
    if any(each.shape != weight.shape[-1:] for each in (gamma, beta, mean, variance, bias)):
        raise InputError(f"encoder: {shown(norm)} does not fit the {weight.shape[-1]} channels of {shown(conv)}")
    prefix = f"{name}/{older_norm}/BatchNorm"
    return {f"{name}/weight": weight * gamma, f"{prefix}/beta": beta, f"{prefix}/moving_mean": (mean - bias) * gamma,
            f"{prefix}/moving_variance": variance}


def _encoder_config(arrays, blocks, normalized):
    num_layers = 2 * (blocks - 1)
    outputs = arrays["encoder/encoder_fc/weight"].shape[1]
    if outputs % num_layers:
        raise InputError(f"encoder: {outputs} outputs cannot be shared among {num_layers} layers")
    first = arrays["encoder/input_image_stage/weight"].shape
    last = arrays[f"encoder/encoder_res_block_{blocks - 3}/conv2/weight"].shape
    return dict(resolution=2 ** blocks, num_layers=num_layers, dlatent_size=outputs // num_layers,
                num_channels=first[2], filters=first[3], filters_max=last[3], generation="2020-05",
                batch_norm=normalized)
