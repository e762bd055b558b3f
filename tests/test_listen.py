"""The listening page's folder: what it holds of outputs that nobody vouches for. Run: pytest tests/test_listen.py"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from listen_cases import PROMPTS, payload, spec, write_prompts, write_system

from vibegrid.errors import InputError
from vibegrid.listen import clips
from vibegrid.listen.build import as_script, build
from vibegrid.listen.cards import card, clean, common_labels
from vibegrid.listen.clips import Clips
from vibegrid.listen.source import by_system
from vibegrid.schema import FIELDS

ROOT = Path(__file__).resolve().parents[1]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def page(tmp_path: Path, *systems: list[str], **changes: Any) -> dict[str, Any]:
    """The data of a page of such systems, named "0", "1" and so on."""
    folders = {str(i): write_system(tmp_path / str(i), outputs) for i, outputs in enumerate(systems)}
    build(spec(**changes), systems=folders, prompts=write_prompts(tmp_path), out=tmp_path / "page")
    return read(tmp_path / "page")


def read(folder: Path) -> dict[str, Any]:
    script = (folder / "data.js").read_text(encoding="ascii")
    return json.loads(script.removeprefix("window.LISTEN = ").removesuffix(";\n"))


def one_card(tmp_path: Path, output: str) -> dict[str, Any]:
    return page(tmp_path, [output], prompts=1)["prompts"][0]["cards"][0]


def test_a_page_is_whole_and_the_same_twice(tmp_path: Path) -> None:
    import soundfile

    first = page(tmp_path, [payload(1), payload(2)], [payload(3), payload(4)])
    files = {path.relative_to(tmp_path / "page"): path for path in (tmp_path / "page").rglob("*") if path.is_file()}
    before = {name: path.read_bytes() for name, path in files.items()}
    assert page(tmp_path, [payload(1), payload(2)], [payload(3), payload(4)]) == first
    assert {name: (tmp_path / "page" / name).read_bytes() for name in files} == before
    assert not any(str(tmp_path).encode() in data for data in before.values())
    played = [made["audio"] for prompt in first["prompts"] for made in prompt["cards"]]
    named = {"index.html", "listen.js", "listen.css", "data.js", *played}
    assert len(set(played)) == 4 and {str(name) for name in files} == named
    sound, rate = soundfile.read(tmp_path / "page" / played[0])
    assert sound.shape == (rate,)


def test_cards_say_what_the_files_say(tmp_path: Path) -> None:
    shown = page(tmp_path, [payload(1, title="Ash"), payload(2)], [payload(3), payload(4)])
    assert [prompt["prompt"] for prompt in shown["prompts"]] == [row["prompt"] for row in PROMPTS]
    assert [system["name"] for system in shown["systems"]] == ["0", "1"]
    first, second = shown["prompts"]
    made = first["cards"][0]
    assert (made["title"], made["state"], made["problem"], made["scores"]) == ("Ash", "ok", None, [0.5, 0.25])
    assert made["config"] == [json.loads(payload(1))["config"][field] for field in FIELDS]
    assert [len(palette) for palette in made["palettes"]] == [5, 5, 5]
    assert (first["tags"], second["expected"]) == (["familiarity seen"], ["brightness: bright"])
    assert [metric["name"] for metric in shown["metrics"]] == ["valid_field_fraction", "title_similarity"]
    assert page(tmp_path, [payload(1)], prompts=1, metrics=None)["metrics"] == shown["metrics"]
    assert "higher is better" in shown["metrics"][0]["description"]


def test_equal_configs_are_one_file(tmp_path: Path) -> None:
    shown = page(tmp_path, [payload(1)], [payload(1, title="Other", palettes=[])], prompts=1)
    assert len({made["audio"] for made in shown["prompts"][0]["cards"]}) == 1
    assert len(list((tmp_path / "page" / "audio").iterdir())) == 1


def test_what_is_not_json_is_shown_and_not_heard(tmp_path: Path) -> None:
    made = one_card(tmp_path, "I am sorry, <b>no</b>. " * 100)
    assert made["state"] == "not JSON" and made["audio"] is None and made["config"] is None
    assert made["raw"].startswith("I am sorry, <b>no</b>.") and len(made["raw"]) < 700


def test_half_of_the_fields_is_not_enough_to_be_heard(tmp_path: Path) -> None:
    config = json.loads(payload())["config"]
    half = json.dumps({"title": "Half", "config": {field: config[field] for field in list(FIELDS)[:17]}})
    made = one_card(tmp_path, half)
    assert made["state"] == "few legal fields" and made["audio"] is None and made["title"] == "Half"
    assert made["config"][17:] == [None] * 17


def test_what_the_render_replaced_is_named(tmp_path: Path) -> None:
    made = one_card(
        tmp_path, payload(config={"tempo": "<i>", "depth": 1, "register_min_oct": 2, "register_max_oct": 5})
    )
    assert made["illegal"] == ["tempo", "depth"] and set(made["rendered"]) == {"tempo", "depth"}
    assert made["audio"] and made["config"][0] == "<i>" and made["rendered"]["tempo"] in FIELDS["tempo"]


@pytest.mark.parametrize(("problem", "value"), [("silent", 0.0), ("nan", np.nan), ("clipped", 1.0)])
def test_problem_clips_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str, value: float) -> None:
    square = np.where(np.arange(44_100) % 200 < 100, value, -value).astype(np.float32)
    monkeypatch.setattr(clips, "render", lambda config, seconds: square)
    made = one_card(tmp_path, payload())
    assert made["problem"] == problem and made["state"] == "ok"
    assert (made["audio"] is not None) == (problem == "clipped")


def test_a_system_that_could_not_be_trained_has_a_card(tmp_path: Path) -> None:
    folders = {
        "good": write_system(tmp_path / "a", [payload()]),
        "bad": write_system(tmp_path / "b", [], status="failed"),
    }
    build(spec(prompts=1), systems=folders, prompts=write_prompts(tmp_path), out=tmp_path / "page")
    made = read(tmp_path / "page")["prompts"][0]["cards"][1]
    assert made["state"] == "failed: loss is NaN" and made["audio"] is None and made["scores"] == [None, None]


def test_cards_are_compared_with_the_teacher_and_with_most(tmp_path: Path) -> None:
    outputs = [payload(1, config={"tempo": tempo}) for tempo in ("fast", "slow", "slow")]
    shown = page(tmp_path, *[[output] for output in outputs], prompts=1)["prompts"][0]
    assert (shown["teacher"], shown["common"][0]) == (None, "slow")
    taught = [PROMPTS[0] | {"config_payload": json.loads(payload(1, config={"tempo": "medium"}))}]
    folders = {"a": write_system(tmp_path / "a", outputs)}
    build(spec(), systems=folders, prompts=write_prompts(tmp_path, taught), out=tmp_path / "page")
    shown = read(tmp_path / "page")["prompts"][0]
    assert (shown["teacher"][0], shown["common"][0]) == ("medium", "fast")


def test_the_label_of_most_is_common() -> None:
    rest = [None] * (len(FIELDS) - 3)
    rows = [[1, True, "b", *rest], [True, True, "a", *rest], [1, True, None, *rest]]
    assert common_labels(rows) == [1, True, "b", *rest]
    assert common_labels([]) == [None] * len(FIELDS)


def test_markup_and_marks_of_direction_stay_text(tmp_path: Path) -> None:
    title = "</script><script>alert(1)</script>\u202e\u2028\ud800"
    made = one_card(tmp_path, json.dumps(json.loads(payload()) | {"title": title}))
    script = (tmp_path / "page" / "data.js").read_text(encoding="ascii")
    assert "<" not in script and script.count("\n") == 1
    assert made["title"] == "</script><script>alert(1)</script>[U+202E][U+2028][U+D800]"


def test_the_page_has_a_policy_and_no_markup_from_text() -> None:
    folder = Path(clips.__file__).parent / "data"
    html, script = ((folder / name).read_text(encoding="utf-8") for name in ("index.html", "listen.js"))
    policy = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"', html)
    assert policy and "default-src 'none'" in policy[1] and "unsafe" not in policy[1]
    assert not re.search(r"<style|<script(?! src=)|\son\w+=|\sstyle=|https?:", html)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|https?:", script)


@given(st.text(st.characters()))
def test_any_text_survives_the_script(text: str) -> None:
    script = as_script({"text": text})
    assert script.isascii() and not set("<>&") & set(script)
    assert json.loads(script.removeprefix("window.LISTEN = ").removesuffix(";\n")) == {"text": text}


@given(st.text(st.characters()), st.integers(1, 50))
def test_clean_text_is_short_and_visible(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert all(character == "\n" or character.isprintable() or character.isspace() for character in shown)
    assert not re.search("[\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    assert len(re.sub(r"\[U\+[0-9A-F]{4,6}\]", "?", shown)) <= limit + 1


@given(st.fixed_dictionaries({}, optional={"title": JSON, "thinking": JSON, "config": JSON, "palettes": JSON}))
def test_any_payload_has_a_card(made: dict[str, Any]) -> None:
    shown = card(json.dumps(made), "ok", clips=None)  # type: ignore[arg-type]  # nothing here is rendered
    assert shown["state"] == "few legal fields" and len(shown["config"]) == len(FIELDS)
    as_script(shown)


@given(JSON)
def test_a_swatch_is_a_colour(colors: Any) -> None:
    good = {"hex": "#AABBCC", "weight": "xl"}
    palettes = [{"colors": colors}, {"colors": [{"hex": colors}, good, {**good, "hex": "#aabbcc;"}]}, colors]
    shown = card(json.dumps({"palettes": palettes}), "ok", clips=None)["palettes"]  # type: ignore[arg-type]
    assert ["#aabbcc", "xl"] in [color for palette in shown for color in palette]
    assert all(re.fullmatch("#[0-9a-f]{6}", color[0]) for palette in shown for color in palette)


def test_bad_input_leaves_the_page_as_it_was(tmp_path: Path) -> None:
    page(tmp_path, [payload(1), payload(2)])
    before = (tmp_path / "page" / "data.js").read_bytes()
    with pytest.raises(InputError, match=r"generations\.jsonl: no output of prompt 'few-2'"):
        page(tmp_path, [payload(1)])
    with pytest.raises(InputError, match=r"metrics of few: no score of 'clap' \(hint: known: valid_field"):
        page(tmp_path, [payload(1)], prompts=1, metrics=["clap"])
    with pytest.raises(InputError, match="no system to listen to"):
        page(tmp_path)
    assert (tmp_path / "page" / "data.js").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"0", "page", "prompts.jsonl"}


def test_systems_of_the_command_line() -> None:
    assert by_system(["r=8=g/a=s/a", "b=g=s"]) == {"r=8": (Path("g/a"), Path("s/a")), "b": (Path("g"), Path("s"))}
    for wrong, message in ((["a=b"], "name=GEN"), (["=a=b"], "name=GEN"), (["a=b=c", "a=d=e"], "'a' comes twice")):
        with pytest.raises(InputError, match=message):
            by_system(wrong)


def test_the_script(tmp_path: Path) -> None:
    generations, scores = write_system(tmp_path, [payload(1)])
    command = [sys.executable, str(ROOT / "scripts/build_listen.py"), "--spec", json.dumps(spec(prompts=1))]
    command += ["--prompts", str(write_prompts(tmp_path)), "--out", str(tmp_path / "page")]
    (tmp_path / "stamp.json").write_text("{}")
    command += ["--stamp", str(tmp_path / "stamp.json"), "--made", str(tmp_path / "made.json"), "--systems"]
    done = subprocess.run([*command, f"r=8={generations}={scores}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [system["name"] for system in read(tmp_path / "page")["systems"]] == ["r=8"]
    assert (tmp_path / "made.json").read_text() == "{}"
    done = subprocess.run([*command, "a=b"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--systems: name=GENERATIONS=SCORES was expected" in done.stderr


def test_clips_are_of_one_loudness(tmp_path: Path) -> None:
    import soundfile

    from vibegrid.sound.loudness import TARGET_LUFS, loudness

    made = Clips(tmp_path, 2.0)
    levels = []
    for seed in range(4):
        heard = made.of(json.loads(payload(seed))["config"])
        assert heard.file is not None
        levels.append(loudness(*soundfile.read(tmp_path / heard.file)))
    assert max(levels) <= TARGET_LUFS + 0.1 and TARGET_LUFS - min(levels) < 6  # peaks may hold one below it
