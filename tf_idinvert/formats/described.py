"""A network as a file of any kind describes it, before anything is built."""
from __future__ import annotations

import dataclasses

# The fields of `checkpoint.Models`, in the order of the papers' sets, and what the papers call them; A is ours.
ROLES = {"encoder": "E", "training_generator": "G", "discriminator": "D", "generator": "Gs",
         "latent_discriminator": "D_w", "attributes": "A"}


@dataclasses.dataclass(eq=False)
class Described:
    """What a reader yields for a network, and what a writer gets.

    Attributes:
        field: of `checkpoint.Models`.
        network: name of its class, such as 'Generator'.
        config: {argument of our constructor: value}; unchecked until the network is built.
        arrays: {official name: array in official layout}.
        notes: lines for the user: what the file does not say and what was taken instead.
        origin: what kind of file it is, such as 'official pickle, state version 3'.
        layout: whose layout, and which network of theirs, such as "NVIDIA's StyleGAN, G_style".
    """
    field: str
    network: str
    config: dict
    arrays: dict
    notes: tuple = ()
    origin: str = ""
    layout: str = ""
