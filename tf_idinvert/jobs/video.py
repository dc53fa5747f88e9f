"""An attribute of a face in a video, changed: squares, codes, edited frames, and a video with the same sound.

Three passes over the clip, a frame in memory at a time: where the face is; its codes, each frame's search starting at
the codes of the frame before; the edit, pasted back. The first two leave their rows on the disk, so that a run that was
stopped goes on, with the same result.
"""
from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np

from tf_idinvert.alignment import pasting, track, warp
from tf_idinvert.alignment.quad import of_square
from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays, clips, digests, images, report, results
from tf_idinvert.files.progress import progress

SHOWN = 8           # frames in the page


@dataclasses.dataclass(frozen=True)
class VideoOptions:
    """What is done with a clip around the inversion."""

    keys: tuple                 # ((frame, distance), ...): the edit's distance, straight between them
    sigma: float = 2.0          # of the smoothing of squares, in frames
    face: int = 0               # which one of the first frame, the largest first
    mode: str = "difference"    # see `pasting.MODES`
    quality: int = 18           # see `clips.write`


class Rows:
    """Rows of numbers in a file that grows; `key` tells them from those of other clips and options."""

    def __init__(self, path, key, shape):
        self.path, self.shape = Path(path).with_name(f".{Path(path).name}-{digests.digest(key)}"), tuple(shape)
        self.bytes = 8 * int(np.prod(shape))
        self.path.touch()

    def __len__(self):
        return self.path.stat().st_size // self.bytes       # a row that was cut off does not count

    def __getitem__(self, i):
        with open(self.path, "rb") as file:
            file.seek(i * self.bytes)
            return np.frombuffer(file.read(self.bytes)).reshape(self.shape)

    def put(self, i, values):
        """Write row i, at most the one after the last."""
        with open(self.path, "r+b") as file:
            file.seek(i * self.bytes)
            file.write(np.ascontiguousarray(values, np.float64).tobytes())

    def all(self):
        return np.fromfile(self.path, count=len(self) * int(np.prod(self.shape))).reshape(-1, *self.shape)

    def finish(self, path):
        """Keep the rows as .npy, row by row."""
        done = []
        with arrays.filling(path, [len(self), *self.shape], done) as file:
            for i in range(len(self)):
                file.append(self[i])
                done.append(i)


class VideoEditor:
    """Edits clips into folders.

    Args:
        generator: Generator.
        first, following: `inversion.Inversion` of the first frame, and of the others, which start near their codes.
        direction: callable, (codes [1, L, D], distance) -> edited codes.
        find: callable, frame uint8 [H, W, 3] -> list of squares [4, 2], the largest first; None: frames are aligned.
        options: VideoOptions.
        log: logging.Logger.
        record: dict that goes into options.json; it tells a run from others.
        viz_size: see `report.write`.
    """

    def __init__(self, generator, first, following, direction, find, options, *, log, record, viz_size=256):
        self.generator, self.first, self.following, self.direction = generator, first, following, direction
        self.find, self.options, self.log, self.record, self.viz_size = find, options, log, record, viz_size

    def __call__(self, clip, folder, name):
        """Edit a Clip into an existing folder -> path of the video, FOLDER/NAME.mp4."""
        folder, began = Path(folder), time.time()
        if self.find is None and clip.width != clip.height:
            raise InputError(f"{clip.path}: frames of {clip.width}x{clip.height} pixels are no aligned squares")
        key = [digests.file_digest(clip.path), self.options.face, self.find is None]
        squares = Rows(folder / "squares", key, [4, 2])
        seen = [each for each in squares.all() if np.isfinite(each).all()][-1:]
        self._pass(clip, squares, "finding", lambda i, pixels: self._square(clip, seen, pixels))
        found = squares.all()
        if not len(found) or np.isnan(found).all():
            raise InputError(f"{clip.path}: {'no face was found in any frame' if len(found) else 'holds no frames'}")
        smoothed = track.smooth(found, self.options.sigma if self.find else 0)
        steady = {"before": track.jitter(found), "after": track.jitter(smoothed)}
        self.log.info("%d frames, face found in %d; it trembles by %.2f px, smoothed by %.2f px", len(found),
                      np.isfinite(found[:, 0, 0]).sum(), steady["before"], steady["after"])
        codes = Rows(folder / "codes", [key, self.options.sigma, self.record],
                     [self.generator.num_layers, self.generator.dlatent_size])
        self._pass(clip, codes, "inverting", lambda i, pixels: self._code(codes, smoothed, i, pixels), len(found))
        path, shown = folder / f"{name}.mp4", []
        with progress(len(found), "pasting", unit="frame", log=self.log) as bar:
            clips.write(path, self._edited(clip, smoothed, codes, bar, shown), clip.rate, clip.path,
                        self.options.quality)
        arrays.write(folder / "squares.npy", smoothed)
        codes.finish(folder / "codes.npy")
        seconds = time.time() - began
        results.write_options(folder / "options.json", {
            **self.record, "options": dataclasses.asdict(self.options), "frames": len(found), "seconds": seconds,
            "trembles": steady})
        self._write_page(folder / f"{name}.html", path, shown, steady)
        for old in [*folder.glob(".squares-*"), *folder.glob(".codes-*")]:
            old.unlink()
        self.log.info("%d frames in %.1f s, %.2f a second -> %s", len(found), seconds, len(found) / seconds, path)
        return path

    def _pass(self, clip, rows, what, work, count=None):
        """Fill the rows that are missing, one a frame."""
        with progress(count or clip.count or None, what, unit="frame", log=self.log) as bar:
            first = len(rows)
            bar.update(first)
            if count is None or first < count:
                for i, pixels in enumerate(clip.frames(first), start=first):
                    rows.put(i, work(i, pixels))
                    bar.update()

    def _square(self, clip, seen, pixels):
        """The face's square in a frame, NaN where it is not found; `seen`: the last one, if there is any, in a list."""
        if self.find is None:
            return of_square(0, 0, clip.width)
        found = track.nearest(self.find(pixels), seen[-1] if seen else None, self.options.face)
        if np.isfinite(found).all():
            seen[:] = [found]
        return found

    def _crop(self, square, pixels):
        return images.to_float(warp.crop(pixels, square, self.generator.resolution))[None]

    def _code(self, codes, smoothed, i, pixels):
        """Codes of frame i, from those of the frame before."""
        crop = self._crop(smoothed[i], pixels)
        if i == 0:
            return self.first(crop).codes[0]
        return self.following(crop, start=codes[i - 1][None].astype("float32")).codes[0]

    def _edited(self, clip, smoothed, codes, bar, shown):
        """Yield the edited frames."""
        frames, distances = zip(*self.options.keys)
        size, last = self.generator.resolution, len(smoothed) - 1
        mask = pasting.mask_of((), size) if self.find else np.ones([size, size], "float32")
        chosen = {round(last * k / (SHOWN - 1)) for k in range(SHOWN)}
        for i, pixels in enumerate(clip.frames()):
            code, distance = codes[i][None].astype("float32"), float(np.interp(i, frames, distances))
            before, edited = (np.clip(self.generator.synthesis(each)[0], -1, 1)
                              for each in (code, self.direction(code, distance)))
            frame = pasting.Frame(pixels)
            pasting.paste(frame, [pasting.Patch(smoothed[i], edited, mask, before)], self.options.mode)
            if i in chosen:
                shown.append([f"{i + 1}", distance, *map(images.to_uint8, (self._crop(smoothed[i], pixels)[0], before,
                                                                           edited)), frame.pixels()])
            bar.update()
            yield frame.pixels()

    def _write_page(self, path, video, shown, steady):
        rows = ([name, distance, *map(report.Picture, pictures)] for name, distance, *pictures in shown)
        report.write(path, "Video", ["Frame", "Distance", "Crop", "Inverted", "Edited", "Result"], rows, summary={
            "Video": video.name, "Trembling of the square, pixels": steady["before"], "Smoothed": steady["after"]},
            viz_size=self.viz_size)
