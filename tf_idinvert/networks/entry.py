"""Entry: the description of a network class that readers and writers of model files need.

An entry consists of plain data and functions, and stands at the end of the network's own file.
`formats.weights.ENTRIES` lists all entries, and every format uses that tuple. To add a network, write its file and add
one line to the tuple. Weights have the names and layouts of the official files.
"""
from __future__ import annotations

import dataclasses
from typing import Any, Callable

# Arguments of NVIDIA's builders that are supported at one value only; another value would need another network.
FIXED = {
    "use_wscale": True, "mapping_use_wscale": True, "use_styles": True, "const_input_layer": True,
    "use_pixel_norm": False, "use_instance_norm": True, "nonlinearity": "lrelu", "mapping_nonlinearity": "lrelu",
    "dtype": "float32",
}
# Arguments of the official code that do not change what a network computes.
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
    """One form in which official pickles store a network.

    Attributes:
        builder: `build_func_name`, the official function that builds the network. It determines the default values of
            absent arguments.
        module: official Python module that defines the builder.
        arguments: {official constructor argument: (our argument, official default)}.
        parts: {component: its builder}; {}: the network has no components.
        lod: names of the scalar variables that hold the level of detail; the last one counts.
        told: function (variables, given) -> {our argument: value}, which infers arguments from the variables {name:
            array}, with the components' names as prefixes, and from the official arguments `given`. Inferred values
            replace official defaults, not arguments that are present.
        fixed: {official argument: the only supported value}.
        ignored: official arguments that do not change what the network computes.
        written: function (arguments, config, part) -> official arguments to write for a component; part '' is the
            network itself.
        refused: function config -> reason why this form cannot hold the network, or None.
        activated: component whose source text may apply a final activation to the image, or None.
        version: version of the state to write.
        maker: project that published the network, for messages; '': `module` is shown instead.
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
    """The description of a network class for model files.

    Attributes:
        network: the class; its `get_config()` returns all arguments of the constructor.
        fields: fields of `checkpoint.Models` that it may fill; they are also the group names in HDF5 files.
        kinds: {constructor argument: kind of value}; a kind is a name known to `formats.arguments`, or a tuple of all
            allowed values.
        weights: function network -> rows (official name, variable, layout) of all variables; layout 'NCHW' marks
            variables that official files store as [1, C, H, W].
        sizes: function config -> rows (official name, shape in official layout) of the weights that depend on sizes.
        generation: generation of StyleGAN, for messages, such as 'StyleGAN2'; '' for other networks.
        parts: {class of a component: function as `weights`, without the component's prefix}.
        late: {constructor argument: default}; arguments newer than the HDF5 format, which files omit at this value.
        official: forms in official pickles; () if official pickles cannot hold the network.
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
