"""A flipped bit in a model file of ours is noticed; files without sums still load."""
from __future__ import annotations

import h5py
import numpy as np
import pytest
import tiny

from tf_idinvert import checkpoint
from tf_idinvert.formats.hdf5 import CHECKSUM


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "network.h5"
    checkpoint.save(checkpoint.Models(attributes=tiny.attributes()), path, dtype="float16")
    return path.read_bytes()


def places(data, tmp_path):
    """{name: (first byte, last byte)} of every weight in the file."""
    (tmp_path / "whole.h5").write_bytes(data)
    found = {}
    with h5py.File(tmp_path / "whole.h5", "r") as file:
        file.visititems(lambda name, item: found.update({name: (item.id.get_offset(), item.id.get_storage_size())})
                        if isinstance(item, h5py.Dataset) else None)
    return {name: (first, first + size - 1) for name, (first, size) in found.items()}


def test_a_flipped_bit_in_any_weight_is_noticed(data, tmp_path):
    found = places(data, tmp_path)
    assert len(found) == len(tiny.attributes().weights)
    for name, ends in found.items():
        for at in ends:
            flipped = bytearray(data)
            flipped[at] ^= 1
            (tmp_path / "flipped.h5").write_bytes(flipped)
            with pytest.raises(checkpoint.CheckpointError) as caught:
                checkpoint.load(tmp_path / "flipped.h5")
            assert f"'{name.partition('/')[2]}' is damaged: its bytes" in str(caught.value)


def test_changed_arguments_are_noticed_and_older_files_load(data, tmp_path):
    path = tmp_path / "network.h5"
    path.write_bytes(data)
    with h5py.File(path, "r+") as file:
        config = file["attributes"].attrs["config"]
        file["attributes"].attrs["config"] = config.replace("age", "agf")
    with pytest.raises(checkpoint.CheckpointError, match="'attributes, arguments' is damaged"):
        checkpoint.load(path)
    with h5py.File(path, "r+") as file:
        file.visititems(lambda _, item: item.attrs.pop(CHECKSUM, None))
        file["attributes"].attrs["config"] = config
    loaded = checkpoint.load(path).attributes
    for mine, other in zip(tiny.attributes().get_weights(), loaded.get_weights()):
        np.testing.assert_allclose(mine, other, rtol=2e-3, atol=1e-4)
