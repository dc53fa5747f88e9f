"""Build networks from, and convert them to, arrays by official name; the networks' entries give names and sizes.

Names and layouts are those of the official files (StyleGAN: Karras et al. 2019; idinvert: Zhu et al. 2020). This
project's HDF5 files use the same names, and similar ones for networks without an official form. The conversion is
complete both ways: every Keras weight is filled exactly once, and every stored array is used.
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
    layers,
    stylegan2_discriminator,
    stylegan2_generator,
)

# The networks that a file may hold. To add a network, write its file with an entry and add a line here. If several
# classes may fill a field, the first one is the default for files that name no class.
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
    """Return the entry of a network class; InputError if no file format can hold it."""
    for entry in ENTRIES:
        if entry.network is network_class:
            return entry
    raise InputError(f"{network_class.__name__}: no file format has such a network")


def table(network):
    """Return the rows (official name, Keras variable, layout) of a network, or of a generator's mapping or synthesis.

    Layout 'NCHW' marks variables that official files store as [1, C, H, W]: the constant and the noise. In a generator,
    the names of its two networks have the prefixes `mapping/` and `synthesis/`.
    """
    parts = {part: rows for entry in ENTRIES for part, rows in entry.parts.items()}
    return list(parts.get(type(network), _rows)(network))


def _rows(network):
    return entry_of(type(network)).weights(network)


def export_arrays(network):
    """Return {official name: float32 array in official layout} of all weights of a network."""
    return {name: np.transpose(np.asarray(variable), (0, 3, 1, 2)) if layout == "NCHW" else np.asarray(variable)
            for name, variable, layout in table(network)}


def assign_arrays(network, arrays):
    """Fill a network from {official name: array}; InputError if a name is missing or unknown, or a shape differs."""
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
        array = array.astype("float32", copy=False)
        if not np.isfinite(array).all():
            raise InputError(f"{_kind(type(network))}: variable {name!r} holds NaN or infinity")
        variable.assign(array)


def _official_shape(variable, layout):
    shape = list(variable.shape)
    return [shape[0], shape[3], shape[1], shape[2]] if layout == "NCHW" else shape


def _kind(network_class):
    return network_class.__name__.lower()


def build(network_class, config, arrays):
    """Build a network with the constructor arguments `config` and fill it with {official name: array}.

    The shapes that depend on `config` are compared with the arrays first, so a false `config` cannot make the network
    larger than the file.

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
        with layers.filled_later():
            network = network_class(**config)
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise InputError(f"{_kind(network_class)}: {str(error).splitlines()[0]}") from error
    assign_arrays(network, arrays)
    return network


def stored_config(network):
    """Return a network's constructor arguments as files store them, without late ones at their default."""
    late = entry_of(type(network)).late
    return {name: value for name, value in network.get_config().items() if name not in late or value != late[name]}
