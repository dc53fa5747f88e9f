"""Hyper-parameters of StyleGAN training: the official ones, and those of the small world of rendered portraits.

Source of the official ones: Karras et al. 2019, appendix C, and the published training script.
"""
from __future__ import annotations

import dataclasses

from tf_idinvert.training.pairs import PairedStage
from tf_idinvert.training.stylegan import Stage

# Published by number of GPUs: {side of the pictures: batch size over all of them}; beyond, the last one.
BATCH_SIZES = {
    1: {8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4},
    2: {8: 256, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8},
    4: {8: 256, 16: 128, 32: 64, 64: 32, 128: 16},
    8: {8: 256, 16: 128, 32: 64, 64: 32}}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that the training of a generator needs but networks and data."""

    generator: dict         # constructor arguments
    discriminator: dict     # constructor arguments
    stages: tuple           # of Stage, or all of PairedStage
    r1_interval: int        # R1 on every such step
    mirror: bool            # flip half of the pictures


def official(resolution=1024, kimg=25000, gpus=8, faces=False, w_per_layer=False):
    """StyleGAN as published: growing from 8 px, 600 kimg of fade and 600 kimg of rest at each resolution.

    Args:
        resolution: R, a power of two from 8 to 1024.
        kimg: length in thousands of images.
        gpus: whose batch sizes: those published for the largest of 1, 2, 4 and 8 GPUs that is not more.
        faces: flip half of the pictures, as published for faces (FFHQ, CelebA-HQ), not for LSUN's scenes.
        w_per_layer: the mapping network gives a w for every layer, as the generators of in-domain inversion do.
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
    """64 px on two processor cores: the rendered portraits, or, not `paired`, any pictures.

    The numbers a portrait is rendered from, as the first of z, let G learn the portraits one by one while D rests: in
    half an hour it knows all that varies. Against D from the start, the same time gives faces of few kinds. What makes
    this quick: few other numbers in z, which G would have to learn to ignore; no pixel norm on z, which would blur what
    the numbers say; a mapping network that learns as fast as the rest; and ten times the usual learning rate.

    R1 on every 16th step. The pictures have no random detail, so the generator has no noise.
    """
    shared = dict(resolution=64, fmap_base=768, fmap_max=96, fused_scale=True)
    told = dict(latent_size=16, normalize_latents=False, mapping_lrmul=1.0) if paired else dict(latent_size=128)
    generator = dict(shared, **told, dlatent_size=128, layerwise=True, mapping_layers=4, mapping_fmaps=128,
                     use_noise=False, style_mixing_prob=0.5)
    stages = _portraits_paired() if paired else (
        PairedStage(16, kimg=100, batch_size=32, learning_rate=0.002, r1_gamma=2.0, average_kimg=2, center_weight=1.0),
        PairedStage(32, kimg=200, batch_size=16, learning_rate=0.002, r1_gamma=2.0, average_kimg=5, center_weight=1.0),
        PairedStage(64, kimg=700, batch_size=16, learning_rate=0.001, r1_gamma=2.0, center_weight=1.0))
    return Recipe(generator=generator, discriminator=dict(shared, blur_filter=None), stages=ending_at(stages, kimg),
                  r1_interval=16, mirror=False)


def _portraits_paired():
    told = dict(batch_size=16, adversarial=False, pair_weight=1.0, beta_1=0.9, average_kimg=2, center_weight=1.0)
    against_d = dict(batch_size=16, learning_rate=0.001, r1_gamma=2.0, center_weight=1.0)
    return (
        PairedStage(16, kimg=60, learning_rate=0.01, **told),
        PairedStage(32, kimg=80, learning_rate=0.01, **told),
        PairedStage(32, kimg=40, learning_rate=0.004, **told),
        PairedStage(64, kimg=60, learning_rate=0.006, pair_squares=20.0, **told),
        PairedStage(64, kimg=260, learning_rate=0.002, pair_squares=20.0, **told),
        PairedStage(64, kimg=100, pair_weight=30.0, pair_squares=20.0, **against_d),
    )


def wild(kimg=3000):
    """64 px on few processor cores, adversarial from the first step: the wild portraits (`wild.sample`), no pairs.

    Narrow networks, D lighter than G; fused resampling and no blur in D; no fades; R1 on every 16th step; noise in G,
    since the pictures have a camera's grain; a running average that is short while the picture still changes fast.
    """
    shared = dict(resolution=64, fmap_max=96, fused_scale=True)
    generator = dict(shared, fmap_base=768, latent_size=128, dlatent_size=128, layerwise=True, mapping_layers=4,
                     mapping_fmaps=128, style_mixing_prob=0.5)
    settings = dict(learning_rate=0.002, center_weight=1.0)
    stages = (
        PairedStage(8, kimg=40, batch_size=32, r1_gamma=1.0, average_kimg=2, **settings),
        PairedStage(16, kimg=60, batch_size=32, r1_gamma=1.0, average_kimg=2, **settings),
        PairedStage(32, kimg=100, batch_size=16, r1_gamma=1.0, average_kimg=3, **settings),
        PairedStage(64, kimg=240, batch_size=16, r1_gamma=0.5, average_kimg=4, **settings),
        PairedStage(64, kimg=2500, batch_size=16, r1_gamma=0.5, average_kimg=10, **settings))
    return Recipe(generator=generator, discriminator=dict(shared, fmap_base=512, blur_filter=None),
                  stages=ending_at(stages, kimg), r1_interval=16, mirror=True)


def lasting(recipe, kimg):
    """The same, cut off at `kimg`, or its last stage lengthened to reach it."""
    return dataclasses.replace(recipe, stages=ending_at(recipe.stages, kimg))


def fixed(recipe):
    """The same without growing: all its images at the last resolution, with the last stage's settings."""
    kimg = sum(stage.kimg for stage in recipe.stages)
    return dataclasses.replace(recipe, stages=(dataclasses.replace(recipe.stages[-1], kimg=kimg, fade_kimg=0),))


def ending_at(stages, kimg):
    """`stages` cut off at `kimg`, or the last one lengthened to reach it."""
    kept, left = [], kimg
    for stage in stages:
        length = left if stage is stages[-1] else min(stage.kimg, left)
        if length > 0:
            kept.append(dataclasses.replace(stage, kimg=length, fade_kimg=min(stage.fade_kimg, length)))
            left -= length
    return tuple(kept)
