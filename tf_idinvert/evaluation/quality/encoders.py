"""How good an encoder is on portraits whose attributes are known, in numbers: its reconstructions, and its codes.

Of the reconstructions G(E(x)): the error of pixels, the sliced Wasserstein distance to the originals, and whether an
attribute network still sees in them what the originals show. Of the codes E(x): how they lie to mapped codes FC(z), as
Leng et al. 2021 (Force-in-domain GAN inversion) ask. Intervals are of 95 %. Pictures wait on the disk, in 8 bits.
"""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.evaluation import measures
from tf_idinvert.evaluation.quality.generator import Pictures
from tf_idinvert.files import images
from tf_idinvert.metrics import distances, intervals, sliced_wasserstein
from tf_idinvert.metrics.agreement import agreement

DEVIATIONS = 10.0       # beyond so many standard deviations of FC(z), a code is an outlier



@dataclasses.dataclass(frozen=True)
class Measured:
    """What is kept of a set of pictures that stand for the originals, and of their codes."""

    errors: np.ndarray          # [N], mean squared differences to the originals
    projections: dict           # of patches, see `sliced_wasserstein.project`
    attributes: dict            # {name: [N]}, as the attribute network sees them
    codes: np.ndarray           # [N, L, D]
    pictures: Pictures


def reconstruct(originals, invert, judge, seed=0, progress=None):
    """Measure an encoder's reconstructions.

    Args:
        originals: Pictures.
        invert: function, float32 [n, R, R, 3] in [-1, 1] -> (codes E(x) [n, L, D], images G(E(x)) [n, R, R, 3]).
        judge: function, float32 [n, R, R, 3] -> {name: [n]}, see `Attributes.predict_attributes`.
        seed: of the patches.
        progress: None, or a function called with the number of pictures just done.
    Returns:
        Measured. Reconstructions are clipped to [-1, 1] first.
    Raises:
        InputError: codes or reconstructions that are not finite.
    """
    codes, errors, seen, pictures = [], [], [], Pictures(originals.spool.shape[0])
    for batch in originals:
        x = images.to_float(batch)
        found, drawn = (np.asarray(each) for each in invert(x))
        if not (np.isfinite(found).all() and np.isfinite(drawn).all()):
            raise InputError(f"codes or reconstructions of pictures {len(pictures)} to "
                                      f"{len(pictures) + len(x) - 1} are NaN or infinite")
        drawn = drawn.clip(-1, 1)
        codes.append(found)
        errors.append(distances.mse(drawn, x))
        seen.append({name: np.asarray(values) for name, values in judge(drawn).items()})
        pictures.add(drawn)
        if progress:
            progress(len(x))
    return Measured(np.concatenate(errors), sliced_wasserstein.project(pictures, seed),
                    {name: np.concatenate([each[name] for each in seen]) for name in seen[0]},
                    np.concatenate(codes), pictures)


def sample_errors(mapped, synthesize, invert, batch=50):
    """Errors of an encoder on samples of its own generator, which it could redraw without any: mapped codes have none.

    Beside the errors on originals they tell what the domain gap costs (Zhu et al. 2020, section 2.1): an encoder may
    do well on samples, and worse on what G was to learn.

    Args:
        mapped: [N, L, D], FC(z).
        synthesize: function, codes [n, L, D] -> images [n, R, R, 3].
        invert: as in `reconstruct`.
        batch: samples drawn at once.
    Returns:
        [N], mean squared differences; samples and reconstructions are clipped to [-1, 1] first.
    """
    errors = []
    for start in range(0, len(mapped), batch):
        x = np.asarray(synthesize(mapped[start:start + batch])).clip(-1, 1)
        errors.append(distances.mse(np.asarray(invert(x)[1]).clip(-1, 1), x))
    return np.concatenate(errors)


def strangers(originals, others, codes, judge, seed=0):
    """What stands beside the encoders: other pictures in place of reconstructions, mapped codes in place of E(x).

    Args:
        originals, others: Pictures, equally many.
        codes: [N, L, D], mapped, of z that are not the reference's.
        judge, seed: as in `reconstruct`.
    Returns:
        Measured: errors and patches of `others`; attributes as seen in the originals themselves, the best there is.
    """
    errors, seen = [], []
    for batch, other in zip(originals, others):
        x = images.to_float(batch)
        errors.append(distances.mse(images.to_float(other), x))
        seen.append({name: np.asarray(values) for name, values in judge(x).items()})
    return Measured(np.concatenate(errors), sliced_wasserstein.project(others, seed),
                    {name: np.concatenate([each[name] for each in seen]) for name in seen[0]}, codes, others)


def compare(measured, reference, truth, binary, mapped):
    """Numbers of one encoder.

    Args:
        measured: Measured.
        reference: projections of the originals, `sliced_wasserstein.project` with the same seed.
        truth: {name: [N]}, what the originals show.
        binary: names of attributes that are 0 or 1.
        mapped: [N, L, D], FC(z) of random z.
    Returns:
        dict: 'mse' [mean, low, high]; 'swd', 1000 times the sliced Wasserstein distance, the mean over the pyramid's
        levels, and 'swd_levels' {side: value}; 'agreement' {name: share of right answers if binary, else R^2}; of the
        codes 'frechet' [value, low, high], mean over the layers, 'outliers' [share, low, high], and 'neighbours'
        [share, low, high], the accuracy of the nearest-neighbour two-sample test.
    """
    levels = {side: 1000 * value
              for side, value in sliced_wasserstein.distances(reference, measured.projections).items()}
    return {"mse": intervals.mean(measured.errors),
            "swd": float(np.mean(list(levels.values()))), "swd_levels": levels,
            "agreement": agreement(measured.attributes, truth, binary),
            "frechet": measures.frechet_of_codes(measured.codes, mapped),
            "outliers": intervals.share(distances.outliers(measured.codes, mapped, DEVIATIONS)),
            "neighbours": intervals.share(distances.nearest_neighbour_test(measured.codes, mapped))}
