"""Force-in-domain encoder: steps by hand, comparison with the domain-guided encoder, resuming, replicas, export."""
from __future__ import annotations

import dataclasses

import encoder_training as common
import numpy as np
import pytest
import tensorflow as tf
from tiny import normal

from tf_idinvert.training import force_in_domain, steps
from tf_idinvert.training.force_in_domain import ForceInDomain, ForceInDomainOptions
from tf_idinvert.training.in_domain import InDomain, InDomainOptions

OPTIONS = ForceInDomainOptions(feature_weight=0.3, adversarial_weight=0.7, latent_weight=0.4, r1_gamma=1.5,
                               latent_r1_gamma=0.5)
SMALL = dataclasses.replace(OPTIONS, feature_weight=5e-5)


def small(seed=0, optimizer=lambda: common.sgd(0.05), options=SMALL, z_seed=5, resolution=8):
    encoder, generator, discriminator, latent_discriminator = common.networks(seed, resolution)
    return ForceInDomain(encoder, generator, discriminator, latent_discriminator, common.features, optimizer(),
                         optimizer(), optimizer(), options, seed=z_seed)


def test_options_of_the_paper():
    assert dataclasses.astuple(force_in_domain.PAPER) == (5e-5, 0.1, 0.1, 10.0, 10.0)


def test_steps_by_hand(rng):
    world, rate = common.LinearWorld(rng), 0.05
    model = ForceInDomain(world.encoder, world.generator, world.discriminator, world.latent_discriminator,
                          world.features, *[common.sgd(rate) for _ in range(3)], OPTIONS)
    step = tf.function(model.train_step, autograph=False)
    for _ in range(3):
        images, x = common.linear_images(rng)
        w = np.asarray(model._latents(tf.constant(4)), "float64") @ world.f
        codes, y, pixel, feature, d_pixel, d_feature = world.reconstruction_terms(x)
        score, dw_score = y @ world.d, codes @ world.v
        adversarial, latent = common.softplus(-score), common.softplus(-dw_score)
        logistic, r1, d_gradient = world.discriminator_step(world.d, x, y, 1.5)
        dw_logistic, dw_r1, dw_gradient = world.discriminator_step(world.v, w, codes, 0.5)
        e_loss = pixel.mean() + 0.3 * feature.mean() + 0.7 * adversarial.mean() + 0.4 * latent.mean()
        expected = dict(e_loss=e_loss, pixel=pixel.mean(), feature=feature.mean(), adversarial=adversarial.mean(),
                        latent=latent.mean(), d_loss=logistic + r1, r1=r1, real_score=(x @ world.d).mean(),
                        fake_score=score.mean(), dw_loss=dw_logistic + dw_r1, dw_r1=dw_r1,
                        dw_real_score=(w @ world.v).mean(), dw_fake_score=dw_score.mean())
        logs = {name: float(value) for name, value in step(tf.constant(images)).items()}
        assert logs == pytest.approx(expected, rel=1e-4, abs=1e-5)
        d_y = d_pixel + 0.3 * d_feature - 0.7 * common.sigmoid(-score) * world.d.T
        d_codes = d_y @ world.g.T - 0.4 * common.sigmoid(-dw_score) * world.v.T
        world.e = world.e - rate * x.T @ d_codes / 4
        world.d, world.v = world.d - rate * d_gradient, world.v - rate * dw_gradient
    for network, matrix in ((world.encoder, world.e), (world.discriminator, world.d),
                            (world.latent_discriminator, world.v), (world.generator.mapping, world.f),
                            (world.generator.synthesis, world.g)):
        np.testing.assert_allclose(network.matrix.numpy(), matrix, rtol=1e-4, atol=1e-4)
    assert int(model.images_seen.numpy()) == 12 and len(model.trainable_variables) == 3


def test_without_the_latent_term_encoder_and_discriminator_train_as_in_domain():
    forced = small(options=dataclasses.replace(SMALL, latent_weight=0.0))
    encoder, generator, discriminator, _ = common.networks()
    guided = InDomain(encoder, generator, discriminator, common.features, common.sgd(0.05), common.sgd(0.05),
                      InDomainOptions(5e-5, 0.7, 1.5))
    images = tf.constant(common.PICTURES[:8])
    logs, expected = forced.train_step(images), guided.train_step(images)
    assert {name: float(logs[name]) for name in expected} == pytest.approx(
        {name: float(value) for name, value in expected.items()}, rel=1e-5)
    for one, other in ((forced.encoder, guided.encoder), (forced.discriminator, guided.discriminator)):
        for a, b in zip(one.weights, other.weights):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_latents_are_normal_and_new_in_every_step():
    model = small()
    first = np.asarray(model._latents(tf.constant(500)))
    assert first.shape == (500, 8) and abs(first.mean()) < 0.1 and abs(first.std() - 1) < 0.1
    assert np.array_equal(first, model._latents(tf.constant(500)))
    assert not np.array_equal(first, small(z_seed=6)._latents(tf.constant(500)))
    model.train_step(tf.constant(common.PICTURES[:8]))
    assert not np.array_equal(first, model._latents(tf.constant(500)))


def test_resumed_run_goes_on_as_if_not_stopped(tmp_path):
    common.check_resume(lambda seed: small(seed, lambda: steps.adam(steps.decaying_rate(80, 8, 0.01))),
                        common.picture_batches, tmp_path / "state.npz")


def test_compiled_step_is_the_same_step():
    """With z given: of the same seed, code compiled by XLA draws other numbers."""
    def with_fixed_latents(seed):
        model = small(seed)
        model._latents = lambda batch: tf.constant(normal(8, 8))
        return model

    common.check_compiled(with_fixed_latents, common.PICTURES[:8])


def replicas(strategy):
    """Run by `test_replicas`, in another process."""
    common.run_replicas(strategy, small, common.picture_batches_of_4_px)
