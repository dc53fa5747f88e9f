"""Described: a network as read from a file of any format, before it is built."""
from __future__ import annotations

import dataclasses

# Fields of `checkpoint.Models` in the order of official files, and their names in the papers; A is this project's.
ROLES = {"encoder": "E", "training_generator": "G", "discriminator": "D", "generator": "Gs",
         "latent_discriminator": "D_w", "attributes": "A"}


@dataclasses.dataclass(eq=False)
class Described:
    """Description of a network: readers yield it, writers take it.

    Attributes:
        field: field of `checkpoint.Models`.
        network: name of the class, such as 'Generator'.
        config: {argument of our constructor: value}; not checked before the network is built.
        arrays: {official name: array in official layout}.
        notes: lines for the user; what the file leaves open and which assumption was made.
        origin: format of the file, such as 'official pickle, state version 3'.
        layout: project and network whose layout the file has, such as "NVIDIA's StyleGAN, G_style".
    """
    field: str
    network: str
    config: dict
    arrays: dict
    notes: tuple = ()
    origin: str = ""
    layout: str = ""
