"""Inception of published FID, and LPIPS by VGG16, once more: in NumPy, narrow, with weights drawn as they are needed.

Written from PyTorch's modules and their names, apart from ours; `state` is the state dict that PyTorch would save.
"""
from __future__ import annotations

import arithmetic
import numpy as np


class Drawn:
    """Weights by name, float32, drawn the first time that they are asked for."""

    def __init__(self, seed):
        self.rng, self.state = np.random.default_rng(seed), {}

    def weight(self, key, shape, scale=1.0, shift=0.0):
        if key not in self.state:
            drawn = self.rng.standard_normal(shape) * scale
            self.state[key] = (abs(drawn) + shift if shift else drawn).astype("float32")
        return self.state[key].astype("float64")

    def kernel(self, key, inputs, height, width, outputs):
        return self.weight(key, [outputs, inputs, height, width], np.sqrt(2 / (inputs * height * width)))


class Inception(Drawn):
    """`network(x)`: x [N, 3, H, W] in [-1, 1] -> [N, K]"""

    def unit(self, x, name, height=1, width=1, stride=1, pads=(0, 0), outputs=3):
        x = arithmetic.convolve(x, self.kernel(f"{name}.conv.weight", x.shape[1], height, width, outputs), stride, pads)
        gamma, beta, mean, variance = (
            self.weight(f"{name}.bn.{part}", [outputs], 0.2, shift)[:, None, None] for part, shift in (
                ("weight", 0.9), ("bias", 0), ("running_mean", 0), ("running_var", 0.5)))
        self.state[f"{name}.bn.num_batches_tracked"] = np.array(7, "int64")
        return np.maximum(gamma * (x - mean) / np.sqrt(variance + 0.001) + beta, 0)

    def chain(self, x, block, name, *sizes):
        """Convolutions name_1, name_2, ... of these (height, width), the side kept."""
        for number, (height, width) in enumerate(sizes, 1):
            x = self.unit(x, f"{block}.{name}_{number}", height, width, 1, (height // 2, width // 2), 2)
        return x

    def __call__(self, x):
        x = self.stem(arithmetic.bilinear(x, 299))
        for block in "Mixed_5b", "Mixed_5c", "Mixed_5d":
            x = np.concatenate([self.unit(x, f"{block}.branch1x1"), self.chain(x, block, "branch5x5", (1, 1), (5, 5)),
                                self.chain(x, block, "branch3x3dbl", (1, 1), (3, 3), (3, 3)), self.pooled(x, block)], 1)
        double = self.chain(x, "Mixed_6a", "branch3x3dbl", (1, 1), (3, 3))
        x = np.concatenate([self.unit(x, "Mixed_6a.branch3x3", 3, 3, 2),
                            self.unit(double, "Mixed_6a.branch3x3dbl_3", 3, 3, 2), arithmetic.largest(x, 3, 2)], 1)
        for block in "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e":
            x = np.concatenate([
                self.unit(x, f"{block}.branch1x1"), self.chain(x, block, "branch7x7", (1, 1), (1, 7), (7, 1)),
                self.chain(x, block, "branch7x7dbl", (1, 1), (7, 1), (1, 7), (7, 1), (1, 7)), self.pooled(x, block)], 1)
        triple = self.chain(x, "Mixed_7a", "branch7x7x3", (1, 1), (1, 7), (7, 1))
        single = self.chain(x, "Mixed_7a", "branch3x3", (1, 1))
        x = np.concatenate([self.unit(single, "Mixed_7a.branch3x3_2", 3, 3, 2),
                            self.unit(triple, "Mixed_7a.branch7x7x3_4", 3, 3, 2), arithmetic.largest(x, 3, 2)], 1)
        for block in "Mixed_7b", "Mixed_7c":
            x = np.concatenate([
                self.unit(x, f"{block}.branch1x1"),
                *self.spread(self.chain(x, block, "branch3x3", (1, 1)), f"{block}.branch3x3_2"),
                *self.spread(self.chain(x, block, "branch3x3dbl", (1, 1), (3, 3)), f"{block}.branch3x3dbl_3"),
                self.pooled(x, block, block == "Mixed_7c")], 1)
        self.weight("fc.weight", [1008, x.shape[1]])
        self.weight("fc.bias", [1008])
        return x.mean(axis=(2, 3))

    def stem(self, x):
        x = self.unit(x, "Conv2d_1a_3x3", 3, 3, 2)
        x = self.unit(x, "Conv2d_2a_3x3", 3, 3, outputs=2)
        x = arithmetic.largest(self.unit(x, "Conv2d_2b_3x3", 3, 3, 1, (1, 1)), 3, 2)
        return arithmetic.largest(self.unit(self.unit(x, "Conv2d_3b_1x1"), "Conv2d_4a_3x3", 3, 3), 3, 2)

    def spread(self, x, name):
        return self.unit(x, f"{name}a", 1, 3, 1, (0, 1)), self.unit(x, f"{name}b", 3, 1, 1, (1, 0))

    def pooled(self, x, block, largest=False):
        x = arithmetic.largest(x, 3, 1, 1) if largest else arithmetic.mean_inside(x, 3, 1)
        return self.unit(x, f"{block}.branch_pool", outputs=2)


class VGG16(Drawn):
    """`network(x)`: x [N, 3, H, W], normalised -> list of five layers' activations"""

    widths = 4, 3, 5, 6, 4

    def __call__(self, x):
        found, number = [], 0
        for width, count in zip(self.widths, (2, 2, 3, 3, 3)):
            if found:
                x = arithmetic.largest(x, 2, 2)
            for _ in range(count):
                kernel = self.kernel(f"features.{number}.weight", x.shape[1], 3, 3, width)
                bias = self.weight(f"features.{number}.bias", [width], 0.1)
                x = np.maximum(arithmetic.convolve(x, kernel, 1, (1, 1)) + bias[:, None, None], 0)
                number += 2     # a ReLU behind each
            found.append(x)
            number += 1         # the pooling
        for i, shape in (0, [8, 4]), (3, [8, 8]), (6, [2, 8]):
            self.weight(f"classifier.{i}.weight", shape)
            self.weight(f"classifier.{i}.bias", shape[:1])
        return found


class LPIPS:
    """`distance(x, y)`: [N, 3, H, W] in [-1, 1] -> [N]; `vgg.state` and `heads.state` are the two files'."""

    def __init__(self, seed):
        self.vgg, self.heads = VGG16(seed), Drawn(seed + 1)
        for i, width in enumerate(VGG16.widths):
            self.heads.weight(f"lin{i}.model.1.weight", [1, width, 1, 1], 1.0, 0.1)

    def __call__(self, x, y):
        shift, scale = (np.array(each)[:, None, None] for each in ((-0.03, -0.088, -0.188), (0.458, 0.448, 0.45)))
        layers = zip(*(self.vgg((each - shift) / scale) for each in (x, y)))
        return sum(self.of_layer(i, *pair) for i, pair in enumerate(layers))

    def of_layer(self, i, *pair):
        a, b = (each / (np.sqrt((each ** 2).sum(axis=1, keepdims=True)) + 1e-10) for each in pair)
        weights = self.heads.state[f"lin{i}.model.1.weight"][0].astype("float64")
        return (weights * (a - b) ** 2).sum(axis=1).mean(axis=(1, 2))
