"""Hyper-parameters of the encoders' trainings: the published ones, and those of the small world of rendered portraits.

Source of the published ones: Zhu et al. 2020 (In-Domain GAN Inversion), section 3.1, and its code (256 px, eight GPUs);
Leng et al. 2021 (Force-in-domain GAN inversion), experimental settings.
"""
from __future__ import annotations

import dataclasses

from tf_idinvert.training import force_in_domain, in_domain, steps

ADVERSARIAL_WEIGHTS = {"paper": in_domain.PAPER.adversarial_weight,
                       "code": in_domain.PUBLISHED_CODE.adversarial_weight}

# Published code: length in thousands of images, and pictures a batch and GPU.
PUBLISHED_LENGTHS = {128: (12000, 16), 256: (14000, 16), 512: (16000, 8), 1024: (18000, 4)}


@dataclasses.dataclass(frozen=True)
class EncoderRecipe:
    """All that the training of an encoder needs but networks and data."""

    encoder: dict                   # constructor arguments, without those that the generator settles
    latent_discriminator: dict      # likewise
    options: force_in_domain.ForceInDomainOptions
    kimg: float                     # length in thousands of images
    batch_per_replica: int
    learning_rate: float            # of all optimisers, at the start
    mirror: bool                    # flip half of the real pictures
    counted_updates: int = 2        # of an iteration, that advance the learning rate's counter: E's and D's, or E's


def official(resolution=256):
    """As published for 128, 256, 512 and 1024 px, on eight GPUs; other pictures are trained as the nearest of these."""
    kimg, batch = PUBLISHED_LENGTHS[min(max(resolution, min(PUBLISHED_LENGTHS)), max(PUBLISHED_LENGTHS))]
    return EncoderRecipe(encoder=dict(filters=64, filters_max=512), latent_discriminator={},
                         options=force_in_domain.PAPER, kimg=kimg, batch_per_replica=batch,
                         learning_rate=steps.LEARNING_RATE, mirror=False)


def portraits():
    """The rendered portraits at 64 px on two processor cores: a short training of a small encoder.

    The features are the attribute network's, whose differences are of another size than those of VGG16: with this
    weight, the feature term of two different portraits is about as large as their pixel term. R1 has the weight that
    the generator's own discriminator was trained with at 64 px. The adversarial weights are smaller than the published
    ones, because the pixel term is: its published value at the end is 0.062 (Zhu et al. 2020, Table 1), here it is
    about 0.01, and with 0.1 either adversarial term is eight times as large. With these, E's against D ends at twice
    the pixel term, and that against D_w beside it; codes, too, end nearer to W than with more of D_w.

    The learning rate is advanced by E's updates alone and ends at 0.41 of what it was, not at 0.168 as published: so
    the encoders that come with the repository were trained.
    """
    options = dataclasses.replace(force_in_domain.PAPER, feature_weight=20.0, adversarial_weight=0.02,
                                  latent_weight=0.005, r1_gamma=2.0)
    return EncoderRecipe(encoder=dict(filters=32, filters_max=64),
                         latent_discriminator=dict(mlp_layers=4, mlp_fmaps=256), options=options,
                         kimg=20, batch_per_replica=16, learning_rate=1e-3, mirror=False, counted_updates=1)


def in_domain_options(options):
    """The weights that the domain-guided encoder shares with the force-in-domain encoder."""
    names = [field.name for field in dataclasses.fields(in_domain.InDomainOptions)]
    return in_domain.InDomainOptions(**{name: getattr(options, name) for name in names})
