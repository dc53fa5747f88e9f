"""How fast the editor answers: one visitor in a browser, and several at once over HTTP.

The editor runs in this process, as the tool serves it. A visitor over HTTP does what the page does: an event joins the
queue, and its answer comes on the visitor's stream.
"""
from __future__ import annotations

import concurrent.futures
import json
import os
import shutil
import tempfile
import time
import urllib.request

import numpy as np

from tf_idinvert import boundaries, checkpoint
from tf_idinvert.benchmarks import memory
from tf_idinvert.boundaries import Boundary
from tf_idinvert.editor import studio as studios
from tf_idinvert.editor.limits import Limits
from tf_idinvert.inversion import InversionOptions
from tf_idinvert.networks.encoder import Encoder
from tf_idinvert.networks.generator import Generator
from tf_idinvert.portraits import embedded, portrait

MOVES = 40              # of one visitor
SIDES = (64, 256)
DIRECTIONS = 5


def run(log, serve, sides=SIDES, visitors=8, seconds=60.0):
    """Measure the editor with the embedded networks (64 px) and with full-width ones of random weights.

    Args:
        log: callable, takes a line.
        serve: `editor.page.serve`.
        sides: in pixels.
        visitors: who move sliders at the same time, without pause.
        seconds: for which they do.
    Returns:
        A dict per side: times in seconds ('draw_p50' of the network alone, 'slider_*' in the browser, 'http_move_*' of
        one visitor over HTTP, 'moves_*' of all visitors together), moves per second, and the process's resident memory
        in MiB before and after the minute.
    """
    return [_measure(side, log, serve, visitors, seconds) for side in sides]


def _measure(side, log, serve, visitors, seconds):
    studio = _studio(side)
    studio.warm_up()
    samples = dict(zip("ab", portrait.sample(2, embedded.SEED, min(side, 256))[0]))
    picture = studio.open(samples["a"], "a")
    row = {"benchmark": "editor", "side": side}
    row["encode_p50"] = float(np.median([_timed(lambda: studio.open(samples["a"], "a")) for _ in range(MOVES)]))
    row["draw_p50"] = float(np.median([_timed(lambda: studio.draw((picture.codes, 0))) for _ in range(MOVES)]))
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1")
        served, url = serve(studio, samples, Limits(), folder, f"{side} px", "127.0.0.1", None)
        try:
            log(f"editor, {side} px: one visitor")
            row.update(_in_browser(url))
            events = {}         # of equal names the first: that of the tab Edit
            for i, function in served.fns.items():
                events.setdefault(getattr(function.fn, "__name__", ""), i)
            visits = [Visitor(url, events, len(studio.directions), studio.generator.num_layers, f"visitor{i}")
                      for i in range(visitors)]
            row["http_move_p50"], row["http_move_p95"] = _percentiles(visits[0].moves(seconds=5))
            before = memory.resident()
            log(f"editor, {side} px: {visitors} visitors for {seconds:.0f} s")
            with concurrent.futures.ThreadPoolExecutor(visitors) as threads:
                found = list(threads.map(lambda visitor: visitor.moves(seconds), visits))
            together = [each for times in found for each in times]
            row["moves_p50"], row["moves_p95"] = _percentiles(together)
            row.update(moves_per_second=len(together) / seconds, memory_before=before / 2 ** 20,
                       memory_after=memory.resident() / 2 ** 20)
        finally:
            served.close(verbose=False)
    return row


class Visitor:
    """A visitor over HTTP who has opened a sample.

    Args:
        url: of the editor.
        events: {name of the page's function: its number}.
        directions, layers: numbers of sliders and of the network's layers.
        key: the visitor's session.
    """

    def __init__(self, url, events, directions, layers, key):
        self.url, self.events, self.directions, self.layers, self.key = url, events, directions, layers, key
        self.rng = np.random.default_rng(len(key) + ord(key[-1]))
        self._drawn("open_sample", [], {"name": "a"})

    def moves(self, seconds):
        """Move sliders one after the other for so long -> seconds that each answer took."""
        times, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end:
            values = self.rng.uniform(-2, 2, self.directions).tolist()
            times.append(_timed(lambda: self._drawn("move", [*values, 0, self.layers - 1, 0])))
        return times

    def _drawn(self, *event):
        """An event whose answer must show a picture."""
        if "data:image/png" not in json.dumps(self.ask(*event)):
            raise RuntimeError(f"{event[0]}: the editor has answered without a picture")

    def ask(self, function, data, event_data=None):
        """An event's output, once it is complete."""
        body = {"data": data, "fn_index": self.events[function], "session_hash": self.key, "event_data": event_data}
        request = urllib.request.Request(f"{self.url}gradio_api/queue/join", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        event = json.load(urllib.request.urlopen(request, timeout=120))["event_id"]
        with urllib.request.urlopen(f"{self.url}gradio_api/queue/data?session_hash={self.key}", timeout=120) as stream:
            for line in stream:
                message = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if message.get("msg") == "process_completed" and message.get("event_id") == event:
                    if not message["success"]:
                        raise RuntimeError(f"the editor failed: {message['output']}")
                    return message["output"]
        raise RuntimeError("the editor has closed its stream before the answer")


def _in_browser(url):
    """Times in a Chromium, of the first page and of slider moves until their picture is shown; NaN without one."""
    names = ("first_page", "slider_p50", "slider_p95")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        return dict.fromkeys(names, float("nan"))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)

        def first():
            page.goto(url)
            page.wait_for_selector(".samples button")

        times = {"first_page": _timed(first)}
        page.locator(".samples button").first.click()
        page.wait_for_selector(".divider .after[src^=data]")
        slider = page.get_by_role("slider", name="range slider for").first
        moves = [_timed(lambda i=i: _moved(page, slider, "ArrowRight" if i % 8 < 4 else "ArrowLeft"))
                 for i in range(MOVES)]
        browser.close()
    return dict(zip(names, [times["first_page"], *_percentiles(moves[1:])]))


def _moved(page, slider, key):
    old = page.locator(".divider .after").get_attribute("src")
    slider.press(key)
    page.wait_for_function("old => document.querySelector('.divider .after').src !== old", arg=old)


def _studio(side):
    """Studio of the embedded networks at 64 px; of random ones of full width at other sides."""
    options = InversionOptions(steps=33, optimizer="lbfgs", learning_rate=0.02, batch_size=1, results=11)
    if side == 64:
        models = checkpoint.load(embedded.model_path(), only=("encoder", "generator"))
        found = {name: boundaries.read(path) for name, path in embedded.boundary_paths().items()}
    else:
        generator = Generator(resolution=side, layerwise=True)
        models = checkpoint.Models(generator=generator, encoder=Encoder(
            resolution=side, num_layers=generator.num_layers, dlatent_size=generator.dlatent_size))
        normals = np.random.default_rng(0).standard_normal(
            [DIRECTIONS, 1, generator.num_layers, generator.dlatent_size]).astype("float32")
        found = {f"direction {i}": Boundary(normal) for i, normal in enumerate(normals)}
    directions = studios.directions({"Attributes": found}, models.generator)
    return studios.Studio(models, ("", ""), directions, options=options)


def _timed(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _percentiles(times):
    return [float(np.percentile(times, q)) for q in (50, 95)]
