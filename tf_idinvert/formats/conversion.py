"""Convert records of official pickles to descriptions of our networks and back, by the tables in the networks' entries.

The name of the function that built a network determines its class and the defaults of absent arguments. An unknown
constructor argument is an error, and so is a known argument with an unsupported value.

Source: the published networks of StyleGAN (Karras et al. 2019) and idinvert (Zhu et al. 2020).
"""
from __future__ import annotations

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.formats.arguments import check_values, shown
from tf_idinvert.formats.described import Described
from tf_idinvert.formats.pickles import NetworkRecord
from tf_idinvert.formats.source_text import final_activation, with_final_activation

ORDERS = {4: ("encoder", "training_generator", "discriminator", "generator"),
          3: ("training_generator", "discriminator", "generator")}


# ------------------------------------------------------------------------------------------ from records

def describe(records, entries, only=None, activation=None):
    """Yield a description of every network in an official file.

    Args:
        records: result of `pickles.read`: (G, D, Gs), (E, G, D, Gs), or networks of different classes in any order.
            Five records are those of LIA, (E, G, D, Gs, NE); only G, D and Gs are used.
        entries: entries of the known networks.
        only: fields of `checkpoint.Models` to return; None: all.
        activation: final activation of generators; None: as their source text says.
    Yields:
        Described, with the final activation in `config`.
    Raises:
        InputError: an unknown network, argument or value; one line.
    """
    notes = ()
    if len(records) == 5:
        notes = (f"left out {shown(records[0].name)} and {shown(records[4].name)} of five networks: this program has "
                 "no such networks",)
        records = records[1:4]
    forms = [_form(record, entries) for record in records]
    order = ORDERS.get(len(records)) or [entry.fields[0] for entry, _ in forms]
    for i, (field, record, (entry, _)) in enumerate(zip(order, records, forms)):
        if field not in entry.fields or field in order[:i]:
            raise InputError(f"expected (G, D, Gs) or (E, G, D, Gs); network {shown(record.name)} is not in its place")
    for field, record, (entry, official) in zip(order, records, forms):
        if only is None or field in only:
            config, arrays = _config_and_arrays(record, entry, official, entries)
            if official.activated and activation is None:
                config["final_activation"], open_questions = _final_activation(record, official)
                notes += open_questions
            yield Described(field, entry.network.__name__, config, arrays, notes,
                            f"official pickle, state version {record.version}",
                            f"{official.maker or official.module}, built by {official.builder}")


def _final_activation(record, official):
    """Return (name or None, notes) from the source texts of the synthesis network and of the whole generator."""
    part = record.components[official.activated]
    name, question = final_activation(part.build_module_src, part.build_func_name, official.module)
    outside, _ = final_activation(record.build_module_src, record.build_func_name, official.module)
    if outside and name is None:
        question = (f"the source text of {official.builder} names {outside}, that of its synthesis does not; none is "
                    "applied")
    return name, (question,) if question else ()


def _form(record, entries):
    """Return (entry, its Official) of a record, by the names of its builders; InputError if there is none."""
    forms = [(entry, official) for entry in entries for official in entry.official]
    named = [(entry, official) for entry, official in forms if official.builder == record.build_func_name]
    built = {name: part.build_func_name for name, part in record.components.items()}
    for entry, official in named:
        if built == official.parts:
            return entry, official
    if named:
        expected = "; or ".join(_parts(official.parts) for _, official in named)
        raise InputError(f"network {shown(record.name)} (built by {shown(record.build_func_name)}) has the parts "
                         f"{_parts(built)}; expected {expected}")
    raise InputError(f"network {shown(record.name)} is built by {shown(record.build_func_name)}; known builders are "
                     f"{', '.join(dict.fromkeys(official.builder for _, official in forms))}")


def _parts(built):
    names = [f"{shown(name)[1:-1]} by {shown(builder)[1:-1]}" for name, builder in list(built.items())[:4]]
    return ", ".join(names) or "none"


def _config_and_arrays(record, entry, official, entries):
    """Return (arguments of our constructor, {official name: array}) of a record."""
    parts = {name: record.components[name] for name in official.parts}
    given = dict(record.static_kwargs)
    for part in reversed(list(parts.values())):
        given.update(part.static_kwargs)
    arrays = {**record.variables, **{f"{name}/{key}": array for name, part in parts.items()
                                     for key, array in part.variables.items()}}
    levels = [_scalar(arrays.pop(name), name) for name in official.lod if name in arrays]
    config = _constructor_arguments(record.name, given, arrays, entry, official, entries)
    if "lod" in entry.kinds:
        config["lod"] = levels[-1] if levels else 0.0
    elif any(levels):
        raise InputError(f"network {shown(record.name)} still grows, at level of detail {levels[-1]:g}; expected 0")
    return config, arrays


def _constructor_arguments(name, given, arrays, entry, official, entries):
    # The official code passes all arguments to all components, and its builders ignore those that they do not know.
    others = {argument for each in entries for form in each.official if form.module == official.module
              for argument in form.arguments}
    for argument, value in given.items():
        if argument in official.fixed and value != official.fixed[argument]:
            raise InputError(f"network {shown(name)}: {argument}={shown(value)} is not supported, "
                             f"only {official.fixed[argument]!r}")
        if argument not in {*official.arguments, *official.ignored, *official.fixed, *others}:
            raise InputError(f"network {shown(name)}: unknown argument {shown(argument)[1:-1]}={shown(value)}")
    known = {official_name: ours for official_name, (ours, _) in official.arguments.items()}
    try:
        check_values(entry.kinds, {known[argument]: value for argument, value in given.items() if argument in known})
    except InputError as error:
        raise InputError(f"network {shown(name)}: {error}") from error
    inferred = official.told(arrays, given)
    config = {**dict(official.arguments.values()), **inferred,
              **{known[argument]: value for argument, value in given.items() if argument in known}}
    return {argument: tuple(value) if isinstance(value, list) else value for argument, value in config.items()}


def _scalar(value, name):
    if np.ndim(value) != 0 or not np.isfinite(value):
        raise InputError(f"variable {name!r} must be one finite number; got shape {list(np.shape(value))}")
    return float(value)


# ------------------------------------------------------------------------------------------ to records

def record(network, entry, name):
    """Return the official record of a network, complete with constructor arguments.

    Args:
        network: Described; `config` holds all constructor arguments.
        entry: Entry of the network.
        name: name of the record, such as 'Gs'.
    Raises:
        InputError: the network has no official form.
    """
    official = _form_to_write(network, entry)
    arguments = {official_name: network.config[ours] for official_name, (ours, _) in official.arguments.items()}
    arguments = {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}
    variables = {**{each: np.asarray(network.config.get("lod", 0.0), "float32") for each in official.lod},
                 **network.arrays}

    def built(part, label, builder, own):
        activation = network.config["final_activation"] if part == official.activated else None
        return NetworkRecord(name=label, static_kwargs=dict(official.written(arguments, network.config, part)),
                             variables=own, components={}, build_func_name=builder, version=official.version,
                             build_module_src=with_final_activation(official.module, builder, activation))

    prefixes = {part: f"{part}/" for part in official.parts}
    whole = built("", name, official.builder, {
        key: array for key, array in variables.items() if not key.startswith(tuple(prefixes.values()))})
    whole.components = {
        part: built(part, f"G_{part}", builder, {key[len(prefixes[part]):]: array for key, array in variables.items()
                                                 if key.startswith(prefixes[part])})
        for part, builder in official.parts.items()}
    return whole


def _form_to_write(network, entry):
    """Return the first official form that can hold the network; InputError if none can."""
    if not entry.official:
        raise InputError(f"an official pickle has no place for {network.field.replace('_', ' ')}")
    reasons = [official.refused(network.config) for official in entry.official]
    for official, reason in zip(entry.official, reasons):
        if reason is None:
            return official
    raise InputError(f"{network.network}: {reasons[0]}")
