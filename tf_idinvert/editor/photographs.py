"""Faces of a photograph: shown to choose from, cut out as the network wants them, and pasted back after the edit."""
from __future__ import annotations

import html

import numpy as np

from tf_idinvert.alignment import pasting, quad, warp
from tf_idinvert.editor import views
from tf_idinvert.files import images

SHOWN = 480             # pixels, the longer side of the photograph on the page


def cut(place, resolution):
    """The picture of a Place, uint8 [R, R, 3]; InputError where its quad cannot be used."""
    return warp.crop(place.photograph, place.quad, resolution)


def pasted(place, before, edited):
    """The photograph with an edit in it, uint8 [H, W, 3]: what the edit changes is added, softly, around the face.

    Args:
        place: Place.
        before: uint8 [R, R, 3], the network's picture without the edit.
        edited: uint8 [R, R, 3].
    """
    outline = quad.to_crop(place.outline, place.quad) if len(place.outline) else place.outline
    patch = pasting.Patch(place.quad, images.to_float(edited), pasting.mask_of(outline, len(edited)),
                          images.to_float(before))
    photograph = pasting.Frame(place.photograph)
    pasting.paste(photograph, [patch])
    return photograph.pixels()


def choice(places, chosen):
    """HTML of a photograph with a button around every face; a click's event data has the place's number as `name`.

    Args:
        places: Places of one photograph.
        chosen: number of the one that is open, from 0.
    """
    if not places:
        return ""
    photograph = places[0].photograph
    height, width = photograph.shape[:2]
    step = max(-(-max(height, width) // SHOWN), 1)
    buttons = []
    for i, place in enumerate(places):
        low, high = (np.clip(ends / (width, height), 0, 1) * 100
                     for ends in (place.quad.min(axis=0), place.quad.max(axis=0)))
        style = (f"left:{low[0]:.2f}%;top:{low[1]:.2f}%;width:{high[0] - low[0]:.2f}%;"
                 f"height:{high[1] - low[1]:.2f}%")
        buttons.append(f'<button type="button" data-name="{i}" style="{html.escape(style)}" aria-label="Face {i + 1} '
                       f'of {len(places)}" aria-pressed="{str(i == chosen).lower()}"></button>')
    return (f'<div class="faces" role="group" aria-label="Faces of the photograph"><img alt="Your photograph" '
            f'src="{views.data_url(photograph[::step, ::step])}">{"".join(buttons)}</div>')
