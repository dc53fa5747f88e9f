"""F of the feature term, by its name or from a file: VGG16, some of its layers, or an attribute network of ours.

Each F carries the lambda_vgg that suits it, its attribute `weight` (see `losses.feature_weight`).
"""
from __future__ import annotations

from tf_idinvert import checkpoint
from tf_idinvert.networks.perceptual import FeaturesError, VGG16Features, VGG16Layers


def load(name, resolution, layers=None):
    """The feature network F.

    Args:
        name: 'imagenet' (VGG16, fetched once), the path of Keras' VGG16 notop .h5, or that of an attribute network.
        resolution: side R of the images that F is to take.
        layers: {layer of VGG16: weight}; None: block4_conv3 alone.
    Returns:
        callable, images [N, R, R, 3] in [-1, 1] -> features, with the attribute `weight`.
    Raises:
        FeaturesError: it cannot be had, or is for other images.
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
