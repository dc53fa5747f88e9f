"""StyleSpace: single style channels that an attribute belongs to, from a dozen pictures that have it.

    delta = (s - mu) / sigma,       theta_c = |mean of delta_c| / std of delta_c

mu and sigma are those of the styles of random codes, s the styles of pictures with the attribute; channels with the
largest theta come first. Where pictures without the attribute are given, mu is their mean, and the deviation that of
both: what all of the pictures share then does not count. Source: Wu et al. 2021 (StyleSpace Analysis: Disentangled
Controls for StyleGAN Image Generation), on attribute-specific channels, and its published code.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError

FEWEST = 3      # pictures of a side: of fewer, a deviation says nothing


def rank(population, positive, negative=None):
    """Style channels in the order in which they belong to an attribute.

    Args:
        population: styles of random codes, [N, S].
        positive: styles of codes with the attribute, [P, S]; a dozen will do.
        negative: styles of codes without it, [Q, S], or None.
    Returns:
        (indices of channels [S'], best first; theta [S'], of them; float64 change [S'] of each channel for one of its
        deviations towards the attribute). S' is S less the channels that never change.
    Raises:
        InputError: too few pictures or random codes, pictures that are all the same, styles that are not finite.
    """
    sides = [positive] if negative is None else [positive, negative]
    population, *sides = (np.asarray(each, np.float64) for each in (population, *sides))
    for what, each in zip(("with", "without"), sides):
        if len(each) < FEWEST:
            raise InputError(f"{len(each)} pictures {what} the attribute, expected at least {FEWEST}")
    if not all(np.isfinite(each).all() for each in (population, *sides)):
        raise InputError("styles that are NaN or infinite")
    deviation = population.std(axis=0, ddof=1)
    varying = np.flatnonzero(deviation > 1e-8 * max(np.abs(population).max(), 1e-30))
    if not len(varying):
        raise InputError("the styles of random codes do not differ")
    delta = [(each[:, varying] - population[:, varying].mean(axis=0)) / deviation[varying] for each in sides]
    spread = np.sqrt(np.mean([each.var(axis=0) for each in delta], axis=0))
    if not (spread > 1e-6).any():
        raise InputError("the pictures of a side are all the same: there is no deviation to compare with")
    shift = delta[0].mean(axis=0) - (delta[1].mean(axis=0) if len(delta) == 2 else 0)
    if not np.abs(shift).max() > 1e-9:
        raise InputError("pictures with and without the attribute have the same styles: are they the same pictures?")
    theta = np.abs(shift) / np.maximum(spread, 1e-6)
    order = np.argsort(-theta, kind="stable")
    return varying[order], theta[order], (np.where(shift < 0, -1, 1) * deviation[varying])[order]


def places(channels, widths):
    """Layer and channel within its style of each channel: indices [K] into [S] -> int64 [K, 2]."""
    ends = np.cumsum(widths)
    layers = np.searchsorted(ends, channels, side="right")
    return np.stack([layers, channels - (ends - widths)[layers]], axis=1).astype(np.int64)
