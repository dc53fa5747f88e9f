"""The same optimisation in plain PyTorch, for comparison: Eq. (4) of Zhu et al. 2020, eager or by `torch.compile`.

`peer` runs this file by a Python of another environment, which has PyTorch and nothing of this project. The forms are
'eager', 'compiled', and 'original', which computes F(x) at every step.

Weights are frozen, scaled and summed beforehand, and F(x) is computed once: what a careful user writes.
"""
from __future__ import annotations

import resource
import time


def main(path, steps, how):
    """Return {'loss': before the first step, 'startup': s, 'steps': [{wall, cpu, system, faults}], 'peak': bytes}."""
    started = time.perf_counter()
    import numpy as np
    import torch
    arrays = {name: torch.from_numpy(value) for name, value in np.load(path).items()}
    x = arrays["x"]
    with torch.no_grad():
        target, z = features(arrays, x), encode(arrays, x)
    z.requires_grad_(True)
    optimizer, losses, rows = torch.optim.Adam([z], lr=0.01), [], []
    closure = torch.compile(objective) if how == "compiled" else objective
    for i in range(steps + 1):      # the first one is not measured
        before = now()
        optimizer.zero_grad()
        if how == "original":
            with torch.no_grad():
                target = features(arrays, x)
        loss = closure(arrays, x, target, z)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        rows.append(spent(before))
        if i == 0:
            startup = time.perf_counter() - started
    with open("/proc/self/status", encoding="ascii") as file:       # getrusage would tell the parent's peak
        peak = next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))
    return dict(loss=losses[0], startup=startup, steps=rows[1:], peak=peak)


def now():
    """Return what the process has spent until now, for `spent`."""
    return time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)


def spent(since):
    """Return {wall, cpu, system: seconds, faults: page faults} of this process since a `now()`."""
    (start, before), (end, after) = since, now()
    return dict(wall=end - start, system=after.ru_stime - before.ru_stime,
                cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                faults=after.ru_minflt - before.ru_minflt)


def objective(arrays, x, target, z):
    """Eq. (4), summed over the batch, whose pictures are independent."""
    import torch
    y = synthesize(arrays, z)

    def mean(a, b):
        return torch.sum(torch.mean(torch.square(a - b).flatten(1), dim=1))

    return (mean(x, y) + float(arrays["feature_weight"]) * mean(target, features(arrays, y))
            + float(arrays["domain_weight"]) * mean(z, encode(arrays, y)))


def features(arrays, x):
    """VGG16 to conv4_3, [N, 3, R, R] -> [N, 512, r, r]; pictures go in as they are, like `LayerFeatures`."""
    import torch.nn.functional as nn
    for i in range(10):
        if i in (2, 4, 7):
            x = nn.max_pool2d(x, 2)
        x = nn.relu(nn.conv2d(x, arrays[f"f{i}/weight"], arrays[f"f{i}/bias"], padding=1))
    return x


def encode(arrays, x):
    """E in inference mode: [N, 3, R, R] -> [N, L, D]."""
    import torch.nn.functional as nn

    def unit(name, x, activate=True):
        weight, bias = arrays[f"{name}/weight"], arrays.get(f"{name}/bias")
        x = nn.linear(x, weight, bias) if weight.ndim == 2 else nn.conv2d(x, weight, bias, padding=weight.shape[2] // 2)
        x = nn.leaky_relu(x, 0.2) if activate else x
        mean, variance, gamma, beta = (arrays[f"{name}/{part}"] for part in ("mean", "variance", "gamma", "beta"))
        return nn.batch_norm(x, mean, variance, gamma, beta, eps=1e-5)

    x, i = unit("first", x), 0
    while f"block{i}/conv_a/weight" in arrays:
        x = nn.avg_pool2d(x, 2)
        name = f"block{i}/shortcut"
        shortcut = unit(name, x, False) if f"{name}/weight" in arrays else x
        x, i = shortcut + unit(f"block{i}/conv_b", unit(f"block{i}/conv_a", x)), i + 1
    return unit("last", x.flatten(1), False).reshape(len(x), len(arrays["layers"]), -1)


def synthesize(arrays, z):
    """G: [N, L, D] -> [N, 3, R, R], with the fixed noise."""
    import torch
    import torch.nn.functional as nn
    x = arrays["const"].expand(len(z), -1, -1, -1)
    for i, kind in enumerate(arrays["layers"].tolist()):        # 0: constant, 1: convolution, 2: up, 3: fused up
        if kind == 3:
            x = nn.conv_transpose2d(x, arrays[f"g{i}/weight"], stride=2, padding=1)
        elif kind:
            x = nn.interpolate(x, scale_factor=2, mode="nearest") if kind == 2 else x
            x = nn.conv2d(x, arrays[f"g{i}/weight"], padding=1)
        if kind >= 2:
            x = nn.conv2d(x, arrays["blur"].expand(x.shape[1], -1, -1, -1), padding=1, groups=x.shape[1])
        x = nn.leaky_relu(x + arrays[f"g{i}/offset"], 0.2)
        style = nn.linear(z[:, i], arrays[f"g{i}/style"], arrays[f"g{i}/style_bias"])
        scale, shift = torch.chunk(style[:, :, None, None], 2, dim=1)
        x = nn.instance_norm(x, eps=1e-8) * (scale + 1) + shift
    return nn.conv2d(x, arrays["rgb/weight"], arrays["rgb/bias"])
