"""Best of N by a scorer, and the report of what N buys. Run: pytest tests/test_choose.py"""

import itertools
import json
import random
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.errors import InputError
from vibegrid.files import read_csv, read_jsonl, write_jsonl
from vibegrid.labels import candidates as hearing
from vibegrid.labels.best_of_n import expected, rank_weights, valid_share
from vibegrid.labels.candidates import Heard
from vibegrid.labels.choose import choose, pick
from vibegrid.labels.selection import measure, report
from vibegrid.labels.write import label
from vibegrid.llm import composer
from vibegrid.llm.client import Completion
from vibegrid.llm.prompts import Prompt
from vibegrid.payloads import dumps
from vibegrid.scorers.base import Column

VIBES = ["lonely neon rain", "warm kitchen", "fog"]


class Brightness:
    """A scorer that reads a label off the config: what it likes is known."""

    columns: ClassVar = {"score": Column(-1.0, 1.0, "brightness")}
    primary = "score"
    order = ("very_dark", "dark", "medium", "bright", "very_bright")

    def __init__(self, sign: float = 1.0, silent: tuple[str, ...] = ()) -> None:
        self.sign, self.silent = sign, silent

    def score(self, vibes: Any, takes: Any) -> list[dict[str, float | None]]:
        values = [self.sign * self.order.index(take.config["brightness"]) / 4 for take in takes]
        return [{"score": None if vibe in self.silent else v} for vibe, v in zip(vibes, values, strict=True)]


def payload(brightness: str, seed: int = 0, **changes: Any) -> str:
    made = composer.compose("fog", random.Random(seed))
    return dumps(made | {"config": made["config"] | {"brightness": brightness}} | changes)


def labels(path: Path, *answers: list[str | None]) -> Path:
    rows = [
        {"vibe_original": vibe} | label([Completion(text, None if text else "429") for text in texts], "t")
        for vibe, texts in zip(VIBES, answers, strict=False)
    ]
    write_jsonl(path, rows)
    return path


def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scorer: Any, source: Path, **spec: Any
) -> list[dict[str, Any]]:
    monkeypatch.setattr(hearing, "open_scorer", lambda *_: scorer)
    whole = {"name": "bright", "module": "", "scorer": {}, "salt": "", "seconds": 1.0, "vibes": None, "seed": 0} | spec
    choose(whole, labels=source, model=None, prompt="", store=tmp_path / "s", out=tmp_path / "out")
    return read_jsonl(tmp_path / "out" / "labels.jsonl")


def test_the_scorer_chooses_among_valid_candidates_and_all_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = json.loads(payload("very_bright"))
    broken["config"]["tempo"] = "warp"
    source = labels(
        tmp_path / "labels.jsonl",
        [payload("dark"), payload("bright"), dumps(broken), None],
        ["no", dumps(broken)],
        [payload("medium", 1), payload("medium", 2)],
    )
    before = read_jsonl(source)
    rows = run(tmp_path, monkeypatch, Brightness(), source)
    assert [row["best_index"] for row in rows] == [1, 1, 0]
    assert rows[0]["scores_external"] == {"bright": [0.25, 0.75, None, None]}
    assert rows[0]["config_payload"] == rows[0]["config_candidates"][1]
    assert rows[0]["validation_scores"] == dict.fromkeys(("format_valid", "schema_valid", "palette_valid"), True)
    assert rows[1] == before[1] and rows[1]["config_payload"] is None  # an invalid one never wins: none is chosen
    assert [row["config_candidates"] for row in rows] == [row["config_candidates"] for row in before]
    assert [row["candidate_scores"] for row in rows] == [row["candidate_scores"] for row in before]
    counts = json.loads((tmp_path / "out" / "choice.json").read_text())
    assert (counts["vibes"], counts["scored"], counts["candidates"], counts["changed"]) == (3, 2, 4, 1)
    assert [row["best_index"] for row in run(tmp_path, monkeypatch, Brightness(-1.0), source)] == [0, 1, 0]


def test_a_scorer_without_an_answer_leaves_the_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = labels(
        tmp_path / "labels.jsonl", [payload("dark"), payload("bright")], [payload("dark"), payload("bright")]
    )
    rows = run(tmp_path, monkeypatch, Brightness(silent=(VIBES[0],)), source)
    assert [row["best_index"] for row in rows] == [0, 1]
    assert rows[0]["scores_external"]["bright"] == [None, None]


def test_a_sample_is_scored_and_the_rest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = labels(tmp_path / "labels.jsonl", *[[payload("dark"), payload("bright")]] * 3)
    rows = run(tmp_path, monkeypatch, Brightness(), source, vibes=1)
    assert sorted(row["best_index"] for row in rows) == [0, 0, 1]
    assert [bool(row["scores_external"]) for row in rows] == [row["best_index"] == 1 for row in rows]


@given(st.lists(st.none() | st.sampled_from([-1.0, 0.0, 0.5]), min_size=1, max_size=6), st.data())
def test_pick(scores: list[float | None], data: st.DataObject) -> None:
    validity = data.draw(st.lists(st.sampled_from([6.9, 7.0]), min_size=len(scores), max_size=len(scores)))
    best = pick(scores, validity, 99)
    known = [value for value in scores if value is not None]
    if not known:
        assert best == 99
        return
    assert scores[best] == max(known)
    assert all(validity[i] <= validity[best] for i, value in enumerate(scores) if value == scores[best])


@given(st.integers(1, 6), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_the_estimator_is_the_mean_over_all_subsets(n_valid: int, n_invalid: int, seed: int) -> None:
    rng, total = np.random.default_rng(seed), n_valid + n_invalid
    by, read = rng.permutation(n_valid).astype(float), rng.normal(size=n_valid)
    found = expected(by.tolist(), read.tolist(), total)
    for n in range(1, total + 1):
        subsets = list(itertools.combinations(range(total), n))
        best = [max((i for i in s if i < n_valid), key=lambda i: by[i], default=None) for s in subsets]
        readings = [read[i] for i in best if i is not None]
        assert np.isclose(found[n - 1], np.mean(readings))
        assert np.isclose(valid_share(n_valid, total, n), len(readings) / len(subsets))
        assert np.isclose(rank_weights(total, n).sum(), 1.0)


def test_the_best_of_normal_draws_gains_what_theory_says() -> None:
    values = np.random.default_rng(0).normal(size=(4000, 5))
    curve = np.mean([expected(row.tolist(), row.tolist(), 5) for row in values], axis=0)
    assert np.allclose(curve, [0.0, 0.5642, 0.8463, 1.0294, 1.1630], atol=0.03)  # David & Nagaraja, Order Statistics


def selection(tmp_path: Path, heard: list[Heard], answers: list[list[str | None]]) -> list[dict[str, str]]:
    source = read_jsonl(labels(tmp_path / "labels.jsonl", *answers))
    rows = [{"dataset": "d", "id_in_dataset": i, "vibe_original": vibe} for i, vibe in enumerate(VIBES)]
    spec = {"seconds": 1.0, "bootstrap": 200, "seed": 0}
    measure(spec, rows=rows, labels=source, heard=heard, out=tmp_path / "selection")
    return read_csv(tmp_path / "selection" / "selection.csv")


def test_the_report_shows_what_is_optimised_and_what_is_had(tmp_path: Path) -> None:
    answers: list[list[str | None]] = [
        [payload("dark", i), payload("medium", i), payload("bright", i)] for i in range(3)
    ]
    heard = [Heard("likes", Brightness()), Heard("hates", Brightness(-1.0))]
    table = selection(tmp_path, heard, answers)
    gains = {(row["selector"], row["reading"], int(row["n"])): float(row["gain"]) for row in table}
    assert len(table) == 2 * 2 * 3
    for n in (1, 2, 3):
        assert gains["likes", "likes", n] == gains["hates", "hates", n] == -gains["likes", "hates", n]
    assert gains["likes", "likes", 1] == 0 < gains["likes", "likes", 2] < gains["likes", "likes", 3] == 1.0
    assert all(float(row["gain_low"]) <= float(row["gain"]) <= float(row["gain_high"]) for row in table)
    assert {row["valid"] for row in table} == {"1.000000"} and {row["n_vibes"] for row in table} == {"3"}
    kept = read_jsonl(tmp_path / "selection" / "candidates.jsonl")
    assert kept[0]["scores"]["likes"] == [0.25, 0.5, 0.75]


def test_the_report_counts_invalid_candidates(tmp_path: Path) -> None:
    answers: list[list[str | None]] = [
        [payload("dark"), "no"],
        ["no", None],
        [payload("dark", 1), payload("bright", 2)],
    ]
    table = selection(tmp_path, [Heard("likes", Brightness())], answers)
    assert [row["valid"] for row in table] == ["0.500000", "0.666667"]
    assert {row["n_vibes"] for row in table} == {"2"}
    with pytest.raises(InputError, match="none of 3 vibes has a valid candidate"):
        selection(tmp_path, [Heard("likes", Brightness())], [["no"], ["no"], ["no"]])


def test_the_report_asks_the_teacher_for_training_vibes(tmp_path: Path) -> None:
    rows = [{"dataset": "d", "id_in_dataset": i, "vibe_scope": "scene", "vibe_level": "m"} for i in range(6)]
    rows = [row | {"vibe_original": f"slow grey rain {i // 2}"} for i, row in enumerate(rows)]
    write_jsonl(tmp_path / "SFT-Train.jsonl", rows)
    asked = {"candidates": 3, "temperature": 0.8}
    spec = {"vibes": 2, "draw_seed": 0, "labels": asked, "salt": "", "seconds": 1.0, "bootstrap": 100, "seed": 0}
    heard = [Heard("likes", Brightness())]
    arguments: Any = {
        "train": tmp_path / "SFT-Train.jsonl",
        "heard": heard,
        "prompt": Prompt("{schema}"),
        "store": tmp_path / "s",
    }
    table = report(spec, out=tmp_path / "out", **arguments)
    assert [row["n"] for row in table] == [1, 2, 3] and table[0]["n_vibes"] == 2
    assert all(len(row["config_candidates"]) == 3 for row in read_jsonl(tmp_path / "out" / "labels.jsonl"))
    assert report(spec, out=tmp_path / "again", **arguments) == table
