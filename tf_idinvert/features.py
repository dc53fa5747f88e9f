"""Load the feature network F by name or from files: VGG16, a sum over layers of VGG16, LPIPS, or an attribute network.

An F has an attribute `weight`, its default lambda_vgg (see `losses.feature_weight`).
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert import checkpoint
from tf_idinvert.errors import InputError
from tf_idinvert.formats import torch_measures
from tf_idinvert.networks.lpips import LPIPS, SMALLEST
from tf_idinvert.networks.perceptual import FeaturesError, VGG16Features, VGG16Layers


def load(name, resolution, layers=None, lpips=()):
    """Load the feature network F.

    Args:
        name: 'imagenet' (VGG16, which Keras downloads once), 'lpips', the path of Keras' VGG16 notop .h5, or the path
            of an attribute network.
        resolution: side R of the images in pixels.
        layers: {VGG16 layer: weight}; None: block4_conv3 only.
        lpips: the two files of 'lpips': its heads (vgg.pth of lpips) and torchvision's VGG16.
    Returns:
        callable, images [N, R, R, 3] in [-1, 1] -> features, with the attribute `weight`.
    Raises:
        InputError: F cannot be loaded, or is for images of another size.
    """
    if name == "imagenet":
        return _vgg16(name, layers)
    if name == "lpips":
        if layers:
            raise FeaturesError("--feature_layers are of VGG16 alone; LPIPS has its own layers")
        return load_lpips(lpips, resolution)
    try:
        models = checkpoint.load(name, only=("attributes",))
    except checkpoint.CheckpointError as error:
        if not Path(name).is_file():
            raise FeaturesError(f"{error}, or 'imagenet'") from error
        try:
            return _vgg16(name, layers)
        except FeaturesError as other:
            raise FeaturesError(f"{name}: neither a network file of ours ({error}) nor weights of VGG16 ({other})") \
                from error
    checkpoint.require(models, name, "attributes")
    attributes = models.attributes
    if layers:
        raise FeaturesError(f"{name}: an attribute network; --feature_layers are of VGG16")
    if attributes.resolution != resolution:
        raise FeaturesError(f"{name}: is for pictures of {attributes.resolution} px; the generator's have {resolution}")
    attributes.trainable = False
    return attributes.features


def _vgg16(weights, layers):
    return VGG16Layers(layers, weights) if layers else VGG16Features(weights)


def load_lpips(files, resolution):
    """LPIPS by VGG16, for images of `resolution`.

    Args:
        files: paths of the heads (vgg.pth of lpips) and of torchvision's VGG16 (vgg16-397923af.pth), in any order.
        resolution: side R of the images.
    Raises:
        InputError: other files, or images that are too small for VGG16's four poolings.
    """
    if resolution < SMALLEST:
        raise FeaturesError(f"LPIPS is for pictures of {SMALLEST} px or more; the generator's have {resolution}")
    weights = torch_measures.lpips_weights(*files)
    try:
        return LPIPS(*weights)
    except InputError as error:
        raise FeaturesError(f"{' and '.join(map(str, files))}: {error}") from error
