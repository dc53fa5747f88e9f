"""Networks of the entries beside them: weights by official name, the way in, the way out, and the sizes to expect.

The names and layouts are those of the official files (StyleGAN: Karras et al. 2019; idinvert: Zhu et al. 2020); our own
HDF5 files use the same, and for networks that have no official file, names in their manner. Complete both ways: every
Keras weight is filled exactly once, every stored array is used.
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.formats.arguments import check_names, check_values, shown
from tf_idinvert.networks import (
    attributes,
    discriminator,
    encoder,
    generator,
    latent_discriminator,
    stylegan2_discriminator,
    stylegan2_generator,
)

# The networks that a file may hold. A new one is its own file, with its entry, and its line here; of several that may
# fill the same field, the first is the one that files mean when they do not say.
ENTRIES = (
    encoder.ENTRY,
    generator.ENTRY,
    discriminator.ENTRY,
    latent_discriminator.ENTRY,
    attributes.ENTRY,
    stylegan2_generator.ENTRY,
    stylegan2_discriminator.ENTRY,
)


def entry_of(network_class):
    """Entry of a class of networks; InputError where no file has a place for it."""
    for entry in ENTRIES:
        if entry.network is network_class:
            return entry
    raise InputError(f"{network_class.__name__}: no file format has such a network")


def table(network):
    """The table of the weights of a network, or of a generator's part: list of (official name, Keras variable, layout).

    Layout 'NCHW' marks the two kinds of variable that the official files store channels first (`[1, C, H, W]`); the
    weights of a generator's parts carry the prefixes `mapping/` and `synthesis/`.
    """
    parts = {part: rows for entry in ENTRIES for part, rows in entry.parts.items()}
    return list(parts.get(type(network), _rows)(network))


def _rows(network):
    return entry_of(type(network)).weights(network)


def export_arrays(network):
    """{official name: float32 array in official layout} of all weights of a network."""
    return {name: np.transpose(np.asarray(variable), (0, 3, 1, 2)) if layout == "NCHW" else np.asarray(variable)
            for name, variable, layout in table(network)}


def assign_arrays(network, arrays):
    """Fill a network from {official name: array}, complete both ways; InputError where they do not fit."""
    rows = table(network)
    missing = [name for name, _, _ in rows if name not in arrays]
    known = {name for name, _, _ in rows}
    surplus = [name for name in arrays if name not in known]
    if missing or surplus:
        raise InputError(f"{_kind(type(network))}: " + "; ".join(
            f"{what} {len(names)} variable{'s' * (len(names) > 1)} ({', '.join(map(shown, names[:3]))}"
            f"{', ...' if len(names) > 3 else ''})"
            for what, names in (("lacks", missing), ("does not know", surplus)) if names))
    for name, variable, layout in rows:
        array = arrays[name]
        if layout == "NCHW" and array.ndim == 4:
            array = np.transpose(array, (0, 2, 3, 1))
        if array.shape != tuple(variable.shape) or array.dtype.kind != "f":
            raise InputError(f"{_kind(type(network))}: variable {name!r} is {array.dtype} {list(arrays[name].shape)}, "
                             f"expected float {_official_shape(variable, layout)}")
        variable.assign(array.astype("float32", copy=False))


def _official_shape(variable, layout):
    shape = list(variable.shape)
    return [shape[0], shape[3], shape[1], shape[2]] if layout == "NCHW" else shape


def _kind(network_class):
    return network_class.__name__.lower()


def build(network_class, config, arrays):
    """A network of the constructor arguments `config`, filled with {official name: array}.

    What is built is never larger than what `arrays` holds: all weights that could make it so are compared first.

    Raises:
        InputError: arguments and arrays do not fit each other; one line that begins with the class in lower case.
    """
    entry = entry_of(network_class)
    config = {**entry.late, **config}
    try:
        check_names(entry.kinds, config)
        check_values(entry.kinds, config)
        for name, shape in entry.sizes(config):
            found = list(arrays[name].shape) if name in arrays else "none"
            if found != shape:
                raise InputError(f"by its arguments {name!r} is {shape}, the file holds {found}")
        network = network_class(**config)
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise InputError(f"{_kind(network_class)}: {str(error).splitlines()[0]}") from error
    assign_arrays(network, arrays)
    return network


def stored_config(network):
    """Constructor arguments of a network as files keep them: without late ones that have the value left out."""
    late = entry_of(type(network)).late
    return {name: value for name, value in network.get_config().items() if name not in late or value != late[name]}
