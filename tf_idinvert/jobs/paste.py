"""Edited crops back into their photographs: a folder of results with a record becomes a folder of photographs."""
from __future__ import annotations

import collections
import dataclasses
from pathlib import Path

import numpy as np

from tf_idinvert.alignment import pasting, quad, record
from tf_idinvert.errors import InputError
from tf_idinvert.files import finding, images, results
from tf_idinvert.files.paths import missing
from tf_idinvert.files.photographs import Photograph
from tf_idinvert.files.progress import progress


@dataclasses.dataclass(frozen=True)
class PasteOptions:
    """How crops are pasted.

    Attributes:
        mode: 'difference', 'replace', or None: the former where the pictures before the edit are known.
        mask: None: around the face; else uint8 [H, W], white where the edit is seen, in the crop's frame.
        grow, feather: see `pasting.mask_of`.
        suffix: of the files; None: the photograph's.
    """

    mode: str | None = None
    mask: np.ndarray | None = None
    grow: float = pasting.GROW
    feather: float = pasting.FEATHER
    suffix: str | None = None


def results_of(folder, given=None):
    """Faces and edits of a folder of results: those of its record; with the record `given`, the pictures of the folder
    that begin with a face's name.

    Raises:
        InputError: there is no record, or nothing that was made of its faces.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: {missing(folder, 'no such folder') if not folder.exists() else 'not a folder'}, "
                         "expected results of photographs that were aligned")
    if given is None and record.path_in(folder) is None:
        raise InputError(f"{folder}: holds no {record.NAME}; expected results of photographs that were aligned, or the "
                         "record of --record")
    faces, edits = record.read(given or folder)
    if given is not None:
        edits = list(_by_name(folder, faces))
    if not edits:
        raise InputError(f"{folder}: nothing in it was made of the faces of {given or record.NAME}")
    return faces, edits


def _by_name(folder, faces):
    """Edits by file names: NAME.png, or NAME_VARIANT.png, of the longest name that fits."""
    for _, path in finding.listing([folder]):
        names = [name for name in faces if path.stem == name or path.stem.startswith(f"{name}_")]
        if names:
            face = max(names, key=len)
            yield record.Edit(path.name, face, path.stem[len(face) + 1:] or "edited")


class Paster:
    """Pastes the results of a folder.

    Args:
        options: PasteOptions.
        log: logging.Logger.
        photographs: folders in which photographs are looked for that are not where the record says.
    """

    def __init__(self, options, log, photographs=()):
        self.options, self.log, self.photographs = options, log, photographs

    def __call__(self, folder, target, given=None):
        """Paste -> (photographs written, those refused); a photograph and its variant is one, with all its faces.

        Args:
            folder: of results.
            target: folder to write to.
            given: path of a record, where the folder has none.
        """
        folder, target, done, refused = Path(folder), Path(target), [], 0
        faces, edits = results_of(folder, given)
        groups = collections.defaultdict(list)
        for edit in edits:
            if edit.face not in faces:
                raise InputError(f"{folder}: {edit.file} is of the face {edit.face!r}, of which the record knows "
                                 f"nothing")
            groups[faces[edit.face].photograph, edit.variant].append((faces[edit.face], edit))
        names = dict(zip(groups, finding.unique([finding.clean(Path(f"{Path(path).stem}_{variant}.x"))
                                                for path, variant in groups])))
        target.mkdir(parents=True, exist_ok=True)
        with progress(len(groups), "pasting", log=self.log) as bar:
            for key, group in groups.items():
                try:
                    done.append(self._paste(folder, group, target / names[key]).name)
                except InputError as error:
                    refused += 1
                    self.log.error("skipped: %s", error)
                bar.update(1)
        results.write_options(target / results.PASTED, {"pictures": done})
        self.log.info("%d of %d photographs written -> %s", len(done), len(done) + refused, target)
        return len(done), refused

    def _paste(self, folder, group, base):
        """Write a photograph with the edits of a group -> its path."""
        path = record.photograph_of(group[0][0], self.photographs)
        photograph = Photograph(path)
        mode = self.options.mode or ("difference" if all(edit.before for _, edit in group) else "replace")
        for face, edit in group:
            if photograph.size != face.size:
                raise InputError(f"{path}: of {photograph.size[0]}x{photograph.size[1]} pixels, the record has "
                                 f"{face.size[0]}x{face.size[1]}")
            pasting.paste(photograph, [self._patch(folder, face, edit, mode)], mode)
        target = Path(f"{base}{self.options.suffix or photograph.suffix}")
        if target.resolve() == path.resolve():
            raise InputError(f"{target}: is the photograph itself; choose another folder with -o")
        photograph.save(target)
        for note in [photograph.note] * bool(photograph.note and photograph.changed) + \
                ["nothing was edited: it is the photograph as it was"] * (not photograph.changed):
            self.log.info("%s: %s", target, note)
        return target

    def _patch(self, folder, face, edit, mode):
        edited = images.to_float(images.read(folder / edit.file))
        side = len(edited)
        if edited.shape[1] != side:
            raise InputError(f"{folder / edit.file}: of {edited.shape[1]}x{side} pixels, expected a square")
        before = None
        if mode == "difference":
            if edit.before is None:
                raise InputError(f"{folder / edit.file}: the picture before the edit is not known: --mode replace puts "
                                 "the picture itself in")
            before = images.to_float(images.read(folder / edit.before))
            if before.shape != edited.shape:
                raise InputError(f"{folder / edit.before}: is not of the size of {edit.file}")
        return pasting.Patch(face.quad, edited, self._mask(face, side), before)

    def _mask(self, face, side):
        if self.options.mask is not None:
            given = images.fit(np.repeat(self.options.mask[:, :, None], 3, axis=2), side)[0]
            return given[:, :, 0].astype(np.float32) / 255
        outline = quad.to_crop(face.outline, face.quad) if len(face.outline) else []
        return pasting.mask_of(outline, side, self.options.grow, self.options.feather)
