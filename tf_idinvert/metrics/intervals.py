"""Confidence intervals, 95 % unless said otherwise: of means, of shares, by jackknife and by bootstrap."""
from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtrit

from tf_idinvert.errors import InputError

Z95 = 1.959964              # of the normal distribution


def jackknife_interval(value, left_out):
    """(low, high), 95 %, of a value and those it has without one of the groups each; (None, None) with under three."""
    count = len(left_out)
    if count < 3:
        return None, None
    deviation = math.sqrt((count - 1) / count * np.square(np.asarray(left_out) - np.mean(left_out)).sum())
    reach = float(stdtrit(count - 1, 0.975)) * deviation
    return max(float(value) - reach, 0.0), float(value) + reach


def mean(values):
    """[mean, low, high]: the interval that Student's t gives."""
    values = np.asarray(values, np.float64)
    if len(values) < 3:
        return [float(values.mean()), None, None]
    reach = float(stdtrit(len(values) - 1, 0.975)) * values.std(ddof=1) / math.sqrt(len(values))
    return [float(values.mean()), float(values.mean() - reach), float(values.mean() + reach)]


def share(flags):
    """[share, low, high] of True: Wilson's interval (1927), which none or all do not collapse."""
    count, part = len(flags), float(np.mean(flags))
    middle = (part + Z95 ** 2 / (2 * count)) / (1 + Z95 ** 2 / count)
    reach = Z95 / (1 + Z95 ** 2 / count) * math.sqrt(part * (1 - part) / count + Z95 ** 2 / (4 * count ** 2))
    return [part, middle - reach if part else 0.0, middle + reach if part < 1 else 1.0]


def bootstrap_interval(statistic, *sets, seed=0, resamples=1000, confidence=0.95, basic=False):
    """Confidence interval of a statistic, by drawing from each set with replacement (Davison and Hinkley 1997, ch. 5).

    Args:
        statistic: function (*sets) -> number.
        sets: arrays [N, ...], [M, ...], each resampled on its own along its first axis.
        seed, resamples: of the drawing.
        confidence: share of such intervals that hold the true value, 0 < confidence < 1.
        basic: False: percentiles of the resampled values, for means and shares. True: these mirrored in the value of
            the whole sets, for statistics that repeated samples bias, as they do Fréchet distances.
    Returns:
        (low, high), floats.
    """
    if not sets or min(len(each) for each in sets) < 2 or not 0 < confidence < 1:
        raise InputError("a confidence interval needs sets of two or more, and a confidence between 0 and 1")
    sets = [np.asarray(each) for each in sets]
    rng = np.random.default_rng(seed)
    drawn = [statistic(*(each[rng.integers(0, len(each), len(each))] for each in sets)) for _ in range(resamples)]
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    if basic:
        whole = statistic(*sets)
        low, high = 2 * whole - high, 2 * whole - low
    return float(low), float(high)
