"""The editor's networks, compiled once for all visitors: encode, draw, measure, search.

Rows of several visitors that wait are computed together, and each has the bits that it would have alone (see `apart`).
"""
from __future__ import annotations

import dataclasses

import numpy as np

from tf_idinvert.boundaries import Boundary
from tf_idinvert.codes import random_codes
from tf_idinvert.editor import drawing
from tf_idinvert.editor.limits import Together
from tf_idinvert.editor.recipe import Move, Recipe, moved
from tf_idinvert.editor.session import Picture
from tf_idinvert.errors import InputError
from tf_idinvert.files import digests, images
from tf_idinvert.inversion import Inversion, InversionOptions

SAMPLES = 1000          # codes whose spread is a direction's standard deviation


@dataclasses.dataclass(frozen=True)
class Direction:
    """A direction of W+ that a slider moves along."""

    name: str
    group: str              # under which heading
    boundary: Boundary      # for this network
    deviation: float        # distance of one standard deviation of W


def directions(groups, generator):
    """Directions of a network, as Directions.

    Args:
        groups: {heading: {name: Boundary}}.
        generator: Generator.
    Raises:
        InputError: one that is for another network; two of one name.
    """
    codes, found = random_codes(generator, 0, 0, SAMPLES), {}
    for group, members in groups.items():
        for name, boundary in members.items():
            if name in found:
                raise InputError(f"{name}: two directions have this name")
            try:
                boundary = boundary.for_network(generator.num_layers, generator.dlatent_size)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
            found[name] = Direction(name, group, boundary, boundary.deviation(codes))
    return tuple(found.values())


class Studio:
    """What can be done with pictures; it keeps nothing of anybody's.

    Args:
        models: Models with a generator and an encoder.
        model: (name of their file, its SHA-256), for recipes.
        directions: Directions.
        features: F of the inversion, or None; see `inversion.Inversion`.
        faces: callable, photograph uint8 [H, W, 3] -> Places of its faces, the largest first; by default none.
        identity: callable, pictures [N, R, R, 3] in [-1, 1] -> what tells persons apart [N, E]; None: not measured.
        options: InversionOptions of refining.
    """

    def __init__(self, models, model, directions, *, features=None, faces=lambda pixels: (),
                 identity=None, options=InversionOptions()):
        self.models, self.model, self.generator = models, model, models.generator
        self.directions = {each.name: each for each in directions}
        self.faces = faces
        self.features, self.code_shape = features, (self.generator.num_layers, self.generator.dlatent_size)
        self.inversion = Inversion(synthesis=models.generator.synthesis, encoder=models.encoder, features=features,
                                   options=options)
        self.encode = Together(drawing.of_rows(models.encoder), drawing.TOGETHER)
        self.draw = Together(drawing.drawer(models.generator.synthesis), drawing.TOGETHER)
        self.identity = Together(drawing.of_rows(identity), drawing.TOGETHER) if identity is not None else None

    def open(self, pixels, name):
        """The Picture of pixels uint8 [H, W, 3], with the encoder's code."""
        pixels, note = images.fit(pixels, self.generator.resolution)
        codes = self.encode(images.to_float(pixels))
        return Picture(name, pixels, codes, codes, f"encoder{', ' + note if note else ''}")

    def moves(self, edit):
        """The Moves of an Edit, in the order of the directions."""
        for name, direction in self.directions.items():
            deviations = edit.deviations.get(name, 0.0)
            if deviations:
                layers = edit.layers(direction.boundary.layers, self.generator.num_layers)
                yield Move(name, deviations, deviations * direction.deviation, direction.boundary.normal, layers)

    def recipe(self, picture, edit, pixels):
        """The Recipe of an edited picture, of which `pixels` came out."""
        return Recipe(*self.model, picture.name, picture.origin, picture.codes[None], tuple(self.moves(edit)),
                      edit.noise_seed, digests.array_digest(pixels))

    def edited(self, picture, edit):
        """The picture as it is edited, uint8 [R, R, 3]."""
        return self.draw((moved(picture.codes[None], self.moves(edit))[0], edit.noise_seed))

    def as_edited(self, picture, edit):
        """The Picture that an edited picture is; the same where there is no edit."""
        moves = tuple(self.moves(edit))
        if not moves:
            return picture
        codes = moved(picture.codes[None], moves)[0]
        return Picture(picture.name, self.draw((codes, edit.noise_seed)), codes, codes, f"{picture.origin}, edited")

    def measures(self, picture, pixels):
        """(MSE on the scale of [-1, 1]; cosine of the identities, or None) of a picture and what was made of it."""
        before, after = images.to_float(picture.pixels), images.to_float(pixels)
        same = None
        if self.identity is not None:
            a, b = self.identity(before), self.identity(after)
            same = float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))
        return float(np.mean(np.square(after - before))), same

    def refine(self, picture):
        """Search for a better code, from the one that there is: yield (share done, loss, Picture) as it goes."""
        options, made = self.inversion.options, 0
        for reached in self.inversion.walk(images.to_float(picture.pixels)[None], picture.codes[None]):
            made = reached.step
            loss = float(reached.losses[-1, -1, 0]) if len(reached.losses) else None
            yield made / max(options.steps, 1), loss, dataclasses.replace(
                picture, codes=reached.codes.numpy()[0],
                origin=f"{picture.origin}, {made} steps of {options.optimizer}" if made else picture.origin)

    def warm_up(self):
        """Compile what every visitor would have to wait for: one row, and several."""
        side = self.generator.resolution
        picture = self.open(np.zeros([side, side, 3], np.uint8), "")
        for count in (1, 2):
            self.encode.function([images.to_float(picture.pixels)] * count)
            drawn = self.draw.function([(picture.codes, 0)] * count)
            if self.identity is not None:
                self.identity.function([images.to_float(drawn[0])] * count)


    def warm_up_search(self):
        """Compile the searches, which takes longer; visitors who ask for one before that is done wait for it."""
        side = self.generator.resolution
        pixels, codes = np.zeros([1, side, side, 3], np.float32), np.zeros([1, *self.code_shape], np.float32)
        for mask in (None, np.ones([1, side, side, 1], np.float32)):
            search = self.inversion.walk(pixels, codes, mask)
            next(search)
            next(search, None)
