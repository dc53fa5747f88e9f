"""Quality of encoders on portraits with known attributes.

Reconstructions G(E(x)) are measured by the pixel error, by the sliced Wasserstein distance to the originals, and by the
agreement of an attribute network's scores with the known attributes. The distribution of codes E(x) is compared with
that of mapped codes FC(z), as in Leng et al. 2021 (Force-in-domain GAN inversion). Intervals are 95 % intervals.
Pictures are stored on disk in 8 bits.
"""
from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from tf_idinvert.codes import random_codes
from tf_idinvert.errors import InputError
from tf_idinvert.evaluation import measures
from tf_idinvert.evaluation.quality.pictures import Pictures, rendered
from tf_idinvert.files import images
from tf_idinvert.files.progress import progress
from tf_idinvert.metrics import distances, intervals
from tf_idinvert.metrics.agreement import agreement

DEVIATIONS = 10.0       # limit of outliers, in standard deviations of FC(z)


@dataclasses.dataclass(frozen=True)
class Reconstructed:
    """Reconstructions of the originals, and their codes.

    Attributes:
        errors: [N], mean squared differences to the originals.
        codes: [N, L, D].
        pictures: Pictures.
        measured: `measures.Measured` with the network's attribute scores, without embedding.
    """

    errors: np.ndarray
    codes: np.ndarray
    pictures: Pictures
    measured: measures.Measured


def reconstruct(originals, invert, judge, seed=0, progress=None):
    """Measure an encoder's reconstructions.

    Args:
        originals: Pictures.
        invert: function, float32 [n, R, R, 3] in [-1, 1] -> (codes E(x) [n, L, D], images G(E(x)) [n, R, R, 3]).
        judge: function, float32 [n, R, R, 3] -> {name: [n]}, see `Attributes.predict_attributes`.
        seed: seed of the patches.
        progress: None, or a function that is called with the number of pictures just finished.
    Returns:
        Reconstructed. Reconstructions are clipped to [-1, 1] first.
    Raises:
        InputError: codes or reconstructions are not finite.
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
        seen.append(judge(drawn))
        pictures.add(drawn)
        if progress:
            progress(len(x))
    return _reconstructed(errors, np.concatenate(codes), pictures, seen, seed)


def _reconstructed(errors, codes, pictures, seen, seed):
    measured = dataclasses.replace(measures.measure(pictures, None, seed), attributes=measures.joined(seen))
    return Reconstructed(np.concatenate(errors), codes, pictures, measured)


def sample_errors(mapped, synthesize, invert, batch=50):
    """Return the errors of an encoder on samples of its own generator, for which a code without error exists.

    The difference to the errors on originals shows the domain gap (Zhu et al. 2020, section 2.1): an encoder may
    reconstruct samples well, and real pictures worse.

    Args:
        mapped: [N, L, D], FC(z).
        synthesize: function, codes [n, L, D] -> images [n, R, R, 3].
        invert: as in `reconstruct`.
        batch: samples per call.
    Returns:
        [N], mean squared differences; samples and reconstructions are clipped to [-1, 1] first.
    """
    errors = []
    for start in range(0, len(mapped), batch):
        x = np.asarray(synthesize(mapped[start:start + batch])).clip(-1, 1)
        errors.append(distances.mse(np.asarray(invert(x)[1]).clip(-1, 1), x))
    return np.concatenate(errors)


def strangers(originals, others, codes, judge, seed=0):
    """Return the numbers without an encoder, for comparison: other pictures as reconstructions, mapped codes as E(x).

    Args:
        originals, others: Pictures, equally many.
        codes: [N, L, D], mapped codes of other z than the reference's.
        judge, seed: as in `reconstruct`.
    Returns:
        Reconstructed: errors and patches of `others`; attribute scores of the originals themselves, an upper limit.
    """
    errors, seen = [], []
    for batch, other in zip(originals, others):
        x = images.to_float(batch)
        errors.append(distances.mse(images.to_float(other), x))
        seen.append(judge(x))
    return _reconstructed(errors, codes, others, seen, seed)


def compare(found, reference, truth, binary, mapped):
    """Return the numbers of one encoder.

    Args:
        found: Reconstructed.
        reference: `measures.Measured` of the originals, with the same seed.
        truth: {name: [N]}, attributes of the originals.
        binary: names of attributes that are 0 or 1.
        mapped: [N, L, D], FC(z) of random z.
    Returns:
        dict: 'mse' [mean, low, high]; 'swd', 1000 times the sliced Wasserstein distance, mean over the pyramid's
        levels, and 'swd_levels' {side: value}; 'agreement' {name: accuracy if binary, else R^2}; for the codes
        'frechet' [value, low, high], mean over the layers, 'outliers' [share, low, high], and 'neighbours' [share,
        low, high], the accuracy of the nearest-neighbour two-sample test.
    """
    apart = measures.compare(reference, found.measured)
    return {"mse": intervals.mean(found.errors), "swd": apart["swd"], "swd_levels": apart["swd_levels"],
            "agreement": agreement(found.measured.attributes, truth, binary),
            "frechet": measures.frechet_of_codes(found.codes, mapped),
            "outliers": intervals.share(distances.outliers(found.codes, mapped, DEVIATIONS)),
            "neighbours": intervals.share(distances.nearest_neighbour_test(found.codes, mapped))}


# ------------------------------------------------------------------------------------------------- all encoders

def assess(encoders, network, count, seed):
    """Measure encoders on the same rendered portraits.

    Args:
        encoders: {name: (encoder, generator)}.
        network: Attributes of portraits; see `loading.load_portraits_attributes`.
        count: number of portraits.
        seed: seed of portraits and z, which no training uses.
    Returns:
        ({name: numbers}, [Pictures of the originals, and of every encoder]); the last numbers, 'none', are those
        without an encoder.
    Raises:
        InputError: codes or reconstructions of an encoder are not finite.
    """
    (originals, truth), (others, _) = (rendered(count, each, network.resolution) for each in (seed, seed + 1))
    judge = tf.function(network.predict_attributes, reduce_retracing=True, autograph=False)
    reference, numbers, shown = measures.measure(originals, None, seed), {}, [originals]
    with progress(count * len(encoders), "encoding", unit="img") as bar:
        for name, (encoder, generator) in encoders.items():
            invert = inverter(encoder, generator)
            try:
                found = reconstruct(originals, invert, judge, seed, bar.update)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
            mapped = random_codes(generator, seed, 0, count)
            numbers[name] = compare(found, reference, truth, network.binary, mapped)
            numbers[name]["samples"] = intervals.mean(sample_errors(
                mapped, tf.function(generator.synthesis, reduce_retracing=True, autograph=False), invert))
            shown.append(found.pictures)
    found = strangers(originals, others, random_codes(generator, seed, count, count), judge, seed)
    numbers["none"] = compare(found, reference, truth, network.binary, mapped)
    return numbers, shown


def inverter(encoder, generator):
    """Return a function, pictures x -> (E(x), G(E(x)))."""
    def invert(x):
        codes = encoder(x)
        return codes, generator.synthesis(codes)
    return tf.function(invert, reduce_retracing=True, autograph=False)
