"""The listening page in Chromium, from file://, by mouse and keyboard. Run: pytest tests/test_listen_browser.py

It needs Debian's `chromium` (or VIBEGRID_CHROMIUM=/path/to/chromium, which must then exist) and `playwright`, used
only as a driver: it downloads no browser. Elsewhere the tests are skipped.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest
from listen_cases import PROMPTS, payload, spec, write_prompts, write_system

from vibegrid.listen.build import build

pytestmark = pytest.mark.xdist_group("browser")
ASKED = os.environ.get("VIBEGRID_CHROMIUM")
CHROMIUM = ASKED or shutil.which("chromium") or shutil.which("chromium-browser")
if not CHROMIUM:
    pytest.skip("no Chromium: apt-get install chromium, or set VIBEGRID_CHROMIUM", allow_module_level=True)
DRIVER = "playwright.sync_api"
api: Any = importlib.import_module(DRIVER) if ASKED else pytest.importorskip(DRIVER)

HOSTILE = "<script>window.hacked = 1</script>"
FLAGS = [
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
PLAYING = "[...document.querySelectorAll('audio')].map((audio) => !audio.paused && !audio.ended)"


class Seen:
    """What a page asked for and complained of."""

    def __init__(self, page: Any) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._console)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of four systems and two prompts; one system is hostile, one writes prose."""
    folder = tmp_path_factory.mktemp("listen with a space")
    hostile = json.loads(payload(3)) | {"title": HOSTILE, "thinking": "<img src=x onerror=alert(1)>"}
    systems = {
        "SFT": write_system(folder / "a", [payload(1, title="Grey Rain"), payload(2)], score=0.25),
        "random": write_system(folder / "b", [payload(5), payload(6)], kind="random"),
        HOSTILE: write_system(folder / "c", [json.dumps(hostile), "x" * 5000], kind="base"),
        "prose": write_system(folder / "d", ["I would rather <b>not</b>.", payload(1)], kind="base"),
    }
    build(spec(seconds=3), systems=systems, prompts=write_prompts(folder), out=folder / "page")
    return (folder / "page" / "index.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS, chromium_sandbox=False, ignore_default_args=["--hide-scrollbars"]
        )
        yield running
        running.close()


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    """A page that must end without a console error and without a request to anything but its folder."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    opened = context.new_page()
    seen = Seen(opened)
    opened.goto(url)
    yield opened
    context.close()
    folder = url.removesuffix("index.html")
    assert seen.errors == []
    assert {url, f"{folder}listen.css", f"{folder}data.js", f"{folder}listen.js"} <= set(seen.requests)
    assert all(request.startswith(folder) for request in seen.requests)


def wait_for(page: Any, expression: str, seconds: float = 30) -> None:
    """Poll from here: Playwright's own `wait_for_function` evaluates a string in the page, which its policy forbids."""
    limit = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < limit, f"never true: {expression}"
        page.wait_for_timeout(20)


def plays(page: Any, index: int) -> None:
    """Wait until card `index`, and it alone, is heard."""
    wait_for(page, f"document.querySelectorAll('audio')[{index}].currentTime > 0.15")
    playing = page.evaluate(PLAYING)
    assert playing[index] and sum(playing) == 1


def test_cards_of_all_systems(page: Any) -> None:
    cards = page.locator(".card")
    assert cards.count() == 4 and page.locator("#vibe").inner_text() == "slow grey rain"
    first = page.get_by_role("listitem", name="SFT")
    assert first.locator(".title").inner_text() == "Grey Rain"
    scores = first.locator(".scores tr").all_inner_texts()
    assert [row.split() for row in scores] == [["valid_field_fraction", "0.250"], ["title_similarity", "0.250"]]
    assert first.locator(".palette").count() == 3 and first.locator(".swatch").count() == 15
    wanted = json.loads(payload(1))["palettes"][0]["colors"][0]["hex"]
    shown = first.locator(".swatch").first.evaluate("(node) => getComputedStyle(node).backgroundColor")
    assert shown == "rgb({}, {}, {})".format(*bytes.fromhex(wanted.removeprefix("#")))
    assert "Scale mini: miniature models." in page.locator("#notes").inner_text()


def test_configs_compared(page: Any) -> None:
    configs = [json.loads(payload(seed))["config"] for seed in (1, 5)]
    unlike = [field for field in configs[0] if configs[0][field] != configs[1][field]]
    rows = page.locator(".card").nth(1).locator(".config tbody tr").filter(visible=True)
    page.get_by_role("combobox", name="against").select_option(label="SFT")
    assert [row.split()[0] for row in rows.all_inner_texts() if "rendered as" not in row] == unlike
    assert page.locator(".card").nth(0).locator(".differs").count() == 0
    page.keyboard.press("1")
    plays(page, 0)
    page.get_by_role("combobox", name="config").select_option(label="all fields")
    assert rows.count() == 34 and page.evaluate(PLAYING)[0]
    page.get_by_role("combobox", name="config").select_option(label="closed")
    assert rows.count() == 0
    page.locator(".card").nth(1).locator(".config summary").click()
    assert rows.count() >= len(unlike)


def test_keys_play_one_card_at_a_time(page: Any) -> None:
    assert page.evaluate("[...document.querySelectorAll('audio')].every((audio) => audio.preload === 'none')")
    page.keyboard.press("1")
    plays(page, 0)
    assert page.evaluate("document.querySelectorAll('audio')[0].duration") == pytest.approx(3, abs=0.01)
    assert page.locator(".card.playing h3").all_inner_texts() == ["SFT"]
    page.keyboard.press("2")
    plays(page, 1)
    assert page.get_by_role("button", name="Play 2: random").get_attribute("aria-pressed") == "true"
    page.keyboard.press("2")
    wait_for(page, f"!{PLAYING}.includes(true)")
    assert page.evaluate("document.querySelectorAll('audio')[1].currentTime") == 0
    page.keyboard.press("4")  # prose: nothing to play
    page.keyboard.press("9")
    page.keyboard.press("Control+1")
    assert True not in page.evaluate(PLAYING)
    page.get_by_role("checkbox", name="keys").click()
    page.keyboard.press("1")
    assert True not in page.evaluate(PLAYING)


def test_the_mouse_plays_one_card_at_a_time(page: Any) -> None:
    page.get_by_role("button", name="Play 1: SFT").click()
    plays(page, 0)
    player = page.locator("audio").nth(2)
    player.scroll_into_view_if_needed()
    player.click(position={"x": 18, "y": 18})  # the browser's own button
    plays(page, 2)
    page.get_by_role("button", name="Play 1: SFT").click()
    plays(page, 0)
    wait_for(page, "document.querySelectorAll('audio')[0].ended")
    assert page.locator(".card.playing").count() == 0


def test_prompts_by_key_by_button_and_by_list(page: Any) -> None:
    vibe = page.locator("#vibe")
    page.keyboard.press("1")
    plays(page, 0)
    page.keyboard.press("ArrowRight")
    assert vibe.inner_text() == PROMPTS[1]["prompt"] and page.locator("#vibe *").count() == 0
    assert True not in page.evaluate(PLAYING)
    assert "expected brightness: bright" in page.locator("#about").inner_text()
    page.get_by_role("button", name="Next prompt").click()
    assert vibe.inner_text() == PROMPTS[0]["prompt"]
    page.get_by_role("combobox", name="Prompt").focus()
    page.keyboard.press("ArrowDown")
    assert vibe.inner_text() == PROMPTS[1]["prompt"]
    page.keyboard.press("1")  # heard, not searched for in the list
    plays(page, 0)
    page.get_by_role("combobox", name="Prompt").select_option(index=0)
    assert vibe.inner_text() == PROMPTS[0]["prompt"]
    page.get_by_role("button", name="Previous prompt").press("Enter")
    assert vibe.inner_text() == PROMPTS[1]["prompt"]


def test_untrusted_text_is_text(page: Any) -> None:
    card = page.locator(".card").nth(2)
    assert card.locator("h3").inner_text() == HOSTILE and card.locator(".title").inner_text() == HOSTILE
    card.locator(".thinking summary").click()
    assert card.locator(".thinking p").inner_text() == "<img src=x onerror=alert(1)>"
    assert page.locator("#cards script, #cards img, #cards b").count() == 0
    assert page.evaluate("window.hacked") is None
    prose = page.locator(".card").nth(3)
    assert prose.locator("pre").inner_text() == "I would rather <b>not</b>."
    assert "not one JSON object" in prose.inner_text() and prose.locator("audio").count() == 0


def test_the_policy_holds_on_file_urls(browser: Any, url: str) -> None:
    opened = browser.new_context().new_page()
    opened.goto(url)
    blocked = opened.evaluate(
        """async () => {
          const blocked = [];
          document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.inline = 1";
          const image = document.createElement("img");
          image.src = "https://example.invalid/x.png";
          const styled = document.createElement("p");
          styled.setAttribute("style", "color: red");
          document.body.append(script, image, styled);
          await fetch("data.js").catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, 100));
          return [...blocked, window.inline];
        }"""
    )
    assert {"script-src-elem", "img-src", "style-src-attr", "connect-src"} == set(blocked[:-1])
    assert blocked[-1] is None
    opened.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (390, "light"), (768, "dark")])
def test_no_sideways_scroll_on_a_phone(browser: Any, url: str, width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, is_mobile=True, has_touch=True
    )
    opened = context.new_page()
    opened.goto(url)
    for _ in PROMPTS:
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        opened.get_by_role("button", name="Next prompt").tap()
    opened.get_by_role("combobox", name="config").select_option(label="all fields")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    opened.get_by_role("button", name="Play 1: SFT").tap()
    plays(opened, 0)
    context.close()
