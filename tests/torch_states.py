"""Our networks as state dicts of the public PyTorch layouts: the key tables the other way round, written apart.

Arrays are transposed views, so that files have the permuted strides of converted networks.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.formats.weights import export_arrays

BLUR = np.outer([1, 2, 1], [1, 2, 1]).astype("float32") / 16


def _as_torch(array):
    """[in, out] -> [out, in], [kh, kw, in, out] -> [out, in, kh, kw]; the rest as it is."""
    return {2: array.T, 4: array.transpose(3, 2, 0, 1) if array.ndim == 4 else None}.get(array.ndim, array)


def _layers(arrays):
    """(number, official name, channels, side) of every styled layer."""
    names = [name[:-len("/StyleMod/weight")] for name in arrays if name.endswith("/StyleMod/weight")]
    for i, name in enumerate(names):
        yield i, name, arrays[f"{name}/bias"].size, 4 << i // 2


def _levels(arrays):
    """(number of the output, 4x4 first; official name)"""
    levels = sum("ToRGB" in name and name.endswith("weight") for name in arrays)
    return [(k, f"synthesis/ToRGB_lod{levels - 1 - k}") for k in range(levels)]


def idinvert(generator, inner="fc", const="const", fused_from=128):
    """State dict of idinvert_pytorch and HiGAN; InterFaceGAN: inner 'linear', const 'first_layer'."""
    arrays, state = export_arrays(generator), {}
    for name, array in arrays.items():
        if name.startswith("mapping/Dense"):
            k, part = name[len("mapping/Dense"):].split("/")
            state[f"mapping.dense{k}." + (f"{inner}.weight" if part == "weight" else "wscale.bias")] = _as_torch(array)
    if "mapping/LabelConcat/weight" in arrays:
        state["mapping.label_weight"] = arrays["mapping/LabelConcat/weight"]
    state["truncation.w_avg"] = arrays["dlatent_avg"]
    state["synthesis.lod"] = np.array(generator.synthesis.lod, "float32")
    for i, name, channels, side in _layers(arrays):
        key = f"synthesis.layer{i}"
        if i == 0:
            state[f"{key}.{const}"] = arrays[f"{name}/const"]
        elif i % 2 == 0 and side >= fused_from:
            state[f"{key}.weight"] = arrays[f"{name}/weight"]
        else:
            state[f"{key}.conv.weight"] = _as_torch(arrays[f"{name}/weight"])
        if i and i % 2 == 0:
            state[f"{key}.blur.kernel"] = np.tile(BLUR, (channels, 1, 1, 1))
        epilogue = f"{key}.epilogue"
        state[f"{epilogue}.apply_noise.noise"] = arrays[f"synthesis/noise{i}"]
        state[f"{epilogue}.apply_noise.weight"] = arrays[f"{name}/Noise/weight"]
        state[f"{epilogue}.bias"] = arrays[f"{name}/bias"]
        state[f"{epilogue}.style_mod.dense.{inner}.weight"] = arrays[f"{name}/StyleMod/weight"].T
        state[f"{epilogue}.style_mod.dense.wscale.bias"] = arrays[f"{name}/StyleMod/bias"]
    for k, name in _levels(arrays):
        state[f"synthesis.output{k}.conv.weight"] = _as_torch(arrays[f"{name}/weight"])
        state[f"synthesis.output{k}.bias"] = arrays[f"{name}/bias"]
    return state


def genforce(generator):
    arrays, state = export_arrays(generator), {}
    for name, array in arrays.items():
        if name.startswith("mapping/Dense"):
            k, part = name[len("mapping/Dense"):].split("/")
            state[f"mapping.dense{k}.{part}"] = _as_torch(array)
    if "mapping/LabelConcat/weight" in arrays:
        state["mapping.label_weight"] = arrays["mapping/LabelConcat/weight"]
    repeated = generator.num_layers if generator.mapping.layerwise else 1
    state["truncation.w_avg"] = np.tile(arrays["dlatent_avg"], repeated)
    state["synthesis.lod"] = np.array(generator.synthesis.lod, "float32")
    for i, name, channels, _ in _layers(arrays):
        key = f"synthesis.layer{i}"
        if i == 0:
            state[f"{key}.const"] = arrays[f"{name}/const"]
        else:
            state[f"{key}.weight"] = _as_torch(arrays[f"{name}/weight"])
        if i and i % 2 == 0:
            state[f"{key}.blur.kernel"] = np.tile(BLUR, (channels, 1, 1, 1))
        state[f"{key}.bias"] = arrays[f"{name}/bias"]
        state[f"{key}.apply_noise.weight"] = arrays[f"{name}/Noise/weight"]
        state[f"{key}.apply_noise.noise"] = arrays[f"synthesis/noise{i}"]
        state[f"{key}.style.weight"] = arrays[f"{name}/StyleMod/weight"].T
        state[f"{key}.style.bias"] = arrays[f"{name}/StyleMod/bias"]
    for k, name in _levels(arrays):
        state[f"synthesis.output{k}.weight"] = _as_torch(arrays[f"{name}/weight"])
        state[f"synthesis.output{k}.bias"] = arrays[f"{name}/bias"]
    return state


def genforce_discriminator(discriminator):
    arrays, state = export_arrays(discriminator), {"lod": np.array(discriminator.lod, "float32")}
    order, side = [], discriminator.resolution
    while side > 4:
        order += [f"{side}x{side}/Conv0", f"{side}x{side}/Conv1_down"]
        side //= 2
    for i, name in enumerate([*order, "4x4/Conv", "4x4/Dense0", "4x4/Dense1"]):
        state[f"layer{i}.weight"], state[f"layer{i}.bias"] = _as_torch(arrays[f"{name}/weight"]), arrays[f"{name}/bias"]
        if name.endswith("Conv1_down"):
            state[f"layer{i}.blur.kernel"] = np.tile(BLUR, (arrays[f"{name}/weight"].shape[2], 1, 1, 1))
    for name, array in arrays.items():
        if name.startswith("FromRGB_lod"):
            k, part = name[len("FromRGB_lod"):].split("/")
            state[f"input{k}.{part}"] = _as_torch(array)
    return state


def lernapparat(generator):
    arrays, state = export_arrays(generator), {}
    for name, array in arrays.items():
        if name.startswith("mapping/Dense"):
            k, part = name[len("mapping/Dense"):].split("/")
            state[f"g_mapping.dense{k}.{part}"] = _as_torch(array)
    for i, name, channels, side in _layers(arrays):
        block = f"g_synthesis.blocks.{side}x{side}"
        key = f"{block}.conv" if i == 1 else f"{block}.{('conv0_up', 'conv1')[i % 2]}"
        if i == 0:
            state[f"{block}.const"], state[f"{block}.bias"] = arrays[f"{name}/const"], arrays[f"{name}/bias"]
        else:
            state[f"{key}.weight"], state[f"{key}.bias"] = _as_torch(arrays[f"{name}/weight"]), arrays[f"{name}/bias"]
        if i and i % 2 == 0:
            state[f"{key}.intermediate.kernel"] = BLUR[None, None]
        epilogue = f"{block}.epi{i % 2 + 1}"
        state[f"{epilogue}.top_epi.noise.weight"] = arrays[f"{name}/Noise/weight"]
        state[f"{epilogue}.style_mod.lin.weight"] = arrays[f"{name}/StyleMod/weight"].T
        state[f"{epilogue}.style_mod.lin.bias"] = arrays[f"{name}/StyleMod/bias"]
    state["g_synthesis.torgb.weight"] = _as_torch(arrays["synthesis/ToRGB_lod0/weight"])
    state["g_synthesis.torgb.bias"] = arrays["synthesis/ToRGB_lod0/bias"]
    return state


def idinvert_encoder(encoder):
    """As released: gamma one, biases zero. The last layer's weights are divided by the constant the code multiplies."""
    arrays, state = export_arrays(encoder), {}

    def unit(name, norm, conv, bn, bias=None):
        weight = arrays[f"{name}/weight"]
        width = weight.shape[-1]
        if conv.endswith("fc"):
            weight = weight * np.float32(np.sqrt(weight.shape[0]))
        state[f"{conv}.weight"] = _as_torch(weight)
        if bias:
            state[f"{bias}.bias"] = np.zeros(width, "float32")
        if encoder.get_config()["batch_norm"]:
            prefix = f"{name}/{norm}/BatchNorm"
            state.update({f"{bn}.bn.weight": np.ones(width, "float32"), f"{bn}.bn.bias": arrays[f"{prefix}/beta"],
                          f"{bn}.bn.running_mean": arrays[f"{prefix}/moving_mean"],
                          f"{bn}.bn.running_var": arrays[f"{prefix}/moving_variance"],
                          f"{bn}.bn.num_batches_tracked": np.array(9, "int64")})

    unit("encoder/input_image_stage", "bn_input_stage", "block0.conv", "block0.bn")
    for i in range(len(encoder.blocks)):
        name, key = f"encoder/encoder_res_block_{i}", f"block{i + 1}"
        if f"{name}/shortcut/weight" in arrays:
            unit(f"{name}/shortcut", "shortcut_bn", f"{key}.conv", f"{key}.bn")
        for c in (1, 2):
            unit(f"{name}/conv{c}", f"bn_{c}", f"{key}.conv{c}", f"{key}.bn{c}", f"{key}.wscale{c}")
    last = f"block{len(encoder.blocks) + 1}"
    unit("encoder/encoder_fc", "fc_1", f"{last}.fc", f"{last}.bn")
    return state
