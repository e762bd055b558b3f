"""The labels stage: best of N, and a teacher that answers badly. Run: pytest tests/test_labels.py"""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from vibegrid.errors import InputError
from vibegrid.files import read_jsonl, write_jsonl
from vibegrid.labels import write as stage
from vibegrid.labels.rows import LABEL_FIELDS
from vibegrid.llm import composer
from vibegrid.llm.client import Completion
from vibegrid.llm.prompts import Prompt
from vibegrid.payloads import dumps, parse_output
from vibegrid.specs.labels import LabelsSpec

VIBES = ["lonely neon rain", "warm kitchen", "lonely neon rain", "fog"]


def payload(**changes: Any) -> dict[str, Any]:
    return composer.compose("fog", random.Random(0)) | changes


def vibes(tmp_path: Path) -> Path:
    rows = [
        {"dataset": "d", "id_in_dataset": i, "vibe_scope": "scene", "vibe_level": "m", "vibe_original": vibe}
        for i, vibe in enumerate(VIBES)
    ]
    write_jsonl(tmp_path / "vibes.jsonl", rows)
    return tmp_path / "vibes.jsonl"


def run(tmp_path: Path, **spec: Any) -> list[dict[str, Any]]:
    stage.write(
        LabelsSpec(**spec),
        vibes=vibes(tmp_path),
        prompt=Prompt("Schema: {schema}"),
        store=tmp_path / "store",
        salt="",
        out=tmp_path / "out",
    )
    return read_jsonl(tmp_path / "out" / "labels.jsonl")


def test_each_vibe_is_labelled_once(tmp_path: Path) -> None:
    rows = run(tmp_path, candidates=3)
    assert [row["vibe_original"] for row in rows] == sorted(set(VIBES))
    for row in rows:
        assert tuple(row) == ("vibe_original", *LABEL_FIELDS)
        assert len(row["config_candidates"]) == len(row["candidate_scores"]) == 3
        assert row["config_payload"] == row["config_candidates"][row["best_index"]]
        assert row["candidate_scores"][row["best_index"]] == max(row["candidate_scores"])
        assert row["validation_scores"] == dict.fromkeys(("format_valid", "schema_valid", "palette_valid"), True)
        assert row["config_error"] is None
        assert parse_output(dumps(row["config_payload"])).schema_valid
    assert json.loads((tmp_path / "out" / "labels.json").read_text())["calls"] == 9


def test_the_request_carries_schema_seed_and_marked_vibe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def complete_many(requests: Any, **_: Any) -> list[Completion]:
        seen.extend(requests)
        return [Completion(dumps(payload()), stored=True) for _ in requests]

    monkeypatch.setattr(stage, "complete_many", complete_many)
    run(tmp_path, candidates=2, seed=5, temperature=0.5)
    assert [request.params["seed"] for request in seen[:2]] == [5, 6]
    assert seen[0].params["temperature"] == 0.5
    assert "{schema}" not in seen[0].messages[0]["content"] and "tempo" in seen[0].messages[0]["content"]
    assert seen[0].messages[1]["content"] == "<vibe>\nfog\n</vibe>"


def label(*texts: str | None) -> dict[str, Any]:
    return stage.label([Completion(text, None if text else "TimeoutError: 60 s") for text in texts], "t")


def test_the_best_candidate_is_the_first_of_the_highest_score() -> None:
    twice = payload()
    twice["palettes"] = json.loads(json.dumps(twice["palettes"]))
    twice["palettes"][0]["colors"][1]["hex"] = twice["palettes"][0]["colors"][0]["hex"]
    broken = payload(config=payload()["config"] | {"tempo": "warp"})
    clean = dumps(payload())
    row = label("no", None, dumps(broken), dumps(twice), clean, clean)
    assert row["best_index"] == 4
    assert row["candidate_scores"][1] == -1.0
    assert row["candidate_scores"][2] < row["candidate_scores"][3] < row["candidate_scores"][4]
    assert row["config_candidates"][0] is None and row["config_candidates"][2] == broken


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I am sorry, I cannot.", "not a JSON object"),
        ('{"thinking": "cut o', "not a JSON object"),
        ("{}", "breaks the schema"),
        ('{"title": "\\ud800"}', "breaks the schema"),
        ("[" * 5_000, "not a JSON object"),
        ('{"a": NaN}', "not a JSON object"),
        (None, "TimeoutError: 60 s"),
    ],
)
def test_a_bad_answer_is_no_payload(text: str | None, reason: str, tmp_path: Path) -> None:
    row = label(text)
    assert row["config_payload"] is None
    assert reason in row["config_error"]
    write_jsonl(tmp_path / "x.jsonl", [row])


def test_extra_keys_break_the_schema() -> None:
    assert label(dumps(payload(extra=1)))["config_payload"] is None


def test_vibes_without_payload_stay_and_all_failed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def some(requests: Any, **_: Any) -> list[Completion]:
        return [
            Completion(None, "429") if "kitchen" in r.messages[1]["content"] else Completion(dumps(payload()))
            for r in requests
        ]

    monkeypatch.setattr(stage, "complete_many", some)
    assert [row["config_error"] for row in run(tmp_path)] == [None, None, "429"]
    monkeypatch.setattr(stage, "complete_many", lambda requests, **_: [Completion(None, "429") for _ in requests])
    with pytest.raises(InputError, match="no usable payload for any of 3 vibes: 429"):
        run(tmp_path)


def broken_first(monkeypatch: pytest.MonkeyPatch, *bad: str) -> list[list[Any]]:
    """The first answers are bad, in turn; what is asked again gets a payload. Returns the requests by round."""
    rounds: list[list[Any]] = []

    def complete_many(requests: Any, **_: Any) -> list[Completion]:
        rounds.append(list(requests))
        if len(rounds) == 1:
            return [Completion(bad[i % len(bad)]) for i in range(len(requests))]
        return [Completion(dumps(payload())) for _ in requests]

    monkeypatch.setattr(stage, "complete_many", complete_many)
    return rounds


def test_a_payload_that_cannot_be_used_is_repaired_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = dumps(payload(config=payload()["config"] | {"tempo": "warp"}))
    rounds = broken_first(monkeypatch, wrong, dumps(payload()))
    rows = run(tmp_path, candidates=2, seed=7)
    assert len(rounds) == 2 and all(row["config_error"] is None for row in rows)
    again = rounds[1]
    assert len(again) == 3 and {request.params["seed"] for request in again} == {7}  # the broken ones', with their seed
    assert [message["role"] for message in again[0].messages] == ["system", "user", "assistant", "user"]
    assert "config.tempo" in again[0].messages[3]["content"] and "warp" in again[0].messages[2]["content"]
    report = json.loads((tmp_path / "out" / "labels.json").read_text())["llm"]
    assert (report["repairs"], report["repaired"]) == (3, 3)


def test_the_teacher_is_held_to_the_schema_of_a_payload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = broken_first(monkeypatch, dumps(payload()))
    run(tmp_path)
    form = rounds[0][0].params["response_format"]["json_schema"]
    assert form["strict"] and list(form["schema"]["properties"]) == ["thinking", "title", "config", "palettes"]
    assert "warp" not in form["schema"]["properties"]["config"]["properties"]["tempo"]["enum"]
