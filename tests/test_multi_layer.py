"""Features of several layers: one tensor, whose mean of squared differences is the weighted sum of the layers'."""
import keras
import numpy as np
import pytest

from tf_idinvert.networks.perceptual import FeaturesError, VGG16Layers


@pytest.fixture(scope="module", autouse=True)
def random_vgg16():
    """In place of the ImageNet weights, which would be fetched."""
    patch, vgg16 = pytest.MonkeyPatch(), keras.applications.VGG16
    keras.utils.set_random_seed(0)
    patch.setattr(keras.applications, "VGG16", lambda weights, **others: vgg16(weights=None, **others))
    yield
    patch.undo()


@pytest.mark.parametrize("layers", [{"block1_conv2": 0.5, "block3_conv1": 2.0}, {"block2_conv1": 3.0}])
def test_the_mean_of_squares_is_the_weighted_sum_of_the_layers(layers):
    features = VGG16Layers(layers)
    a, b = np.random.default_rng(0).uniform(-1, 1, [2, 3, 16, 16, 3]).astype("float32")
    together = np.mean(np.square(features(a) - features(b)), axis=1)
    expected = 0
    for name, weight in layers.items():
        layer = keras.Model(features.model.inputs[0], features.model.get_layer(name).output)
        x, y = (layer(keras.applications.vgg16.preprocess_input((images + 1) * 127.5)) for images in (a, b))
        expected += weight * np.mean(np.square(x - y), axis=(1, 2, 3))
    np.testing.assert_allclose(together, expected, rtol=1e-4)


@pytest.mark.parametrize("layers", [{"block5_conv1": 1.0}, {"": 1.0}, {}])
def test_other_layers_are_one_line(layers):
    with pytest.raises(FeaturesError, match="has no layer .* block1_conv1, .*block4_conv3$"):
        VGG16Layers(layers)
