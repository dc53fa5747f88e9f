"""Confidence intervals of 95 %: of means, of shares, by jackknife and by bootstrap."""
from __future__ import annotations

import math

import numpy as np
import scipy.stats
from scipy.special import stdtrit

from tf_idinvert.errors import InputError


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
    """[share, low, high] of True: Wilson's interval (1927), which none or all do not collapse; by SciPy."""
    flags = np.asarray(flags, bool)
    low, high = scipy.stats.binomtest(int(flags.sum()), len(flags)).proportion_ci(0.95, "wilson")
    return [float(flags.mean()), float(low), float(high)]


def bootstrap(statistic, *samples, seed=0, resamples=1000):
    """Interval of a statistic of paired samples, by drawing pairs with replacement; percentiles, by SciPy.

    Args:
        statistic: function, as many arrays [N] as samples -> number.
        samples: arrays [N], which belong together element by element.
        seed, resamples: of the drawing.
    Returns:
        (low, high), floats.
    Raises:
        InputError: fewer than two elements, or unlike samples.
    """
    if not samples or {np.shape(each) for each in samples} != {(len(samples[0]),)} or len(samples[0]) < 2:
        raise InputError("a confidence interval needs samples [N] of one length, two or more")
    found = scipy.stats.bootstrap(samples, statistic, paired=True, vectorized=False, n_resamples=resamples,
                                  method="percentile", random_state=np.random.default_rng(seed))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
