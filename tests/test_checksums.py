"""A flipped bit in a model file of ours is noticed; files without sums still load."""
from __future__ import annotations

import resource
import struct

import h5py
import numpy as np
import pytest
import tiny

from tf_idinvert import checkpoint
from tf_idinvert.formats import tuned
from tf_idinvert.formats.hdf5 import CHECKSUM
from tf_idinvert.formats.hdf5_attributes import attributes


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


def test_a_text_longer_than_its_file_takes_no_memory(data, tmp_path):
    """The HDF5 library would take what the header claims, here 2 GB."""
    path = tmp_path / "network.h5"
    path.write_bytes(data)
    with h5py.File(path, "r") as file:
        format_of, name = file.attrs["format"], b"format\0\0"
    at = data.index(struct.pack("<I", len(format_of)), data.index(name))      # of the text: length, place, number
    path.write_bytes(data[:at] + struct.pack("<I", 2 << 30) + data[at + 4:])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(checkpoint.CheckpointError, match=f"a text of {2 << 30} bytes is not there"):
        checkpoint.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000       # kB


def test_attributes_are_read_as_h5py_reads_them(tmp_path):
    long = "\u00e9" * 40_000         # longer than the first part of a heap
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for at, group in enumerate((file, file.create_group("g"), file.create_dataset("d", data=[1.0]))):
            for name, value in {"text": "\u00e4" * (at + 1), "long": long, "whole": -3, "empty": "",
                                "unsigned": np.uint32(2 ** 32 - 1), "fixed": np.bytes_(b"abc")}.items():
                group.attrs[name] = value
            for i in range(20):         # which continue the header
                group.attrs[f"more{i}"] = i
            group.attrs["float"], group.attrs["several"] = 0.5, ["a", "b"]
    with h5py.File(tmp_path / "a.h5", "r") as file:
        for item in file, file["g"], file["d"]:
            found = attributes(item)
            assert set(found) == set(item.attrs) - {"float", "several"} and found["fixed"] == "abc"
            assert all(found[name] == item.attrs[name] for name in set(found) - {"fixed"})


def test_a_heap_that_leads_in_a_circle_is_read(tmp_path):
    """The HDF5 library reads such a file without end."""
    path = tmp_path / "tuned.h5"
    tuned.write(path, "0" * 64, {}, {"steps": 3})
    data = path.read_bytes()
    heap = data.index(b"GCOL")
    free = next(heap + at + 8 for at in range(16, 4096, 8)      # where the size of the heap's free rest stands
                if data[heap + at + 8:heap + at + 16] == struct.pack("<Q", 4096 - at))
    path.write_bytes(data[:free] + bytes(8) + data[free + 8:])
    assert tuned.read(path) == ("0" * 64, {"steps": 3}, {})


@pytest.mark.parametrize("unusual", [{"libver": "latest"}, {"track_order": True}])
def test_unusual_forms_of_hdf5_are_refused(data, tmp_path, unusual):
    path = tmp_path / "network.h5"
    with h5py.File(path, "w", **unusual) as file:
        file.attrs["format"] = "tf_idinvert"
    with pytest.raises(checkpoint.CheckpointError, match="unusual form of HDF5"):
        checkpoint.load(path)
