"""checkpoint: both formats hold the same networks bit for bit; broken and hostile files give a one-line error."""
from __future__ import annotations

import dataclasses
import json
import os
import time
import tracemalloc

import h5py
import numpy as np
import pytest
import tiny

from tf_idinvert.checkpoint import CheckpointError, Models, load, record, require, save
from tf_idinvert.formats import pickles, weights
from tf_idinvert.formats.hdf5 import CHECKSUM
from tf_idinvert.portraits import embedded

FIELDS = ("encoder", "training_generator", "discriminator", "generator")


@pytest.fixture(scope="module")
def models():
    return tiny.models(resolution=8, layerwise=True)


@pytest.fixture(scope="module")
def saved(models, tmp_path_factory):
    """A file of encoder and generator."""
    path = tmp_path_factory.mktemp("saved") / "models.h5"
    save(Models(encoder=models.encoder, generator=models.generator), path)
    return path


@pytest.fixture
def copied(saved, tmp_path):
    """A copy of the saved file that a test may damage."""
    path = tmp_path / "models.h5"
    path.write_bytes(saved.read_bytes())
    return path


def assert_same(one, other):
    for field in FIELDS:
        networks = getattr(one, field), getattr(other, field)
        if networks == (None, None):
            continue
        assert networks[0].get_config() == networks[1].get_config(), field
        arrays = [weights.export_arrays(network) for network in networks]
        assert list(arrays[0]) == list(arrays[1])
        for name, array in arrays[0].items():
            assert array.tobytes() == arrays[1][name].tobytes(), (field, name)


def refusal(path):
    """Return the error message of loading; check that it is one line, and that it costs little time and memory."""
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(CheckpointError) as caught:
        load(path)
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    message = str(caught.value)
    assert path.name in message and len(message.splitlines()) == 1 and len(message) < 500, message
    assert seconds < 5 and peak < 5e7
    return message


# ------------------------------------------------------------------------------------------------- there and back

def stored(path):
    """{name: (bytes, attributes)} of everything in a file of ours, without the checksums, which older files lack."""
    found = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: found.update({name: (
            item[()].tobytes() if isinstance(item, h5py.Dataset) else b"",
            {key: value for key, value in item.attrs.items() if key != CHECKSUM})}))
    return found


@pytest.mark.parametrize("path", [embedded.model_path, embedded.attributes_path], ids=["model", "attributes"])
def test_embedded_files_are_written_again_with_the_same_bits(tmp_path, path):
    first, second = tmp_path / "first.h5", tmp_path / "second.h5"
    models = load(path())
    for file in (first, second):
        save(models, file, dtype="float16")
    assert stored(first) == stored(path())
    assert first.read_bytes() == second.read_bytes()


def test_one_format(models, tmp_path):
    save(models, tmp_path / "models.hdf5")
    assert_same(load(tmp_path / "models.hdf5"), models)


def test_pickle_to_hdf5_and_back(models, tmp_path):
    first, ours, second = (tmp_path / name for name in ("first.pkl", "ours.h5", "second.pkl"))
    save(models, first)
    save(load(first), ours)
    save(load(ours), second)
    assert_same(load(second), models)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["stylegan-32", "idinvert-128", "idinvert-v1-64"])
def test_official_file_to_hdf5_and_back(reference_file, tmp_path, name):
    """Check that all arrays have the same bits, and that all relevant constructor arguments are equal."""
    official = reference_file(name, "network.pkl")
    save(load(official), tmp_path / "ours.h5")
    save(load(tmp_path / "ours.h5"), tmp_path / "again.pkl")
    for before, after in zip(pickles.read(official), pickles.read(tmp_path / "again.pkl")):
        for one, other in [(before, after), *((before.components[c], after.components[c]) for c in before.components)]:
            assert one.static_kwargs.items() <= other.static_kwargs.items()
            assert set(one.variables) == set(other.variables) and one.build_func_name == other.build_func_name
            for key, array in one.variables.items():
                assert (array.dtype, array.shape) == (other.variables[key].dtype, other.variables[key].shape)
                assert array.tobytes() == other.variables[key].tobytes(), key


@pytest.mark.parametrize("fields", [("generator",), ("encoder",), ("encoder", "generator"), ("discriminator",)])
def test_some_networks(models, tmp_path, fields):
    some = Models(**{field: getattr(models, field) for field in fields})
    save(some, tmp_path / "some.h5")
    loaded = load(tmp_path / "some.h5")
    assert_same(loaded, some)
    pickles.write(tmp_path / "some.pkl", [record(getattr(models, field), field) for field in fields])
    assert_same(load(tmp_path / "some.pkl"), some)


@pytest.mark.parametrize("suffix", [".pkl", ".h5"])
def test_only_what_is_wanted(models, tmp_path, suffix):
    save(models, tmp_path / f"models{suffix}")
    loaded = load(tmp_path / f"models{suffix}", only=("encoder",))
    assert_same(loaded, Models(encoder=models.encoder))
    assert loaded.generator is loaded.discriminator is loaded.training_generator is None


def test_official_files_without_encoder_or_trained_generator(models, tmp_path):
    save(Models(generator=models.generator, discriminator=models.discriminator), tmp_path / "three.pkl")
    assert [record.name for record in pickles.read(tmp_path / "three.pkl")] == ["G", "D", "Gs"]
    loaded = load(tmp_path / "three.pkl")
    assert loaded.encoder is None
    assert_same(loaded, Models(generator=models.generator, discriminator=models.discriminator,
                               training_generator=models.generator))


def test_content_tells_the_format_not_the_suffix(models, saved, tmp_path):
    (tmp_path / "ours.pkl").write_bytes(saved.read_bytes())
    assert_same(load(tmp_path / "ours.pkl"), Models(encoder=models.encoder, generator=models.generator))
    alone = Models(discriminator=models.discriminator)
    save(alone, tmp_path / "official.pkl")
    os.rename(tmp_path / "official.pkl", tmp_path / "official.h5")
    assert_same(load(tmp_path / "official.h5"), alone)
    assert_same(load(str(tmp_path / "official.h5")), alone)


def test_half_precision(models, tmp_path):
    for dtype in ("float32", "float16"):
        save(Models(encoder=models.encoder), tmp_path / f"{dtype}.h5", dtype=dtype)
    with h5py.File(tmp_path / "float32.h5") as full, h5py.File(tmp_path / "float16.h5") as half:
        stored = [sum(item.id.get_storage_size() for item in _datasets(file)) for file in (full, half)]
    assert stored[0] == 2 * stored[1]
    loaded = weights.export_arrays(load(tmp_path / "float16.h5").encoder)
    for name, array in weights.export_arrays(models.encoder).items():
        assert np.array_equal(loaded[name], array.astype("float16").astype("float32"))


def _datasets(file):
    found = []
    file.visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found


def test_other_encoders(tmp_path):
    for i, config in enumerate([dict(batch_norm=False), dict(generation="2020-05")]):
        encoder = tiny.encoder(**config)
        save(Models(encoder=encoder), tmp_path / f"{i}.h5")
        assert_same(load(tmp_path / f"{i}.h5"), Models(encoder=encoder))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_attribute_network(tmp_path, dtype):
    network = tiny.attributes()
    save(Models(attributes=network), tmp_path / "x.h5", dtype=dtype)
    loaded = load(tmp_path / "x.h5")
    assert loaded.generator is None and loaded.attributes.get_config() == network.get_config()
    for name, array in weights.export_arrays(network).items():
        assert np.array_equal(weights.export_arrays(loaded.attributes)[name], array.astype(dtype).astype("float32"))


# --------------------------------------------------------------------------------------------- what cannot be written

def test_what_cannot_be_written(models, tmp_path):
    too_large = tiny.encoder()
    too_large.from_image.bias.assign(np.full(4, 1e5))
    for content, name, dtype, message in [
            (models, "x.npz", "float32", "a model file ends in .pkl (official format) or .h5 (ours)"),
            (models, "x.pkl", "float16", "an official pickle holds float32 weights, not float16"),
            (models, "x.h5", "int8", "dtype must be 'float32' or 'float16'; got 'int8'"),
            (models, "absent/x.h5", "float32", "cannot be written: No such file or directory"),
            (models, "absent/x.pkl", "float32", "cannot be written: No such file or directory"),
            (dataclasses.replace(models, discriminator=None), "x.pkl", "float32", "only where it holds D: leave out G"),
            (Models(), "x.pkl", "float32", "no network to write"),
            (Models(generator=models.generator, discriminator=models.discriminator, attributes=tiny.attributes()),
             "x.pkl", "float32", "an official pickle has no place for an attribute network"),
            (Models(encoder=too_large), "x.h5", "float16", "encoder/FromImg/bias has values too large for float16")]:
        with pytest.raises(CheckpointError) as caught:
            save(content, tmp_path / name, dtype=dtype)
        assert message in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".pkl", ".h5"])
def test_interrupted_write_leaves_the_last_good_file(models, tmp_path, monkeypatch, suffix):
    path = tmp_path / f"models{suffix}"
    save(models, path)
    before = path.read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(models, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


# ------------------------------------------------------------------------------------------------- broken and hostile

def test_no_file(tmp_path):
    assert "no such file" in refusal(tmp_path / "absent.h5").lower()
    (tmp_path / "folder.h5").mkdir()
    assert "is a folder, not a file" in refusal(tmp_path / "folder.h5")
    os.mkfifo(tmp_path / "pipe.h5")
    assert "not a regular file" in refusal(tmp_path / "pipe.h5")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + b"\0" * 2000,
                                     b"PK\x03\x04" + b"\0" * 100], ids=["empty", "text", "signature", "zeros", "zip"])
def test_other_content(tmp_path, content):
    (tmp_path / "x.h5").write_bytes(content)
    refusal(tmp_path / "x.h5")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_truncated(copied, share):
    content = copied.read_bytes()
    copied.write_bytes(content[:int(len(content) * share)])
    assert "damaged or truncated" in refusal(copied)


def test_damaged_bytes_end_in_one_line_or_load(tmp_path):
    """Only bytes of the structure: this is no test of the HDF5 library."""
    copied = tmp_path / "models.h5"
    save(Models(latent_discriminator=tiny.latent_discriminator()), copied)
    content, rng = copied.read_bytes(), np.random.default_rng(0)
    refused = 0
    for position in rng.integers(8, 6000, 40):
        spoiled = bytearray(content)
        spoiled[position] ^= 0xFF
        copied.write_bytes(spoiled)
        try:
            load(copied, only=("latent_discriminator",))
        except CheckpointError as error:
            refused += 1
            assert len(str(error).splitlines()) == 1
    assert refused


def test_other_hdf5_files(copied, tmp_path):
    with h5py.File(tmp_path / "keras.h5", "w") as file:       # as Keras writes weights
        file.attrs["layer_names"], file.attrs["backend"] = [b"dense"], b"tensorflow"
        file.create_dataset("dense/dense/kernel:0", data=np.zeros((3, 4), "float32"))
    assert "Keras weight files hold no constructor arguments" in refusal(tmp_path / "keras.h5")
    for version in (2, "1\n2", [1, 2]):
        with h5py.File(copied, "a") as file:
            file.attrs["format_version"] = version
        refusal(copied)
    with h5py.File(copied, "a") as file:
        file.attrs["format"] = ["tf_idinvert", "other"]
    refusal(copied)


def test_unknown_network(copied):
    with h5py.File(copied, "a") as file:
        file.move("encoder", "decoder")
    assert "holds an unknown network 'decoder'" in refusal(copied)


def test_networks_in_the_wrong_place(copied, models, tmp_path):
    with h5py.File(copied, "a") as file:
        file.move("encoder", "x")
        file.move("generator", "encoder")
        file.move("x", "generator")
    refusal(copied)
    records = [record(models.discriminator, "D"), record(models.generator, "G")]
    pickles.write(tmp_path / "x.pkl", [*records, records[1]])
    assert "expected (G, D, Gs) or (E, G, D, Gs); network 'D' is not in its place" in refusal(tmp_path / "x.pkl")


@pytest.mark.parametrize("suffix", [".pkl", ".h5"])
def test_encoder_that_does_not_fit_the_generator(models, tmp_path, suffix):
    path, generator = tmp_path / f"x{suffix}", tiny.generator(resolution=4)
    save(Models(models.encoder, generator, models.discriminator if suffix == ".pkl" else None), path)
    assert "encoder and generator do not fit: R, L, D are (8, 4, 8) and (4, 2, 8)" in refusal(path)


def test_attribute_network_of_another_resolution(tmp_path):
    save(Models(generator=tiny.generator(resolution=4), attributes=tiny.attributes(resolution=8)), tmp_path / "x.h5")
    assert "attribute network and generator do not fit: R are (8,) and (4,)" in refusal(tmp_path / "x.h5")


def soft_link(group, file):
    group["FromImg/bias"] = h5py.SoftLink("/encoder/E_block_0/Conva/bias")


def circle(group, file):
    group["FromImg/bias"] = h5py.SoftLink("/encoder/FromImg/bias")


def external_link(group, file):
    group["FromImg/bias"] = h5py.ExternalLink("/etc/hostname", "/")


def hard_link(group, file):
    group["FromImg/bias"] = group["E_block_0/Conva/bias"]


def many_hard_links(group, file):
    for i in range(20):
        group[f"FromImg/{i}"] = group


def external_storage(group, file):
    group.create_dataset("FromImg/bias", (4,), "float32", external=[("/etc/hostname", 0, 16)])


def virtual(group, file):
    layout = h5py.VirtualLayout((4,), "float32")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (4,))
    group.create_virtual_dataset("FromImg/bias", layout)


def unallocated(group, file):
    group.create_dataset("FromImg/bias", (10 ** 12,), "float32")


def sparse(group, file):
    group.create_dataset("FromImg/bias", (10 ** 12,), "float32", chunks=(10 ** 6,))


def compressed(group, file):
    group.create_dataset("FromImg/bias", data=np.zeros(10 ** 7, "float32"), compression="gzip")


def integers(group, file):
    group.create_dataset("FromImg/bias", data=np.zeros(4, "int32"))


def text(group, file):
    group.create_dataset("FromImg/bias", data="hello")


def null(group, file):
    group.create_dataset("FromImg/bias", data=h5py.Empty("float32"))


def scalar(group, file):
    group.create_dataset("FromImg/bias", data=np.float32(0))


def subgroup(group, file):
    group.create_group("FromImg/bias")


def datatype(group, file):
    group["FromImg/bias"] = np.dtype("float32")


def absent(group, file):
    pass


LINK, OTHER = "is a link to elsewhere", "'FromImg/bias' is no plain stored array of floats"
WRONG = {
    soft_link: LINK, circle: LINK, external_link: LINK, hard_link: "is stored under another name, too",
    many_hard_links: "is stored under another name, too", external_storage: OTHER, virtual: OTHER, unallocated: OTHER,
    sparse: OTHER, compressed: OTHER, integers: OTHER, text: OTHER, datatype: OTHER, null: "damaged or truncated",
    scalar: "is float32 [], expected float [4]", subgroup: "lacks 1 variable", absent: "lacks 1 variable",
}


@pytest.mark.parametrize("put", WRONG, ids=lambda put: put.__name__)
def test_anything_else_than_a_plain_array(copied, put):
    with h5py.File(copied, "a") as file:
        del file["encoder/FromImg/bias"]
        put(file["encoder"], file)
    assert WRONG[put] in refusal(copied)


@pytest.mark.parametrize("link", [h5py.SoftLink("/encoder"), h5py.ExternalLink("models.h5", "/encoder")], ids=str)
def test_networks_are_no_links(copied, link):
    with h5py.File(copied, "a") as file:
        del file["generator"]
        file["generator"] = link
    assert "'generator' is a link to elsewhere" in refusal(copied)


@pytest.mark.parametrize("config", [
    "", "{", "[]", "3", "null", '"x"', "[" * 50_000, '{"a":' * 10_000, "1" * 10_000, "NaN", "é" * 100,
    np.zeros(3), h5py.Empty("f4"), np.void(b"\0\1")], ids=range(14))
def test_arguments_that_are_no_dictionary(copied, config):
    with h5py.File(copied, "a") as file:
        file["encoder"].attrs["config"] = config
        del file["encoder"].attrs[CHECKSUM]
    assert "the arguments of 'encoder' cannot be read" in refusal(copied)


def test_arguments_that_are_absent(copied):
    with h5py.File(copied, "a") as file:
        del file["encoder"].attrs["config"]
    assert "the arguments of 'encoder' cannot be read" in refusal(copied)


@pytest.mark.parametrize("change", [
    dict(resolution=2 ** 20), dict(resolution=10 ** 300), dict(filters=10 ** 9, filters_max=10 ** 9),
    dict(filters=None), dict(filters=float("inf")), dict(dlatent_size=float("nan")),
    dict(num_layers=-6, dlatent_size=-8),
    dict(batch_norm="no"), dict(batch_norm=[[[]]]), dict(generation="2021"), dict(generation=["2020-09"]),
    dict(unknown=1), dict(name="x"), dict(trainable=False), {"a\nb" * 500: 1},
    dict(dtype={"module": "os", "class_name": "system", "config": {"command": "true"}})], ids=str)
def test_arguments_that_no_encoder_has(copied, change):
    """Among them `dtype`, of which Keras would make an object of any class that the file names."""
    with h5py.File(copied, "a") as file:
        attributes = file["encoder"].attrs
        attributes["config"] = json.dumps({**json.loads(attributes["config"]), **change})
        del attributes[CHECKSUM]
    assert "encoder: " in refusal(copied)


@pytest.mark.parametrize("names, why, message", [
    (["generator", "encoder"], "", None), (["attributes"], "", "x.h5: holds no attribute network"),
    (["encoder", "latent_discriminator"], ", which is needed", "x.h5: holds no latent discriminator, which is needed")])
def test_absent_networks_are_one_line(models, names, why, message):
    models = Models(generator=models.generator, encoder=models.encoder)
    if message is None:
        return require(models, "x.h5", *names, why=why)
    with pytest.raises(CheckpointError) as caught:
        require(models, "x.h5", *names, why=why)
    assert str(caught.value) == message
