"""Pivotal tuning: move the generator's weights until the codes that inversion found draw the pictures themselves.

    theta = argmin  L_pt + lambda_R L_R
    L_pt  = mean over the pictures of  d(x, G(w_p; theta))
    L_R   = d(G(w_r; theta_0), G(w_r; theta)),    w_r = w_p + alpha (w_z - w_p) / ||w_z - w_p||
    d(a, b) = ||a - b|| + lambda_vgg ||F(a) - F(b)||

The pivots w_p stay as they are; theta are the weights of the synthesis network, theta_0 those it was trained to. L_R
keeps the pictures of other codes near the pivots: w_z is the code of a random z, another one in each step. Source:
Roich et al. 2021 (Pivotal Tuning for Latent-based Editing of Real Images), sections 3.2 and 3.3. There d is LPIPS and
the mean of squared differences; here it is that of the inversion, Zhu et al. 2020, Eq. (4).
"""
from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from tf_idinvert import optimizers
from tf_idinvert.errors import InputError
from tf_idinvert.losses import feature_weight, mean_squared_difference

TERMS = ("pixel", "feature", "locality", "total")


@dataclasses.dataclass(frozen=True)
class TuningOptions:
    """Options of pivotal tuning; number of steps, rate, alpha and lambda_R as in the published code unless noted."""

    steps: int = 350                        # at most
    learning_rate: float = 3e-4             # of Adam
    stop_loss: float = 0.0                  # stop once L_pt is at most this; published: LPIPS <= 0.06
    feature_weight: float | None = None     # lambda_vgg; None: what suits F, see `losses.feature_weight`
    locality_weight: float = 0.0            # lambda_R; published: 0.1, and the term off by default
    locality_distance: float | None = None  # alpha; None: what is handed in with the network (published: 30)
    batch_size: int = 4                     # pictures of one generator in a step
    seed: int = 0                           # of the z of L_R

    def __post_init__(self):
        for name, lowest in (("steps", 0), ("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < lowest:
                raise InputError(f"{name} must be a whole number, {lowest} or more; got {value}")
        for name in ("learning_rate", "stop_loss", "feature_weight", "locality_weight", "locality_distance"):
            value = getattr(self, name)
            if not (value is None and name in ("feature_weight", "locality_distance") or 0 <= value < np.inf):
                raise InputError(f"{name} must be a number, 0 or more; got {value}")


def copy_of(synthesis):
    """Another synthesis network with the same weights, to be tuned."""
    other = type(synthesis).from_config(synthesis.get_config())
    for variable, value in zip(_variables(other.weights), _variables(synthesis.weights)):
        variable.assign(value)
    return other


def distance(target, target_features, images, features, weight):
    """d of the equations above: a [N, R, R, C], F(a), b, F, lambda_vgg -> (pixel, feature, d), [N]; F None: without."""
    pixel = mean_squared_difference(target, images)
    feature = mean_squared_difference(target_features, features(images)) if features else tf.zeros_like(pixel)
    return pixel, feature, pixel + weight * feature


def neighbour(pivot, other, alpha):
    """w_r: the code at distance `alpha` from the pivot towards another code; [N, L, D] each.

    ||w|| is the root mean square over the layers of their lengths: where all layers have the same w, as in the paper,
    that is its length.
    """
    way = other - pivot
    length = tf.sqrt(tf.reduce_mean(tf.reduce_sum(tf.square(way), axis=2, keepdims=True), axis=1, keepdims=True))
    return pivot + alpha * tf.math.divide_no_nan(way, length)


class PivotalTuning:
    """Tunes a copy of a synthesis network to one set of pictures after the other; compiled once for sets of one size.

        tuning.begin(images, pivots)
        while not tuning.done():
            tuning.advance(35)          # steps; `state` and `restore` take it up after a stop, with the same result

    Args:
        synthesis: Keras model, codes [N, L, D] -> images [N, R, R, C]; its weights are left as they are.
        features: F, callable, images in [-1, 1] -> any tensor [N, ...]; None: no feature term.
        codes: callable (first, count) -> w_z [count, L, D], always the same for the same numbers; for lambda_R > 0.
        alpha: used where the options leave `locality_distance` open; for lambda_R > 0.
        options: TuningOptions.
    Attributes:
        tuned: the copy; its weights are theta.
        losses: {'pixel', 'feature', 'locality', 'total'} in columns, [steps made, 4], means over the pictures of each
            step, before it; not weighted but for the total.
    """

    def __init__(self, synthesis, *, features=None, codes=None, alpha=None, options=TuningOptions()):
        alpha = alpha if options.locality_distance is None else options.locality_distance
        if options.locality_weight and (codes is None or alpha is None):
            raise InputError("the locality term needs codes of random z, and a distance")
        self.options = dataclasses.replace(options, feature_weight=feature_weight(features, options.feature_weight),
                                           locality_distance=alpha)
        self.original, self.tuned, self.codes = synthesis, copy_of(synthesis), codes
        self.features = features if self.options.feature_weight > 0 else None
        self.theta = _variables(self.tuned.trainable_variables)
        self.moments = [tf.Variable(tf.zeros_like(each), trainable=False) for each in [*self.theta, *self.theta]]
        self.adam = optimizers.Adam(options.learning_rate)
        self._advance = tf.function(self._steps, reduce_retracing=True, autograph=False)
        self._features_of = self.features and tf.function(self.features, reduce_retracing=True, autograph=False)

    def begin(self, images, pivots):
        """Begin with the weights of the original.

        Args:
            images: float32 [N, R, R, C] in [-1, 1], of one generator; a step takes `batch_size` of them, in turn.
            pivots: w_p, [N, L, D], their codes.
        Raises:
            InputError: shapes that do not fit.
        """
        images, pivots = tf.constant(images, tf.float32), tf.constant(pivots, tf.float32)
        drawn = self.original(pivots[:1])
        if not len(images) or len(images) != len(pivots) or images.shape[1:] != drawn.shape[1:]:
            raise InputError(f"images are {list(images.shape)}, the network draws {list(drawn.shape[1:])} for each of "
                             f"{len(pivots)} codes")
        target = self._features_of(images) if self.features else tf.zeros([len(images), 1])
        self.pictures = images, target, pivots
        self.rounds = -(-len(images) // self.options.batch_size)        # steps in which each picture comes once
        self.losses = np.zeros([0, len(TERMS)], "float32")
        for theta, theta_0 in zip(self.theta, _variables(self.original.trainable_variables)):
            theta.assign(theta_0)
        for moment in self.moments:
            moment.assign(tf.zeros_like(moment))

    def state(self):
        """What `restore` needs to go on: float32, three times as many numbers as weights, and four a step."""
        return np.concatenate([*(each.numpy().ravel() for each in [*self.theta, *self.moments]), self.losses.ravel()])

    def restore(self, state):
        """Go on, after `begin`, where `state()` was taken; False where it is of another network."""
        variables = [*self.theta, *self.moments]
        ends = np.cumsum([0, *(int(np.prod(each.shape)) for each in variables)])
        if state.ndim != 1 or len(state) < ends[-1] or (len(state) - ends[-1]) % len(TERMS):
            return False
        for variable, first, last in zip(variables, ends, ends[1:]):
            variable.assign(state[first:last].reshape(variable.shape))
        self.losses = state[ends[-1]:].reshape(-1, len(TERMS)).astype("float32")
        return True

    def done(self):
        """Whether all steps are made, or L_pt, over as many steps as show each picture, is as low as asked."""
        return len(self.losses) >= self.options.steps or self._recent().mean() <= self.options.stop_loss

    def advance(self, steps):
        """Make as many more steps, fewer where it is done before."""
        step = len(self.losses)
        stop = min(step + steps, self.options.steps)
        others = tf.zeros([0, *self.pictures[-1].shape[1:]])
        if self.options.locality_weight:
            others = tf.constant(self.codes(step, stop - step), tf.float32)
        losses = self._advance(*self.pictures, others, tf.constant(self._recent()), tf.constant(step),
                               tf.constant(stop), tf.constant(self.options.stop_loss, tf.float32))
        self.losses = np.concatenate([self.losses, losses.numpy()])

    def _recent(self):
        """L_pt of the last steps that show each picture once, float32 [rounds]; infinite where not made yet."""
        pixel, feature = self.losses[-self.rounds:, :2].T
        values = pixel + np.float32(self.options.feature_weight) * feature
        return np.concatenate([np.full(self.rounds - len(values), np.inf, "float32"), values])

    def _steps(self, images, target, pivots, others, recent, step, stop, stop_loss):
        """Steps `step` + 1 to `stop`, as one loop in the graph -> terms [steps made, 4]."""
        history = tf.TensorArray(tf.float32, size=stop - step, element_shape=[len(TERMS)])
        count = tf.shape(images)[0]
        indices = tf.range(self.options.batch_size if self.rounds > 1 else count)

        def body(i, recent, history):
            rows = (i * self.options.batch_size + indices) % count if self.rounds > 1 else indices
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(self.theta)
                other = others[i - step][None] if self.options.locality_weight else None
                terms = self.objective(*(tf.gather(each, rows) for each in (images, target, pivots)), other)
            self._update(i, tape.gradient(terms[-1], self.theta))
            fit = terms[0] + self.options.feature_weight * terms[1]
            return i + 1, tf.concat([recent[1:], fit[None]], axis=0), history.write(i - step, tf.stack(terms))

        i, _, history = tf.while_loop(
            lambda i, recent, _: (i < stop) & (tf.reduce_mean(recent) > stop_loss), body,
            [step, recent, history], parallel_iterations=1)
        return history.stack()[:i - step]

    def objective(self, images, target, pivots, other=None):
        """What is minimised, for pictures, F of them, their codes [n, L, D], and w_z [1, L, D] -> terms, scalars."""
        weight, locality_weight = self.options.feature_weight, self.options.locality_weight
        pixel, feature, fit = distance(images, target, self.tuned(pivots), self.features, weight)
        locality = tf.zeros([1])
        if other is not None:
            near = neighbour(pivots[:1], other, self.options.locality_distance)
            before = self.original(near)
            locality = distance(before, self.features(before) if self.features else None, self.tuned(near),
                                self.features, weight)[-1]
        terms = [tf.reduce_mean(each) for each in (pixel, feature, locality)]
        return *terms, tf.reduce_mean(fit) + locality_weight * terms[-1]

    def _update(self, i, gradients):
        """Adam's step i + 1; colours of lower resolutions, which are not drawn, have no gradient."""
        half = len(self.theta)
        for theta, gradient, first, second in zip(self.theta, gradients, self.moments[:half], self.moments[half:]):
            if gradient is not None:
                moved, (mean, square) = self.adam.step(i, theta, (first, second), None, gradient)
                theta.assign(moved)
                first.assign(mean)
                second.assign(square)


def _variables(variables):
    """Keras 3 wraps those of TensorFlow."""
    return [each if isinstance(each, tf.Variable) else each.value for each in variables]
