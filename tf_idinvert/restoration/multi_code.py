"""Multi-code inversion on StyleGAN: N codes represent an image; the synthesis network combines their features.

    F = sum_n alpha_n * G_1(w_n)        alpha_n: one weight per channel
    x = G_2(F)                          G_1: layers before the composing layer l; G_2: the other layers
    min over w_n, alpha_n:  ||y - phi(x)|| + lambda_vgg ||V(y) - V(phi(x))||

phi is the degradation (see `degradations`), V are features, and || || is the mean of squares; the published code takes
absolute differences of features (`published`).

The original uses PGGAN. StyleGAN's G_2 needs styles too, so a further code, the shared one, is optimised for the layers
from l on. With a single code, alpha stays 1, and the method equals the inversion of `inversion.py` for every l. The
optimised variable is N * alpha, so that Adam's steps change alpha in proportion to its initial value 1 / N. The
optional domain term compares the mean of the N codes with E(x). The networks are arguments of the caller.

Source: Gu et al. 2020 (Image Processing Using Multi-Code GAN Prior), Eq. (2) to (6).
"""
from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from tf_idinvert import apart, optimizers
from tf_idinvert.errors import InputError
from tf_idinvert.losses import LARGEST_IMAGE, feature_weight, mean_absolute_difference, mean_squared_difference

TERMS = ("pixel", "feature", "domain", "total")
REPORTS = 20        # progress reports per batch


@dataclasses.dataclass(frozen=True)
class MultiCodeOptions:
    """Options of the optimisation. The paper uses 20 to 30 codes, layers 4 to 8, up to 3,000 gradient descent steps."""

    codes: int = 20                         # N
    layer: int = 6                          # l: lower layers run for every code; 6 composes at 16x16, as in PGGAN
    steps: int = 200                        # evaluations of loss and gradient
    learning_rate: float = 0.05
    optimizer: str = "cosine"               # Adam with decaying rate; or 'adam', 'lbfgs', 'gd': see `optimizers`
    feature_weight: float | None = None     # lambda_vgg; None: the default of V, see `losses.feature_weight`
    absolute_features: bool = False         # absolute differences of features, not squares
    domain_weight: float = 0.0              # lambda_dom
    batch_size: int = 4                     # images optimised together
    results: int = 0                        # intermediate images to keep, evenly spaced, the last after the final step

    def __post_init__(self):
        for name, lowest in (("codes", 1), ("layer", 1), ("steps", 0), ("batch_size", 1), ("results", 0)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < lowest:
                raise InputError(f"{name} must be a whole number, {lowest} or more; got {value}")
        optimizers.recommended(self.optimizer)      # raises InputError for an unknown name
        for name in ("learning_rate", "feature_weight", "domain_weight"):
            value = getattr(self, name)
            if not (name == "feature_weight" and value is None or 0 <= value < np.inf):
                raise InputError(f"{name} must be a number, 0 or more; got {value}")

    def result_steps(self):
        """Return the steps after which an intermediate image is kept; see `optimizers.result_steps`."""
        return optimizers.result_steps(self.steps, self.results)


@dataclasses.dataclass
class MultiCodeResult:
    """Result for B images, as NumPy arrays; images [B, R, R, C] are about [-1, 1], not clipped.

    `compose(synthesis, codes, shared, alphas)` computes the images again. `losses` is {'pixel', 'feature', 'domain',
    'total': [steps, B]}, evaluated before the step; terms are unweighted. `intermediate` is {step: images}.
    """

    codes: np.ndarray               # [B, N, l, D]
    shared: np.ndarray              # [B, L - l, D]
    alphas: np.ndarray              # [B, N, channels after layer l - 1]
    images: np.ndarray
    start_images: np.ndarray
    losses: dict
    intermediate: dict


def compose(synthesis, codes, shared, alphas):
    """Return the images of N codes each.

    Args:
        synthesis: the network; see `MultiCode`.
        codes: [B, N, l, D], codes of the layers before the composing layer l.
        shared: [B, L - l, D], shared code of the layers from l on.
        alphas: [B, N, C], weights of the C channels after layer l - 1.
    Returns:
        [B, R, R, channels], not clipped.
    """
    count, layer, width = codes.shape[1:]
    features = synthesis.run(tf.reshape(codes, [-1, layer, width]), 0, layer)           # [B * N, h, h, C]
    features = tf.reshape(features, [-1, count, *features.shape[1:]])                   # [B, N, h, h, C]
    composed = tf.reduce_sum(alphas[:, :, None, None, :] * features, axis=1)            # [B, h, h, C]
    w = tf.concat([codes[:, 0], shared], axis=1)        # [B, L, D], its first l layers ignored
    return synthesis(w, start=layer, features=composed)


def spread_codes(base, samples, average, spread):
    """Return N different initial codes; equal ones would stay equal.

    Args:
        base: [B, L, D], the first code.
        samples: [N - 1, L, D], codes of the generator's domain, the same for every image.
        average: [D], the generator's w_avg.
        spread: factor of the difference; the other codes are base + spread * (sample - average).
    Returns:
        float32 [B, N, L, D].
    """
    base, samples = np.asarray(base, "float32")[:, None], np.asarray(samples, "float32")[None]
    return np.concatenate([base, base + spread * (samples - np.asarray(average, "float32"))], axis=1)


class MultiCode:
    """The optimisation for one set of networks and one degradation. It is compiled once for all batches.

    Args:
        synthesis: network like `networks.synthesis.Synthesis`, with `run(w, start, stop)` -> features, a call
            (w, start=..., features=...) -> images, and `last_start`.
        degrade: callable phi, images [B, R, R, C] -> observations [B, r, r, C]; see `degradations`.
        encoder: callable, images -> codes [B, L, D], for the domain term; None without one.
        features: callable V, images in [-1, 1] -> any tensor [B, ...]. Observations are enlarged to R by repeating
            pixels. None: no feature term.
        options: MultiCodeOptions.
    Raises:
        InputError: the network lacks the composing layer, or the domain term has no encoder.
    """

    def __init__(self, *, synthesis, degrade, encoder=None, features=None, options=MultiCodeOptions()):
        if options.layer > synthesis.last_start:
            raise InputError(f"composing layer: expected 1 to {synthesis.last_start} in this network; "
                             f"got {options.layer}")
        if options.domain_weight > 0 and encoder is None:
            raise InputError("the domain term needs an encoder; give domain_weight=0 to leave the term out")
        options = dataclasses.replace(options, feature_weight=feature_weight(features, options.feature_weight))
        self.synthesis, self.degrade, self.encoder, self.options = synthesis, degrade, encoder, options
        self.features = features if options.feature_weight > 0 else None
        self.optimizer = optimizers.make(options.optimizer, options.learning_rate, options.steps)
        self._shapes = None         # shapes of the variables; the first batch shows the number of channels
        self._draw = apart.compiled(lambda variables: self.image(*variables))
        self._features_of = apart.compiled(self._seen_features) if self.features else None
        self._advance = apart.compiled(self._optimise)

    def __call__(self, observed, start, progress=None):
        """Find codes whose degraded images are the observations.

        Args:
            observed: float32 [B, r, r, C] in [-1, 1], results of phi.
            start: initial codes [B, N, L, D]; see `spread_codes`. The shared code starts as the image's first code.
            progress: callable (share done in [0, 1], mean total loss of the batch), called about REPORTS times per
                batch.
        Returns:
            MultiCodeResult. An image's result does not depend on the other images; see `apart`.
        Raises:
            InputError: shapes do not fit, or values are not finite.
        """
        observed, start = _finite("observed", observed, 4), _finite("start", start, 4)
        if observed.size and np.abs(observed).max() > LARGEST_IMAGE:
            raise InputError(f"observed: expected values in [-1, 1], got {observed.min():g} to {observed.max():g}")
        if not len(observed):
            raise InputError("observed: expected at least one image; got none")
        if start.shape[:2] != (len(observed), self.options.codes):
            raise InputError(f"start: expected {self.options.codes} codes for each of {len(observed)} images; "
                             f"got shape {list(start.shape)}")
        done, parts = 0, []
        for rows, count in apart.batches(len(observed), self.options.batch_size):
            def heard(share, losses):
                progress((done + share * count) / len(observed), float(losses[:count].mean()))

            part = self._restore_batch(tf.constant(observed[rows]), tf.constant(start[rows]), progress and heard)
            parts.append(_first_rows(part, count))
            done += count
        return _concatenate(parts)

    def image(self, codes, shared, scaled):
        """Return the images of the variables of the search; `scaled` is N * alpha."""
        return compose(self.synthesis, codes, shared, scaled / self.options.codes)

    def losses(self, variables, observed, target):
        """Return the three terms and their weighted sum, each [B]; a term that is left out is 0.

        Args:
            variables: (codes, shared, N * alphas).
            observed: observations y, [B, r, r, C].
            target: V(y), or None.
        """
        image = self.image(*variables)
        seen = self.degrade(image)
        pixel = mean_squared_difference(observed, seen)
        feature = domain = tf.zeros_like(pixel)
        if target is not None:
            difference = mean_absolute_difference if self.options.absolute_features else mean_squared_difference
            feature = difference(target, self._seen_features(seen))
        if self.options.domain_weight > 0:
            mean = tf.concat([tf.reduce_mean(variables[0], axis=1), variables[1]], axis=1)
            domain = mean_squared_difference(mean, self.encoder(image))
        total = pixel + self.options.feature_weight * feature + self.options.domain_weight * domain
        return pixel, feature, domain, total

    def _seen_features(self, seen):
        factor = self.synthesis.resolution // seen.shape[1]
        return self.features(tf.repeat(tf.repeat(seen, factor, axis=1), factor, axis=2))

    def _restore_batch(self, observed, start, progress):
        options = self.options
        codes, shared = start[:, :, :options.layer], start[:, 0, options.layer:]
        channels = self.synthesis.run(codes[:1, 0], 0, options.layer).shape[-1]
        variables = codes, shared, tf.ones([len(codes), options.codes, channels])
        start_images = current = self._draw(variables)
        shape = self.degrade(start_images).shape
        if shape != observed.shape:
            raise InputError(f"observed: expected {list(shape[1:])}, as this network's degraded images; "
                             f"got {list(observed.shape[1:])}")
        target = self._features_of(observed) if self.features else None
        keep, step, losses, intermediate = options.result_steps(), 0, [], {}
        self._shapes = [variable.shape[1:] for variable in variables]
        point = found = self._pack(variables)
        memory = self.optimizer.start(point)
        for stop in optimizers.stops(options.steps, options.results, REPORTS):
            rows = (point, memory, observed) + (() if target is None else (target,))
            point, memory, loss = self._advance(rows, tf.constant(step), tf.constant(stop))
            losses.append(loss.numpy().transpose(1, 2, 0))      # [steps, 4, B]
            step, found = stop, self.optimizer.finish(point, memory)
            if stop in keep or stop == options.steps:
                current = self._draw(self._unpack(found))
            if stop in keep:
                intermediate[stop] = current.numpy()
            if progress is not None:
                progress(step / options.steps, losses[-1][-1, -1])
        losses = np.concatenate(losses) if losses else np.zeros([0, len(TERMS), len(codes)], "float32")
        codes, shared, scaled = (variable.numpy() for variable in self._unpack(found))
        return MultiCodeResult(codes, shared, scaled / options.codes, current.numpy(), start_images.numpy(),
                               {term: losses[:, i] for i, term in enumerate(TERMS)}, intermediate)

    def _pack(self, variables):
        """Return the optimised variables as [B, 1, P]; with one code, alpha has no effect and is not optimised."""
        free = variables if self.options.codes > 1 else variables[:2]
        return tf.concat([tf.reshape(variable, [variable.shape[0], 1, -1]) for variable in free], axis=2)

    def _unpack(self, point):
        sizes = [int(np.prod(shape)) for shape in self._shapes]
        if self.options.codes == 1:
            point = tf.concat([point, tf.ones([point.shape[0], 1, sizes[2]], point.dtype)], axis=2)
        return [tf.reshape(part, [point.shape[0], *shape])
                for part, shape in zip(tf.split(point, sizes, axis=2), self._shapes)]

    def _optimise(self, rows, step, stop):
        """Run steps `step` + 1 to `stop` as one loop in the graph; return point, memory, losses [B, steps, 4].

        Args:
            rows: (point, memory, observed), followed by the target if there are features.
        """
        point, memory, observed, target = (*rows, None)[:4]
        return optimizers.advance(self.optimizer, lambda point: self.losses(self._unpack(point), observed, target),
                                  point, memory, step, stop)


def _finite(name, array, rank):
    array = np.asarray(array, dtype="float32")
    if array.ndim != rank:
        raise InputError(f"{name}: expected {rank} axes; got shape {list(array.shape)}")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: expected finite numbers; got NaN or infinity")
    return array


def _first_rows(result, count):
    return MultiCodeResult(
        result.codes[:count], result.shared[:count], result.alphas[:count], result.images[:count],
        result.start_images[:count], {term: values[:, :count] for term, values in result.losses.items()},
        {step: images[:count] for step, images in result.intermediate.items()})


def _concatenate(parts):
    def joined(field):
        return np.concatenate([getattr(part, field) for part in parts])

    return MultiCodeResult(
        *map(joined, ("codes", "shared", "alphas", "images", "start_images")),
        {term: np.concatenate([part.losses[term] for part in parts], axis=1) for term in TERMS},
        {step: np.concatenate([part.intermediate[step] for part in parts]) for step in parts[0].intermediate})
