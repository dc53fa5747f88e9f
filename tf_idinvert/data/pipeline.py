"""Input pipeline: TFRecords in the original's format, folders of pictures or arrays -> tf.data.

A source is a list of pictures of one size: `len(source)`, `source.read(indices) -> uint8 [n, R, R, C]`. The order of
pictures depends on a seed and on the number of images seen, nothing else, so training goes on where it stopped, at any
batch size.

Source of the format: the published tools of ProGAN, StyleGAN and idinvert; one file `NAME-rXX.tfrecords` for each
resolution 2^XX, features `shape` (int64 [3]: C, H, W) and `data` (raw uint8, C x H x W).
"""
from __future__ import annotations

import contextlib
import functools
import math
import mmap
import struct
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_idinvert.errors import InputError, reason
from tf_idinvert.files import arrays, atomic, finding, images
from tf_idinvert.files.paths import require_file
from tf_idinvert.files.records import check_exists, level_of, record_files

RECORD_HEADER = struct.Struct("<QI")    # length of the record, its checksum; after the record another checksum
CHECKSUM_SIZE = 4
CHANNELS = (1, 3)                       # grey, RGB


class ArraySource:
    """Pictures in memory, or in a memory-mapped file: uint8 [N, S, S, C], reduced to `resolution` by exact means."""

    def __init__(self, pictures, resolution=None):
        if (pictures.ndim != 4 or pictures.dtype != np.uint8 or pictures.shape[1] != pictures.shape[2]
                or pictures.shape[3] not in CHANNELS or not pictures.size):
            raise InputError("expected uint8 pictures [N, S, S, 3], or grey ones [N, S, S, 1]; got "
                             f"{pictures.dtype} {list(pictures.shape)}")
        self.pictures, self.resolution = pictures, resolution or pictures.shape[1]
        self.channels = pictures.shape[3]
        if pictures.shape[1] % self.resolution:
            raise InputError(f"pictures of side {pictures.shape[1]} cannot be reduced to {self.resolution}")

    def __len__(self):
        return len(self.pictures)

    def read(self, indices):
        return reduced(self.pictures[indices], self.resolution)


class FolderSource:
    """Picture files, read, cropped to a square and resized at each use; see `images.load`."""

    channels = 3

    def __init__(self, folder, resolution, paths=None):
        """`paths`: of the pictures; None: all that `finding.listing` gives of `folder`."""
        self.paths = [path for _, path in finding.listing([folder])] if paths is None else list(paths)
        self.resolution = resolution

    def __len__(self):
        return len(self.paths)

    def read(self, indices):
        return np.stack([images.fit(images.read(self.paths[i]), self.resolution)[0] for i in indices])


class TFRecordSource:
    """One TFRecord file of the original's format, read in any order.

    Where records begin is looked up once, on opening; pictures of one size make records of one length, which is checked
    then. Checksums are not: they would cost a reading of the whole file.
    """

    def __init__(self, path, resolution=None):
        """`resolution`: reduce the pictures to it by exact means, as `ArraySource` does; None: as they are."""
        self.path = Path(path)
        require_file(path, "a set of TFRecords", InputError)
        try:
            with open(self.path, "rb") as file:
                self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:      # ValueError: an empty file
            raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        self.length = RECORD_HEADER.unpack_from(self.bytes)[0] if len(self.bytes) >= RECORD_HEADER.size else 0
        self.stride = RECORD_HEADER.size + self.length + CHECKSUM_SIZE
        if len(self.bytes) % self.stride or not self.length:
            raise InputError(f"{path}: no whole number of records of {self.length} bytes; damaged, truncated, or not "
                             "pictures of one size")
        self.shape = None
        self.shape = self._picture(0).shape
        self.resolution, self.channels = resolution or self.shape[0], self.shape[2]
        if self.shape[0] % self.resolution:
            raise InputError(f"{path}: pictures of {self.shape[0]} px cannot be reduced to {self.resolution}; expected "
                             "a multiple of it")

    def __len__(self):
        return len(self.bytes) // self.stride

    def read(self, indices):
        return reduced(np.stack([self._picture(i) for i in indices]), self.resolution)

    def _picture(self, index):
        at = index * self.stride
        if RECORD_HEADER.unpack_from(self.bytes, at)[0] != self.length:
            raise InputError(f"{self.path}: record {index} has another length than the first; damaged")
        start = at + RECORD_HEADER.size
        try:
            feature = tf.train.Example.FromString(self.bytes[start:start + self.length]).features.feature
            channels, height, width = feature["shape"].int64_list.value
            pixels = np.frombuffer(feature["data"].bytes_list.value[0], np.uint8)
        except Exception as error:
            raise InputError(f"{self.path}: record {index} is no picture with features shape and data") from error
        shape = (height, width, channels)
        fits = height == width > 0 and channels in CHANNELS and len(pixels) == math.prod(shape)
        if not fits or self.shape not in (None, shape):
            raise InputError(f"{self.path}: record {index}: {len(pixels)} bytes for shape C, H, W = "
                             f"{channels}, {height}, {width}; expected {self.shape or 'a square picture, RGB or grey'}")
        return pixels.reshape(channels, height, width).transpose(1, 2, 0)


def reduced(pictures, resolution):
    """uint8 [N, S, S, C] -> uint8 [N, R, R, C]: means of blocks of S / R, rounded half up."""
    n, side, _, channels = pictures.shape
    if side == resolution:
        return pictures
    factor = side // resolution
    blocks = pictures.reshape(n, resolution, factor, resolution, factor, channels)
    return ((blocks.sum(axis=(2, 4), dtype=np.uint32) + factor * factor // 2) // (factor * factor)).astype(np.uint8)


def open_source(path, resolution):
    """The source at `path`, at one resolution.

    Args:
        path: a .npy file of uint8 [N, S, S, C], or a .tfrecords file of pictures S x S, S a multiple of `resolution`; a
            folder with `NAME-rXX.tfrecords` files, or `FOLDER/NAME` of such files; or a folder or list of pictures (see
            `finding.listing`).
        resolution: side of the pictures wanted; a power of two for TFRecords.
    Raises:
        InputError, images.ImageError: nothing usable there; one line.
    """
    check_exists(path)
    path = Path(path)
    if path.suffix == ".npy":
        return _array_source(path, resolution)
    if path.suffix == ".tfrecords":
        return TFRecordSource(path, resolution)
    files = record_files(path)
    if not files:
        return FolderSource(path, resolution)
    suffix = f"-r{int(resolution).bit_length() - 1:02d}.tfrecords"
    found = [file for file in files if file.name.endswith(suffix)]
    if len(found) != 1:
        raise InputError(f"{path}: {len(found)} files *{suffix}; expected one, of pictures {resolution} x {resolution}")
    return TFRecordSource(found[0], resolution)


def _array_source(path, resolution=None):
    pictures = arrays.mapped(path)
    try:
        return ArraySource(pictures, resolution)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def largest_resolution(path):
    """Side of the largest pictures of a .npy file or of TFRecords; None for a folder of pictures, which have any."""
    check_exists(path)
    path = Path(path)
    if path.suffix == ".npy":
        return _array_source(path).resolution
    if path.suffix == ".tfrecords":
        return TFRecordSource(path).resolution
    levels = [level_of(file) for file in record_files(path)]
    return 2 ** max(levels) if levels else None


def batches(source, batch_size, seed, start=0, mirror=False, labels=None):
    """Endless real batches for training, in an order that a later run can take up anywhere.

    Every picture is seen once an epoch, in a permutation drawn from (seed, epoch). A batch may reach into the next
    epoch. A `tf.distribute` strategy may split the batches.

    Args:
        source: list of pictures, see above.
        batch_size: pictures a batch, over all replicas.
        seed: whole number >= 0.
        start: pictures seen before the first batch.
        mirror: whether to flip half of the pictures, drawn anew in each epoch, left to right; not with labels, which
            may tell left from right.
        labels: None, or float32 [N, A], a row for each picture.
    Returns:
        tf.data.Dataset of uint8 [batch_size, R, R, C]; with labels, of pairs with float32 [batch_size, A].
    """
    if labels is not None and (mirror or len(labels) != len(source)):
        raise InputError(f"labels: expected {len(source)} rows, and no mirroring; got {len(labels)}, mirror {mirror}")
    count, shape = len(source), (batch_size, source.resolution, source.resolution, source.channels)

    @functools.lru_cache(maxsize=2)
    def epoch_order(epoch):
        generator = np.random.default_rng([seed, epoch])
        return generator.permutation(count), generator.random(count) < 0.5

    def fetch(batch):
        epochs, places = np.divmod(start + batch * batch_size + np.arange(batch_size), count)
        orders = [epoch_order(epoch) for epoch in epochs.tolist()]
        indices = np.array([order[at] for (order, _), at in zip(orders, places)])
        pictures = source.read(indices)
        if labels is not None:
            return pictures, labels[indices]
        flipped = np.array([flips[at] for (_, flips), at in zip(orders, places)]) & mirror
        return np.where(flipped[:, None, None, None], pictures[:, :, ::-1], pictures)

    def batch_of(number):
        if labels is None:
            return tf.ensure_shape(tf.numpy_function(fetch, [number], tf.uint8), shape)
        pictures, rows = tf.numpy_function(fetch, [number], [tf.uint8, tf.float32])
        return tf.ensure_shape(pictures, shape), tf.ensure_shape(rows, [batch_size, labels.shape[1]])

    dataset = tf.data.Dataset.range(np.iinfo(np.int64).max)
    dataset = dataset.map(batch_of, num_parallel_calls=2, deterministic=True)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    options.autotune.enabled = False        # there is nothing to tune, and its thread takes two seconds to end
    return dataset.prefetch(2).with_options(options)


def staged(sources, labels=None):
    """Batches for a training whose resolution grows: function (stage, seed, start, mirror) -> tf.data.Dataset.

    Args:
        sources: {resolution: source} of the same pictures, for every resolution of a stage.
        labels: None, or float32 [N, A], a row for each picture, that come with the pictures where a stage has a pair
            term.
    """
    def batches_of(stage, seed, start, mirror):
        wanted = labels if getattr(stage, "pair_weight", 0) else None
        return batches(sources[stage.resolution], stage.batch_size, seed, start, mirror, wanted)
    return batches_of


def write_tfrecords(prefix, pictures, resolution):
    """Write `PREFIX-rXX.tfrecords` for all resolutions from `resolution` down to 4, each half of the one before.

    Args:
        prefix: path without `-rXX.tfrecords`, in an existing folder.
        pictures: iterable of uint8 [R, R, C], R = `resolution`, a power of two.
        resolution: R.
    Returns:
        Number of pictures written. The files appear together at the end, or not at all.
    Raises:
        InputError: a picture of another shape, or a file that cannot be written.
    """
    levels = range(int(resolution).bit_length() - 1, 1, -1)
    count = 0
    try:
        with contextlib.ExitStack() as stack:
            names = [stack.enter_context(atomic.replacing(f"{prefix}-r{level:02d}.tfrecords")) for level in levels]
            writers = [stack.enter_context(tf.io.TFRecordWriter(name)) for name in names]
            for count, picture in enumerate(pictures, 1):
                if picture.dtype != np.uint8 or picture.shape[:2] != (resolution, resolution) or picture.ndim != 3:
                    raise InputError(f"{prefix}: picture {count - 1} is {picture.dtype} {list(picture.shape)}; "
                                     f"expected uint8 [{resolution}, {resolution}, C]")
                for level, writer in zip(levels, writers):
                    writer.write(_example(reduced(picture[None], 2 ** level)[0]))
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"{prefix}: cannot be written: {reason(error)}") from error
    return count


def _example(picture):
    """uint8 [R, R, C] -> a serialised record."""
    shape = tf.train.Feature(int64_list=tf.train.Int64List(value=[picture.shape[2], *picture.shape[:2]]))
    pixels = tf.train.Feature(bytes_list=tf.train.BytesList(value=[picture.transpose(2, 0, 1).tobytes()]))
    example = tf.train.Example(features=tf.train.Features(feature={"shape": shape, "data": pixels}))
    return example.SerializeToString(deterministic=True)        # else the order of the features may be any
