"""Perceptual features: preprocessing and layer of Keras' VGG16, and files that are not its weights."""
import h5py
import keras
import numpy as np
import pytest

from tf_idinvert.networks.perceptual import FeaturesError, LayerFeatures, VGG16Features, at_side, resized


@pytest.fixture(scope="module")
def vgg():
    keras.utils.set_random_seed(0)
    return keras.applications.VGG16(include_top=False, weights=None)


def write_notop(path, model, names=("kernel:0", "bias:0")):
    """The layout of Keras' published file: /block1_conv1/block1_conv1/kernel:0, or older names."""
    with h5py.File(path, "w") as file:
        for layer in model.layers:
            group = file.create_group(layer.name)
            for name, array in zip(names, layer.get_weights()):
                group.create_dataset(f"{layer.name}/{name}", data=array)


@pytest.fixture(scope="module")
def features(vgg, tmp_path_factory):
    """VGG16Features with the weights of `vgg`."""
    path = tmp_path_factory.mktemp("vgg") / "vgg.h5"
    write_notop(path, vgg)
    return VGG16Features(path)


def test_vgg16_is_that_of_keras(vgg, features):
    images = np.random.default_rng(0).uniform(-1, 1, [2, 32, 32, 3]).astype("float32")
    layer = keras.Model(vgg.inputs[0], vgg.get_layer("block4_conv3").output)
    expected = layer(keras.applications.vgg16.preprocess_input((images + 1) * 127.5))
    found = features(images)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    assert found.shape == (2, 4, 4, 512) and np.min(found) == 0


def test_older_names_of_the_weights(tmp_path, vgg):
    write_notop(tmp_path / "vgg.h5", vgg, ("W_1:0", "b_1:0"))
    found = VGG16Features(tmp_path / "vgg.h5").model.get_weights()
    assert len(found) == 20 and all(np.array_equal(*pair) for pair in zip(found, vgg.get_weights()))


def test_features_at_another_side_are_of_nearest_neighbours(features):
    images = np.random.default_rng(0).uniform(-1, 1, [1, 16, 16, 3]).astype("float32")
    expected = features(images.repeat(2, 1).repeat(2, 2))
    np.testing.assert_array_equal(at_side(features, 32)(images), expected)
    np.testing.assert_array_equal(at_side(features, 16)(images), features(images))
    assert at_side(np.mean, 32) is np.mean      # features of another network have a side of their own
    assert resized(np.asarray, 4)(images)[0, :, :, 0].tolist() == images[0, ::4, ::4, 0].tolist()


def test_another_layer_with_the_same_weights(vgg, features):
    images = np.random.default_rng(0).uniform(-1, 1, [1, 16, 16, 3]).astype("float32")
    layer = keras.Model(vgg.inputs[0], vgg.get_layer("block3_conv3").output)
    expected = np.asarray(layer(keras.applications.vgg16.preprocess_input((images + 1) * 127.5)))
    found = features.at_layer("block3_conv3")(images)
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())
    assert found.shape == (1, 4, 4, 256) and np.min(found) == 0, "after the ReLU"


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("<html>not found</html>")


def other_hdf5(path):
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)


def linked(path):
    with h5py.File(path, "w") as file:
        file["block1_conv1"] = h5py.ExternalLink("elsewhere.h5", "/")


@pytest.mark.parametrize("write", [empty, text, other_hdf5, linked, lambda path: None])
def test_other_files_give_one_line(monkeypatch, tmp_path, vgg, write):
    write(tmp_path / "weights.h5")
    monkeypatch.setattr(keras.applications, "VGG16", lambda **_: vgg)
    with pytest.raises(FeaturesError) as error:
        VGG16Features(tmp_path / "weights.h5")
    assert "weights.h5" in str(error.value) and "\n" not in str(error.value)


def test_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch):
    def offline(**kwargs):
        raise OSError("name or service not known\nmore")
    monkeypatch.setattr(keras.applications, "VGG16", offline)
    with pytest.raises(FeaturesError) as error:
        VGG16Features("imagenet")
    assert "notop.h5" in str(error.value) and "\n" not in str(error.value)


def test_a_layer_of_any_model():
    inputs = keras.Input([8, 8, 3])
    model = keras.Model(inputs, keras.layers.Flatten()(keras.layers.Conv2D(2, 3, name="chosen")(inputs)))
    features = LayerFeatures(model, "chosen")
    images = np.ones([1, 8, 8, 3], "float32")
    np.testing.assert_allclose(features(images), model.get_layer("chosen")(images), atol=1e-6)
    with pytest.raises(FeaturesError, match="chosen"):
        LayerFeatures(model, "absent")
