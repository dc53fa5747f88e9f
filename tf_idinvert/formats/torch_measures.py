"""PyTorch files of networks that measure pictures: Inception of published FID values, VGG16 and the heads of LPIPS.

The key tables are complete both ways, like those of `torch_tables`. Sources: the public code of mseitzer/pytorch-fid,
pytorch/vision (torchvision/models/vgg.py) and richzhang/PerceptualSimilarity.
"""
from __future__ import annotations

import re

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.formats import torch_files
from tf_idinvert.formats.arguments import shown
from tf_idinvert.formats.torch_files import Tensor
from tf_idinvert.formats.torch_tables import as_it_is, convolution, ignored, taken
from tf_idinvert.formats.untrusted import FileError, label
from tf_idinvert.networks import inception

INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"
CLASSES = 1008          # classes of the graph of 2015-12-05; torchvision's own InceptionV3 has 1000
BATCH_NORM, BATCH_NORM_EPSILON = ("weight", "bias", "running_mean", "running_var"), 1e-3
VGG16 = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)        # indices of convolutions in torchvision's `features`
HEADS = 5
INCEPTION_MARK, VGG_MARK, HEADS_MARK = "Conv2d_1a_3x3.conv.weight", "features.0.weight", "lin0.model.1.weight"


def inception_weights(path):
    """Read the weights of the Inception of published FID values from pytorch-fid's file.

    torchvision's own InceptionV3 has the same names. It is recognised by its 1000 classes instead of 1008, and by its
    auxiliary classifier. A file without the last layer `fc` is refused, because it could be either.

    Args:
        path: file name.
    Returns:
        {name: (kernel, bias)} for `inception.FIDInception`.
    Raises:
        InputError: another file; one line that begins with the path.
    """
    return _read(path, _inception)


def lpips_weights(*paths):
    """Read the weights of LPIPS with VGG16 from its two files, in any order.

    Args:
        paths: the file of the heads and torchvision's VGG16.
    Returns:
        (list of (kernel, bias), list of heads) for `lpips.LPIPS`.
    Raises:
        InputError: other files; one line.
    """
    found = {}
    for path in paths:
        kind, weights = _read(path, _part_of_lpips)
        if kind in found:
            raise InputError(f"{path}: {kind} again; LPIPS is made of two files, its heads (vgg.pth of lpips) and "
                             "torchvision's VGG16 (vgg16-397923af.pth)")
        found[kind] = weights
    return found["VGG16"], found["heads"]


def _read(path, convert):
    """Return the result of `convert` for the state dict in a file; InputErrors begin with the path."""
    file = torch_files.read(path)
    try:
        if type(file.content) is not dict or not all(
                type(key) is str and type(each) is Tensor for key, each in file.content.items()):
            raise InputError("holds no state dict of one network")
        return convert(file)
    except FileError:           # has the path already
        raise
    except InputError as error:
        raise InputError(f"{label(path)}: {error}") from error


def _taken(file, rows, optional=()):
    """Return `torch_tables.taken` of a file's state dict as float32; only the needed arrays are read."""
    table = {key: how for key, _, how in (*rows, *optional)}
    wanted = {key: tensor for key, tensor in file.content.items() if table.get(key, ignored) is not ignored}
    found = taken(rows, optional, {**file.content, **file.arrays(wanted)})
    return {name: np.asarray(array, "float32") for name, array in found.items()}


def _inception(file):
    state = file.content
    if INCEPTION_MARK not in state:
        raise InputError(f"is no InceptionV3; expected pytorch-fid's {INCEPTION_FILE}")
    classes = next(iter(state["fc.weight"].shape), None) if "fc.weight" in state else None
    if classes != CLASSES or any(key.startswith("AuxLogits.") for key in state):
        named = "without the last layer fc" if classes is None else f"of {classes} classes"
        raise InputError(f"is an InceptionV3 {named}, not that of published FID values, which has {CLASSES} and no "
                         f"auxiliary classifier; expected pytorch-fid's {INCEPTION_FILE}")
    names = [name for name, _ in inception.convolutions()]
    rows = [("fc.weight", None, ignored), ("fc.bias", None, ignored)]      # the classifier after the features
    for name in names:
        rows.append((f"{name}.conv.weight", f"{name}/kernel", convolution))
        rows += [(f"{name}.bn.{part}", f"{name}/{part}", as_it_is) for part in BATCH_NORM]
    found = _taken(file, rows, [(f"{name}.bn.num_batches_tracked", None, ignored) for name in names])
    return {name: _folded(name, found[f"{name}/kernel"], *(found[f"{name}/{part}"] for part in BATCH_NORM))
            for name in names}


def _folded(name, kernel, gamma, beta, mean, variance):
    """Return (kernel, bias) of a convolution with its batch norm folded in."""
    if any(each.shape != kernel.shape[-1:] for each in (gamma, beta, mean, variance)):
        raise InputError(f"{name}: its batch norm does not fit its {kernel.shape[-1]} channels")
    scale = gamma / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
    return kernel * scale, beta - mean * scale


def _part_of_lpips(file):
    """Return ('heads', list of w [channels]) or ('VGG16', list of (kernel, bias))."""
    if HEADS_MARK in file.content:
        found = _taken(file, [(f"lin{i}.model.1.weight", str(i), head) for i in range(HEADS)])
        return "heads", list(found.values())
    if VGG_MARK not in file.content:
        raise InputError("is neither the heads of LPIPS (vgg.pth of lpips) nor torchvision's VGG16 "
                         "(vgg16-397923af.pth)")
    numbers = sorted(int(key.split(".")[1]) for key in file.content if re.fullmatch(r"features\.\d{1,3}\.weight", key))
    if tuple(numbers) != VGG16:
        raise InputError(f"is not VGG16: its layers with weights are number {shown(numbers)} of `features`, expected "
                         f"{shown(list(VGG16))} (vgg16-397923af.pth of torchvision)")
    rows = [(f"features.{i}.{part}", f"{i}/{part}", convolution if part == "weight" else as_it_is)
            for i in VGG16 for part in ("weight", "bias")]
    classifier = [(f"classifier.{i}.{part}", None, ignored) for i in (0, 3, 6) for part in ("weight", "bias")]
    found = _taken(file, rows, classifier)
    return "VGG16", [(found[f"{i}/weight"], found[f"{i}/bias"]) for i in VGG16]


def head(key, array):
    """Convert a convolution [1, channels, 1, 1] to w [channels]."""
    if array.ndim != 4 or array.size != array.shape[1]:
        raise InputError(f"{shown(key)} has the shape {shown(list(array.shape))}, expected [1, channels, 1, 1]")
    return array.reshape(-1)
