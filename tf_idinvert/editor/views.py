"""What the page shows, as HTML and as values of its widgets. Pictures are data URLs: no visitor's picture is a file.

Every text that comes from outside is escaped.
"""
from __future__ import annotations

import base64
import html
import io

from PIL import Image


def data_url(pixels):
    """A picture uint8 [H, W, 3] as the URL of a PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)     # a level more costs more time than it saves
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def figure(pixels, caption):
    """A picture uint8 [H, W, 3] with its caption; None: a frame that waits for one."""
    caption = html.escape(caption)
    shown = '<div class="empty">–</div>' if pixels is None else f'<img src="{data_url(pixels)}" alt="{caption}">'
    return f'<figure class="figure">{shown}<figcaption>{caption}</figcaption></figure>'


def strip(frames, caption):
    """Pictures uint8 [N, R, R, 3] in a row that scrolls."""
    images = "".join(f'<img src="{data_url(frame)}" alt="">' for frame in frames)
    return (f'<figure class="strip"><div tabindex="0" role="img" aria-label="{html.escape(caption)}">{images}</div>'
            f'<figcaption>{html.escape(caption)}</figcaption></figure>')


def moving(data, kind, caption):
    """An animation, bytes of a file of this kind, 'gif' or 'webp', and a link to keep it."""
    url, caption = f"data:image/{kind};base64,{base64.b64encode(data).decode()}", html.escape(caption)
    return (f'<figure class="figure"><img src="{url}" alt="{caption}"><figcaption>'
            f'<a download="interpolation.{kind}" href="{url}">Save the {kind.upper()}</a></figcaption></figure>')


def status(text, share=None):
    """A line that screen readers speak, and a bar while a share in [0, 1) is done."""
    bar = ""
    if share is not None and share < 1:
        bar = f'<progress max="100" value="{100 * share:.0f}" aria-label="Progress"></progress>'
    return f'<div role="status" class="status">{bar}<span>{html.escape(text)}</span></div>'


def error(text):
    """A line that says what was wrong."""
    return f'<div role="alert" class="status error"><strong>Sorry:</strong> {html.escape(text)}</div>'


def measures(mse, identity):
    """How far the edited picture is from the original; `identity` None: not measured."""
    same = "–" if identity is None else f"{identity:.3f}"
    return (f'<dl class="measures"><div><dt>MSE to the original</dt><dd>{mse:.4f}</dd></div>'
            f'<div><dt>Identity (cosine)</dt><dd>{same}</dd></div></dl>')
