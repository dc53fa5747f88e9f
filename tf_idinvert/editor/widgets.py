"""Parts of the page: an upload that leaves reading to us, the divider, the painter, samples; and the page's looks.

The divider and the painter are of our own, since Gradio's ImageSlider and ImageEditor cannot be worked by keyboard, and
write every picture to a file.
"""
from __future__ import annotations

import html
from pathlib import Path

import gradio as gr

from tf_idinvert.editor import views

FOLDER = Path(__file__).parent
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]      # named ones would be fetched
MONOSPACE = ["ui-monospace", "Consolas", "monospace"]


def upload(label):
    """A picture input: file, camera, or the clipboard. Its value is the path of the file as it was sent, which Gradio
    has not opened: `limits.read_upload` does. It must not be an output of events: Gradio would replace it.
    """
    component = gr.Image(label=label, type="filepath", sources=["upload", "webcam", "clipboard"], height=190,
                         buttons=[])
    component.preprocess = lambda payload: payload.path if payload is not None else None
    fetch = component.async_move_resource_to_block_cache

    async def refuse_addresses(path):
        if path and "://" in str(path):         # Gradio would fetch it
            raise gr.Error("expected an uploaded picture, not an address", print_exception=False)
        return await fetch(path)

    component.async_move_resource_to_block_cache = refuse_addresses
    return component


def clear_after(event, component):
    """Empty an `upload` in the browser once an event is over, so that the same file can be chosen again."""
    event.then(None, None, component, js="() => null", show_progress="hidden", api_visibility="private")


def divider():
    """The picture before and after, with a divider; its value is {'before': URL, 'after': URL}."""
    template = """<div class="divider"><div class="frame waiting">
        <div class="hint">Open a picture, or choose a sample.</div>
        <img class="before" alt="The picture before the edit"><img class="after" alt="The picture after the edit">
        <span class="line" aria-hidden="true"></span>
        <input type="range" min="0" max="100" value="50" aria-label="Divider: before on its left, after on its right">
        </div><div class="captions"><span>before</span><span>after</span></div></div>"""
    return gr.HTML({}, html_template=template, js_on_load=_script("divider"), apply_default_css=False)


def painter(label):
    """A picture to paint on; its value is {'picture': URL, 'side': R, 'painted': see `actions.mask_of`}."""
    name = html.escape(label)
    template = f"""<div class="painter waiting"><div class="frame"><img alt="">
        <canvas tabindex="0" role="application" aria-label="{name}: arrow keys move the brush, the space bar paints">
        </canvas></div><div class="tools"><label>Brush <input type="range" min="1" max="25" value="8"
        aria-label="Size of the brush: {name}"></label><button type="button">Clear</button></div></div>"""
    return gr.HTML({}, html_template=template, js_on_load=_script("painter"), apply_default_css=False)


def samples(pictures, label):
    """Buttons with pictures {name: uint8 [R, R, 3]}; a click's event data has the `name`."""
    name = html.escape(label)
    buttons = "".join(f'<button type="button" data-name="{html.escape(each)}" aria-label="{name}: {html.escape(each)}">'
                      f'<img src="{views.data_url(pixels)}" alt=""></button>' for each, pixels in pictures.items())
    return gr.HTML(html_template=f'<div class="samples" role="group" aria-label="{name}">{buttons}</div>',
                   js_on_load=_script("samples"), apply_default_css=False)


def faces():
    """A photograph with a button around every face, see `photographs.choice`; a click's event data has its number."""
    return gr.HTML("", js_on_load=_script("samples"), apply_default_css=False)


def theme():
    """Gradio's default theme with fonts of the system, and with colours whose contrast suffices."""
    return gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=MONOSPACE).set(
        button_primary_background_fill="*primary_700", button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800", button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white", slider_color="*primary_700", slider_color_dark="*primary_400",
        block_label_text_color="*neutral_700", block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_800", block_title_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300",
        color_accent="*primary_700", loader_color="*primary_700")


def style():
    """The page's CSS, as an element of its head: Gradio's `css` would not reach all of the page."""
    return f"<style>{(FOLDER / 'page.css').read_text(encoding='utf-8')}</style>"


def _script(name):
    return (FOLDER / f"{name}.js").read_text(encoding="utf-8")
