"""Building eval sets: prompt files and the sample of TEST. Run: pytest tests/test_eval_set_build.py"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.errors import InputError
from vibegrid.evals.eval_sets import Prompt, build, stratified
from vibegrid.evals.parts import meant
from vibegrid.files import read_jsonl, write_jsonl, write_text
from vibegrid.specs.evals import EvalSetSpec
from vibegrid.vibes.rows import LEVELS

SPLITS = ("SFT-Train", "SFT-Val", "GRPO", "TEST")


def row(text: int, scope: str, level: str, vibe: str = "", payload: Any = True) -> dict[str, Any]:
    return {
        "dataset": "d",
        "id_in_dataset": text,
        "text_page": 1,
        "vibe_index": 0,
        "vibe_scope": scope,
        "vibe_level": level,
        "vibe_original": vibe or f"{scope} {level} {text}",
        "config_payload": {"title": "t"} if payload else None,
    }


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    rows = [row(t, s, level) for t in range(4) for s in ("scene", "character") for level in LEVELS]
    for name in SPLITS:
        write_jsonl(tmp_path / f"{name}.jsonl", rows if name == "TEST" else [row(9, "scene", "m", f"harbour {name}")])
    write_text(tmp_path / "lexicon.tsv", "word\tenergy\nrain\t-1\n")
    return tmp_path


def make(splits: Path, prompts: list[dict[str, Any]] | None = None, **spec: Any) -> list[dict[str, Any]]:
    if prompts is not None:
        write_jsonl(splits / "p.jsonl", prompts)
    source = splits if prompts is None else splits / "p.jsonl"
    kind = "test" if prompts is None else "file"
    build(
        EvalSetSpec(**{"name": "x", "source": kind, **spec}),
        source=source,
        splits=splits,
        lexicon_words=splits / "lexicon.tsv",
        out=splits / "out",
    )
    return read_jsonl(splits / "out" / "prompts.jsonl")


def prompt(key: str = "a", text: str = "blue noon", **fields: Any) -> dict[str, Any]:
    return {"id": key, "prompt": text, "category": "short"} | fields


def test_defaults_clusters_and_familiarity(splits: Path) -> None:
    made = make(
        splits,
        [
            prompt("a", "raining", expected_fields={"tempo": "slow", "density": [2, 3], "depth": True}),
            prompt("b", "grand harbour", paraphrase_group="g"),
            prompt("c", "fuchsia"),
        ],
    )
    assert [p["familiarity"] for p in made] == ["seen", "seen", "unseen"]
    assert [p["cluster"] for p in made] == ["a", "g", "c"]
    assert made[0]["expected_fields"] == {"tempo": ["slow"], "density": [2, 3], "depth": [True]}
    assert set(made[0]) == {*Prompt.model_fields, "cluster", "familiarity"}
    assert json.loads((splits / "out" / "eval_set.json").read_text())["rows"] == 3


def test_a_corrupted_set_keeps_what_was_meant(splits: Path) -> None:
    prompts = [prompt("a", "grand harbour at noon"), prompt("b", "fuchsia", paraphrase_group="g"), prompt("c", "rain")]
    clean = make(splits, prompts)
    embeddings = np.load(splits / "out" / "embeddings.npy")
    typos = make(splits, prompts, source="corrupted", of="p", seed=3)
    for before, after in zip(clean, typos, strict=True):
        assert after["prompt"] != before["prompt"] == after["prompt_original"] == meant(after) == meant(before)
        assert abs(len(after["prompt"]) - len(before["prompt"])) <= 2
        assert (after["id"], after["category"], after["source"]) == (f"typo-{before['id']}", "typo", "corrupted")
        assert after["paraphrase_group"] == after["cluster"] == before["cluster"]
        assert after["familiarity"] == before["familiarity"]
    assert {row["familiarity"] for row in typos} == {"seen", "unseen"}
    assert np.array_equal(np.load(splits / "out" / "embeddings.npy"), embeddings)
    assert make(splits, prompts, source="corrupted", of="p", seed=3) == typos
    assert make(splits, prompts, source="corrupted", of="p", seed=4) != typos


@pytest.mark.parametrize("wrong", [{"source": "corrupted"}, {"source": "test", "of": "short_prompts"}])
def test_a_derived_set_names_what_it_is_made_of(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="of"):
        EvalSetSpec(name="x", **wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"category": "medium"}, r"p\.jsonl:2: category"),
        ({"subcategory": "volume"}, r"p\.jsonl:2: subcategory"),
        ({"extra": 1}, r"p\.jsonl:2: extra"),
        ({"prompt": " "}, r"p\.jsonl:2: field 'prompt' is empty"),
        ({"prompt": 3}, r"p\.jsonl:2: field 'prompt' must be a text"),
        ({"id": 3}, r"p\.jsonl:2: id"),
        ({"id": "a"}, r"p\.jsonl:2: id 'a' repeats line 1"),
        ({"difficulty": None}, r"p\.jsonl:2: difficulty"),
        ({"expected_fields": ["tempo"]}, r"p\.jsonl:2: expected_fields"),
        ({"expected_fields": {"tempo": "warp"}}, r"p\.jsonl:2: expected_fields.tempo: no label 'warp'"),
        ({"expected_fields": {"depth": 1}}, r"expected_fields.depth: no label 1"),
        ({"expected_fields": {"tempo": []}}, r"the list of labels is empty"),
        ({"expected_fields": {"speed": "slow"}}, r"no config field 'speed'"),
    ],
)
def test_a_bad_row_is_named_by_its_line(splits: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(splits, [prompt("a"), prompt("b") | change])
    assert not (splits / "out").exists()


def test_test_rows_keep_what_the_metrics_need(splits: Path) -> None:
    made = make(splits, rows=30)
    assert len({p["id"] for p in made}) == 30
    assert all({"config_payload", "vibe_level", "vibe_scope", "familiarity"} <= set(p) for p in made)
    assert set(Counter((p["vibe_scope"], p["vibe_level"]) for p in made).values()) == {3}
    assert {p["cluster"] for p in made} <= {f"d/{i}" for i in range(4)}
    assert {p["source"] for p in made} == {"extracted"}
    assert {p["id"]: p["prompt"] for p in make(splits, rows=10)}.items() <= {p["id"]: p["prompt"] for p in made}.items()


def test_test_takes_what_there_is(splits: Path) -> None:
    assert len(make(splits, rows=500)) == len(make(splits)) == 40
    write_jsonl(splits / "TEST.jsonl", [row(1, "scene", "m", payload=False)])
    with pytest.raises(InputError, match=r"TEST\.jsonl: no row has a payload"):
        make(splits)


@given(
    st.lists(st.tuples(st.sampled_from(["scene", "character"]), st.sampled_from(LEVELS)), max_size=60),
    st.integers(0, 60),
)
def test_strata_are_as_even_as_they_can_be(kinds: list[tuple[str, str]], count: int) -> None:
    rows = [row(i, *kind) for i, kind in enumerate(kinds)]
    chosen = Counter((r["vibe_scope"], r["vibe_level"]) for r in stratified(rows, count, 0))
    assert sum(chosen.values()) == min(count, len(rows))
    available = Counter(kinds)
    for stratum, there in available.items():
        if chosen[stratum] < there:  # a stratum that could give more gives at most one row less than any other
            assert all(chosen[stratum] >= other - 1 for other in chosen.values())
