"""Hyper-parameters for training StyleGAN: the published ones, and those for rendered portraits.

Source of the published ones: Karras et al. 2019, appendix C, and the published training script.
"""
from __future__ import annotations

import dataclasses

from tf_idinvert.training.pairs import PairedStage
from tf_idinvert.training.stylegan import Stage

# {number of GPUs: {resolution: global batch size}} as published; higher resolutions use the smallest batch size.
BATCH_SIZES = {
    1: {8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4},
    2: {8: 256, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8},
    4: {8: 256, 16: 128, 32: 64, 64: 32, 128: 16},
    8: {8: 256, 16: 128, 32: 64, 64: 32}}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of the training of a generator."""

    generator: dict         # constructor arguments
    discriminator: dict     # constructor arguments
    stages: tuple           # of Stage, or of PairedStage
    r1_interval: int        # k: R1 is computed at every k-th step
    mirror: bool            # flip half of the pictures


def official(resolution=1024, kimg=25000, gpus=8, faces=False, w_per_layer=False):
    """Return the published recipe: growing from 8 px, with 600 kimg of fade and 600 kimg of rest per resolution.

    Args:
        resolution: R, a power of two from 8 to 1024.
        kimg: length in thousands of images.
        gpus: number of GPUs, rounded down to 1, 2, 4 or 8, whose published batch sizes to use.
        faces: flip half of the pictures, as published for faces (FFHQ, CelebA-HQ) but not for LSUN's scenes.
        w_per_layer: whether the mapping network has a separate w for every layer, as in in-domain inversion.
    """
    batch_sizes = BATCH_SIZES[max(count for count in BATCH_SIZES if count <= gpus)]
    learning_rates = {128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003}
    stages, side = [], 8
    while side <= resolution:
        stages.append(Stage(side, kimg=600 if side == 8 else 1200, fade_kimg=0 if side == 8 else 600,
                            batch_size=batch_sizes.get(side, min(batch_sizes.values())),
                            learning_rate=learning_rates.get(side, 0.001)))
        side *= 2
    return Recipe(generator=dict(resolution=resolution, layerwise=w_per_layer),
                  discriminator=dict(resolution=resolution), stages=ending_at(stages, kimg), r1_interval=1,
                  mirror=faces)


def portraits(kimg=600, paired=True):
    """Return the recipe for 64 px on two CPU cores: for rendered portraits, or without `paired` for any pictures.

    With pairs, the first numbers of z are those from which a portrait is rendered, and G first learns from pairs alone,
    without D (see `pairs`). In half an hour it learns everything that varies in the portraits; adversarial training of
    the same length gives faces of few kinds. The following make it fast: few other numbers in z, which G has to learn
    to ignore; no pixel norm of z, which would distort the known numbers; a mapping network with the same learning rate
    as the other layers; ten times the usual learning rate.

    R1 is computed at every 16th step. The generator has no noise, because the pictures have no random details.
    """
    shared = dict(resolution=64, fmap_base=768, fmap_max=96, fused_scale=True)
    latents = dict(latent_size=16, normalize_latents=False, mapping_lrmul=1.0) if paired else dict(latent_size=128)
    generator = dict(shared, **latents, dlatent_size=128, layerwise=True, mapping_layers=4, mapping_fmaps=128,
                     use_noise=False, style_mixing_prob=0.5)
    stages = _portraits_paired() if paired else (
        PairedStage(16, kimg=100, batch_size=32, learning_rate=0.002, r1_gamma=2.0, average_kimg=2, center_weight=1.0),
        PairedStage(32, kimg=200, batch_size=16, learning_rate=0.002, r1_gamma=2.0, average_kimg=5, center_weight=1.0),
        PairedStage(64, kimg=700, batch_size=16, learning_rate=0.001, r1_gamma=2.0, center_weight=1.0))
    return Recipe(generator=generator, discriminator=dict(shared, blur_filter=None), stages=ending_at(stages, kimg),
                  r1_interval=16, mirror=False)


def _portraits_paired():
    by_pairs = dict(batch_size=16, adversarial=False, pair_weight=1.0, beta_1=0.9, average_kimg=2, center_weight=1.0)
    against_d = dict(batch_size=16, learning_rate=0.001, r1_gamma=2.0, center_weight=1.0)
    return (
        PairedStage(16, kimg=60, learning_rate=0.01, **by_pairs),
        PairedStage(32, kimg=80, learning_rate=0.01, **by_pairs),
        PairedStage(32, kimg=40, learning_rate=0.004, **by_pairs),
        PairedStage(64, kimg=60, learning_rate=0.006, pair_squares=20.0, **by_pairs),
        PairedStage(64, kimg=260, learning_rate=0.002, pair_squares=20.0, **by_pairs),
        PairedStage(64, kimg=100, pair_weight=30.0, pair_squares=20.0, **against_d),
    )


def wild(kimg=3000, feature_weight=0.0):
    """Return the recipe for wild portraits (`wild.sample`) of 64 px on few CPU cores: adversarial, without pairs.

    The networks are narrow, D more than G. Resampling is fused, D has no blur, resolutions change without fades, and R1
    is computed at every 16th step. G has noise, because the pictures have the grain of a camera. The half-life of the
    running average is short in the early stages, in which G changes fast.

    Args:
        kimg: length in thousands of images.
        feature_weight: weight of the term of discriminators on the features of a fixed network, see
            `feature_discriminators`; 0: none.
    """
    shared = dict(resolution=64, fmap_max=96, fused_scale=True)
    generator = dict(shared, fmap_base=768, latent_size=128, dlatent_size=128, layerwise=True, mapping_layers=4,
                     mapping_fmaps=128, style_mixing_prob=0.5)
    settings = dict(learning_rate=0.002, center_weight=1.0, feature_weight=feature_weight)
    stages = (
        PairedStage(8, kimg=40, batch_size=32, r1_gamma=1.0, average_kimg=2, **settings),
        PairedStage(16, kimg=60, batch_size=32, r1_gamma=1.0, average_kimg=2, **settings),
        PairedStage(32, kimg=100, batch_size=16, r1_gamma=1.0, average_kimg=3, **settings),
        PairedStage(64, kimg=240, batch_size=16, r1_gamma=0.5, average_kimg=4, **settings),
        PairedStage(64, kimg=2500, batch_size=16, r1_gamma=0.5, average_kimg=10, **settings))
    return Recipe(generator=generator, discriminator=dict(shared, fmap_base=512, blur_filter=None),
                  stages=ending_at(stages, kimg), r1_interval=16, mirror=True)


def lasting(recipe, kimg):
    """Return the recipe with a length of `kimg`: cut off, or with a longer last stage."""
    return dataclasses.replace(recipe, stages=ending_at(recipe.stages, kimg))


def fixed(recipe):
    """Return the recipe without growing: all images in the last stage, without fade."""
    kimg = sum(stage.kimg for stage in recipe.stages)
    return dataclasses.replace(recipe, stages=(dataclasses.replace(recipe.stages[-1], kimg=kimg, fade_kimg=0),))


def ending_at(stages, kimg):
    """Return the stages with a total length of `kimg`: cut off, or with a longer last stage."""
    kept, left = [], kimg
    for stage in stages:
        length = left if stage is stages[-1] else min(stage.kimg, left)
        if length > 0:
            kept.append(dataclasses.replace(stage, kimg=length, fade_kimg=min(stage.fade_kimg, length)))
            left -= length
    return tuple(kept)
