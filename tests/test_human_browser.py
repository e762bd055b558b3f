"""The rating page in Chromium: a whole session by mouse, by keys, on a phone, from file:// and from `vibegrid rate`.

Run: pytest tests/test_human_browser.py. What it needs, and the browser itself, are those of test_listen_browser.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from human_cases import HOSTILE, pack_spec, two_systems, write_prompts
from test_listen_browser import Seen, browser, wait_for

from vibegrid.human.key import Key, read_key
from vibegrid.human.pack import build_pack
from vibegrid.human.ratings import Rating, read_ratings
from vibegrid.human.server import RatingServer

__all__ = ["browser"]  # a fixture
pytestmark = pytest.mark.xdist_group("browser")
KEYS = {"a": "ArrowLeft", "tie": "ArrowDown", "b": "ArrowRight"}


class Made(NamedTuple):
    """A pack on disk."""

    folder: Path
    key: Key
    url: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A pack of two systems and three prompts, one of them hostile: 3 comparisons, 2 checks, a repeat in each form."""
    folder = tmp_path_factory.mktemp("rate with a space")
    build_pack(pack_spec(), generations=two_systems(folder), prompts=write_prompts(folder), out=folder / "pack")
    return Made(folder / "pack", read_key(folder / "pack"), (folder / "pack" / "page" / "index.html").as_uri())


@pytest.fixture
def page(browser: Any, made: Made) -> Iterator[Any]:
    """A fresh browser's page, which must end without a console error and without a request beyond its folder."""
    context = browser.new_context(viewport={"width": 1100, "height": 800}, accept_downloads=True)
    opened = context.new_page()
    seen = Seen(opened)
    opened.goto(made.url)
    yield opened
    context.close()
    folder = made.url.removesuffix("index.html")
    assert seen.errors == []
    assert all(request.startswith((folder, "blob:null/", "blob:file:")) for request in seen.requests)


def begin(page: Any, name: str) -> None:
    assert page.evaluate("document.activeElement.id") == "rater"
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.locator("#trial").wait_for(state="visible")


def hear(page: Any) -> None:
    """Both sounds by key, long enough that answers are offered."""
    for key, name in (("1", "a"), ("2", "b")):
        page.keyboard.press(key)
        wait_for(page, f"document.getElementById('play-{name}').classList.contains('heard')")


def enabled(page: Any) -> bool:
    return page.evaluate("[...document.querySelectorAll('[data-choice]')].every((button) => !button.disabled)")


def at(page: Any) -> str:
    return page.locator("#place").inner_text()


def form_of(page: Any, made: Made) -> list[str]:
    """Trials of the rater's form in order."""
    kept = json.loads(page.evaluate(f"localStorage.getItem('vibegrid.rate.{made.key.pack}')"))
    return [trial.id for trial in made.key.trials.values() if trial.form == kept["form"] + 1]


def choice_of(made: Made, trial: str) -> str:
    """What a listener of good will says: a check right, the system `sft` else."""
    wanted = made.key.trials[trial]
    left, _ = made.key.systems_of(wanted)
    return wanted.expected or ("a" if left == "sft" else "b")


def downloaded(page: Any, made: Made, folder: Path) -> list[Rating]:
    """What the page exports, as the analysis reads it."""
    with page.expect_download() as download:
        page.keyboard.press("Enter")  # the button has the focus
    folder.mkdir(exist_ok=True)
    download.value.save_as(folder / download.value.suggested_filename)
    return read_ratings(folder, made.key)


def test_a_whole_session_by_keys_with_a_reload(page: Any, made: Made, tmp_path: Path) -> None:
    begin(page, "anna")
    trials = form_of(page, made)
    assert at(page) == "1 of 6" and not enabled(page)
    page.keyboard.press("ArrowLeft")  # nothing was heard yet
    assert at(page) == "1 of 6"
    for number, trial in enumerate(trials[:3], start=1):
        assert at(page) == f"{number} of 6"
        hear(page)
        page.keyboard.press(KEYS[choice_of(made, trial)])
    page.reload()
    assert at(page) == "4 of 6" and page.evaluate("document.getElementById('bar-done').value") == 3
    page.keyboard.press("Backspace")
    assert at(page) == "3 of 6" and "Answered" in page.locator("#hint").inner_text()
    pressed = page.locator("[data-choice][aria-pressed=true]")
    assert pressed.get_attribute("data-choice") == choice_of(made, trials[2])
    hear(page)
    page.keyboard.press(KEYS["tie"])  # changed
    for trial in trials[3:]:
        hear(page)
        page.keyboard.press(KEYS[choice_of(made, trial)])
    assert page.locator("#count").inner_text() == "anna: 6 of 6 trials answered."
    ratings = downloaded(page, made, tmp_path / "ratings")
    assert [rating.trial.id for rating in ratings] == trials
    assert [r.choice for r in ratings] == [choice_of(made, t) if i != 2 else "tie" for i, t in enumerate(trials)]
    assert {rating.rater for rating in ratings} == {"anna"} and all(rating.seconds > 0 for rating in ratings)
    page.reload()
    assert page.locator("#done").is_visible()  # what was answered is still there
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Another rater").click()
    assert page.locator("#start").is_visible() and page.evaluate("localStorage.length") == 0


def test_by_mouse_one_sound_at_a_time(page: Any) -> None:
    page.get_by_role("textbox").fill("no <b>good</b> name")
    page.get_by_role("button", name="Start").click()
    assert "letters, digits" in page.locator("#wrong").inner_text() and page.locator("#start").is_visible()
    page.get_by_role("textbox").fill("ben")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Play A").click()
    wait_for(page, "document.getElementById('play-a').classList.contains('heard')")
    assert page.locator("#hint").inner_text() == "Hear B first." and not enabled(page)
    page.get_by_role("button", name="Play B").click()
    wait_for(page, "document.getElementById('play-b').classList.contains('heard')")
    assert not page.evaluate("document.getElementById('play-a').classList.contains('playing')")
    page.get_by_role("button", name="no difference").click()
    assert at(page) == "2 of 6" and not enabled(page)
    page.get_by_role("button", name="Next trial").click()
    page.get_by_role("button", name="Previous trial").click()
    assert at(page) == "2 of 6"
    for _ in range(5):
        page.locator("#next").click()
    assert page.locator("#thanks").inner_text() == "Not all trials are answered."
    assert page.locator("#csv").input_value().count("\n") == 2


def test_untrusted_text_is_text_and_nothing_is_named(page: Any, made: Made) -> None:
    begin(page, "cleo")
    shown = []
    for _ in range(6):
        shown.append(page.locator("#vibe").inner_text())
        assert page.locator("#vibe *").count() == 0
        page.locator("#next").click()
    assert HOSTILE.replace("\u202e", "[U+202E]") in shown and page.evaluate("window.hacked") is None
    files = {path.name: path.read_bytes() for path in (made.folder / "page").rglob("*") if path.is_file()}
    for word in (b"sft", b"check", b"repeat", b"expected"):
        assert word not in files["trials.js"]
    for name, data in files.items():
        assert b"sft" not in data and "sft" not in name


def test_the_policy_holds(browser: Any, made: Made) -> None:
    opened = browser.new_context().new_page()
    opened.goto(made.url)
    blocked = opened.evaluate(
        """async () => {
          const blocked = [];
          document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.inline = 1";
          const image = document.createElement("img");
          image.src = "https://example.invalid/x.png";
          document.body.append(script, image);
          await fetch("https://example.invalid/").catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, 100));
          return [...blocked, window.inline];
        }"""
    )
    assert set(blocked[:-1]) == {"script-src-elem", "img-src", "connect-src"} and blocked[-1] is None
    opened.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (390, "light")])
def test_on_a_phone(browser: Any, made: Made, tmp_path: Path, width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 640}, color_scheme=scheme, is_mobile=True, has_touch=True
    )
    opened = context.new_page()
    opened.goto(made.url)
    narrow = "document.documentElement.scrollWidth"
    assert opened.evaluate(narrow) <= width
    opened.get_by_role("textbox").fill("dora")
    opened.get_by_role("button", name="Start").tap()
    for _ in range(6):
        assert opened.evaluate(narrow) <= width
        for name in ("A", "B"):
            opened.get_by_role("button", name=f"Play {name}").tap()
            wait_for(opened, f"document.getElementById('play-{name.lower()}').classList.contains('heard')")
        button = opened.get_by_role("button", name="A fits better")
        assert button.bounding_box()["height"] >= 44  # a finger's width
        button.tap()
    assert opened.evaluate(narrow) <= width
    (tmp_path / "dora.csv").write_text(opened.locator("#csv").input_value())
    assert len(read_ratings(tmp_path, made.key)) == 6
    context.close()


def test_served_ratings_are_collected(browser: Any, made: Made, tmp_path: Path) -> None:
    server = RatingServer(made.folder, tmp_path / "ratings")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        context = browser.new_context()
        opened = context.new_page()
        opened.goto(server.url)
        begin(opened, "emil")
        for count in (1, 2):
            hear(opened)
            with opened.expect_response("**/ratings") as reply:
                opened.keyboard.press("ArrowRight")
            assert reply.value.ok and opened.locator("#saved").inner_text() == ""
            assert len(read_ratings(tmp_path / "ratings", made.key)) == count
        context.close()
        other = browser.new_context().new_page()  # another device, the same name
        other.goto(server.url)
        begin(other, "emil")
        hear(other)
        with other.expect_response("**/ratings"):
            other.keyboard.press("ArrowLeft")
        wait_for(other, "document.getElementById('saved').textContent.includes('is taken')")
        assert len(read_ratings(tmp_path / "ratings", made.key)) == 2
        other.context.close()
    finally:
        server.shutdown()
        server.server_close()
