"""Optimisers of codes: equations in NumPy, independence of images, guards, and numbers of steps."""
from __future__ import annotations

import dataclasses
import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
from tiny import normal, relative

from tf_idinvert import checkpoint, optimizers
from tf_idinvert.inversion import Inversion, InversionOptions
from tf_idinvert.portraits import embedded, portrait

SHAPE, CODES = (8, 8, 1), (3, 4)
A, B = normal(12, 24, seed=1) * 0.5, normal(24, 64, seed=2) * 0.3       # G(w) = tanh(tanh(w A) B), E(x) = x C
C = normal(64, 12, seed=3) * 0.05
GUARDS = {}, dict(keep_best=True, cut_rising=True, tolerance=0.02)
ALL = [dict(optimizer=name, **guards) for name, guards in itertools.product(("adam", "lbfgs"), GUARDS)]


def synthesis(codes):
    return tf.reshape(tf.tanh(tf.tanh(tf.reshape(codes, [-1, 12]) @ A) @ B), [-1, *SHAPE])


def encoder(images):
    return tf.reshape(tf.reshape(images, [-1, 64]) @ C, [-1, *CODES])


def images_of(count, seed=4):
    return synthesis(normal(count, *CODES, seed=seed)).numpy() + 0.1 * normal(count, *SHAPE, seed=seed + 1)


def run(count=4, **options):
    suits = optimizers.recommended(options.get("optimizer", "adam"))
    options = InversionOptions(**{**dict(steps=suits.steps, learning_rate=suits.learning_rate, domain_weight=0.1),
                                  **options})
    inversion = compiled(dataclasses.replace(options, batch_size=1, steps=1))        # which the graph does not know
    inversion.options = dataclasses.replace(inversion.options, batch_size=options.batch_size, steps=options.steps)
    return inversion(images_of(count))


@functools.lru_cache(maxsize=None)
def compiled(options):
    return Inversion(synthesis=synthesis, encoder=encoder, options=options)


def final_loss(images, codes, domain_weight=0.1):
    made = synthesis(codes)
    return (tf.reduce_mean((images - made) ** 2, [1, 2, 3])
            + domain_weight * tf.reduce_mean((codes - encoder(made)) ** 2, [1, 2])).numpy()


# ----------------------------------------------------------------------------------------------------- the equations

def drive(optimizer, function, start, steps):
    """Codes after every step, in NumPy; `function`: codes -> losses, gradient."""
    codes, step = tf.constant(start), tf.function(optimizer.step, autograph=False)
    memory, found = optimizer.start(codes), []
    for t in range(steps):
        loss, gradient = function(codes.numpy())
        codes, memory = step(tf.constant(t), codes, memory, tf.constant(loss, tf.float32),
                             tf.constant(gradient, tf.float32))
        found.append(optimizer.finish(codes, memory).numpy())
    return found


def valley(codes):
    """A curved valley, steep for the second image: loss and gradient, each image on its own."""
    x, y = codes[:, 0].astype("float64"), codes[:, 1].astype("float64")
    steep = np.arange(1, len(codes) + 1)[:, None] * 10.0
    loss = np.sum((1 - x) ** 2 + steep * (y - x ** 2) ** 2, axis=1)
    gradient = np.stack([-2 * (1 - x) - 4 * steep * x * (y - x ** 2), 2 * steep * (y - x ** 2)], axis=1)
    return loss, gradient


def lbfgs_by_hand(function, w, steps, first):
    """L-BFGS with backtracking for one image, in its textbook form."""
    x, f, g, pairs, d, share = w, np.inf, np.zeros_like(w), [], np.zeros_like(w), 1.0
    trial = w
    for _ in range(steps):
        (new_f,), (new_g,) = function(trial[None])
        if new_f <= f + 1e-4 * share * np.sum(g * d):
            s, y = trial - x, new_g - g
            if np.sum(s * y) > 1e-10 * np.sum(y * y):
                pairs.append((s, y))
            x, f, g, q, alphas, share = trial, new_f, new_g, new_g.copy(), [], 1.0
            for s, y in pairs[:-21:-1]:
                alphas.append(np.sum(s * q) / np.sum(s * y))
                q -= alphas[-1] * y
            s, y = pairs[-1] if pairs else (None, None)
            steepness = np.sqrt(np.mean(g ** 2, axis=1, keepdims=True))
            inverse = 1 / (steepness / steepness.max() + 1e-3)
            q *= inverse
            q *= np.sum(s * y) / np.sum(y * inverse * y) if pairs else first * np.sqrt(q.size / np.sum(q * q))
            for (s, y), alpha in zip(pairs[-20:], alphas[::-1]):
                q += (alpha - np.sum(y * q) / np.sum(s * y)) * s
            d = -q
        else:
            share /= 2
        trial = x + share * d
    return x


START = normal(3, 2, 5, seed=7)


@pytest.fixture(scope="module")
def through_the_valley():
    """Codes after every step of L-BFGS."""
    return drive(optimizers.LimitedMemory(0.1), valley, START, 120)


@pytest.mark.parametrize("steps", [1, 2, 5, 12, 30])
def test_lbfgs_is_that_of_the_textbook(through_the_valley, steps):
    found = through_the_valley[steps - 1]
    expected = [lbfgs_by_hand(lambda w, i=i: tuple(v[i:i + 1] for v in valley(np.repeat(w, 3, axis=0))),
                              START[i].astype("float64"), steps, 0.1) for i in range(3)]
    np.testing.assert_allclose(found, expected, atol=2e-3 if steps > 12 else 2e-4)


def test_lbfgs_finds_the_minimum_and_never_rises(through_the_valley):
    losses = [valley(codes)[0] for codes in through_the_valley]
    assert (np.diff(losses, axis=0) <= 1e-6).all() and losses[-1].max() < 1e-6


def test_lbfgs_goes_back_from_where_there_is_no_loss():
    def cliff(codes):
        loss, gradient = valley(codes)
        return np.where(np.abs(codes).max(axis=(1, 2)) > 1.2, np.nan, loss), gradient
    found = drive(optimizers.LimitedMemory(5.0), cliff, np.full([2, 2, 5], 0.9, "float32"), 40)[-1]
    assert np.isfinite(cliff(found)[0]).all() and (valley(found)[0] < 0.1).all()


def test_the_learning_rate_follows_half_a_cosine():
    def slope(codes):       # of one everywhere: Adam steps by its rate
        return np.zeros(len(codes)), np.ones_like(codes)

    found = drive(optimizers.Adam(0.1, decay_steps=8), slope, np.zeros([1, 2, 3], "float32"), 8)
    rates = -np.diff([0.0] + [codes[0, 0, 0] for codes in found])
    np.testing.assert_allclose(rates, 0.1 * (0.5 + 0.5 * np.cos(np.pi * np.arange(8) / 8)), atol=1e-6)


# ------------------------------------------------------------------------------------------ every image on its own

@pytest.mark.parametrize("options", ALL, ids=str)
def test_one_batch_of_four_and_four_of_one_give_the_same_codes(options):
    four, one = run(batch_size=4, **options), run(batch_size=1, **options)
    assert np.array_equal(four.codes, one.codes) and np.array_equal(four.losses["total"], one.losses["total"])


def test_the_same_with_real_networks():
    """With L-BFGS, which amplifies what differs in the last bits of losses and gradients."""
    models = checkpoint.load(embedded.model_path(), only=("encoder", "generator"))
    pictures = portrait.sample(2, embedded.SEED)[0] / np.float32(127.5) - 1
    inversion = Inversion(synthesis=models.generator.synthesis, encoder=models.encoder,
                          options=InversionOptions(steps=20, feature_weight=0.0, optimizer="lbfgs"))
    both, one = inversion(pictures), inversion(pictures[1:])
    assert np.array_equal(both.codes[1], one.codes[0])
    assert np.array_equal(both.losses["total"][:, 1], one.losses["total"][:, 0])


# ------------------------------------------------------------------------------------------------------------ guards

def test_without_guards_adam_is_as_published():
    options = InversionOptions()
    optimizer = optimizers.make(options.optimizer, options.learning_rate, options.steps, options.keep_best,
                                options.cut_rising, options.tolerance)
    assert optimizer == optimizers.Adam(0.01, None)
    assert optimizers.recommended("adam") == optimizers.Recommended(options.steps, options.learning_rate)


def test_the_best_code_is_kept():
    """Where Adam goes astray."""
    plain, best = (run(learning_rate=1.0, steps=60, keep_best=keep) for keep in (False, True))
    lowest = plain.losses["total"].min(axis=0)
    assert (lowest < plain.losses["total"][-1]).any()
    np.testing.assert_allclose(final_loss(images_of(4), best.codes), lowest, rtol=1e-4)
    assert relative(best.images, synthesis(best.codes)) < 1e-6
    assert np.array_equal(plain.losses["total"], best.losses["total"])


def test_a_rising_loss_cuts_the_step():
    """With steps a hundred times too large Adam goes astray; with the guard it comes back."""
    plain, guarded = (run(learning_rate=1.0, steps=60, cut_rising=cut) for cut in (False, True))
    before, after = (final_loss(images_of(4), result.codes) for result in (plain, guarded))
    assert (after < before).all()
    assert (guarded.losses["total"][-1] < 1.1 * guarded.losses["total"].min(axis=0)).all()


def test_pictures_that_no_longer_improve_stay_as_they_are():
    tolerance, steps = 0.05, 200
    plain, stopped = (run(steps=steps, tolerance=t) for t in (0.0, tolerance))
    for i in range(4):
        loss = stopped.losses["total"][:, i]
        last = next(t for t in range(1, steps) if (loss[t:] == loss[-1]).all())
        assert 10 < last < steps - 10 and np.array_equal(loss[:last], plain.losses["total"][:last, i])
        assert loss[last - 10] * (1 - tolerance) <= loss[last] * (1 + 1e-5)
        assert final_loss(images_of(4), stopped.codes)[i] == pytest.approx(loss[-1], rel=1e-4)
    assert stopped.losses["total"].shape == (steps, 4)


def test_once_all_pictures_are_done_nothing_is_computed(monkeypatch):
    inversion = Inversion(synthesis=synthesis, encoder=encoder, options=InversionOptions(
        steps=1000, tolerance=0.5, domain_weight=0.1, results=4))
    stops, advance = [], inversion._advance
    inversion._advance = lambda *args: stops.append(int(args[2])) or advance(*args)
    heard = []
    result = inversion(images_of(4), progress=lambda share, loss: heard.append(share))
    assert len(stops) < 4 and heard[-1] == pytest.approx(1) and result.losses["total"].shape == (1000, 4)
    assert sorted(result.intermediate) == [250, 500, 750, 1000]
    assert np.array_equal(result.intermediate[1000], result.images)


# ------------------------------------------------------------------------------------------------------------- speed

def test_lower_than_a_hundred_steps_of_adam_in_a_third():
    images = images_of(4)
    adam, faster = (final_loss(images, run(optimizer=each).codes) for each in ("adam", "lbfgs"))
    assert optimizers.recommended("lbfgs").steps <= 33 and (faster < adam).all()


def test_only_these_optimizers():
    with pytest.raises(ValueError, match="optimizer must be one of adam, cosine, lbfgs, gd; got newton"):
        InversionOptions(optimizer="newton")
