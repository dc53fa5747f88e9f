"""The other tabs of the page: mix, interpolate, diffuse, restore. What they make can be taken into the tab Edit."""
from __future__ import annotations

import functools

import gradio as gr

from tf_idinvert.editor import combining, views, widgets
from tf_idinvert.editor.limits import Stopped
from tf_idinvert.errors import InputError

FRAMES = (3, 25, 9)     # of a transition: fewest, most, default
FACTORS = (2, 4, 8)
quietly = functools.partial(dict, show_progress="hidden", api_visibility="private")


def add(actions, visits, edit):
    """Add the tabs; called between the tabs of the page.

    Args:
        actions: Actions.
        visits: Visits.
        edit: `page.Edit`, into which pictures are taken.
    """
    for title, lay_out in (("Mix", mix), ("Interpolate", interpolate), ("Diffuse", diffuse)):
        with gr.Tab(title) as tab:
            lay_out(_Two(actions, visits, tab), edit)
    with gr.Tab("Restore") as tab:
        restore(actions, visits, tab, edit)


class _Two:
    """The upper part of a tab that works with two pictures, and the line of status below it."""

    def __init__(self, actions, visits, tab):
        self.actions, self.visits, self.tab = actions, visits, tab
        with gr.Row():
            with gr.Column(min_width=220):
                self.first = gr.HTML(views.figure(None, "Your picture, as edited"), apply_default_css=False)
            with gr.Column(min_width=220):
                self.second = gr.HTML(views.figure(None, "Second picture"), apply_default_css=False)
            with gr.Column(min_width=260):
                self.upload = widgets.upload("Second picture")
                self.samples = widgets.samples(actions.samples, "Second picture, sample")
        self.status = gr.HTML(views.status(""), apply_default_css=False)
        self._listen()

    def _listen(self):
        actions, visits = self.actions, self.visits

        def pictures(request: gr.Request):
            visit = visits.of(request.session_hash)
            return {self.first: actions.first(visit), self.second: actions.second(visit)}

        def open_upload(path, request: gr.Request):
            if not path:
                return gr.skip()
            return self.told(lambda: {self.second: actions.second_upload(visits.of(request.session_hash), path)})

        def open_sample(event: gr.EventData, request: gr.Request):
            return self.told(lambda: {
                self.second: actions.second_sample(visits.of(request.session_hash), str(event.name))})

        self.tab.select(pictures, None, [self.first, self.second], **quietly())
        opened = self.upload.change(open_upload, self.upload, [self.second, self.status], **quietly())
        widgets.clear_after(opened, self.upload)
        self.samples.click(open_sample, None, [self.second, self.status], **quietly())

    def told(self, action):
        """The updates that `action` returns, and an empty line of status; or what was wrong."""
        return told(self.status, action)


def told(status, action):
    """The updates that `action` returns, and an empty line in `status`; or what was wrong, there."""
    try:
        return {status: views.status(""), **action()}
    except InputError as error:
        return {status: views.error(str(error))}


def _taking(actions, visits, edit, status):
    """The button that takes what was made into the tab Edit."""
    def take(request: gr.Request):
        visit = visits.of(request.session_hash)
        updates = edit.show(lambda: actions.take(visit))
        return {**updates, status: updates[edit.status]}

    button = gr.Button("Take it into Edit", min_width=120)
    button.click(take, None, [*edit.outputs, status], **quietly())


def mix(two, edit):
    """Style mixing: layers of the second picture in the first."""
    actions, visits, last = two.actions, two.visits, two.actions.studio.generator.num_layers - 1
    with gr.Row():
        first = gr.Slider(0, last, last // 2 + 1, step=1, label="First layer of the second picture")
        end = gr.Slider(0, last, last, step=1, label="Last layer of the second picture")
    with gr.Row():
        button = gr.Button("Mix", variant="primary", min_width=120)
        _taking(actions, visits, edit, two.status)
    result = gr.HTML(views.figure(None, "Mixed"), apply_default_css=False)

    def run(first, end, request: gr.Request):
        return two.told(lambda: {result: actions.mix(visits.of(request.session_hash), first, end)})

    button.click(run, [first, end], [result, two.status], concurrency_id="draw", **quietly())


def interpolate(two, edit):
    """The line between two codes, as a strip and as an animation."""
    actions, visits = two.actions, two.visits
    fewest, most, usual = FRAMES
    with gr.Row():
        count = gr.Slider(fewest, most, usual, step=1, label="Pictures")
        kind = gr.Radio(list(combining.ANIMATIONS), value="GIF", label="Animation")
    with gr.Row():
        button = gr.Button("Interpolate", variant="primary", min_width=120)
        _taking(actions, visits, edit, two.status)
    strip = gr.HTML("", apply_default_css=False)
    moving = gr.HTML("", apply_default_css=False)

    def run(count, kind, request: gr.Request):
        def made():
            return dict(zip((strip, moving), actions.interpolate(visits.of(request.session_hash), count, kind)))

        return two.told(made)

    button.click(run, [count, kind], [strip, moving, two.status], concurrency_id="draw", **quietly())


def diffuse(two, edit):
    """Semantic diffusion of a painted part into the second picture."""
    actions, visits = two.actions, two.visits
    with gr.Row():
        with gr.Column(min_width=260):
            gr.Markdown("Paint what the second picture is to get:")
            painter = widgets.painter("Part of your picture")
        with gr.Column(min_width=260):
            result = gr.HTML(views.figure(None, "Diffused"), apply_default_css=False)
    with gr.Row():
        button = gr.Button("Diffuse", variant="primary", min_width=120)
        stop = gr.Button("Stop", min_width=80)
        _taking(actions, visits, edit, two.status)

    def run(painted, request: gr.Request):
        try:
            for figure, status in actions.diffuse(visits.of(request.session_hash), (painted or {}).get("painted")):
                yield {result: figure, two.status: status}
        except InputError as error:
            yield {two.status: views.error(str(error))}

    two.tab.select(_canvas(actions.canvas, visits), None, painter, **quietly())
    button.click(run, painter, [result, two.status], concurrency_id="search",
                 concurrency_limit=actions.limits.searches, **quietly())
    stop.click(_stopping(visits), None, None, **quietly())


def restore(actions, visits, tab, edit):
    """Fill a painted part, colourise, enlarge."""
    with gr.Row():
        with gr.Column(min_width=260):
            gr.Markdown("Your picture, as it was opened. To fill a part, paint it:")
            painter = widgets.painter("Missing part")
        with gr.Column(min_width=260):
            task = gr.Radio(list(combining.TASKS), value=list(combining.TASKS)[0], label="Task")
            factor = gr.Radio([str(each) for each in FACTORS], value=str(FACTORS[1]), label="Enlarge by",
                              info="The picture is made smaller by it first.")
    with gr.Row():
        button = gr.Button("Restore", variant="primary", min_width=120)
        stop = gr.Button("Stop", min_width=80)
        status = gr.HTML(views.status(""), apply_default_css=False)
        _taking(actions, visits, edit, status)
    with gr.Row():
        given = gr.HTML(views.figure(None, "What it starts from"), apply_default_css=False)
        made = gr.HTML(views.figure(None, "Restored"), apply_default_css=False)

    def run(task, painted, factor, request: gr.Request, progress=gr.Progress()):
        def restored():
            figures = actions.restore(visits.of(request.session_hash), task, (painted or {}).get("painted"), factor,
                                      lambda share, loss: progress(share, f"loss {loss:.4f}"))
            return dict(zip((given, made), figures))

        try:
            return told(status, restored)
        except Stopped:
            return {status: views.status("stopped; a restoration has no result before its end")}

    tab.select(_canvas(actions.opened, visits), None, painter, **quietly())
    button.click(run, [task, painter, factor], [given, made, status], concurrency_id="search",
                 concurrency_limit=actions.limits.searches, show_progress="minimal", show_progress_on=status,
                 api_visibility="private")
    stop.click(_stopping(visits), None, None, **quietly())


def _canvas(pixels_of, visits):
    """Function that shows a visitor's picture to be painted on."""
    def canvas(request: gr.Request):
        return pixels_of(visits.of(request.session_hash))

    return canvas


def _stopping(visits):
    """Function that asks the visitor's search to end."""
    def stop(request: gr.Request):
        visits.of(request.session_hash).stopping = True

    return stop
