"""What the editor does when a visitor asks for it: values of controls in, what is to be shown out. It knows no page."""
from __future__ import annotations

import base64
import binascii
import dataclasses
import threading
import time

import numpy as np

from tf_idinvert.editor import combining, keeping, photographs, views
from tf_idinvert.editor.limits import Stopped, read_upload
from tf_idinvert.editor.session import Edit
from tf_idinvert.errors import InputError


@dataclasses.dataclass(frozen=True)
class Shown:
    """What is shown of the visitor's picture: the value of the divider, the measures, and a line of status."""

    divider: dict
    measures: str
    status: str
    faces: str = ""     # the photograph that the picture is of, with its faces to choose from


class Actions:
    """The actions, for one Studio.

    Args:
        studio: Studio.
        samples: {name: uint8 [R, R, 3]}, pictures to begin with.
        limits: Limits.
    """

    def __init__(self, studio, samples, limits):
        self.studio, self.samples, self.limits = studio, samples, limits
        self.restorations, self.restoring = combining.Restorations(studio), threading.Lock()

    # ------------------------------------------------------------------------------------------ the picture

    def open_upload(self, visit, path):
        """Begin with an uploaded file, which is removed -> Shown."""
        pixels, name = read_upload(path, self.limits)
        visit.name, visit.places = name, tuple(self.studio.faces(pixels))
        if visit.places:
            return self.open_face(visit, 0)
        return self._open(visit, self.studio.open(pixels, name))

    def open_face(self, visit, number):
        """Begin with a face of the photograph that was uploaded last, by its number from 0 -> Shown."""
        if not 0 <= number < len(visit.places):
            raise InputError("no such face")
        place, name = visit.places[number], visit.name + (f"_{number + 1}" if len(visit.places) > 1 else "")
        picture = self.studio.open(photographs.cut(place, self.studio.generator.resolution), name)
        return self._open(visit, dataclasses.replace(picture, place=place), photographs.choice(visit.places, number))

    def open_sample(self, visit, name):
        """Begin with a sample -> Shown."""
        return self._open(visit, self._sample(name))

    def take(self, visit):
        """Begin with what was made of two pictures, or of a damaged one -> Shown."""
        if visit.made is None:
            raise InputError("there is nothing to take yet")
        return self._open(visit, visit.made)

    def _open(self, visit, picture, faces=""):
        visit.stopping = True       # a search for the picture before
        visit.change(lambda session: session.opened(picture))
        return dataclasses.replace(self.shown(visit, f"{picture.name}: {picture.origin}"), faces=faces)

    def _sample(self, name):
        if name not in self.samples:
            raise InputError("no such sample")
        return self.studio.open(self.samples[name], name)

    def shown(self, visit, text="", share=None):
        """The visitor's picture as it is edited -> Shown."""
        session = visit.session
        if session.picture is None:
            raise InputError("open a picture first, or choose a sample")
        edited = self.studio.edited(session.picture, session.edit)
        return Shown({"before": views.data_url(session.picture.pixels), "after": views.data_url(edited)},
                     views.measures(*self.studio.measures(session.picture, edited)), views.status(text, share))

    def refine(self, visit):
        """Optimise the code: yield Shown as it goes on. Where it is stopped, what it has reached is kept."""
        picture = self._picture(visit)
        visit.stopping = False
        for share, loss, found in self.studio.refine(picture):
            session = visit.change(lambda now, old=picture, new=found: now.recoded(new) if now.picture is old else now)
            if session.picture is not found:        # another one was opened meanwhile
                return
            picture, stopped = found, visit.stopping and share < 1
            text = f"stopped: {found.origin}" if stopped else found.origin if share == 1 else "refining"
            text += f", loss {loss:.4f}" if loss is not None else ""
            yield self.shown(visit, text, None if stopped else share)
            if stopped:
                return

    # ------------------------------------------------------------------------------------------ the edit

    def move(self, visit, values, first_layer, last_layer, noise_seed):
        """Take the edit from its controls -> Shown; None where nothing has changed.

        Args:
            values: deviations, in the order of the studio's directions.
            first_layer, last_layer, noise_seed: see `Edit`.
        """
        edit = Edit.of(dict(zip(self.studio.directions, values)), first_layer, last_layer, noise_seed or 0)
        before = visit.session
        if before.picture is None:
            return None
        after = visit.change(lambda session: session.moved(edit, time.monotonic()))
        return None if after is before else self.shown(visit)

    def undo(self, visit):
        """-> (values of the controls, Shown)"""
        return self._changed(visit, lambda session: session.undone())

    def redo(self, visit):
        """-> (values of the controls, Shown)"""
        return self._changed(visit, lambda session: session.redone())

    def reset(self, visit):
        """All controls as at the beginning -> (values of the controls, Shown)."""
        nothing = Edit.of({}, 0, self.studio.generator.num_layers - 1, 0)
        return self._changed(visit, lambda session: session.moved(nothing, time.monotonic()))

    def _changed(self, visit, change):
        return self.controls(visit.change(change).edit), self.shown(visit)

    def controls(self, edit):
        """Values of the controls at an Edit: those of the directions, the layers, the seed."""
        last = self.studio.generator.num_layers - 1 if edit.last_layer is None else edit.last_layer
        return [*(edit.deviations.get(name, 0.0) for name in self.studio.directions), edit.first_layer, last,
                edit.noise_seed]

    def keep(self, visit):
        """Write the files to download -> their paths."""
        return keeping.write(self.studio, self._picture(visit), visit.session.edit, visit.folder(), photographs.pasted)

    # ------------------------------------------------------------------------------------------ two pictures

    def second_upload(self, visit, path):
        """Take an uploaded file as the second picture -> figure."""
        visit.second = self.studio.open(*read_upload(path, self.limits))
        return self.second(visit)

    def second_sample(self, visit, name):
        """Take a sample as the second picture -> figure."""
        visit.second = self._sample(name)
        return self.second(visit)

    def second(self, visit):
        """Figure of the second picture."""
        return views.figure(visit.second and visit.second.pixels, "Second picture")

    def first(self, visit):
        """Figure of the visitor's picture as it is edited."""
        session = visit.session
        pixels = session.picture and self.studio.edited(session.picture, session.edit)
        return views.figure(pixels, "Your picture, as edited")

    def canvas(self, visit):
        """Value of a painter: the visitor's picture as it is edited."""
        picture = visit.session.picture
        return self._canvas(picture and self.studio.as_edited(picture, visit.session.edit))

    def opened(self, visit):
        """Value of a painter: the visitor's picture as it was opened."""
        return self._canvas(visit.session.picture)

    def _canvas(self, picture):
        if picture is None:
            return {}
        return {"picture": views.data_url(picture.pixels), "side": self.studio.generator.resolution, "painted": ""}

    def mix(self, visit, first_layer, last_layer):
        """-> figure"""
        content, style = self._both(visit)
        visit.made = combining.mixed(self.studio, content, style, first_layer, last_layer)
        return views.figure(visit.made.pixels, visit.made.origin)

    def interpolate(self, visit, count, kind):
        """-> (strip, animation); the picture in the middle can be taken."""
        source, target = self._both(visit)
        frames = combining.transition(self.studio, source, target, count)
        data = combining.animation(frames, kind)
        middle = dataclasses.replace(source, pixels=frames[len(frames) // 2],
                                     origin=f"between {source.name} and {target.name}")
        share = len(frames) // 2 / (len(frames) - 1)
        codes = ((1 - share) * source.codes + share * target.codes).astype(np.float32)
        visit.made = dataclasses.replace(middle, codes=codes, encoded=codes)
        return (views.strip(frames, f"{len(frames)} pictures from {source.name} to {target.name}"),
                views.moving(data, combining.ANIMATIONS[kind], "The transition, there and back"))

    def diffuse(self, visit, painted):
        """Diffuse the painted part into the second picture: yield (figure, status); what it reaches is kept."""
        target, context = self._both(visit)
        part = mask_of(painted, self.studio.generator.resolution)
        visit.stopping = False
        for share, loss, found in combining.diffused(self.studio, target, context, part):
            visit.made, stopped = found, visit.stopping and share < 1
            text = f"stopped: {found.origin}" if stopped else found.origin if share == 1 else "diffusing"
            yield views.figure(found.pixels, "Diffused"), views.status(text, None if stopped else share)
            if stopped:
                return

    def restore(self, visit, task, painted, factor, report):
        """Restore the visitor's picture as it was opened -> (figure of what was given, figure of what came out).

        Args:
            task: one of `combining.TASKS`.
            painted: the part to fill, as the painter gives it.
            factor: of enlarging; the picture is made smaller by it first.
            report: callable (share done, loss), called as it goes on.
        """
        picture = self._picture(visit)
        missing = mask_of(painted, self.studio.generator.resolution) if combining.TASKS[task] == "inpaint" else None
        visit.stopping = False

        def go_on(share, loss):
            if visit.stopping:
                raise Stopped()
            report(share, loss)

        with self.restoring:
            given, made = self.restorations(picture.pixels, combining.TASKS[task], missing, factor, go_on)
        restored = self.studio.open(made, f"{picture.name}_restored")
        visit.made = dataclasses.replace(restored, origin=f"{task.lower()}: restored, {restored.origin}")
        return views.figure(given, "What it starts from"), views.figure(made, "Restored")

    def _picture(self, visit):
        if visit.session.picture is None:
            raise InputError("open a picture first, on the tab Edit")
        return visit.session.picture

    def _both(self, visit):
        """The visitor's picture as it is edited, and the second one."""
        picture = self._picture(visit)
        if visit.second is None:
            raise InputError("choose a second picture")
        return self.studio.as_edited(picture, visit.session.edit), visit.second


def mask_of(painted, side):
    """bool [R, R] of what the painter gives: base64 of R * R bits, row by row, the first bit of a byte the highest.

    Raises:
        InputError: something else.
    """
    try:
        bits = np.unpackbits(np.frombuffer(base64.b64decode(painted or "", validate=True), np.uint8))
    except (binascii.Error, ValueError, TypeError):
        raise InputError("the painted part cannot be read") from None
    if not len(bits):
        return np.zeros([side, side], bool)
    if len(bits) < side * side or len(bits) >= side * side + 8:
        raise InputError(f"the painted part has {len(bits)} points, expected {side * side}")
    return bits[:side * side].reshape(side, side).astype(bool)
