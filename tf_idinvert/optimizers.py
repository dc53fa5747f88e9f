"""Optimisers of codes [N, L, D]. Each image is optimised by itself: its codes do not depend on its batch.

Each has three pure functions, with which a search (see `advance`) reads

    memory = start(codes)
    repeat: codes, memory = step(t, codes, memory, loss, gradient)      # loss [N], gradient [N, L, D], both at `codes`
    codes = finish(codes, memory)

where every tensor of `memory` has N as its first axis. Every step is one evaluation of loss and gradient. 'adam' is
that of the published code; 'cosine' begins with larger steps, which shrink; 'lbfgs' reaches Adam's loss in about a
third of its steps. Sources: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2017, Eq. (5); Nocedal and Wright
2006, algorithms 3.1 and 7.4.
"""
from __future__ import annotations

import dataclasses
import math

import tensorflow as tf

from tf_idinvert.errors import InputError

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8      # Adam of the published code
PAIRS = 20              # L-BFGS: differences of codes and gradients that are remembered
ARMIJO = 1e-4           # L-BFGS: share of the promised decrease that makes a step acceptable
CURVATURE = 1e-10       # L-BFGS: differences with less curvature than this are forgotten
FLATTEST = 1e-3         # L-BFGS: a layer counts as at least this share as steep as the steepest
PATIENCE = 10           # steps without progress after which an image is done
RISE = 1.1              # ratio to its best loss above which an image has gone astray
ADAM, COSINE, LBFGS = "adam", "cosine", "lbfgs"
NAMES = (ADAM, COSINE, LBFGS)


@dataclasses.dataclass(frozen=True)
class Recommended:
    """Number of steps and learning rate that suit an optimiser; of 'adam' those of the published code."""

    steps: int
    learning_rate: float


def recommended(name):
    """Recommended steps and learning rate of an optimiser; InputError where there is none of that name."""
    if name not in NAMES:
        raise InputError(f"optimizer must be one of {', '.join(NAMES)}; got {name}")
    return {ADAM: Recommended(100, 0.01), COSINE: Recommended(75, 0.05), LBFGS: Recommended(33, 0.02)}[name]


def make(name, learning_rate, steps, keep_best=False, cut_rising=False, tolerance=0.0):
    """An optimiser.

    Args:
        name: one of NAMES.
        learning_rate: of 'cosine' the first; of 'lbfgs' the length of the first step, as the root of its mean square.
        steps: that will be made.
        keep_best, cut_rising, tolerance: see `Guarded`.
    """
    decay_steps = steps if name == COSINE else None
    optimizer = LimitedMemory(learning_rate) if name == LBFGS else Adam(learning_rate, decay_steps)
    if not (keep_best or cut_rising or tolerance):
        return optimizer
    return Guarded(optimizer, keep_best, cut_rising and name != LBFGS, tolerance)   # L-BFGS cuts its steps by itself


def advance(optimizer, losses, codes, memory, step, stop):
    """Steps `step` + 1 to `stop` of a search, as one loop in the graph.

    Args:
        optimizer: as `make` gives it.
        losses: function, codes [N, L, D] -> terms, each [N]; the last one is minimised.
        codes, memory: where the search is.
        step, stop: int32 scalars.
    Returns:
        (codes, memory, terms [N, stop - step, T] before each step).
    """
    history = tf.TensorArray(tf.float32, size=stop - step)

    def body(i, codes, memory, history):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(codes)
            terms = losses(codes)
        codes, memory = optimizer.step(i, codes, memory, terms[-1], tape.gradient(terms[-1], codes))
        return i + 1, codes, memory, history.write(i - step, tf.stack(terms, axis=1))

    _, codes, memory, history = tf.while_loop(
        lambda i, *_: i < stop, body, [step, codes, memory, history], parallel_iterations=1)
    return codes, memory, tf.transpose(history.stack(), [1, 0, 2])


def result_steps(steps, results):
    """Steps after which an intermediate image is kept, as in the published code: every `steps // results`, the last."""
    if not results or not steps:
        return []
    every = max(steps // results, 1)
    return sorted(set(range(every, steps + 1, every)) | {steps})


def stops(steps, results, reports):
    """Where a search comes back from the graph: after `result_steps`, and some `reports` times to tell its progress
    and let itself be interrupted; the last one at the end."""
    reported = {round(steps * (i + 1) / reports) for i in range(reports)} - {0}
    return sorted(reported.union(result_steps(steps, results)))


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam; its memory are the means of the gradient and of its square.

    `decay_steps`: the learning rate falls to 0 within as many steps, along half a cosine; None: it stays.
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
class LimitedMemory:
    """L-BFGS with backtracking. Every step tries a code for every image: one that lowers its loss enough is accepted
    and gives the next direction, else the next step tries half as far; no image waits for the line search of another.
    Layers differ much in how steep they are: where nothing else is known, the Hessian is taken for diagonal, in each
    layer in proportion to the root of the mean square of the gradient there. That halves the number of steps.

    The memory: the accepted codes, their loss and gradient; the direction from there, and how far along it is tried;
    `pairs` of differences between accepted codes and between their gradients, [N, PAIRS, 2, L, D], latest last.
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
        """Minus the inverse of the remembered Hessian times the gradient, by the two-loop recursion; [N, L, D]."""
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
    """An optimiser with guards, image by image: the best code is kept, rising losses are cut, idle images stop.

    Args:
        optimizer: the optimiser.
        keep_best: the result is the code of the lowest loss seen, not that of the last step.
        cut_rising: an image whose loss rises above RISE times its lowest, or is not finite, goes back to the code of
            the lowest with half the step, and starts afresh from there.
        tolerance: an image no longer changes once PATIENCE steps have lowered its loss by less than this share of it;
            0: never.
    """

    optimizer: Adam | LimitedMemory
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
        """Which images no longer change; bool [N]."""
        return memory[-1][1] >= PATIENCE

    def _stopping(self, stopping, loss):
        """(loss that must be undercut, steps since that was done), and whether an image is done."""
        mark, waited = stopping
        progress = loss < (1 - self.tolerance) * mark
        waited = tf.where(waited >= PATIENCE, waited, tf.where(progress, 0.0, waited + 1))
        return (tf.where(progress, loss, mark), waited), waited >= PATIENCE


def _inverse_steepness(gradient):
    """Inverse of the root mean square of a gradient [N, L, D] in each layer, 1 in the steepest; [N, L, 1]."""
    steepness = tf.sqrt(tf.reduce_mean(tf.square(tf.cast(gradient, tf.float64)), axis=2, keepdims=True))
    share = tf.math.divide_no_nan(steepness, tf.reduce_max(steepness, axis=1, keepdims=True))
    return tf.cast(1 / (share + FLATTEST), gradient.dtype)


def _dot(a, b):
    """Inner products of the images' codes, [N]; in float64, since the order of summation depends on N."""
    return tf.cast(tf.reduce_sum(tf.cast(a, tf.float64) * tf.cast(b, tf.float64), axis=[1, 2]), a.dtype)


def _column(values):
    """[N] -> [N, 1, 1]"""
    return values[:, None, None]
