"""Describe a loaded model file in lines for the user: format, networks, assumptions, and what is missing."""
from __future__ import annotations

import math

from tf_idinvert.formats import weights
from tf_idinvert.formats.described import ROLES


def kinds(models):
    """Return the formats of the networks' files in one line; '' if the networks were not loaded from files."""
    return "; ".join(filter(None, dict.fromkeys(origin for origin, _ in models.origins.values())))


def lines(models):
    """Return one line for every network, every assumption that `checkpoint.load` made, and every missing network.

    Args:
        models: Models, as returned by `checkpoint.load`.
    Returns:
        list of str.
    """
    found = []
    width = max([14, *(len(type(each).__name__) for each in map(vars(models).get, ROLES) if each is not None)])
    for field, role in ROLES.items():
        network = getattr(models, field)
        if network is not None:
            layout = models.origins.get(field, ("", ""))[1]
            found.append(f"{role:3} {type(network).__name__:{width}} {described(network)}"
                         + (f" ({layout})" if layout else ""))
    return [*found, *(f"note: {note}" for note in models.notes), *missing(models)]


def described(network):
    """Return the size and settings of a network in one line."""
    config = network.get_config()
    counts = [sum(math.prod(weight.shape) for weight in group)
              for group in (network.trainable_weights, network.weights)]
    entry = weights.entry_of(type(network))
    facts = [entry.generation,
             f"{config['resolution']} px" if "resolution" in config else "",
             f"{counts[0]:,} parameters ({counts[1]:,} stored)",
             f"codes {network.num_layers} x {network.dlatent_size}" if hasattr(network, "num_layers") else ""]
    if hasattr(network, "mapping"):
        facts.append("a w for each layer, as idinvert has it" if config.get("layerwise") else "one w for all layers")
    if "final_activation" in config:
        facts.append(f"final activation {config['final_activation'] or 'none'}")
    facts += [f"{config['label_size']} labels" if config.get("label_size") else "",
              f"lod {config['lod']:g}" if config.get("lod") else "",
              f"generation {config['generation']}" if "generation" in config else "",
              f"architecture {config['architecture']}" if "architecture" in config else "",
              "without batch norm" if config.get("batch_norm") is False else ""]
    return ", ".join(filter(None, facts))


def missing(models):
    """Return a line for every missing network that says what the user can do instead."""
    if models.generator is None:
        if models.encoder is not None:
            return ["no generator: give the file that holds it, too; both make one set"]
        if models.discriminator is not None and of_batches(models.discriminator.get_config()):
            return ["a discriminator alone, which scores by labels or within a batch: no classifier of pictures"]
        if models.discriminator is not None:
            return ["a discriminator alone: if it classifies an attribute, boundary.py score --classifier takes it"]
        return ["no generator: nothing here makes pictures" if models.attributes is None else
                "an attribute network alone: invert.py --features and boundary.py score --attributes take it"]
    found = []
    if models.encoder is None:
        method = "traditional" if models.discriminator is None else "force-in-domain"
        found.append("no encoder: invert with --start mean --no-domain-regularizer" + (
            "" if models.generator.label_size else f", or train one (train.py --method {method})"))
    if models.discriminator is None:
        found.append("no discriminator: train.py --method in-domain and force-in-domain start from one, and the "
                     "original code reads no .pkl without")
    return found


def of_batches(config):
    """Return whether a discriminator's score of a picture depends on labels or on the rest of its batch."""
    return bool(config.get("label_size")) or config.get("mbstd_group_size", 0) > 1
