"""What a boundary's .npz may hold beside its normal: what it is, changes of style channels, where its middle lies.

    about.json              name, source, unit, space, version: text and numbers in JSON
    style_channels.npy      whole numbers [K, 2], layer and channel of each style that is changed
    style_changes.npy       floats [K], by how much at distance 1
    centre.npy              floats [L] or [1], see `boundaries.Boundary`

Files without any of these are as older versions wrote them. Nothing in a file is executed.
"""
from __future__ import annotations

import dataclasses
import io
import json
import zipfile

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays

VERSION = 1                         # of what about.json says
SPACES = ("w", "z")                 # which codes a normal moves
MAX_TEXT, MAX_BYTES = 200, 1 << 16
ABOUT = "about.json"
ARRAYS = ("style_channels.npy", "style_changes.npy", "centre.npy")
PLAIN = ("boundary.npy", "manipulate_layers.npy")
MAX_CHANNELS = 1 << 16


@dataclasses.dataclass(frozen=True)
class About:
    """What a boundary says of itself.

    Attributes:
        name: what it changes, such as 'smile'; '' where nobody has named it.
        source: how it was made, in a line.
        unit: length of the normal's step in W for distance 1, where that is one standard deviation of W along it; None
            where distances are lengths in W.
        space: 'w', or 'z' for a normal [1, 1, Z] of the mapping network's input.
    """

    name: str = ""
    source: str = ""
    unit: float | None = None
    space: str = "w"


@dataclasses.dataclass(frozen=True)
class Styles:
    """Changes of style channels for a distance of 1: `s[layer, channel] += distance * change`.

    Attributes:
        channels: int64 [K, 2], layer and channel within the layer's style.
        changes: float32 [K].
    Source: Wu et al. 2021 (StyleSpace Analysis).
    """

    channels: np.ndarray
    changes: np.ndarray

    def dense(self, widths):
        """float32 [S] for a synthesis whose layers' styles have these `widths`; InputError where a channel is not."""
        offsets = np.concatenate([[0], np.cumsum(widths)])
        dense = np.zeros(offsets[-1], np.float32)
        for (layer, channel), change in zip(self.channels.tolist(), self.changes):
            if layer >= len(widths) or channel >= widths[layer]:
                there = (f"its layer {layer} has {widths[layer]}" if layer < len(widths) else
                         f"it has styles in layers 0 to {len(widths) - 1}")
                raise InputError(f"changes style channel {channel} of layer {layer}; this network has none: {there}")
            dense[offsets[layer] + channel] += change
        return dense


def read(archive, sizes, path):
    """({member: array}, About) of an open archive whose members have these `sizes`; `path` is for messages."""
    found, about = {}, About()
    for name in (*PLAIN, *ARRAYS):
        if name in sizes:
            with archive.open(name) as file:
                found[name] = arrays.read_numbers(file, sizes[name], path)
    if ABOUT in sizes:
        with archive.open(ABOUT) as file:
            about = about_of(file.read(MAX_BYTES))
    return found, about


def write(file, boundary):
    """Write the archive of a `boundaries.Boundary` into an open binary file."""
    members = {} if boundary.layers is None else {"manipulate_layers": np.asarray(boundary.layers, np.int64)}
    if boundary.styles is not None:
        members.update(style_channels=boundary.styles.channels, style_changes=boundary.styles.changes)
    if boundary.centre is not None:
        members.update(centre=np.asarray(boundary.centre, np.float32))
    whole = io.BytesIO()
    np.savez(whole, boundary=np.ascontiguousarray(boundary.normal, "<f4"), **members)
    if boundary.about != About():
        with zipfile.ZipFile(whole, "a") as archive:
            archive.writestr(ABOUT, about_bytes(boundary.about))
    file.write(whole.getvalue())


def about_of(data):
    """About from the bytes of about.json; InputError where they are something else, or of a later version."""
    try:
        values = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise InputError(f"damaged: its {ABOUT} is no JSON") from None
    if not isinstance(values, dict):
        raise InputError(f"its {ABOUT} holds no object")
    version = values.get("version", VERSION)
    if type(version) is not int or not 1 <= version <= VERSION:
        raise InputError(f"its {ABOUT} is of version {str(version)[:20]}; this program knows {VERSION}")
    name, source, unit, space = (values.get(key) for key in ("name", "source", "unit", "space"))
    if not all(text is None or isinstance(text, str) and len(text) <= MAX_TEXT for text in (name, source)):
        raise InputError(f"its {ABOUT} has a name or source that is no text of at most {MAX_TEXT} characters")
    if unit is not None and not (type(unit) in (int, float) and 0 < unit < np.inf):
        raise InputError(f"its {ABOUT} has a unit that is no positive number")
    if space not in (None, *SPACES):
        raise InputError(f"its {ABOUT} has a space that is none of {', '.join(SPACES)}")
    return About(name or "", source or "", None if unit is None else float(unit), space or "w")


def about_bytes(about):
    """Bytes of about.json."""
    values = dict(dataclasses.asdict(about), name=about.name[:MAX_TEXT], source=about.source[:MAX_TEXT],
                  version=VERSION)
    return json.dumps(values, ensure_ascii=False).encode()


def styles_of(arrays):
    """Styles from {member: array}, None where there are none; InputError where they do not fit each other."""
    channels, changes = (arrays.get(name) for name in ARRAYS[:2])
    if channels is None and changes is None:
        return None
    fitting = (channels is not None and changes is not None and channels.dtype.kind in "iu" and
               changes.dtype.kind == "f" and changes.ndim == 1 and channels.shape == (len(changes), 2) and
               0 < len(changes) <= MAX_CHANNELS)
    if not fitting or channels.min() < 0 or not np.isfinite(changes).all() or not changes.any():
        raise InputError("expected style_channels [K, 2], whole numbers from 0, and style_changes [K], finite, not all "
                         "0")
    return Styles(channels.astype(np.int64), changes.astype(np.float32))


def centre_of(arrays, num_layers):
    """float32 [1] or [num_layers] from {member: array}, None where there is none; InputError where it is wrong."""
    centre = arrays.get(ARRAYS[2])
    if centre is None:
        return None
    if centre.dtype.kind != "f" or centre.shape not in ((1,), (num_layers,)) or not np.isfinite(centre).all():
        raise InputError(f"expected a centre [1] or [{num_layers}] of finite floats; got {list(centre.shape)}")
    return centre.astype(np.float32)
