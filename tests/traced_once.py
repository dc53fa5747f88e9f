"""Runs of tools that share what they trace, which is most of the time of a tiny run.

With `share`, files of the same bytes give the same networks, and searches that differ in nothing that their graphs know
have the same graphs. That a search does not depend on earlier ones is shown by test_inversion and test_multi_code.
"""
from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from tf_idinvert import checkpoint
from tf_idinvert.inversion import Inversion
from tf_idinvert.restoration.multi_code import MultiCode

COUNTS = "steps", "results", "batch_size"       # which graphs do not know; the optimiser does, where it matters


def share(patch):
    """Share networks and graphs until the patch is undone; for tests that change no weight of a loaded network."""
    patch.setattr(checkpoint, "load", _loading(checkpoint.load))
    patch.setattr(Inversion, "__init__", _inverting(Inversion.__init__))
    patch.setattr(MultiCode, "__init__", _restoring(MultiCode.__init__))


def _loading(load):
    loaded = {}

    def loading(*paths, only=None, final_activation=None, tuned=None):
        wanted = only or [field.name for field in dataclasses.fields(checkpoint.Models)]
        if tuned is not None or not all(Path(path).is_file() for path in paths):
            return load(*paths, only=only, final_activation=final_activation, tuned=tuned)
        known = loaded.setdefault((*(hashlib.sha256(Path(path).read_bytes()).digest() for path in paths),
                                   final_activation), {})
        missing = [name for name in wanted if name not in known]
        if missing:
            models = load(*paths, only=missing, final_activation=final_activation)
            if models.notes:        # they are logged each time
                return models if missing == list(wanted) else load(*paths, only=only, final_activation=final_activation)
            known.update({name: (getattr(models, name), models.origins.get(name)) for name in missing})
        models = checkpoint.Models(**{name: known[name][0] for name in wanted})
        models.origins = {name: known[name][1] for name in wanted if known[name][1]}
        return models

    return loading


def _inverting(create):
    graphs = {}

    def inverting(search, **given):
        create(search, **given)
        options, used = _options(search), search.options.domain_weight or search.options.masked_domain_weight
        for name, key in (("_synthesize", search.synthesis), ("_encode", search.encoder),
                          ("_features_of", search.features),
                          ("_advance", (search.synthesis, used and search.encoder, search.features, options))):
            vars(search)[name] = graphs.setdefault((name, key), vars(search)[name])

    return inverting


def _restoring(create):
    searches = {}

    def restoring(search, **given):
        create(search, **given)
        degrade = tuple((name, value.tobytes() if isinstance(value, np.ndarray) else value)
                        for name, value in vars(search.degrade).items())
        key = (search.synthesis, search.options.domain_weight and search.encoder, search.features,
               type(search.degrade), degrade, _options(search))
        first = searches.get(key)
        if first is None or first._shapes is None:      # it was never called
            searches[key] = search
        else:
            vars(search).update({name: vars(first)[name] for name in ("_draw", "_features_of", "_advance")})

    return restoring


def _options(search):
    return search.optimizer, *((name, value) for name, value in vars(search.options).items() if name not in COUNTS)
