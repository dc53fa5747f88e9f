"""Load the feature network F by name or from a file: VGG16, a sum over layers of VGG16, or an attribute network.

An F has an attribute `weight`, its default lambda_vgg (see `losses.feature_weight`).
"""
from __future__ import annotations

from tf_idinvert import checkpoint
from tf_idinvert.networks.perceptual import FeaturesError, VGG16Features, VGG16Layers


def load(name, resolution, layers=None):
    """Load the feature network F.

    Args:
        name: 'imagenet' (VGG16, which Keras downloads once), the path of Keras' VGG16 notop .h5, or the path of an
            attribute network.
        resolution: side R of the images in pixels.
        layers: {VGG16 layer: weight}; None: block4_conv3 only.
    Returns:
        callable, images [N, R, R, 3] in [-1, 1] -> features, with the attribute `weight`.
    Raises:
        FeaturesError: F cannot be loaded, or is for images of another size.
    """
    if name == "imagenet":
        return _vgg16(name, layers)
    try:
        models = checkpoint.load(name, only=("attributes",))
    except checkpoint.CheckpointError as error:
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
