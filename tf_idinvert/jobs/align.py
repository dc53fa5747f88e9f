"""From photographs to a folder of aligned squares, and the record that says where they were."""
from __future__ import annotations

import collections
import dataclasses
from pathlib import Path

from tf_idinvert.alignment import finding, quad, record, warp
from tf_idinvert.errors import InputError
from tf_idinvert.files import digests, images
from tf_idinvert.files.photographs import Photograph
from tf_idinvert.files.progress import progress
from tf_idinvert.jobs.batches import to_the_end


@dataclasses.dataclass(frozen=True)
class Framing:
    """How faces are framed.

    Attributes:
        side: of the crops, in pixels.
        domain: 'faces', or a name of the template.
        template: None for FFHQ's framing; else `quad.Template`.
    """

    side: int = 256
    domain: str = "faces"
    template: quad.Template | None = None

    def quad_of(self, found):
        """The square of a `finding.Found`."""
        if self.template is None:
            return quad.ffhq(found.five)
        return self.template.quad(found.five if found.points is None else found.points)


class Aligner:
    """Cuts the faces out of photographs.

    Args:
        find: function (path, pixels uint8 [H, W, 3]) -> list of `finding.Found`, the largest first.
        framing: Framing.
        log: logging.Logger.
        which: 'all', 'largest', or the number of a face.
    """

    def __init__(self, find, framing, log, which="all"):
        self.find, self.framing, self.log, self.which = find, framing, log, which

    def __call__(self, listing, folder):
        """Align a listing of (name, path) into a folder -> (list of (name, path) of the crops, photographs refused).

        A photograph that cannot be read, or in which no face is found, is named and left out.
        """
        folder, faces, refused = Path(folder), [], collections.Counter()
        self.taken = {name for name, _ in listing}      # no other photograph's crop is called so
        folder.mkdir(parents=True, exist_ok=True)

        def align_all():
            with progress(len(listing), "alignment", log=self.log) as bar:
                for name, path in listing:
                    try:
                        faces.extend(self._align(name, path, folder))
                    except InputError as error:
                        refused[path] += 1
                        self.log.error("skipped: %s", error)
                    bar.update(1)

        to_the_end(align_all, lambda: faces and record.write(folder, faces))
        self.log.info("%d %s in %d of %d photographs -> %s", len(faces), "face" if len(faces) == 1 else "faces",
                      len(listing) - len(refused), len(listing), folder / record.NAME if faces else folder)
        return [(face.name, folder / f"{face.name}.png") for face in faces], len(refused)

    def _align(self, name, path, folder):
        """Write the crops of a photograph -> their record."""
        photograph = Photograph(path)
        pixels = photograph.visible()
        found = self.find(path, pixels)
        if not found:
            raise InputError(f"{path}: no face found")
        try:
            found = list(enumerate(found, start=1)) if self.which == "all" else [
                (1 if self.which == "largest" else int(self.which), each) for each in finding.taken(found, self.which)]
            alone = len(found) == 1 and (folder / f"{name}.png").resolve() != Path(path).resolve()
            names = [name if alone else self._free(f"{name}_face{number}") for number, _ in found]
            digest = digests.file_digest(path)
            made = [self._crop(called, path, digest, number, len(found), photograph, pixels, each)
                    for called, (number, each) in zip(names, found)]
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        for face, crop in made:
            images.save(folder / f"{face.name}.png", crop)
            self.log.info("%s: a square of %.0f pixels, turned by %.0f degrees%s", face.name, quad.side(face.quad),
                          quad.angle(face.quad), f", confidence {record.share(face.confidence)}"
                          if face.confidence is not None else "")
        return [face for face, _ in made]

    def _free(self, name):
        """A name that no other crop has."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _crop(self, name, path, digest, number, count, photograph, pixels, found):
        where = self.framing.quad_of(found)
        crop = warp.crop(pixels, where, self.framing.side)
        return record.Face(name, str(Path(path).resolve()), digest, photograph.size, number, count,
                           where, found.five, found.outline, found.score, self.framing.side, photograph.orientation,
                           self.framing.domain), crop
