"""The editor in a browser: a whole journey, every tab, two visitors, hostile uploads, a phone, and axe-core.

One Chromium and one editor, with the embedded networks, serve all tests. They are skipped where Gradio, Playwright,
axe-core or a Chromium is absent: pip install -r requirements-editor.txt; apt install chromium.
"""
from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import functools
import io
import os
import re
import shutil
import sys
import time
import zipfile
from urllib.parse import urlparse

import numpy as np
import pytest
from PIL import Image
from running import run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 300_000          # milliseconds, for a machine that is busy
AXE_SERIOUS = ("serious", "critical")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt install chromium")


class Connections:
    """Hosts that this process has asked for, other than this machine, while it is watched."""

    def __init__(self):
        self.watched, self.hosts = False, []
        sys.addaudithook(self._hear)

    def _hear(self, event, arguments):
        if not self.watched or event not in ("socket.connect", "socket.getaddrinfo"):
            return
        host = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        host = str(host[0] if isinstance(host, tuple) else host)
        if host not in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "None"):
            self.hosts.append(f"{event} {host}")


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    """(URL, visits' folder, connections) of an editor that serves the embedded model at its own defaults."""
    pytest.importorskip("gradio", reason="needs Gradio: pip install -r requirements-editor.txt")
    from tf_idinvert.cli import command
    from tf_idinvert.cli import editor as tool
    connections, folder = Connections(), tmp_path_factory.mktemp("editor")
    before = dict(os.environ)
    os.environ.update(tool.OFFLINE, GRADIO_TEMP_DIR=str(folder))
    connections.watched = True
    args = tool.parse_arguments(["--optimizer", "adam", "--num_iterations", "10"])     # compiled sooner than L-BFGS
    log = command.open_log()
    from tf_idinvert.editor import combining, limits, page
    patch = pytest.MonkeyPatch()
    patch.setattr(combining, "Restorations", functools.partial(
        combining.Restorations, options=combining.MultiCodeOptions(codes=2, steps=4)))
    studio = tool.make_studio(args, tool.boundary_groups(args, log), log)
    studio.warm_up()
    samples = tool.read_samples(tool.sample_files(args, folder), studio.generator.resolution)
    served, url = page.serve(studio, samples, limits.Limits(), str(folder), "the embedded model", args.host, None)
    yield url, folder, connections
    connections.watched = False
    served.close(verbose=False)
    patch.undo()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def browser():
    """(a Chromium, hosts that its pages have asked for)"""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: -r requirements-editor.txt")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium, set()
        chromium.close()


@pytest.fixture
def visit(editor, browser):
    """Function that opens the page as another visitor -> Playwright's page."""
    pages = []

    def opened(**context):
        page = browser[0].new_page(**{"viewport": {"width": 1280, "height": 900}, **context})
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: browser[1].add(urlparse(request.url).hostname or ""))
        page.goto(editor[0])
        page.wait_for_selector(".samples button")
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()


def tab(page, name):
    """Go to a tab -> locator of what it shows."""
    page.get_by_role("tab", name=name).first.click()
    panel = page.locator("div[role=tabpanel]:visible")
    panel.wait_for()
    return panel


def pixels(url):
    """Pixels of a data URL."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def after(page):
    return page.locator(".divider .after").get_attribute("src")


def changes(page, action):
    """Do something, and wait until another edited picture is shown -> its pixels."""
    old = after(page)
    action()
    page.wait_for_function("old => document.querySelector('.divider .after').src !== (old || '')", arg=old)
    return pixels(after(page))


def slider(page, name):
    return page.get_by_role("slider", name=f"range slider for {name}")


def says(page, words):
    """Wait until a line of status says this."""
    page.wait_for_function("""words => [...document.querySelectorAll('.status')].some(
        line => line.checkVisibility() && line.innerText.includes(words))""", arg=words)


def figure(panel, caption):
    return panel.locator(f".figure:has(figcaption:text-is('{caption}')) img")


def comes_true(condition):
    """Whether a condition holds before patience ends."""
    for _ in range(PATIENCE // 100):
        if condition():
            return True
        time.sleep(0.1)
    return False


def accessible(page):
    """Assert that axe-core finds no serious fault."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core").Axe()
    found = [fault for fault in axe.run(page).response["violations"] if fault["impact"] in AXE_SERIOUS]
    assert not found, [(fault["id"], fault["nodes"][0]["html"]) for fault in found]


def contrast(*colours):
    """Contrast of two colours 'rgb(r, g, b)', 1 to 21, as WCAG 2 defines it."""
    linear = [np.array([float(part) / 255 for part in re.findall("[0-9.]+", each)[:3]]) for each in colours]
    light = [float(np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))
             for x in linear]
    return (max(light) + 0.05) / (min(light) + 0.05)


def scored(pictures):
    """{attribute: scores} of pictures uint8 [R, R, 3], by the embedded attribute network."""
    from tf_idinvert import checkpoint
    from tf_idinvert.files import images
    from tf_idinvert.portraits import embedded
    network = checkpoint.load(embedded.attributes_path(), only=("attributes",)).attributes
    found = network.predict_attributes(images.to_float(np.stack(pictures)))
    return {name: np.asarray(scores) for name, scores in found.items()}


def test_a_journey_from_an_upload_to_a_picture_that_its_recipe_makes_again(
        visit, editor, browser, tmp_path, monkeypatch):
    from tf_idinvert.portraits import portrait
    page = visit()
    person = portrait.sample(2, 77, 64)[0][1]           # young, without glasses
    Image.fromarray(person).resize((200, 200)).save(tmp_path / "me.png")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "me.png")
    page.wait_for_selector(".divider .after[src^=data]")
    says(page, "me: encoder")
    encoded = pixels(after(page))
    page.get_by_role("button", name="Refine").click()
    says(page, "10 steps of adam")
    refined, original = pixels(after(page)), pixels(page.locator(".divider .before").get_attribute("src"))
    errors = [np.square(picture / 127.5 - original / 127.5).mean() for picture in (refined, encoded)]
    assert errors[0] < errors[1]
    assert f"{errors[0]:.4f}" in page.locator(".measures").inner_text()

    changes(page, lambda: slider(page, "age").press("End"))
    edited = changes(page, lambda: slider(page, "eyeglasses").press("End"))
    scores = scored([refined, edited])
    assert scores["age"][1] > scores["age"][0] and scores["eyeglasses"][1] > max(scores["eyeglasses"][0], 0.5)

    assert (changes(page, page.get_by_role("button", name="Undo").click) != edited).any()
    assert float(slider(page, "eyeglasses").input_value()) == 0 and float(slider(page, "age").input_value()) == 3
    assert (changes(page, page.get_by_role("button", name="Redo").click) == edited).all()
    accessible(page)

    page.get_by_role("button", name="Prepare files").click()
    page.wait_for_selector(".file-preview a")
    for link in page.locator(".file-preview a").all():
        with page.expect_download() as download:
            link.click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
    assert (np.asarray(Image.open(tmp_path / "me_edited.png")) == edited).all()
    with zipfile.ZipFile(tmp_path / "me_codes.zip") as file:
        assert {"me/inverted_codes.npy", "me/image_list.txt", "me/me_ori.png"} <= set(file.namelist())
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "manipulate.py", "--recipe", "me_recipe.json", "-o", "again") == 0
    assert (tmp_path / "again" / "me_edited.png").read_bytes() == (tmp_path / "me_edited.png").read_bytes()


def test_every_tab_does_its_work(visit):
    page = visit()
    page.locator(".samples button").first.click()
    page.wait_for_selector(".divider .after[src^=data]")

    panel = tab(page, "Mix")
    panel.locator(".samples button").nth(1).click()
    figure(panel, "Second picture").wait_for()
    panel.get_by_role("button", name="Mix").click()
    figure(panel, "layers 5 to 9 of portrait2 in portrait1").wait_for()
    accessible(page)

    panel = tab(page, "Interpolate")
    panel.get_by_role("button", name="Interpolate").click()
    panel.locator(".strip img").nth(8).wait_for()
    assert panel.locator("a[download]").get_attribute("href").startswith("data:image/gif")
    accessible(page)

    panel = tab(page, "Diffuse")
    panel.locator("canvas").wait_for()
    box = panel.locator("canvas").bounding_box()
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in ((0.35, 0.4), (0.6, 0.6))]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=4)
    page.mouse.up()
    panel.get_by_role("button", name="Diffuse").click()
    figure(panel, "Diffused").wait_for()
    says(page, "diffusing")
    panel.get_by_role("button", name="Stop").click()
    says(page, "steps of adam")
    accessible(page)

    panel = tab(page, "Restore")
    panel.locator("canvas").wait_for()
    panel.get_by_role("button", name="Restore").click()
    says(page, "paint the part")
    for key in "ArrowLeft", " ", "ArrowRight", " ":
        panel.locator("canvas").press(key)
    panel.get_by_role("button", name="Restore").click()
    figure(panel, "Restored").wait_for()
    restored = pixels(figure(panel, "Restored").get_attribute("src"))
    accessible(page)
    panel.get_by_role("button", name="Take it into Edit").click()
    says(page, "portrait1_restored")
    tab(page, "Edit")
    assert (pixels(page.locator(".divider .before").get_attribute("src")) == restored).all()


def test_broken_and_hostile_uploads_are_refused_in_a_line_and_the_picture_stays(visit, editor, tmp_path):
    page = visit()
    page.locator(".samples button").first.click()
    page.wait_for_selector(".divider .after[src^=data]")
    shown = after(page)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 99)
    (tmp_path / "page.svg").write_text("<svg onload='alert(1)'/>")
    Image.new("1", (4200, 4200)).save(tmp_path / "large.png")        # 17.6 million pixels in a few kilobytes
    for name in "broken.png", "page.svg", "large.png":
        page.locator("input[type=file]").first.set_input_files(tmp_path / name)
        says(page, f"{name}: ")
        assert str(editor[1]) not in page.locator(".status").first.inner_text()
        assert comes_true(lambda name=name: not list(editor[1].rglob(name))), f"{name} is still there"
    assert after(page) == shown


def test_nobody_makes_the_editor_fetch_a_picture(editor):
    import gradio

    from tf_idinvert.editor import widgets
    with pytest.raises(gradio.Error, match="not an address"):
        with concurrent.futures.ThreadPoolExecutor() as threads:        # Playwright has a loop in this one
            fetching = widgets.upload("Picture").async_move_resource_to_block_cache("http://192.0.2.1/me.png")
            threads.submit(asyncio.run, fetching).result()


def test_two_visitors_do_not_mix_and_whoever_leaves_leaves_nothing(visit, editor):
    first, second = visit(), visit()
    for i, page in enumerate((first, second)):
        page.locator(".samples button").nth(i).click()
        page.wait_for_selector(".divider .after[src^=data]")
    kept = pixels(after(second))
    changed = changes(first, lambda: slider(first, "pose").press("End"))
    changes(second, lambda: slider(second, "pose").press("Home"))
    assert (changes(second, second.get_by_role("button", name="Reset all").click) == kept).all()
    assert (pixels(after(first)) == changed).all() and float(slider(first, "pose").input_value()) == 3
    first.get_by_role("button", name="Prepare files").click()
    first.wait_for_selector(".file-preview a")
    folders = set(editor[1].glob("session-*"))
    assert folders
    first.close()
    assert comes_true(lambda: not all(folder.exists() for folder in folders)), "the files of who has left are there"


def test_a_phone_in_the_dark_shows_everything_in_its_width(visit):
    page = visit(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True, is_mobile=True)
    page.locator(".samples button").first.click()
    page.wait_for_selector(".divider .after[src^=data]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in "age", "eyeglasses", "pose":
        assert slider(page, name).bounding_box()["width"] > 150
    accessible(page)
    accent = page.get_by_role("tab", name="Edit").first.evaluate("tab => getComputedStyle(tab).color")
    assert contrast(accent, page.evaluate("getComputedStyle(document.body).backgroundColor")) >= 4.5
    page.evaluate("scrollTo(0, 1100)")
    assert comes_true(lambda: abs(page.locator(".view").bounding_box()["y"]) < 5)        # it stays in sight
    divider = page.get_by_role("slider", name="Divider: before on its left, after on its right")
    divider.press("End")
    assert page.locator(".divider .after").evaluate("image => image.style.clipPath").endswith("100%)")


def test_no_request_has_left_the_machine(visit, editor, browser):
    visit()
    assert browser[1] <= {"127.0.0.1", ""} and not editor[2].hosts, (browser[1], editor[2].hosts)
