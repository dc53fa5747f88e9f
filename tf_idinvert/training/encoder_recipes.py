"""Hyper-parameters for training encoders: the published ones, and those for both kinds of rendered portraits.

Source of the published ones: Zhu et al. 2020 (In-Domain GAN Inversion), section 3.1, and its code (256 px, eight GPUs);
Leng et al. 2021 (Force-in-domain GAN inversion), experimental settings.
"""
from __future__ import annotations

import dataclasses

from tf_idinvert.training import force_in_domain, in_domain, steps

ADVERSARIAL_WEIGHTS = {"paper": in_domain.PAPER.adversarial_weight,
                       "code": in_domain.PUBLISHED_CODE.adversarial_weight}

# {resolution: (length in thousands of images, pictures per batch and GPU)} of the published code.
PUBLISHED_LENGTHS = {128: (12000, 16), 256: (14000, 16), 512: (16000, 8), 1024: (18000, 4)}


@dataclasses.dataclass(frozen=True)
class EncoderRecipe:
    """Hyper-parameters of the training of an encoder."""
    encoder: dict                   # constructor arguments, without those that follow from the generator
    latent_discriminator: dict      # likewise
    options: force_in_domain.ForceInDomainOptions
    kimg: float                     # length in thousands of images
    batch_per_replica: int
    learning_rate: float            # initial learning rate of all optimisers
    mirror: bool                    # flip half of the real pictures
    counted_updates: int = 2        # updates per iteration that advance the decay; 2: those of E and D, 1: that of E


def official(resolution=256):
    """Return the published recipe for eight GPUs; sizes outside 128 to 1024 px use the nearest of these."""
    kimg, batch = PUBLISHED_LENGTHS[min(max(resolution, min(PUBLISHED_LENGTHS)), max(PUBLISHED_LENGTHS))]
    return EncoderRecipe(encoder=dict(filters=64, filters_max=512), latent_discriminator={},
                         options=force_in_domain.PAPER, kimg=kimg, batch_per_replica=batch,
                         learning_rate=steps.LEARNING_RATE, mirror=False)


def portraits():
    """Return the recipe for rendered portraits of 64 px: a short training of a small encoder on two CPU cores.

    - Features: those of the attribute network. Their weight makes the feature term of two different portraits about as
      large as the pixel term.
    - R1: the weight with which the generator's discriminator was trained at 64 px.
    - Adversarial weights: smaller than published, because the pixel term is smaller. Its published final value is
      0.062 (Zhu et al. 2020, Table 1), here it is about 0.01; with the published weight 0.1, either adversarial term
      is eight times as large. With the weights below, the term with D ends at twice the pixel term and the term with
      D_w at about the pixel term, and codes end nearer to W than with a larger weight for D_w.
    - Learning rate: only E's updates advance its decay, so it ends at 0.41 of its initial value, not at 0.168 as
      published. The encoders in the repository were trained like this.
    """
    options = dataclasses.replace(force_in_domain.PAPER, feature_weight=20.0, adversarial_weight=0.02,
                                  latent_weight=0.005, r1_gamma=2.0)
    return EncoderRecipe(encoder=dict(filters=32, filters_max=64),
                         latent_discriminator=dict(mlp_layers=4, mlp_fmaps=256), options=options,
                         kimg=20, batch_per_replica=16, learning_rate=1e-3, mirror=False, counted_updates=1)


def wild():
    """Return the recipe for wild portraits of 64 px: that for portraits, but for two things.

    - Adversarial weights: the published ones. A rule gives them: the published weight times this pixel term over the
      published one, 0.062; here the pixel term ends at about as much, for the portraits at a sixth of it.
    - R1: again the weight with which the generator's discriminator was trained at 64 px.
    """
    recipe, published = portraits(), force_in_domain.PAPER
    return dataclasses.replace(recipe, options=dataclasses.replace(
        recipe.options, adversarial_weight=published.adversarial_weight, latent_weight=published.latent_weight,
        r1_gamma=0.5))


def in_domain_options(options):
    """Return the InDomainOptions with the weights that both objectives have, from ForceInDomainOptions."""
    names = [field.name for field in dataclasses.fields(in_domain.InDomainOptions)]
    return in_domain.InDomainOptions(**{name: getattr(options, name) for name in names})
