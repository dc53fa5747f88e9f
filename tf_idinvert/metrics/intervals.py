"""95 % confidence intervals: of means, of shares, by jackknife and by bootstrap."""
from __future__ import annotations

import math

import numpy as np
import scipy.stats
from scipy.special import stdtrit

from tf_idinvert.errors import InputError


def jackknife_interval(value, left_out):
    """Return (low, high) of a value from the values without one group each; (None, None) with fewer than three."""
    count = len(left_out)
    if count < 3:
        return None, None
    deviation = math.sqrt((count - 1) / count * np.square(np.asarray(left_out) - np.mean(left_out)).sum())
    reach = float(stdtrit(count - 1, 0.975)) * deviation
    return max(float(value) - reach, 0.0), float(value) + reach


def mean(values):
    """Return [mean, low, high] by Student's t distribution."""
    values = np.asarray(values, np.float64)
    if len(values) < 3:
        return [float(values.mean()), None, None]
    reach = float(stdtrit(len(values) - 1, 0.975)) * values.std(ddof=1) / math.sqrt(len(values))
    return [float(values.mean()), float(values.mean() - reach), float(values.mean() + reach)]


def share(flags):
    """Return [share of True, low, high] by Wilson's interval (1927), which has no zero width at shares of 0 and 1."""
    flags = np.asarray(flags, bool)
    low, high = scipy.stats.binomtest(int(flags.sum()), len(flags)).proportion_ci(0.95, "wilson")
    return [float(flags.mean()), float(low), float(high)]


def bootstrap(statistic, *samples, seed=0, resamples=1000):
    """Return the interval of a statistic of paired samples by SciPy's percentile bootstrap.

    Args:
        statistic: function of as many arrays [N] as samples, returns a number.
        samples: arrays [N]; elements with the same index belong together.
        seed: seed of the resampling.
        resamples: number of resamples.
    Returns:
        (low, high), floats.
    Raises:
        InputError: samples have fewer than two elements or different lengths.
    """
    if not samples or {np.shape(each) for each in samples} != {(len(samples[0]),)} or len(samples[0]) < 2:
        raise InputError("a confidence interval needs samples [N] of one length, two or more")
    found = scipy.stats.bootstrap(samples, statistic, paired=True, vectorized=False, n_resamples=resamples,
                                  method="percentile", random_state=np.random.default_rng(seed))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
