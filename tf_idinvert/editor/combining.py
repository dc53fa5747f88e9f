"""What is made of two pictures, or of a damaged one: mixtures, transitions, diffusion, restoration.

Whatever has one code becomes a Picture, which can be edited further.
"""
from __future__ import annotations

import dataclasses
import functools
import io

import numpy as np
import tensorflow as tf
from PIL import Image

from tf_idinvert import editing
from tf_idinvert.editor.session import Picture
from tf_idinvert.errors import InputError
from tf_idinvert.files import images
from tf_idinvert.restoration import degradations, tasks
from tf_idinvert.restoration.multi_code import MultiCode, MultiCodeOptions

ANIMATIONS = {"GIF": "gif", "WebP": "webp"}
FRAME_MILLISECONDS = 80
TASKS = {"Fill what is painted": "inpaint", "Colourise": "colorize", "Enlarge": "super-resolve"}
COMPOSING_LAYERS = {"inpaint": 4}       # of `cli.restore`; else 6


def mixed(studio, content, style, first_layer, last_layer):
    """The Picture of `content` whose layers of that range come from `style` (both Pictures)."""
    first, last = sorted((int(first_layer), int(last_layer)))
    codes = editing.mix_styles(content.codes[None], style.codes[None], range(first, last + 1))[0]
    pixels = studio.draw((codes, 0))
    return Picture(f"{style.name}_STYLIZE_{content.name}"[:100], pixels, codes, codes,
                   f"layers {first} to {last} of {style.name} in {content.name}")


def transition(studio, source, target, count):
    """Pictures between two Pictures, both included: uint8 [count, R, R, 3]."""
    codes = editing.interpolate(source.codes[None], target.codes[None], int(count))[0]
    return np.stack([studio.draw((code, 0)) for code in codes])


def animation(frames, kind):
    """Bytes of an animation there and back without end; `kind` is one of ANIMATIONS, frames are uint8 [N, R, R, 3]."""
    pictures = [Image.fromarray(frame) for frame in [*frames, *frames[-2:0:-1]]]
    file = io.BytesIO()
    pictures[0].save(file, kind, save_all=True, append_images=pictures[1:], duration=FRAME_MILLISECONDS, loop=0,
                     **({"lossless": True} if kind == "WebP" else {}))
    return file.getvalue()


def stitched(target, context, part):
    """Pixels of `context` with the part [R, R] (bool) of `target`, both Pictures."""
    if not part.any():
        raise InputError("paint the part of your picture that is to be put into the other")
    return np.where(part[:, :, None], target.pixels, context.pixels)


def diffused(studio, target, context, part):
    """Semantic diffusion (Zhu et al. 2020, section 3.4): yield (share done, loss, Picture) as the search goes on.

    Args:
        studio: Studio.
        target, context: Pictures.
        part: bool [R, R], the part of `target` that `context` gets.
    """
    pixels, options = stitched(target, context, part), studio.inversion.options
    mask = part[None, :, :, None].astype(np.float32)
    encoded = studio.encode(images.to_float(pixels))
    for reached in studio.inversion.walk(images.to_float(pixels)[None], encoded[None], mask):
        codes = reached.codes.numpy()[0]
        loss = float(reached.losses[-1, -1, 0]) if len(reached.losses) else None
        yield reached.step / max(options.steps, 1), loss, Picture(
            f"{target.name}_TO_{context.name}"[:100], studio.draw((codes, 0)), encoded, codes,
            f"part of {target.name} diffused into {context.name}, {reached.step} steps of {options.optimizer}")


class Painted(degradations.Mask):
    """A missing part that is painted anew for each search: a variable, so that nothing is compiled again."""

    def __init__(self, resolution):
        self.resolution, self.known = resolution, tf.Variable(tf.ones([1, resolution, resolution, 1]))
        self.missing = degradations.MISSING

    def paint(self, missing):
        """Take this part [R, R] (bool) as missing -> the degradation of this part alone."""
        if not missing.any():
            raise InputError("paint the part that is to be filled")
        fixed = degradations.Mask(~missing)
        self.known.assign(fixed.known)
        return fixed


class Restorations:
    """Restores pictures by multi-code inversion; compiled for each task when it is first asked for, not thread-safe.

    Args:
        studio: Studio.
        options: MultiCodeOptions; the composing layer is the task's.
    """

    def __init__(self, studio, options=MultiCodeOptions(codes=8, steps=60)):
        self.studio, self.options = studio, options
        self.search = functools.lru_cache(maxsize=8)(self._search)

    def __call__(self, pixels, task, missing, factor, progress):
        """Restore a picture.

        Args:
            pixels: uint8 [H, W, 3]; of 'super-resolve' the small picture, of any size.
            task: one of the values of TASKS.
            missing: bool [R, R], for 'inpaint'.
            factor: of 'super-resolve'.
            progress: callable (share done, loss); what it raises ends the search.
        Returns:
            uint8 [R, R, 3] twice: what was given, at full size; and the restored picture, with what is known in it.
        """
        side = self.studio.generator.resolution
        search = self.search(task, int(factor))
        degrade = search.degrade.paint(missing) if task == "inpaint" else search.degrade
        small = side // int(factor) if task == "super-resolve" else side
        given = images.to_float(images.fit(pixels, small)[0])[None]
        observed = np.asarray(given if task == "super-resolve" else degrade(given))
        plain = np.asarray(degrade.plain(observed), "float32")
        start = tasks.start_codes(self.studio.generator, self.studio.models.encoder, plain, self.options.codes, 0)
        found = np.clip(search(observed, start, progress=progress).images, -1, 1)
        made = np.clip(np.asarray(degrade.composite(found, observed), "float32"), -1, 1)
        return images.to_uint8(np.clip(plain, -1, 1))[0], images.to_uint8(made)[0]

    def _search(self, task, factor):
        side = self.studio.generator.resolution
        degrade = Painted(side) if task == "inpaint" else tasks.degradation(task, side, factor=factor)
        options = dataclasses.replace(self.options, layer=COMPOSING_LAYERS.get(task, 6))
        return MultiCode(synthesis=self.studio.generator.synthesis, degrade=degrade, encoder=self.studio.models.encoder,
                         features=self.studio.features, options=options)
