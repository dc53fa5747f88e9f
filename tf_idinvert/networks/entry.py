"""What files need to know about a network, in one place: an entry, at the end of the network's own file.

An entry is plain data and plain functions. `formats.weights.ENTRIES` lists the entries of all networks that a file may
hold; the readers and writers of every format go by that tuple, so a new network is one file and one line in it.
Rows of weights name variables as the official files do, and keep their layouts there.
"""
from __future__ import annotations

import dataclasses
from typing import Any, Callable

# Arguments of NVIDIA's builders that we support at one value only: another one means a network that is built otherwise.
FIXED = {
    "use_wscale": True, "mapping_use_wscale": True, "use_styles": True, "const_input_layer": True,
    "use_pixel_norm": False, "use_instance_norm": True, "nonlinearity": "lrelu", "mapping_nonlinearity": "lrelu",
    "dtype": "float32",
}
# Arguments that say how the official code runs a network, not what it computes.
IGNORED = frozenset({
    "structure", "randomize_noise", "is_training", "is_validation", "is_template_graph", "return_dlatents",
    "force_clean_graph", "truncation_psi_val", "truncation_cutoff_val", "dlatent_broadcast", "num_gpus", "phase",
})


def nothing_told(variables, given):
    return {}


def as_they_are(arguments, config, part):
    return arguments


def never(config):
    return None


@dataclasses.dataclass(frozen=True)
class Official:
    """One form in which official pickles hold a network.

    Attributes:
        builder: its `build_func_name`, which decides what an absent argument means.
        module: where the original's code defines the builder.
        arguments: {official constructor argument: (ours, official default)}.
        parts: {component: its builder}; {}: the network has no components.
        lod: names of the scalar variables that hold the level of detail; the last one counts.
        told: (variables, given) -> {argument of ours: value} that {name: array}, components' names prefixed, or the
            official arguments `given` tell; it stands in for an absent argument's default.
        fixed: {official argument: the one value we support}.
        ignored: official arguments that do not change what the network computes.
        written: (arguments, config, part) -> official arguments as a file gets them; part '' is the network itself.
        refused: config -> why this form cannot hold the network, or None.
        activated: component whose source text may apply a final activation to the image, or None.
        version: of the state, as it is written.
        maker: whose network it is, for people; '': the module says.
    """
    builder: str
    module: str
    arguments: dict
    parts: dict = dataclasses.field(default_factory=dict)
    lod: tuple = ()
    told: Callable = nothing_told
    fixed: dict = dataclasses.field(default_factory=lambda: FIXED)
    ignored: frozenset = IGNORED
    written: Callable = as_they_are
    refused: Callable = never
    activated: str | None = None
    version: int = 3
    maker: str = ""


@dataclasses.dataclass(frozen=True)
class Entry:
    """What files need to know about a network.

    Attributes:
        network: its class; `get_config()` gives all arguments of the constructor.
        fields: of `checkpoint.Models`, which are also the groups of our files, that it may fill.
        kinds: {constructor argument: kind of its value}: a name that `formats.arguments` knows, or a tuple of values.
        weights: network -> rows (official name, variable, layout) of all its variables; layout 'NCHW' marks those that
            official files store channels first, [1, C, H, W].
        sizes: config -> rows (official name, shape in official layout) of the weights that can make it large.
        generation: of StyleGAN, for people, such as 'StyleGAN2'; '' where there is none to tell.
        parts: {class of a network inside it: its rows, as `weights`, without prefix}.
        late: {constructor argument younger than our file format: value that files leave out}.
        official: its forms in official pickles, none if it has no place there.
    """
    network: Any
    fields: tuple
    kinds: dict
    weights: Callable
    sizes: Callable
    generation: str = ""
    parts: dict = dataclasses.field(default_factory=dict)
    late: dict = dataclasses.field(default_factory=dict)
    official: tuple = ()
