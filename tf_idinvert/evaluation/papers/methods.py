"""The methods that the papers compare.

Sources: Zhu et al. 2020 (In-Domain GAN Inversion), table 1; Leng et al. 2021 (Force-in-domain GAN inversion), table 1.
MSE-based optimisation represents Image2StyleGAN (Abdal et al. 2019): it starts at the mean of W and optimises the codes
of all layers. It has a pixel loss only, or with `Bench.baseline_features` also the feature loss, as that paper has it.
"""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files.digests import array_digest

VERSION = 1                 # version of the stored inversions; older ones are ignored
PARTS = 4                   # version of the stored numbers of parts; older ones are ignored


@dataclasses.dataclass(frozen=True)
class Method:
    """An inversion method: the encoder of a role alone, or an optimisation."""

    label: str
    role: str                               # whose networks; '' the first there is
    domain_weight: float | None = None      # None: no optimisation in the domain
    from_mean: bool = False                 # optimisation from the mean of W, without encoder

    @property
    def optimises(self):
        """Whether codes are optimised; else they are the encoder's."""
        return self.from_mean or self.domain_weight is not None


METHODS = {
    "traditional": Method("Traditional encoder", "traditional"),
    "mse": Method("MSE-based optimisation", "", from_mean=True),
    "encoder": Method("Domain-guided encoder", "in-domain"),
    "inversion": Method("In-domain inversion", "in-domain", domain_weight=2.0),
    "nobn": Method("In-domain encoder without BN", "in-domain-nobn"),
    "force": Method("Force-in-domain encoder", "force-in-domain"),
    "lambda0": Method("In-domain inversion, λ_dom 0", "in-domain", domain_weight=0.0),
    "lambda40": Method("In-domain inversion, λ_dom 40", "in-domain", domain_weight=40.0),
}
ROLES = ("in-domain", "force-in-domain", "in-domain-nobn", "traditional")      # the first provides G for "mse"


class Missing(InputError):
    """Something that a row needs is missing; the message is one line that says what."""


@dataclasses.dataclass(frozen=True)
class Networks:
    """An encoder and its generator, from the file `name` with this SHA-256."""

    name: str
    sha256: str
    encoder: object
    generator: object

    def generator_digest(self):
        """SHA-256 of the generator's weights."""
        return array_digest(np.concatenate([np.ravel(each) for each in self.generator.get_weights()]))


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Numbers of pictures, steps and codes."""

    count: int              # held-out pictures
    optimised: int          # the first of them, for methods that optimise
    steps: int              # of in-domain inversion; 100 in the paper's code
    mse_steps: int          # of the optimisation by mean squared error
    ablated: int            # pictures for other weights of the domain term
    diffused: int           # pairs for semantic diffusion
    codes: int              # of W, for the comparison of distributions
    projected: int          # of these, for t-SNE
    inversion_batch: int = 4


@dataclasses.dataclass(frozen=True)
class Inverted:
    """Codes float32 [N, L, D], pictures uint8 [N, R, R, 3], mean squared errors [N], seconds per picture."""

    codes: np.ndarray
    pictures: np.ndarray
    mse: np.ndarray
    seconds: float | None

    def first(self, count):
        return Inverted(self.codes[:count], self.pictures[:count], self.mse[:count], self.seconds)
