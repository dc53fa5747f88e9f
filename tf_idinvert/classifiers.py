"""Score pictures with the published attribute classifiers, one network per file (celebahq-classifier-*.pkl).

A classifier is a discriminator; its logit l gives the probability of the attribute, softmax([l, -l])[0] = sigmoid(2 l).
Source: Karras et al. 2019, section 4.2 (linear separability), and its published metric.
"""
from __future__ import annotations

import re
from pathlib import Path

import tensorflow as tf

from tf_idinvert import checkpoint
from tf_idinvert.errors import InputError
from tf_idinvert.files import images

PUBLISHED_NAME = re.compile(r"celebahq-classifier-\d+-(.+)")


class Classifiers:
    """`classifiers(x)`: x [N, R, R, 3], RGB in [-1, 1] -> float64 [N, A], the probability of every attribute.

    Args:
        networks: {attribute: Discriminator}.
    Attributes:
        names: the A attributes, in the order of the result's columns.
        resolution: R in pixels.
    Raises:
        InputError: a network uses labels or minibatch statistics, or the networks take pictures of different sizes.
    """

    def __init__(self, networks):
        self.networks, self.names = dict(networks), tuple(networks)
        for name, network in self.networks.items():
            if network.label_size or network.mbstd_group_size > 1:
                raise InputError(f"{name}: scores pictures by labels or within a batch; a classifier scores each alone")
        sides = sorted({network.resolution for network in self.networks.values()})
        if len(sides) != 1:
            raise InputError(f"classifiers must take pictures of one size; got {', '.join(map(str, sides))} px")
        self.resolution = sides[0]

    def __call__(self, x):
        logits = tf.concat([network(x) for network in self.networks.values()], axis=1)
        return tf.sigmoid(2 * tf.cast(logits, tf.float64))

    def read(self, path):
        """Read a picture file as input of the networks, float32 [R, R, 3] in [-1, 1].

        If the shorter side is a multiple of R, blocks of pixels are averaged, as in the published metric; otherwise
        `images.fit` resizes the picture.
        """
        pixels = images.read(path)
        side = min(pixels.shape[:2])
        factor = max(side // self.resolution, 1)
        whole = factor * self.resolution == side
        picture = images.to_float(images.fit(pixels, side if whole else self.resolution)[0])
        if not whole:
            return picture
        return picture.reshape(self.resolution, factor, self.resolution, factor, 3).mean(axis=(1, 3))


def load(paths):
    """Load classifiers from files. An attribute has the name of its file, without celebahq-classifier-NN-.

    Args:
        paths: files that hold one discriminator each, in any format that `checkpoint` reads.
    Raises:
        InputError: a file cannot be read, or does not hold exactly one discriminator.
    """
    networks = {}
    for path in map(Path, paths):
        models = checkpoint.load(path)
        if models.discriminator is None or models.generator is not None:
            raise InputError(f"{path}: expected one discriminator, which classifies an attribute; "
                             f"got {'a set of networks' if models.discriminator else 'none'}")
        name = attribute(path)
        if name in networks:
            raise InputError(f"{path}: there are two classifiers of {name!r}")
        networks[name] = models.discriminator
    return Classifiers(networks)


def attribute(path):
    """Return the attribute that a file classifies: 'smiling' for celebahq-classifier-31-smiling.pkl."""
    stem = Path(path).stem
    published = PUBLISHED_NAME.fullmatch(stem)
    return published[1] if published else stem
