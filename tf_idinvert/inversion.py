"""Domain-regularized optimization: from an image to the code whose synthesis is that image, within the domain.

    z_inv = argmin_z ||x - G(z)|| + lambda_vgg ||F(x) - F(G(z))|| + lambda_dom ||z - E(G(z))||

starting at z = E(x). Source: Zhu et al. 2020 (In-Domain GAN Inversion), Eq. (4) and section 2.2; each norm is the mean
of squared differences, as in the published code. The masked form is the optimisation of semantic diffusion (section
3.4): both images count as -1 outside the mask. Networks are handed in as callables; none is imported.
"""
from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from tf_idinvert import apart, optimizers
from tf_idinvert.errors import InputError
from tf_idinvert.losses import feature_weight, mean_squared_difference

TERMS = ("pixel", "feature", "domain", "total")
REPORTS = 10        # of the progress in a batch


@dataclasses.dataclass(frozen=True)
class InversionOptions:
    """Options of the optimisation; the defaults are those of the published code."""

    steps: int = 100                        # each one evaluation of loss and gradient
    learning_rate: float = 0.01
    optimizer: str = "adam"                 # or 'cosine', 'lbfgs'; see `optimizers.recommended` for steps and rate
    keep_best: bool = False                 # the code of the lowest loss, not that of the last step
    cut_rising: bool = False                # half the step, from the best code, where the loss rises
    tolerance: float = 0.0                  # stop an image when its loss falls by less than this share in 10 steps
    feature_weight: float | None = None     # lambda_vgg; None: what suits F, see `losses.feature_weight`
    domain_weight: float = 2.0              # lambda_dom
    masked_domain_weight: float = 0.0       # lambda_dom where a mask is given: diffusion has no domain term
    batch_size: int = 4                     # images optimised together, at most
    results: int = 0                        # intermediate images, evenly spaced, the last after the final step

    def __post_init__(self):
        for name, lowest in (("steps", 0), ("batch_size", 1), ("results", 0)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < lowest:
                raise InputError(f"{name} must be a whole number, {lowest} or more; got {value}")
        optimizers.recommended(self.optimizer)      # InputError where there is none of that name
        for name in ("learning_rate", "tolerance", "feature_weight", "domain_weight", "masked_domain_weight"):
            value = getattr(self, name)
            if not (name == "feature_weight" and value is None or 0 <= value < np.inf):
                raise InputError(f"{name} must be a number, 0 or more; got {value}")

    def for_features(self, features):
        """The same options, `feature_weight` a number: as chosen, else what suits the network F; without F 0."""
        return dataclasses.replace(self, feature_weight=feature_weight(features, self.feature_weight))

    def result_steps(self):
        """Steps after which an intermediate image is kept, as the original: every `steps // results`, and the last."""
        return optimizers.result_steps(self.steps, self.results)


@dataclasses.dataclass
class InversionResult:
    """What came out, as NumPy arrays. Images [N, R, R, C] in [-1, 1] (not clipped), codes [N, L, D].

    `losses` has 'pixel', 'feature', 'domain' and 'total', each [steps, N], before its step, of the codes that it tried;
    the terms are not weighted, the total is their weighted sum. `intermediate` maps a step to the images after it.
    """

    codes: np.ndarray
    images: np.ndarray
    losses: dict
    start_codes: np.ndarray
    start_images: np.ndarray
    intermediate: dict


def invert(images, *, synthesis, encoder=None, features=None, options=InversionOptions(), start=None, mask=None,
           progress=None):
    """Invert images of any number, in batches of `options.batch_size`; see `Inversion` for the arguments."""
    inversion = Inversion(synthesis=synthesis, encoder=encoder, features=features, options=options)
    return inversion(images, start=start, mask=mask, progress=progress)


class Inversion:
    """The optimisation for given networks; compiled once for all batches it is called with.

    Args:
        synthesis: callable, codes [N, L, D] -> images [N, R, R, C]; G of the paper.
        encoder: callable, images -> codes, in inference mode; E. May be None where `start` is given and there is no
            domain term.
        features: callable, images in [-1, 1] -> any tensor [N, ...]; F. None: no feature term. lambda_vgg is that of
            the options, else its attribute `weight`, else the published one for VGG16.
        options: InversionOptions.
    """

    def __init__(self, *, synthesis, encoder=None, features=None, options=InversionOptions()):
        self.synthesis, self.encoder = synthesis, encoder
        self.options = options = options.for_features(features)
        self.features = features if options.feature_weight > 0 else None
        self.optimizer = optimizers.make(options.optimizer, options.learning_rate, options.steps, options.keep_best,
                                         options.cut_rising, options.tolerance)
        self._synthesize = apart.compiled(synthesis)
        self._encode = apart.compiled(encoder) if encoder is not None else None
        self._advance = apart.compiled(self._optimise)
        self._features_of = apart.compiled(self.features) if self.features else None

    def __call__(self, images, start=None, mask=None, progress=None):
        """Invert images.

        Args:
            images: float32 [N, R, R, C] in [-1, 1], RGB.
            start: codes [N, L, D] to begin from; None: E(images).
            mask: [1 or N, R, R, 1 or C], 1 where the losses count and 0 elsewhere; None: everywhere.
            progress: callable (share done in [0, 1], mean total loss of the batch), called a few times a batch.
        Returns:
            InversionResult. An image's result does not depend on the others: on a CPU it has the same bits in any batch
            of any `batch_size`, with the same threads on the same processor; on a GPU in any batch of one `batch_size`.
        Raises:
            InputError: shapes that do not fit, values that are not finite, no encoder where one is needed.
        """
        images = _finite("images", images, 4)
        if not len(images):
            raise InputError("images: expected at least one; got none")
        if start is not None:
            start = _finite("start", start, 3)
            if len(start) != len(images):
                raise InputError(f"start: expected codes for {len(images)} images; got {len(start)}")
        if mask is not None:
            mask = _finite("mask", mask, 4)
            allowed = {1, len(images)}, {images.shape[1]}, {images.shape[2]}, {1, images.shape[3]}
            if any(size not in sizes for size, sizes in zip(mask.shape, allowed)):
                raise InputError(f"mask: expected [1 or {len(images)}, {images.shape[1]}, {images.shape[2]}, 1]; "
                                 f"got {list(mask.shape)}")
            mask = np.broadcast_to(mask, images.shape[:3] + mask.shape[3:])
        if start is None and self.encoder is None:
            raise InputError("inversion needs an encoder, or codes to start from")
        if self._domain_weight(mask) > 0 and self.encoder is None:
            raise InputError("the domain term needs an encoder; give domain_weight=0 to leave the term out")
        parts, done = [], 0
        for rows, count in apart.batches(len(images), self.options.batch_size):
            part = self._invert_batch(*(None if a is None else tf.constant(a[rows]) for a in (images, start, mask)),
                                      progress=progress, done=done, total=len(images))
            parts.append(_first_rows(part, count))
            done += count
        return _concatenate(parts)

    def _domain_weight(self, mask):
        return self.options.domain_weight if mask is None else self.options.masked_domain_weight

    def _invert_batch(self, images, start, mask, progress, done, total):
        options = self.options
        codes = self._encode(images) if start is None else start
        start_codes, start_images = codes, self._synthesize(codes)
        if start_images.shape != images.shape:
            raise InputError(f"images are {list(images.shape[1:])}, the network makes {list(start_images.shape[1:])}")
        if mask is not None:
            images = _masked(images, mask)
        target = self._features_of(images) if self.features else tf.zeros([len(images), 1])
        memory, losses, intermediate, keep = self.optimizer.start(codes), [], {}, options.result_steps()
        step, found, current = 0, codes, start_images
        for stop in optimizers.stops(options.steps, options.results, REPORTS):
            if options.tolerance and tf.reduce_all(self.optimizer.done(memory)):
                losses.append(np.repeat(losses[-1][-1:], stop - step, axis=0))
            else:
                rows = (codes, memory, images, target) + (() if mask is None else (mask,))
                codes, memory, loss = self._advance(rows, tf.constant(step), tf.constant(stop))
                losses.append(loss.numpy().transpose(1, 2, 0))      # [steps, 4, N]
            step, found = stop, self.optimizer.finish(codes, memory)
            if stop in keep or stop == options.steps:
                current = self._synthesize(found)
            if stop in keep:
                intermediate[stop] = current.numpy()
            if progress is not None:
                share = min(len(images), total - done) / total
                mean = losses[-1][-1, -1, :min(len(images), total - done)].mean()
                progress(done / total + share * step / options.steps, float(mean))
        losses = np.concatenate(losses) if losses else np.zeros([0, len(TERMS), len(images)], "float32")
        return InversionResult(found.numpy(), current.numpy(), {t: losses[:, i] for i, t in enumerate(TERMS)},
                               start_codes.numpy(), start_images.numpy(), intermediate)

    def _optimise(self, rows, step, stop):
        """Steps `step` + 1 to `stop` as one loop in the graph -> codes, memory, losses [N, steps, 4].

        Args:
            rows: (codes, memory, images, target, and where there is one the mask).
        """
        codes, memory, images, target, mask = (*rows, None)[:5]

        def losses(codes):
            return objective(codes, images, target, mask, synthesis=self.synthesis, encoder=self.encoder,
                             features=self.features, feature_weight=self.options.feature_weight,
                             domain_weight=self._domain_weight(mask))[1]

        return optimizers.advance(self.optimizer, losses, codes, memory, step, stop)


def objective(codes, images, target, mask=None, *, synthesis, encoder, features, feature_weight, domain_weight):
    """What is minimised.

    Args:
        codes: [N, L, D].
        images: [N, R, R, C] in [-1, 1], masked already where there is a mask.
        target: F(images); where there are no features, anything.
        mask, synthesis, encoder, features: see `Inversion`; features None: without that term.
        feature_weight, domain_weight: lambda_vgg and lambda_dom; 0: without that term.
    Returns:
        (G(z) [N, R, R, C], (pixel, feature, domain, total)): the terms of Eq. (4), not weighted, and their weighted
        sum, each [N]; terms that do not count are 0.
    """
    reconstruction = synthesis(codes)
    seen = reconstruction if mask is None else _masked(reconstruction, mask)
    pixel = mean_squared_difference(images, seen)
    feature = mean_squared_difference(target, features(seen)) if features else tf.zeros_like(pixel)
    domain = tf.zeros_like(pixel)
    if domain_weight > 0:
        domain = mean_squared_difference(codes, encoder(reconstruction))
    return reconstruction, (pixel, feature, domain, pixel + feature_weight * feature + domain_weight * domain)


def _masked(images, mask):
    return (images + 1.0) * mask - 1.0


def _finite(name, array, rank):
    array = np.asarray(array, dtype="float32")
    if array.ndim != rank:
        raise InputError(f"{name}: expected {rank} axes; got shape {list(array.shape)}")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: expected finite numbers; got NaN or infinity")
    return array


def _first_rows(result, count):
    return InversionResult(result.codes[:count], result.images[:count],
                           {term: values[:, :count] for term, values in result.losses.items()},
                           result.start_codes[:count], result.start_images[:count],
                           {step: images[:count] for step, images in result.intermediate.items()})


def _concatenate(parts):
    def joined(field):
        return np.concatenate([getattr(part, field) for part in parts])

    return InversionResult(
        joined("codes"), joined("images"),
        {term: np.concatenate([part.losses[term] for part in parts], axis=1) for term in TERMS},
        joined("start_codes"), joined("start_images"),
        {step: np.concatenate([part.intermediate[step] for part in parts]) for step in parts[0].intermediate})
