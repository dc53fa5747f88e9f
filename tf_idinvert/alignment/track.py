"""A face through the frames of a video: which one it is, where it is while it is not found, and without trembling.

Frames are found one by one, so the square trembles by some pixels, and with it what is pasted into it. As all frames
are known, the parameters of the square (centre, logarithm of the side, angle) are smoothed by a Gaussian to both
sides, which does not lag behind as filters of the past do.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.alignment import quad as quads

FAR = 0.75          # sides of the last square beyond which a face is another one


def nearest(squares, last, first=0):
    """The square of the face that is followed.

    Args:
        squares: squares [4, 2] that were found in a frame, the largest first; perhaps none.
        last: its square in the last frame that has it, or None: it begins here.
        first: which one it is where it begins; with fewer faces it has not begun yet.
    Returns:
        float64 [4, 2], NaN where it was not found.
    """
    if last is None:
        return squares[first] if first < len(squares) else np.full([4, 2], np.nan)
    near = [(np.hypot(*(np.mean(each, axis=0) - last.mean(axis=0))), i) for i, each in enumerate(squares)]
    if near and min(near)[0] <= FAR * quads.side(last):
        return squares[min(near)[1]]
    return np.full([4, 2], np.nan)


def parameters(found):
    """Squares [T, 4, 2] -> [T, 4]: centre x, y in pixels, log of the side, angle in radians, never a turn apart."""
    centre, (x, y) = found.mean(axis=1), (found[:, 3] - found[:, 0]).T
    angle = np.arctan2(y, x)
    known = np.isfinite(angle)
    angle[known] = np.unwrap(angle[known])
    return np.column_stack([centre, np.log(np.hypot(x, y)), angle])


def squares(values):
    """The way back: [T, 4] -> [T, 4, 2]."""
    (cx, cy), side, angle = values[:, :2].T, np.exp(values[:, 2]), values[:, 3]
    x, y = np.stack([np.cos(angle), np.sin(angle)], axis=1), np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    centre, corners = np.stack([cx, cy], axis=1)[:, None], quads.UNIT - 0.5
    return centre + side[:, None, None] * (corners[None, :, :1] * x[:, None] + corners[None, :, 1:] * y[:, None])


def smooth(found, sigma):
    """Squares without gaps and trembling.

    Args:
        found: [T, 4, 2], NaN where there is none; at least one is known.
        sigma: of the Gaussian, in frames; 0: only the gaps are filled.
    Returns:
        float64 [T, 4, 2].
    """
    values = parameters(np.asarray(found, np.float64))
    frames, known = np.arange(len(values)), np.isfinite(values).all(axis=1)
    filled = np.stack([np.interp(frames, frames[known], column[known]) for column in values.T], axis=1)
    if sigma <= 0:
        return squares(filled)
    reach = int(np.ceil(4 * sigma))
    weights = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    # a straight movement stays as it is up to the ends: the series goes on beyond them point-mirrored
    count = min(reach, len(filled) - 1)
    before, after = 2 * filled[:1] - filled[count:0:-1], 2 * filled[-1:] - filled[-2:-2 - count:-1]
    longer = np.concatenate([before, filled, after]) if count else filled
    longer = np.pad(longer, [(reach - count,) * 2, (0, 0)], mode="edge")
    return squares(np.stack([np.convolve(column, weights / weights.sum(), "valid") for column in longer.T], axis=1))


def jitter(found):
    """How much squares tremble: root mean square of the corners' second differences over time, in pixels."""
    second = np.diff(found, n=2, axis=0)
    return float(np.sqrt(np.nanmean(np.sum(np.square(second), axis=2)))) if len(second) else 0.0
