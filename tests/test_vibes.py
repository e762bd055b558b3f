"""The vibes stage, with the embedded extractor and with bad answers. Run: pytest tests/test_vibes.py"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.errors import InputError
from vibegrid.files import read_jsonl, write_jsonl
from vibegrid.llm.client import Completion
from vibegrid.llm.prompts import Prompt
from vibegrid.specs.vibes import VibesSpec
from vibegrid.vibes import extract as stage
from vibegrid.vibes.answers import parse_answer
from vibegrid.vibes.rows import LEVELS, VIBE_FIELDS

LADDER = {"xl": "X.", "lg": "L.", "m": "M.", "sm": "S.", "xs": "xs", "tags": ["a", "b"]}
ANSWER = {"scene": LADDER, "characters": [{"name": "Ada", **LADDER}]}
PAGE = "The dark harbour lay still under cold rain. Ada Voss walked slowly, grey and tired, by the water. "


def run(tmp_path: Path, prompt: str = "p", **spec: Any) -> dict[str, Any]:
    texts = tmp_path / "texts.jsonl"
    rows = [
        {"dataset": "d", "id_in_dataset": 7, "text": PAGE * 10},
        {"dataset": "d", "id_in_dataset": "b", "text": PAGE},
    ]
    write_jsonl(texts, rows)
    return stage.extract(
        VibesSpec(**spec), texts=texts, prompt=Prompt(prompt), store=tmp_path / "store", salt="", out=tmp_path / "out"
    )


def answers(monkeypatch: pytest.MonkeyPatch, *rounds: Any) -> list[Any]:
    """Answer each call of `complete_many` by one of the rounds, a function of the request."""
    calls: list[Any] = []
    left = list(rounds)

    def complete_many(requests: Any, **_: Any) -> list[Completion]:
        calls.append(list(requests))
        if not requests:
            return []
        each = left.pop(0)
        return [each(request) for request in requests]

    monkeypatch.setattr(stage, "complete_many", complete_many)
    return calls


def good(_: Any) -> Completion:
    return Completion(json.dumps(ANSWER))


def test_rows_have_exactly_the_fields_of_the_study(tmp_path: Path) -> None:
    report = run(tmp_path)
    rows = read_jsonl(tmp_path / "out" / "vibes.jsonl")
    pages = read_jsonl(tmp_path / "out" / "pages.jsonl")
    assert report["pages"] == report["answered"] == len(pages) == 3
    assert all(tuple(row) == VIBE_FIELDS for row in rows)
    assert {row["id_in_dataset"] for row in rows} == {7, "b"}
    assert [page["text_page"] for page in pages] == [1, 2, 1]
    for row in rows:
        assert row["split"] == ""
        assert row["vibe_noisy"] == row["vibe_original"]
        assert row["tags_noisy"] == row["tags_original"]
        assert (row["vibe_index"] == 0) == (row["vibe_scope"] == "scene") == (row["character_name"] is None)
    scene = [row["vibe_level"] for row in rows if row["vibe_index"] == 0 and row["id_in_dataset"] == "b"]
    assert tuple(scene) == LEVELS


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    first = (tmp_path / "out" / "vibes.jsonl").read_bytes()
    assert run(tmp_path)["stored"] == 3
    assert (tmp_path / "out" / "vibes.jsonl").read_bytes() == first


def test_page_markers_stand_outside_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answers(monkeypatch, good)
    run(tmp_path, prompt="the prompt")
    asked = [request.messages[-1]["content"] for request in calls[0]]
    assert [content.startswith(f"(Page {i})\n<text>") for i, content in enumerate(asked[:2], 1)] == [True] * 2
    assert asked[2].startswith("<text>\n")
    assert all(request.messages[0] == {"role": "system", "content": "the prompt"} for request in calls[0])


@pytest.mark.parametrize("bad", ["I cannot do that.", '{"scene": {', "[]", json.dumps({"scene": {"xl": "a"}})])
def test_a_bad_answer_is_repaired_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    calls = answers(monkeypatch, lambda _: Completion(bad), good)
    report = run(tmp_path)
    assert report["answered"] == report["repaired"] == 3
    assert calls[1][0].messages[-2] == {"role": "assistant", "content": bad}


def test_failed_pages_are_counted_with_their_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(request: Any) -> Completion:
        if "(Page 1)" in request.messages[-1]["content"]:
            return Completion(None, "RateLimitError: 429")
        return good(request)

    answers(monkeypatch, half)
    report = run(tmp_path)
    assert (report["answered"], len(report["failed"])) == (2, 1)
    assert report["failed"][0] == {
        "dataset": "d",
        "id_in_dataset": 7,
        "text_page": 1,
        "reason": "RateLimitError: 429",
    }
    assert len(read_jsonl(tmp_path / "out" / "vibes.jsonl")) == 20


def test_it_is_an_error_if_every_page_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, lambda _: Completion("No."), lambda _: Completion("No."))
    with pytest.raises(InputError, match="no page of 3 could be extracted: the answer is not one JSON object"):
        run(tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Here it is:\n{}\nEnjoy."])
def test_answers_are_found_in_fences_and_chatter(around: str) -> None:
    answer, reason = parse_answer(around.replace("{}", json.dumps(ANSWER)))
    assert answer is not None and not reason
    assert [(scope, name) for scope, name, _ in answer.ladders()] == [("scene", None), ("character", "Ada")]


def test_vibes_are_cleaned() -> None:
    answer, _ = parse_answer(json.dumps({"scene": LADDER | {"xs": " a\u0000b\ud800 "}}))
    assert answer is not None and answer.scene.xs == "a b?"


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_parsing_never_raises(raw: str) -> None:
    assert parse_answer(raw)[0] is None
