"""Domain-regularized optimization: find a code that reproduces an image and stays in the domain of the encoder.

    z_inv = argmin_z ||x - G(z)|| + lambda_vgg ||F(x) - F(G(z))|| + lambda_dom ||z - E(G(z))||

The search starts at z = E(x). As in the published code, every norm is a mean of squared differences. Semantic diffusion
(section 3.4) uses the same objective with a mask: outside the mask both images are set to -1, so those pixels have no
effect. The networks are arguments of the caller; this module imports none.

Source: Zhu et al. 2020 (In-Domain GAN Inversion), Eq. (4) and section 2.2.
"""
from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from tf_idinvert import apart, optimizers
from tf_idinvert.errors import InputError
from tf_idinvert.losses import LARGEST_IMAGE, feature_weight, mean_squared_difference

TERMS = ("pixel", "feature", "domain", "total")
REPORTS = 10        # progress reports per batch


@dataclasses.dataclass(frozen=True)
class InversionOptions:
    """Options of the optimisation; the defaults are those of the published code."""

    steps: int = 100                        # evaluations of loss and gradient
    learning_rate: float = 0.01
    optimizer: str = "adam"                 # or 'cosine', 'lbfgs'; see `optimizers.recommended` for steps and rate
    keep_best: bool = False                 # return the code with the lowest loss instead of the last one
    cut_rising: bool = False                # when the loss rises, return to the best code and halve the step
    tolerance: float = 0.0                  # stop an image whose loss falls by less than this share in 10 steps
    feature_weight: float | None = None     # lambda_vgg; None: the default of F, see `losses.feature_weight`
    domain_weight: float = 2.0              # lambda_dom
    masked_domain_weight: float = 0.0       # lambda_dom with a mask; 0 because published diffusion has no domain term
    batch_size: int = 4                     # largest number of images optimised together
    jit: bool = False                       # compile loss and gradient with XLA
    results: int = 0                        # intermediate images to keep, evenly spaced, the last after the final step

    def __post_init__(self):
        for name, lowest in (("steps", 0), ("batch_size", 1), ("results", 0)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < lowest:
                raise InputError(f"{name} must be a whole number, {lowest} or more; got {value}")
        optimizers.recommended(self.optimizer)      # raises InputError for an unknown name
        for name in ("learning_rate", "tolerance", "feature_weight", "domain_weight", "masked_domain_weight"):
            value = getattr(self, name)
            if not (name == "feature_weight" and value is None or 0 <= value < np.inf):
                raise InputError(f"{name} must be a number, 0 or more; got {value}")

    def for_features(self, features):
        """Return these options with `feature_weight` resolved to a number; see `losses.feature_weight`."""
        return dataclasses.replace(self, feature_weight=feature_weight(features, self.feature_weight))

    def result_steps(self):
        """Return the steps after which an intermediate image is kept; see `optimizers.result_steps`."""
        return optimizers.result_steps(self.steps, self.results)


@dataclasses.dataclass
class InversionResult:
    """Result of an inversion, as NumPy arrays.

    Attributes:
        codes, start_codes: float32 [N, L, D], after and before the optimisation.
        images, start_images: float32 [N, R, R, C], their syntheses; about [-1, 1], not clipped.
        losses: {'pixel', 'feature', 'domain', 'total': float32 [steps, N]}. Row i holds the losses at the codes that
            step i evaluated, before it changed them. Terms are unweighted; 'total' is their weighted sum.
        intermediate: {step: images [N, R, R, C] after that step}.
    """

    codes: np.ndarray
    images: np.ndarray
    losses: dict
    start_codes: np.ndarray
    start_images: np.ndarray
    intermediate: dict


@dataclasses.dataclass(frozen=True)
class Reached:
    """Where the search of a batch stands: `codes` [N, L, D] are its result if it ends after this `step`; `losses`
    [steps since the last report, 4, N] are those of TERMS before each of these steps, none at the start.
    """

    step: int
    codes: tf.Tensor
    losses: np.ndarray


def invert(images, *, synthesis, encoder=None, features=None, options=InversionOptions(), start=None, mask=None,
           progress=None):
    """Invert any number of images, in batches of `options.batch_size`; see `Inversion` for arguments and errors."""
    inversion = Inversion(synthesis=synthesis, encoder=encoder, features=features, options=options)
    return inversion(images, start=start, mask=mask, progress=progress)


class Inversion:
    """The optimisation for one set of networks. It is compiled once and can be called with any number of batches.

    Args:
        synthesis: callable, codes [N, L, D] -> images [N, R, R, C]; G of the paper. Like the other callables it is
            traced without AutoGraph: one that branches on the values of tensors must be a tf.function.
        encoder: callable, images -> codes, in inference mode; E. May be None if calls pass `start` and the domain
            weight is 0.
        features: callable, images in [-1, 1] -> any tensor [N, ...]; F. None: no feature term. lambda_vgg comes from
            the options, else from the attribute `weight` of `features`, else it is the published value for VGG16.
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
            start: initial codes [N, L, D]; None: E(images).
            mask: [1 or N, R, R, 1 or C]: 1 for pixels that count in the losses, 0 for the others; None: all count.
            progress: callable (share done in [0, 1], mean total loss of the batch), called about REPORTS
                times per batch.
        Returns:
            InversionResult. An image's result does not depend on the other images. On a CPU it has the same bits for
            any batch and any `batch_size`, given the same processor and number of threads; on a GPU, for any batch
            of the same `batch_size`.
        Raises:
            InputError: shapes do not fit, values are not finite, or an encoder is needed and missing.
        """
        images, start, mask = self._checked(images, start, mask)
        parts, done = [], 0
        for rows, count in apart.batches(len(images), self.options.batch_size):
            part = self._invert_batch(*(None if a is None else tf.constant(a[rows]) for a in (images, start, mask)),
                                      progress=progress, done=done, total=len(images))
            parts.append(_first_rows(part, count))
            done += count
        return _concatenate(parts)

    def walk(self, images, start=None, mask=None):
        """The search of one batch, step by step: yield a `Reached` for the start, then after every few steps, wherever
        `__call__` reports its progress or keeps images. Whoever stops asking ends it, and has what was reached so far.

        Args:
            images, start, mask: as for `__call__`; at most `options.batch_size` images.
        Raises:
            InputError: as `__call__`.
        """
        images, start, mask = (None if a is None else tf.constant(a) for a in self._checked(images, start, mask))
        yield from self._walk(images, self._encode(images) if start is None else start, mask)

    def _checked(self, images, start, mask):
        """The arguments of a search as float32 arrays of matching shapes; InputError where they are not."""
        images = checked_images(images)
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
        return images, start, mask

    def _domain_weight(self, mask):
        return self.options.domain_weight if mask is None else self.options.masked_domain_weight

    def _invert_batch(self, images, start, mask, progress, done, total):
        options = self.options
        codes = self._encode(images) if start is None else start
        start_codes, start_images = codes, self._synthesize(codes)
        if start_images.shape != images.shape:
            raise InputError(f"images are {list(images.shape[1:])}, the network makes {list(start_images.shape[1:])}")
        losses, intermediate, keep, current = [], {}, options.result_steps(), start_images
        for reached in self._walk(images, codes, mask):
            step, codes = reached.step, reached.codes
            losses.append(reached.losses)
            if step in keep or step and step == options.steps:
                current = self._synthesize(codes)
            if step in keep:
                intermediate[step] = current.numpy()
            if progress is not None and step:
                share = min(len(images), total - done) / total
                mean = losses[-1][-1, -1, :min(len(images), total - done)].mean()
                progress(done / total + share * step / options.steps, float(mean))
        losses = np.concatenate(losses)
        return InversionResult(codes.numpy(), current.numpy(), {t: losses[:, i] for i, t in enumerate(TERMS)},
                               start_codes.numpy(), start_images.numpy(), intermediate)

    def _walk(self, images, codes, mask):
        """Yield a `Reached` at the start and after every few steps; all arguments are tensors, the mask may be None."""
        options = self.options
        if mask is not None:
            images = _masked(images, mask)
        target = self._features_of(images) if self.features else tf.zeros([len(images), 1])
        memory, losses, step = self.optimizer.start(codes), np.zeros([0, len(TERMS), len(images)], "float32"), 0
        yield Reached(0, codes, losses)
        for stop in optimizers.stops(options.steps, options.results, REPORTS):
            if options.tolerance and tf.reduce_all(self.optimizer.done(memory)):
                losses = np.repeat(losses[-1:], stop - step, axis=0)
            else:
                rows = (codes, memory, images, target) + (() if mask is None else (mask,))
                codes, memory, losses = self._advance(rows, tf.constant(step), tf.constant(stop))
                losses = losses.numpy().transpose(1, 2, 0)      # [steps, 4, N]
            step = stop
            yield Reached(step, self.optimizer.finish(codes, memory), losses)

    def _optimise(self, rows, step, stop):
        """Run steps `step` + 1 to `stop` as one loop in the graph; return codes, memory, losses [N, steps, 4].

        Args:
            rows: (codes, memory, images, target), followed by the mask if one is used.
        """
        codes, memory, images, target, mask = (*rows, None)[:5]

        def losses(codes):
            return objective(codes, images, target, mask, synthesis=self.synthesis, encoder=self.encoder,
                             features=self.features, feature_weight=self.options.feature_weight,
                             domain_weight=self._domain_weight(mask))[1]

        return optimizers.advance(self.optimizer, losses, codes, memory, step, stop, self.options.jit)


def objective(codes, images, target, mask=None, *, synthesis, encoder, features, feature_weight, domain_weight):
    """Objective of Eq. (4) and its terms.

    Args:
        codes: [N, L, D].
        images: [N, R, R, C] in [-1, 1]; already masked if a mask is used.
        target: F(images); ignored without `features`.
        mask, synthesis, encoder, features: see `Inversion`.
        feature_weight, domain_weight: lambda_vgg and lambda_dom, >= 0. A domain weight of 0 skips the encoder.
    Returns:
        (G(z) [N, R, R, C], (pixel, feature, domain, total)): the unweighted terms of Eq. (4) and their weighted sum,
        each [N]; a term that is left out is 0.
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


def checked_images(images):
    """Images as float32 [N, R, R, C]; InputError where they are of another scale than [-1, 1], or not finite."""
    images = _finite("images", images, 4)
    if images.size and np.abs(images).max() > LARGEST_IMAGE:
        raise InputError(f"images: expected values in [-1, 1], got {images.min():g} to {images.max():g}; of pictures "
                         "with values from 0 to 255 take x / 127.5 - 1")
    return images


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
