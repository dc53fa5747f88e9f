"""The page of the editor, in Gradio: its controls, and which action each of them asks for.

Nothing leaves the machine: no fonts, no analytics, no links that share it. One model serves all visitors; see `limits`.
"""
from __future__ import annotations

import functools
import html

import gradio as gr

from tf_idinvert.editor import session, tabs, views, widgets
from tf_idinvert.editor.actions import Actions
from tf_idinvert.editor.limits import Visits
from tf_idinvert.errors import InputError

DEVIATIONS = 3.0        # ends of the sliders
LANES = {"draw": 4, "files": 2}     # how many events of a kind run at a time; searches: see `limits`
quietly = functools.partial(dict, show_progress="hidden", api_visibility="private")


def build(actions, visits, title):
    """The page, as gr.Blocks.

    Args:
        actions: Actions.
        visits: Visits.
        title: what is edited with, for the heading.
    """
    with gr.Blocks(analytics_enabled=False, title="tf_idinvert editor", delete_cache=(600, 3600)) as page:
        gr.HTML(f'<div class="editor-title"><h1>Editor</h1><p>{html.escape(title)}</p></div>', apply_default_css=False)
        with gr.Tabs():
            with gr.Tab("Edit"):
                edit = Edit(actions, visits)
            tabs.add(actions, visits, edit)

        def leave(request: gr.Request):
            visits.leave(request.session_hash)

        page.unload(leave)
    return page


def serve(studio, samples, limits, folder, title, host, port, **more):
    """Serve the editor -> (its gr.Blocks, to be closed; its URL).

    Args:
        studio: Studio.
        samples: {name: uint8 [R, R, 3]}, pictures to begin with.
        limits: Limits.
        folder: for the visitors' files; that of GRADIO_TEMP_DIR.
        title: for the heading.
        host, port: where to listen; port None: 7860, or the next that is free.
        more: for gr.Blocks.launch.
    """
    page = build(Actions(studio, samples, limits), Visits(limits.sessions, folder), title)
    page.queue(max_size=limits.waiting, default_concurrency_limit=LANES["draw"])
    _, url, _ = page.launch(
        server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True, footer_links=[],
        ssr_mode=False, max_file_size=limits.upload_bytes, theme=widgets.theme(), head=widgets.style(),
        enable_monitoring=False, state_session_capacity=limits.sessions, show_error=False, **more)
    return page, url


class Edit:
    """The tab on which a picture is opened, refined and edited; other tabs bring one here by `outputs` and `show`."""

    def __init__(self, actions, visits):
        self.actions, self.visits = actions, visits
        with gr.Row():
            with gr.Column(scale=2, min_width=240):
                self._lay_out_picture()
            with gr.Column(scale=4, min_width=280, elem_classes="view"):
                self._lay_out_view()
            with gr.Column(scale=3, min_width=280):
                self._lay_out_controls()
                self._lay_out_files()
        self.outputs = [*self.controls, self.divider, self.measures, self.status, self.faces]
        self._listen_to_picture()
        self._listen_to_controls()

    # ------------------------------------------------------------------------------------------ layout

    def _lay_out_picture(self):
        gr.Markdown("## Picture")
        self.upload = widgets.upload("Picture")
        self.faces = widgets.faces()
        self.samples = widgets.samples(self.actions.samples, "Sample")
        with gr.Row():
            self.refine = gr.Button("Refine", variant="primary", min_width=100)
            self.stop = gr.Button("Stop", min_width=80)
        self.status = gr.HTML(views.status("The encoder answers at once; Refine looks for a closer code."),
                              apply_default_css=False)

    def _lay_out_view(self):
        self.divider = widgets.divider()
        self.measures = gr.HTML("", apply_default_css=False)
        with gr.Row():
            self.undo = gr.Button("Undo", min_width=80)
            self.redo = gr.Button("Redo", min_width=80)
            self.reset = gr.Button("Reset all", min_width=80)

    def _lay_out_controls(self):
        gr.Markdown("## Edit")
        groups = {}
        for direction in self.actions.studio.directions.values():
            groups.setdefault(direction.group, []).append(direction.name)
        self.sliders = []
        for i, (group, names) in enumerate(groups.items()):
            with gr.Accordion(f"{group} (standard deviations)", open=i == 0):
                self.sliders += [gr.Slider(-DEVIATIONS, DEVIATIONS, 0, step=0.05, label=name) for name in names]
        last = self.actions.studio.generator.num_layers - 1
        with gr.Accordion("Layers and noise", open=False):
            first = gr.Slider(0, last, 0, step=1, label="First layer")
            end = gr.Slider(0, last, last, step=1, label="Last layer")
            seed = gr.Number(0, label="Seed of the noise (0: the network's own)", precision=0, minimum=0,
                             maximum=2 ** 31 - 1)
        self.controls = [*self.sliders, first, end, seed]

    def _lay_out_files(self):
        gr.Markdown("## Keep")
        self.keep = gr.Button("Prepare files")
        self.files = gr.File(label="Picture, recipe and code", file_count="multiple", interactive=False, visible=False)

    # ------------------------------------------------------------------------------------------ events

    def _listen_to_picture(self):
        actions, visits = self.actions, self.visits

        def open_upload(path, request: gr.Request):
            if not path:
                return gr.skip()
            return self.show(lambda: actions.open_upload(visits.of(request.session_hash), path))

        def open_sample(event: gr.EventData, request: gr.Request):
            return self.show(lambda: actions.open_sample(visits.of(request.session_hash), str(event.name)))

        def open_face(event: gr.EventData, request: gr.Request):
            return self.show(lambda: actions.open_face(visits.of(request.session_hash), int(event.name)))

        def refine(request: gr.Request):
            try:
                for shown in actions.refine(visits.of(request.session_hash)):
                    yield self._shown(shown)
            except InputError as error:
                yield {self.status: views.error(str(error))}

        def stop(request: gr.Request):
            visits.of(request.session_hash).stopping = True

        def keep(request: gr.Request):
            try:
                return {self.files: gr.File(actions.keep(visits.of(request.session_hash)), visible=True)}
            except InputError as error:
                return {self.status: views.error(str(error))}

        opened = self.upload.change(open_upload, self.upload, self.outputs, **quietly())
        widgets.clear_after(opened, self.upload)
        self.samples.click(open_sample, None, self.outputs, **quietly())
        self.faces.click(open_face, None, self.outputs, **quietly())
        self.refine.click(refine, None, self.outputs, concurrency_id="search",
                          concurrency_limit=actions.limits.searches, **quietly())
        self.stop.click(stop, None, None, **quietly())
        self.keep.click(keep, None, [self.files, self.status], concurrency_limit=LANES["files"], **quietly())

    def _listen_to_controls(self):
        actions, visits = self.actions, self.visits

        def move(request: gr.Request, *values):
            *deviations, first, last, seed = values
            try:
                shown = actions.move(visits.of(request.session_hash), deviations, first, last, seed)
            except InputError as error:
                return {self.status: views.error(str(error))}
            return gr.skip() if shown is None else {self.divider: shown.divider, self.measures: shown.measures}

        def change(action):
            def changed(request: gr.Request):
                try:
                    values, shown = action(visits.of(request.session_hash))
                except InputError as error:
                    return {self.status: views.error(str(error))}
                return {**dict(zip(self.controls, values)), **self._shown(shown)}

            return changed

        triggers = [trigger for slider in self.controls[:-1] for trigger in (slider.input, slider.release)]
        gr.on([*triggers, self.controls[-1].change], move, self.controls, self.outputs, trigger_mode="always_last",
              concurrency_id="draw", concurrency_limit=LANES["draw"], **quietly())
        for button, action in (self.undo, actions.undo), (self.redo, actions.redo), (self.reset, actions.reset):
            button.click(change(action), None, self.outputs, concurrency_id="draw", **quietly())

    def show(self, opening):
        """Updates of the tab after `opening`, a function that opens a picture -> Shown; or what was wrong."""
        try:
            shown = opening()
        except InputError as error:
            return {self.status: views.error(str(error))}
        return {**dict(zip(self.controls, self.actions.controls(session.Edit()))), **self._shown(shown),
                self.faces: shown.faces}

    def _shown(self, shown):
        return {self.divider: shown.divider, self.measures: shown.measures, self.status: shown.status}
