"""The booth in a real Chromium with a camera that sees a real portrait."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pypdfium2
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Route,
    expect,
    sync_playwright,
)
from skimage import data

SIZES = {"phone": (360, 740), "desk": (1280, 800)}
SHOTS = os.environ.get("FEWSHOT_SCREENSHOTS", "")
"""A folder for screenshots, to look at; none are taken without it."""

_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --use-fake-ui-for-media-stream "
    "--use-fake-device-for-media-stream"
)


def write_y4m(path: Path, count: int = 50) -> None:
    """A portrait that moves a little, as Chromium's fake camera reads it: 640x480, 25 frames a second."""
    image = Image.fromarray(data.astronaut()).crop((100, 0, 400, 225)).resize((640, 480))
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W640 H480 F25:1 Ip A1:1 C420jpeg\n")
        for number in range(count):
            shift = round(8 * np.sin(2 * np.pi * number / count))
            luma, blue, red = (np.asarray(plane) for plane in image.convert("YCbCr").split())
            planes = [np.roll(luma, shift, 1), *(np.roll(c, shift, 1)[::2, ::2] for c in (blue, red))]
            file.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in planes))


def home_with_two_styles(small: ModuleType, home: Path) -> Path:
    template = small.write_template(home / "template")
    for seed, name in enumerate(("ink", "wash"), 1):
        made = small.write_variant(template, home / "made" / name, seed)
        (home / "runs" / name).mkdir(parents=True)
        shutil.move(made, home / "runs" / name / "adapter")
    return home


@pytest.fixture(scope="module")
def booth(
    run_booth: Callable[..., Any], small: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A booth on the tiny base with two styles, by its URL."""
    home = home_with_two_styles(small, tmp_path_factory.mktemp("home"))
    with run_booth("--base", "scan_tiny", "--host", "127.0.0.1", FEWSHOT_HOME=str(home)) as server:
        yield server.url


@pytest.fixture(scope="module")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    clip = tmp_path_factory.mktemp("camera") / "portrait.y4m"
    write_y4m(clip)
    flags = [*_FLAGS.split(), f"--use-file-for-fake-video-capture={clip}"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield opened
        opened.close()


@contextlib.contextmanager
def visitor(browser: Browser, url: str, size: str = "desk", **options: Any) -> Iterator[Page]:
    """A page whose console stays silent and which asks nobody else for anything."""
    width, height = SIZES[size]
    options = {"permissions": ["camera"], "locale": "en", **options}
    context: BrowserContext = browser.new_context(viewport={"width": width, "height": height}, **options)
    page = context.new_page()
    page.set_default_timeout(20_000)
    wrong: list[str] = []
    ours = (url, "blob:", "data:")

    def listen(said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            wrong.append(said.text)

    def ask(asked: Request) -> None:
        if not asked.url.startswith(ours):
            wrong.append(asked.url)

    page.on("console", listen)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", ask)
    yield page
    context.close()
    assert wrong == []


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS, f"{name}.png"), full_page=True)


def state(page: Page, wanted: str) -> None:
    expect(page.locator("#view")).to_have_attribute("data-state", wanted)


def shown(page: Page, selector: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB"), float)


@pytest.mark.parametrize("size", SIZES)
def test_a_visit(browser: Browser, booth: str, size: str, tmp_path: Path) -> None:
    """Open, photograph, choose a style, move the slider, save, print."""
    with visitor(browser, booth, size) as page:
        page.goto(booth)
        shot(page, f"{size}-empty")
        page.click("#take")
        state(page, "camera")
        shot(page, f"{size}-camera")
        page.click("#take")
        expect(page.locator("#count")).to_have_text("2")
        state(page, "result")
        first = shown(page, "#view")
        page.check("input[value=ink]", force=True)
        expect(page.locator("#status")).to_contain_text("ink")
        shot(page, f"{size}-result")
        assert np.abs(shown(page, "#view") - first).mean() > 0.2
        page.focus("#slider")
        for _ in range(50):
            page.keyboard.press("ArrowRight")
        view = shown(page, "#view")
        drawn = shown(page, "#view")
        page.locator("#slider").fill("100")
        photo = shown(page, "#view")
        half = view.shape[1] // 2
        assert np.abs(drawn[:, : half - 8] - photo[:, : half - 8]).mean() < 3
        assert np.abs(drawn[:, half + 8 :] - photo[:, half + 8 :]).mean() > 5
        with page.expect_download() as saved:
            page.click("#save")
        assert Image.open(saved.value.path()).size[0] >= 32
        with page.expect_download() as printed:
            page.click("#pdf")
        document = pypdfium2.PdfDocument(printed.value.path())
        assert [round(25.4 * side / 72) for side in document[0].get_size()] == [102, 152]
        sheet = page.pdf(prefer_css_page_size=True)
        pages = pypdfium2.PdfDocument(sheet)
        assert len(pages) == 1
        assert [round(25.4 * side / 72) for side in pages[0].get_size()] == [100, 150]
        printed_page = np.asarray(pages[0].render(scale=1).to_pil().convert("L"), float)
        # The drawing fills the sheet, and nothing of the page is on it.
        inked = np.argwhere(printed_page < 245)
        assert np.ptp(inked[:, 1]) > 0.85 * printed_page.shape[1]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.click("#take")
        state(page, "camera")


def test_two_styles_are_mixed(browser: Browser, booth: str, portrait: bytes) -> None:
    with visitor(browser, booth) as page:
        page.goto(booth)
        page.check("input[value=ink]", force=True)
        page.set_input_files("#file", {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": portrait})
        state(page, "result")
        page.click("summary")
        page.select_option("#second", "wash")
        expect(page.locator("#status")).to_contain_text("ink + wash")
        mixed = shown(page, "#after")
        with page.expect_response("**/stylize"):
            page.locator("#mix").fill("0.05")
            page.locator("#mix").dispatch_event("change")
        expect(page.locator("#view")).not_to_have_attribute("aria-busy", "true")
        assert np.abs(shown(page, "#after") - mixed).mean() > 0.2
        expect(page.locator("#mixname")).to_have_text("Share of wash")


def test_the_live_filter(browser: Browser, booth: str) -> None:
    with visitor(browser, booth) as page:
        page.goto(booth)
        page.click("#livebutton")
        state(page, "live")
        expect(page.locator("#live")).to_have_attribute("data-rate", re.compile(r"^([3-9]|\d\d)"))
        before = shown(page, "#live")
        page.check("input[value=wash]", force=True)
        page.wait_for_timeout(1500)
        assert np.abs(shown(page, "#live") - before).mean() > 0.5
        shot(page, "desk-live")
        page.click("#livebutton")
        state(page, "camera")


def choose(page: Page, photo: bytes) -> None:
    page.set_input_files("#file", {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": photo})
    state(page, "result")
    expect(page.locator("#view")).not_to_have_attribute("aria-busy", "true")


def restyle(page: Page, name: str) -> None:
    with page.expect_response("**/stylize"):
        page.check(f"input[value={name}]", force=True)
    expect(page.locator("#status")).to_contain_text(name)


def test_agreeing_to_keep_a_photo_is_for_that_photo_alone(
    browser: Browser, run_booth: Callable[..., Any], small: ModuleType, portrait: bytes, tmp_path: Path
) -> None:
    """Whoever comes next has not agreed to anything."""
    home, kept = home_with_two_styles(small, tmp_path / "home"), tmp_path / "kept"
    options = ("--base", "scan_tiny", "--host", "127.0.0.1", "--keep", str(kept))
    with (
        run_booth(*options, FEWSHOT_HOME=str(home)) as server,
        visitor(browser, server.url) as page,
    ):
        page.goto(server.url)
        choose(page, portrait)
        restyle(page, "ink")
        assert not any(kept.iterdir())
        page.check("#keep")
        restyle(page, "wash")
        first = len(list(kept.iterdir()))
        assert first > 0
        # Once, however often the style is changed.
        restyle(page, "ink")
        assert len(list(kept.iterdir())) == first
        choose(page, portrait)
        expect(page.locator("#keep")).not_to_be_checked()
        restyle(page, "wash")
        assert len(list(kept.iterdir())) == first


def test_the_camera_stays_open_whatever_is_chosen_meanwhile(
    browser: Browser, booth: str, portrait: bytes
) -> None:
    with visitor(browser, booth) as page:
        page.goto(booth)
        choose(page, portrait)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.click("#take")
        state(page, "camera")
        page.check("input[value=wash]", force=True)
        page.wait_for_timeout(500)
        state(page, "camera")
        assert not any(url.endswith("/stylize") for url in asked)
        page.click("#take")
        expect(page.locator("#count")).to_have_text("2")
        assert page.locator("#flip").is_disabled()
        state(page, "result")
        assert page.evaluate("document.getElementById('video').srcObject") is None


def test_an_answer_that_comes_too_late_changes_nothing(browser: Browser, booth: str, portrait: bytes) -> None:
    """On a slow line the visitor has gone on to the camera."""
    with visitor(browser, booth) as page:
        page.goto(booth)

        def slowly(route: Route) -> None:
            page.wait_for_timeout(1500)
            route.continue_()

        page.route("**/stylize", slowly)
        page.set_input_files("#file", {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": portrait})
        state(page, "drawing")
        page.click("#livebutton")
        state(page, "live")
        page.wait_for_timeout(2500)
        state(page, "live")


def test_the_line_is_dragged_with_the_mouse(browser: Browser, booth: str, portrait: bytes) -> None:
    with visitor(browser, booth) as page:
        page.goto(booth)
        choose(page, portrait)
        box = page.locator("#view").bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 0.8 * box["width"], middle)
        page.mouse.down()
        for share in (0.7, 0.5, 0.3):
            page.mouse.move(box["x"] + share * box["width"], middle, steps=4)
        page.mouse.up()
        assert abs(float(page.input_value("#slider")) - 30) < 3


def test_on_a_phone_held_sideways_the_whole_square_is_seen(browser: Browser, booth: str) -> None:
    with visitor(browser, booth) as page:
        page.set_viewport_size({"width": 740, "height": 360})
        page.goto(booth)
        page.click("#take")
        state(page, "camera")
        box = page.locator("#view").bounding_box()
        assert box is not None
        assert abs(box["width"] - box["height"]) <= 2
        shot(page, "phone-sideways")


def test_without_a_camera_a_photo_is_chosen(browser: Browser, booth: str, portrait: bytes) -> None:
    with visitor(browser, booth, "phone", permissions=[]) as page:
        # The flag that feeds the camera also grants it, so the page is told that there is none.
        page.add_init_script("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
        page.goto(booth)
        with page.expect_file_chooser() as chooser:
            page.click("#take")
        expect(page.locator("#status")).to_contain_text("Choose a photo")
        chooser.value.set_files({"name": "me.jpg", "mimeType": "image/jpeg", "buffer": portrait})
        state(page, "result")


def test_the_withdrawn_one_of_two_styles_goes_and_the_other_stays(
    browser: Browser, run_booth: Callable[..., Any], small: ModuleType, tmp_path: Path, portrait: bytes
) -> None:
    home = home_with_two_styles(small, tmp_path)
    options = ("--base", "scan_tiny", "--host", "127.0.0.1")
    # Chromium itself writes refusals to the console.
    refusals = pytest.raises(AssertionError, match="status of 403")
    with (
        run_booth(*options, FEWSHOT_HOME=str(home)) as server,
        refusals,
        visitor(browser, server.url) as page,
    ):
        page.goto(server.url)
        page.locator("input[name=style][value=ink]").check(force=True)
        page.locator("#second").select_option("wash", force=True)
        path = home / "runs" / "wash" / "adapter" / "adapter.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"consent": {"status": "withdrawn"}}))
        page.set_input_files("#file", {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": portrait})
        expect(page.locator("#status")).to_contain_text("withdrawn")
        expect(page.locator("input[name=style][value=wash]")).to_have_count(0)
        expect(page.locator("input[name=style][value=ink]")).to_be_checked()
        expect(page.locator("#second")).to_have_value("")
        page.set_input_files("#file", {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": portrait})
        state(page, "result")


def test_what_is_no_photo_is_said(browser: Browser, booth: str, portrait: bytes) -> None:
    with visitor(browser, booth) as page:
        page.goto(booth)
        page.set_input_files("#file", {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": b"nothing"})
        expect(page.locator("#status")).to_contain_text("cannot be read")
        state(page, "empty")
        page.set_input_files("#file", {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": portrait})
        state(page, "result")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everybody_can_use_it(browser: Browser, booth: str, portrait: bytes, size: str, dark: bool) -> None:
    """axe-core finds nothing serious on any page, also with a drawing on it."""
    scheme = "dark" if dark else "light"
    with visitor(browser, booth, size, color_scheme=scheme) as page:
        for path in ("/", "/styles", "/styles/ink", "/compare", "/map", "/pin"):
            page.goto(booth + path)
            if path in ("/", "/compare"):
                page.set_input_files("#file", {"name": "m.jpg", "mimeType": "image/jpeg", "buffer": portrait})
                page.wait_for_selector("[data-state=result], #results figure:nth-child(3)")
            found = Axe().run(page).response["violations"]
            serious = [v for v in found if v["impact"] in ("serious", "critical")]
            assert serious == [], [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in serious]
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            shot(page, f"{size}-{scheme}-{path.strip('/').replace('/', '-') or 'booth'}")


def test_by_keyboard_alone(browser: Browser, booth: str, portrait: bytes) -> None:
    with visitor(browser, booth) as page:
        page.goto(booth)
        reached = set()
        for _ in range(30):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.value || ''"))
        assert {"language", "take", "file", "livebutton", "strength"} <= reached
        page.focus("input[name=style]:checked")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.querySelector('input[name=style]:checked').value") == "ink"


@pytest.mark.parametrize(
    ("locale", "word"), [("zh-CN", "拍照"), ("ja", "写真を撮る"), ("fr", "Take a photo")]
)
def test_in_the_visitors_language(browser: Browser, booth: str, locale: str, word: str) -> None:
    with visitor(browser, booth, "phone", locale=locale) as page:
        page.goto(booth)
        expect(page.locator("#take")).to_have_text(word)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(page, f"phone-{locale}")
        page.select_option("#language", "en")
        expect(page.locator("#take")).to_have_text("Take a photo")


def test_the_door(browser: Browser, run_booth: Callable[..., Any]) -> None:
    with run_booth("--base", "scan_tiny", "--pin", "2468", "--host", "127.0.0.1") as server:
        context = browser.new_context(locale="en")
        page = context.new_page()
        page.goto(server.url)
        assert page.url.endswith("/pin")
        page.fill("#pin", "1111")
        page.keyboard.press("Enter")
        expect(page.locator("#pinstatus")).to_have_text("That is not the PIN.")
        page.fill("#pin", "2468")
        page.keyboard.press("Enter")
        expect(page.locator("#take")).to_be_visible()
        context.close()


def test_the_studio(
    browser: Browser, run_booth: Callable[..., Any], small: ModuleType, tmp_path: Path, portrait: bytes
) -> None:
    """The catalogue by words and by a drawing, a card, and the map."""
    home = {"FEWSHOT_HOME": str(tmp_path / "home")}
    template = small.write_template(tmp_path / "template")
    names = ("ink", "wash", "pencil")
    folders = [small.write_variant(template, tmp_path / name, seed) for seed, name in enumerate(names)]
    command = [sys.executable, "-m", "fewshot.cli.main", "catalog", "add", *map(str, folders)]
    subprocess.run(command, env=os.environ | home, check=True, capture_output=True)
    with (
        run_booth("--base", "scan_tiny", "--host", "127.0.0.1", **home) as server,
        visitor(browser, server.url, "phone") as page,
    ):
        page.goto(f"{server.url}/styles?q=pen")
        expect(page.locator("#cards li")).to_have_count(1)
        page.fill("#q", "")
        page.keyboard.press("Enter")
        expect(page.locator("#cards li")).to_have_count(4)
        page.set_input_files("#drawing", {"name": "d.jpg", "mimeType": "image/jpeg", "buffer": portrait})
        expect(page.locator("#status")).to_have_text("3 styles", timeout=60_000)
        page.click("#cards li:first-child a")
        assert page.locator("h1").inner_text() in names
        expect(page.locator("dl")).to_contain_text("CC0-1.0")
        page.goto(f"{server.url}/map")
        expect(page.locator("circle")).to_have_count(3)
        page.click("svg a[aria-label=ink] circle")
        assert page.url.endswith("/styles/ink")
        page.click("text=Draw with it")
        expect(page.locator("input[value=ink]")).to_be_checked()
