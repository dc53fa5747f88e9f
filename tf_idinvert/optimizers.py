"""Optimisers of codes [N, L, D]. Every image is optimised independently of the other images in its batch.

An optimiser has three pure functions; a search (see `advance`) reads

    memory = start(codes)
    repeat: codes, memory = step(t, codes, memory, loss, gradient)      # loss [N], gradient [N, L, D], both at `codes`
    codes = finish(codes, memory)

where N is the first axis of every tensor in `memory`. A step needs one evaluation of loss and gradient. 'adam' is the
optimiser of the published code; 'cosine' is Adam with a larger, decaying learning rate; 'lbfgs' reaches Adam's loss in
about a third of the steps. 'gd', gradient descent, is that of the published multi-code inversion.

Sources: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2017, Eq. (5); Nocedal and Wright 2006, algorithms 3.1
and 7.4.
"""
from __future__ import annotations

import dataclasses
import math

import tensorflow as tf

from tf_idinvert.errors import InputError

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8      # Adam of the published code
PAIRS = 20              # L-BFGS: number of stored differences of codes and gradients
ARMIJO = 1e-4           # L-BFGS: share of the predicted decrease that a step must reach
CURVATURE = 1e-10       # L-BFGS: differences with less curvature are not stored
FLATTEST = 1e-3         # L-BFGS: lower limit of a layer's gradient, relative to the layer with the largest gradient
PATIENCE = 10           # steps without progress after which an image stops
RISE = 1.1              # ratio to its lowest loss above which an image returns to its best code
ADAM, COSINE, LBFGS, GD = "adam", "cosine", "lbfgs", "gd"
NAMES = (ADAM, COSINE, LBFGS)       # those of all tools; GD is for multi-code inversion


@dataclasses.dataclass(frozen=True)
class Recommended:
    """Number of steps and learning rate that suit an optimiser; of 'adam' those of the published code."""

    steps: int
    learning_rate: float


def recommended(name):
    """Return the recommended steps and learning rate of an optimiser; InputError for an unknown name."""
    suits = {ADAM: Recommended(100, 0.01), COSINE: Recommended(75, 0.05), LBFGS: Recommended(33, 0.02),
             GD: Recommended(3000, 1.0)}
    if name not in suits:
        raise InputError(f"optimizer must be one of {', '.join(suits)}; got {name}")
    return suits[name]


def make(name, learning_rate, steps, keep_best=False, cut_rising=False, tolerance=0.0):
    """Create an optimiser.

    Args:
        name: one of NAMES, or GD.
        learning_rate: learning rate; of 'cosine' the initial one; of 'lbfgs' the root mean square of the first step.
        steps: number of steps of the search.
        keep_best, cut_rising, tolerance: see `Guarded`.
    """
    optimizer = {LBFGS: LimitedMemory(learning_rate), GD: Descent(learning_rate)}.get(
        name, Adam(learning_rate, steps if name == COSINE else None))
    if not (keep_best or cut_rising or tolerance):
        return optimizer
    return Guarded(optimizer, keep_best, cut_rising and name != LBFGS, tolerance)   # L-BFGS cuts its steps by itself


def advance(optimizer, losses, codes, memory, step, stop, jit=False):
    """Run steps `step` + 1 to `stop` of a search as one loop in the graph.

    Args:
        optimizer: result of `make`.
        losses: function, codes [N, L, D] -> terms, each [N]; the last one is minimised.
        codes, memory: current state of the search.
        step, stop: int32 scalars.
        jit: whether to compile losses and gradient with XLA.
    Returns:
        (codes, memory, terms [N, stop - step, T] before each step).
    """
    history = tf.TensorArray(tf.float32, size=stop - step)

    def evaluated(codes):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(codes)
            terms = losses(codes)
        return terms, tape.gradient(terms[-1], codes)

    evaluate = tf.function(evaluated, jit_compile=True, autograph=False) if jit else evaluated

    def body(i, codes, memory, history):
        terms, gradient = evaluate(codes)
        codes, memory = optimizer.step(i, codes, memory, terms[-1], gradient)
        return i + 1, codes, memory, history.write(i - step, tf.stack(terms, axis=1))

    _, codes, memory, history = tf.while_loop(
        lambda i, *_: i < stop, body, [step, codes, memory, history], parallel_iterations=1)
    return codes, memory, tf.transpose(history.stack(), [1, 0, 2])


def result_steps(steps, results):
    """Return the steps after which an intermediate image is kept.

    As in the published code, these are every `steps // results` steps and the last step.
    """
    if not results or not steps:
        return []
    every = max(steps // results, 1)
    return sorted(set(range(every, steps + 1, every)) | {steps})


def stops(steps, results, reports):
    """Return the steps after which a search leaves the graph: `result_steps`, and about `reports` evenly spaced steps
    to report progress and to allow interruption; the last one is the end."""
    reported = {round(steps * (i + 1) / reports) for i in range(reports)} - {0}
    return sorted(reported.union(result_steps(steps, results)))


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam; its memory holds the means of the gradient and of its square.

    `decay_steps`: number of steps in which the learning rate decays to 0 along half a cosine; None: no decay.
    """

    learning_rate: float
    decay_steps: int | None = None

    def start(self, codes):
        return tf.zeros_like(codes), tf.zeros_like(codes)

    def step(self, t, codes, memory, loss, gradient):
        first, second = memory
        first = BETA_1 * first + (1 - BETA_1) * gradient
        second = BETA_2 * second + (1 - BETA_2) * tf.square(gradient)
        n = tf.cast(t + 1, tf.float32)
        rate = self.learning_rate * tf.sqrt(1 - BETA_2 ** n) / (1 - BETA_1 ** n)
        if self.decay_steps is not None:
            rate *= 0.5 + 0.5 * tf.cos(math.pi * tf.cast(t, tf.float32) / self.decay_steps)
        return codes - rate * first / (tf.sqrt(second) + EPSILON), (first, second)

    def finish(self, codes, memory):
        return codes


@dataclasses.dataclass(frozen=True)
class Descent:
    """Gradient descent with a constant rate, without momentum and memory."""

    learning_rate: float

    def start(self, codes):
        return ()

    def step(self, t, codes, memory, loss, gradient):
        return codes - self.learning_rate * gradient, memory

    def finish(self, codes, memory):
        return codes


@dataclasses.dataclass(frozen=True)
class LimitedMemory:
    """L-BFGS with backtracking.

    Every step tries one code per image. A code that lowers the loss enough is accepted and determines the next
    direction; otherwise the next step tries half the distance. Images do not wait for the line search of others. The
    gradients of layers differ much in size. Therefore the initial Hessian is diagonal, and in every layer proportional
    to the root mean square of the gradient; this halves the number of steps.

    The memory holds the accepted codes, their loss and gradient; the direction from there and the share of it that is
    tried; and the differences between accepted codes and between their gradients, [N, PAIRS, 2, L, D], latest last.
    """

    first_step: float

    def start(self, codes):
        unknown = tf.fill([tf.shape(codes)[0]], math.inf)
        nothing = tf.zeros_like(codes)
        pairs = tf.zeros([codes.shape[0], PAIRS, 2, *codes.shape[1:]])
        return codes, unknown, nothing, nothing, tf.ones_like(unknown), pairs

    def step(self, t, codes, memory, loss, gradient):
        accepted, accepted_loss, accepted_gradient, direction, share, pairs = memory
        promise = ARMIJO * share * _dot(accepted_gradient, direction)
        finite = tf.math.is_finite(loss + _dot(gradient, gradient))
        good = finite & (loss <= accepted_loss + promise)
        move, change = codes - accepted, gradient - accepted_gradient
        curved = good & (_dot(move, change) > CURVATURE * _dot(change, change))
        latest = tf.stack([move, change], axis=1)[:, None]                              # [N, 1, 2, L, D]
        pairs = tf.where(_column(curved)[..., None, None], tf.concat([pairs[:, 1:], latest], axis=1), pairs)
        accepted = tf.where(_column(good), codes, accepted)
        accepted_loss = tf.where(good, loss, accepted_loss)
        accepted_gradient = tf.where(_column(good), gradient, accepted_gradient)
        direction = tf.where(_column(good), self._direction(accepted_gradient, pairs), direction)
        share = tf.where(good, 1.0, share / 2)
        proposed = accepted + _column(share) * direction
        return proposed, (accepted, accepted_loss, accepted_gradient, direction, share, pairs)

    def finish(self, codes, memory):
        return memory[0]

    def _direction(self, gradient, pairs):
        """Return minus the inverse approximate Hessian times the gradient, by the two-loop recursion; [N, L, D]."""
        pairs = [tf.unstack(pair, axis=1) for pair in tf.unstack(pairs, axis=1)]        # moves, changes [N, L, D]
        curvatures = [_dot(move, change) for move, change in pairs]
        q, alphas = gradient, []
        for (move, change), curvature in zip(reversed(pairs), reversed(curvatures)):
            alphas.append(tf.math.divide_no_nan(_dot(move, q), curvature))                  # 0 without a pair
            q -= _column(alphas[-1]) * change
        inverse = _inverse_steepness(gradient)
        q *= inverse
        first = tf.math.divide_no_nan(self.first_step * math.sqrt(q.shape[1] * q.shape[2]), tf.sqrt(_dot(q, q)))
        scale = tf.math.divide_no_nan(curvatures[-1], _dot(pairs[-1][1], inverse * pairs[-1][1]))
        q *= _column(tf.where(curvatures[-1] > 0, scale, first))
        for (move, change), curvature, alpha in zip(pairs, curvatures, reversed(alphas)):
            beta = tf.math.divide_no_nan(_dot(change, q), curvature)
            q += _column(alpha - beta) * move
        return -q


@dataclasses.dataclass(frozen=True)
class Guarded:
    """An optimiser with guards for every image: keep the best code, undo rising losses, stop without progress.

    Args:
        optimizer: the optimiser.
        keep_best: return the code with the lowest loss instead of the last one.
        cut_rising: if the loss of an image exceeds RISE times its lowest, or is not finite, return to the best code,
            halve the step and reset the optimiser for this image.
        tolerance: stop an image when PATIENCE steps have lowered its loss by less than this share; 0: never.
    """

    optimizer: Adam | Descent | LimitedMemory
    keep_best: bool
    cut_rising: bool
    tolerance: float

    def start(self, codes):
        unknown = tf.fill([tf.shape(codes)[0]], math.inf)
        best, stopping = (codes, unknown), (unknown, tf.zeros_like(unknown))
        return self.optimizer.start(codes), best, tf.ones_like(unknown), stopping

    def step(self, t, codes, memory, loss, gradient):
        inner, (best, lowest), share, stopping = memory
        better = loss < lowest
        best, lowest = tf.where(_column(better), codes, best), tf.where(better, loss, lowest)
        proposed, inner = self.optimizer.step(t, codes, inner, loss, gradient)
        if self.cut_rising:
            astray = ~(loss <= RISE * lowest)
            share = tf.where(astray, share / 2, share)
            proposed = tf.where(_column(astray), best, codes + _column(share) * (proposed - codes))
            inner = tf.nest.map_structure(lambda new, old: tf.where(_column(astray), new, old),
                                          self.optimizer.start(codes), inner)
        if self.tolerance:
            stopping, done = self._stopping(stopping, loss)
            proposed = tf.where(_column(done), codes, proposed)
        return proposed, (inner, (best, lowest), share, stopping)

    def finish(self, codes, memory):
        inner, (best, _), *_ = memory
        return best if self.keep_best else self.optimizer.finish(codes, inner)

    def done(self, memory):
        """Return which images have stopped; bool [N]."""
        return memory[-1][1] >= PATIENCE

    def _stopping(self, stopping, loss):
        """Return ((loss to undercut, steps since it was last undercut), whether an image has stopped)."""
        mark, waited = stopping
        progress = loss < (1 - self.tolerance) * mark
        waited = tf.where(waited >= PATIENCE, waited, tf.where(progress, 0.0, waited + 1))
        return (tf.where(progress, loss, mark), waited), waited >= PATIENCE


def _inverse_steepness(gradient):
    """Return the inverse root mean square of a gradient [N, L, D] per layer, relative to the largest; [N, L, 1]."""
    steepness = tf.sqrt(tf.reduce_mean(tf.square(tf.cast(gradient, tf.float64)), axis=2, keepdims=True))
    share = tf.math.divide_no_nan(steepness, tf.reduce_max(steepness, axis=1, keepdims=True))
    return tf.cast(1 / (share + FLATTEST), gradient.dtype)


def _dot(a, b):
    """Return the inner products [N] of the images' codes, in float64 because the order of summation depends on N."""
    return tf.cast(tf.reduce_sum(tf.cast(a, tf.float64) * tf.cast(b, tf.float64), axis=[1, 2]), a.dtype)


def _column(values):
    """[N] -> [N, 1, 1]"""
    return values[:, None, None]
