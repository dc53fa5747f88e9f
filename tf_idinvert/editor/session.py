"""What one visitor edits: a picture with its code, the edit as it stands, and the edits before and after it.

All of it is immutable: a change gives a new object, so that a drawing which is under way never sees half a change.
"""
from __future__ import annotations

import dataclasses

import numpy as np

STEPS_KEPT = 100        # edits that can be undone
ONE_MOVE = 1.0          # seconds: moves of one control that follow each other faster are one step


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a picture was cut out of a photograph."""

    photograph: np.ndarray      # uint8 [H, W, 3], upright
    quad: np.ndarray            # float64 [4, 2], see `alignment.quad`
    outline: np.ndarray         # [K, 2], points around the face, in pixels of the photograph; none: [0, 2]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture, as the network sees it, and its code."""

    name: str               # fit for a file name
    pixels: np.ndarray      # uint8 [R, R, 3]
    encoded: np.ndarray     # float32 [L, D], E(x)
    codes: np.ndarray       # float32 [L, D], what is edited
    origin: str             # how `codes` came about, for people
    place: Place | None = None      # None: it is no part of a photograph


@dataclasses.dataclass(frozen=True)
class Edit:
    """What is changed: {direction: standard deviations of W along it}, in a range of layers, with noise of a seed."""

    deviations: dict = dataclasses.field(default_factory=dict)     # those that are not 0
    first_layer: int = 0
    last_layer: int | None = None       # None: the network's last
    noise_seed: int = 0                 # 0: the network's own noise

    @classmethod
    def of(cls, deviations, first_layer, last_layer, noise_seed):
        """The edit of controls that are at these values; layers in either order."""
        first, last = sorted((int(first_layer), int(last_layer)))
        return cls({name: float(value) for name, value in deviations.items() if value}, first, last, int(noise_seed))

    def layers(self, own, num_layers):
        """Layers that a direction moves: the range, or where that is the whole network the direction's `own`."""
        last = num_layers - 1 if self.last_layer is None else self.last_layer
        return own if self.first_layer == 0 and last == num_layers - 1 else tuple(range(self.first_layer, last + 1))


@dataclasses.dataclass(frozen=True)
class Session:
    """A picture, its edit, and what can be undone and redone. None: there is no picture yet."""

    picture: Picture | None = None
    edit: Edit = Edit()
    past: tuple = ()            # edits, the latest last
    future: tuple = ()          # edits that were undone, the latest last
    touched: tuple = ("", 0.0)  # what was moved last, and when

    def opened(self, picture):
        """The session with another picture; it begins without any edit."""
        return Session(picture, Edit(last_layer=len(picture.codes) - 1))

    def recoded(self, picture):
        """The session whose picture has another code; its edit stays."""
        return dataclasses.replace(self, picture=picture)

    def moved(self, edit, now):
        """The session after a control was moved.

        Args:
            edit: all controls as they are now.
            now: seconds, on any clock that does not go back. Moves of one control within ONE_MOVE are undone together.
        """
        if edit == self.edit:
            return self
        control, (before, since) = _changed(self.edit, edit), self.touched
        goes_on = bool(self.past) and control == before and now - since <= ONE_MOVE
        past = self.past if goes_on else (*self.past, self.edit)[-STEPS_KEPT:]
        return dataclasses.replace(self, edit=edit, past=past, future=(), touched=(control, now))

    def undone(self):
        """The session before its last step; the same where there is none."""
        if not self.past:
            return self
        return dataclasses.replace(self, edit=self.past[-1], past=self.past[:-1], future=(*self.future, self.edit),
                                   touched=("", 0.0))

    def redone(self):
        """The session with the step that was undone last; the same where there is none."""
        if not self.future:
            return self
        return dataclasses.replace(self, edit=self.future[-1], past=(*self.past, self.edit), future=self.future[:-1],
                                   touched=("", 0.0))


def _changed(before, after):
    """Names of what differs between two Edits."""
    names = {*before.deviations, *after.deviations}
    moved = [name for name in names if before.deviations.get(name) != after.deviations.get(name)]
    others = ("first_layer", "last_layer", "noise_seed")
    moved += [name for name in others if getattr(before, name) != getattr(after, name)]
    return ",".join(sorted(moved))
