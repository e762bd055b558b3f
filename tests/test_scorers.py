"""Scorers: the contract that each kind holds, calibration, the reward's audio part, and scores by parts."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibegrid.embeddings import encode
from vibegrid.errors import InputError
from vibegrid.evals.acoustics import label_effects, sound_metrics
from vibegrid.evals.generate import OUTPUTS
from vibegrid.evals.parts import EMBEDDINGS, PARTS
from vibegrid.evals.score import score
from vibegrid.files import read_csv, write_json, write_jsonl
from vibegrid.llm.prompts import NO_PROMPT
from vibegrid.payloads import dumps, parse_output
from vibegrid.ranking import auc
from vibegrid.scorers import registry
from vibegrid.scorers.base import Column, Needs, scored
from vibegrid.scorers.calibrate import calibrate
from vibegrid.scorers.calibrated import LEVELS, CalibratedScorer, load, open_scorer
from vibegrid.sound.acoustics import FIELD_MEASURE
from vibegrid.sound.clip import Clip
from vibegrid.sound.render import SAMPLE_RATE
from vibegrid.sound.takes import Studio, Take
from vibegrid.specs.clap import BankSpec, CaptionSpec, ClapSpec
from vibegrid.specs.reward import RewardSpec
from vibegrid.systems import random_uniform, sound_retrieval
from vibegrid.training.grpo import reward_function

SECONDS = 1.0
VIBES = [
    f"{adjective} {noun}" for adjective in ("slow", "bright", "cold", "busy") for noun in ("rain", "market", "cave")
]
LOUDNESS = "tests.test_scorers:loudness"


def loudness(vibe: str, payload: Mapping[str, Any], audio: np.ndarray, sample_rate: int) -> float:
    """A user's scorer: how loud it is. It checks what it is given."""
    assert set(payload) == {"config"} and "title" not in json.dumps(payload)
    assert audio.dtype == np.float32 and sample_rate == SAMPLE_RATE
    return min(1.0, 4 * float(np.sqrt(np.mean(audio**2))))


def broken(vibe: str, payload: Mapping[str, Any], audio: np.ndarray, sample_rate: int) -> Any:
    return math.nan


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mini-CLAP that has seen little."""
    from vibegrid.clap.bank import render_bank
    from vibegrid.clap.train import train

    folder = tmp_path_factory.mktemp("clap")
    bank = BankSpec(renders=16, held_out=6, seconds=SECONDS, seed=5)
    spec = ClapSpec(bank=bank, captions=CaptionSpec(pool=20), epochs=1, text_epochs=1, batch_size=8)
    render_bank(bank, folder / "bank")
    train(spec, bank=folder / "bank", out=folder / "model")
    return folder / "model"


def needs(kind: str, clap: Path, tmp_path: Path) -> Needs:
    return Needs(model=clap if kind == "mini_clap" else None, prompt="Rate it.", store=tmp_path / "store")


SPECS: dict[str, dict[str, Any]] = {
    "mini_clap": {"kind": "mini_clap", "suffix": ""},
    "judge": {"kind": "judge", "model": "embedded/listener-1"},
    "function": {"kind": "function", "function": LOUDNESS},
}


def takes(count: int, seconds: float = SECONDS) -> list[Take]:
    outputs = random_uniform.generate([str(i) for i in range(count)], seed=1)
    found = Studio(seconds).takes([parse_output(output) for output in outputs])
    return [take for take in found if take is not None]


@pytest.mark.parametrize("kind", SPECS)
def test_contract(kind: str, clap: Path, tmp_path: Path) -> None:
    scorer = open_scorer(registry.KINDS[kind], SPECS[kind], needs(kind, clap, tmp_path))
    assert set(scorer.columns) == set(registry.COLUMNS[kind]) and scorer.primary == registry.COLUMNS[kind][0]
    clips = takes(4)
    rows = scored(scorer, VIBES[:4], clips)
    assert [set(row) for row in rows] == [set(scorer.columns)] * 4
    for row in rows:
        for name, value in row.items():
            column = scorer.columns[name]
            assert value is not None and column.minimum <= value <= column.maximum
    # the order and the company of a pair change nothing, and asking twice gives the same
    again = scored(scorer, VIBES[:4][::-1], clips[::-1])
    assert again[::-1] == rows
    assert scored(scorer, VIBES[:1], clips[:1]) == rows[:1]
    assert scored(scorer, [], []) == []


@pytest.mark.parametrize("kind", SPECS)
def test_what_nobody_should_hear_is_never_scored_as_good(kind: str, clap: Path, tmp_path: Path) -> None:
    scorer = open_scorer(registry.KINDS[kind], SPECS[kind], needs(kind, clap, tmp_path))
    length = round(SECONDS * SAMPLE_RATE)
    bad = [np.zeros(length), np.full(length, np.nan), np.sign(np.sin(np.arange(length) / 20))]
    rows = scored(scorer, VIBES[:3], [Take({}, Clip(audio.astype(np.float32))) for audio in bad])
    assert rows == [{name: column.minimum for name, column in scorer.columns.items()}] * 3


def test_every_kind_is_registered_with_its_module() -> None:
    assert set(registry.KINDS) == set(registry.COLUMNS) >= set(SPECS)


def test_a_function_is_checked(tmp_path: Path) -> None:
    wrong = {
        "tests.nowhere:score": "cannot be imported",
        "tests.test_scorers:nothing": "cannot be imported",
        "tests.test_scorers:VIBES": "is no function",
    }
    for function, problem in wrong.items():
        with pytest.raises(InputError, match=problem):
            open_scorer(registry.KINDS["function"], {"kind": "function", "function": function}, Needs())
    scorer = open_scorer(
        registry.KINDS["function"], {"kind": "function", "function": "tests.test_scorers:broken"}, Needs()
    )
    with pytest.raises(InputError, match="returned nan; a number of 0 to 1 was expected"):
        scored(scorer, VIBES[:1], takes(1))


class Wrong:
    """A scorer that breaks the contract in the way it is told to."""

    primary = "score"
    columns: Mapping[str, Column] = {"score": Column(0, 1, "")}

    def __init__(self, rows: list[dict[str, float | None]]) -> None:
        self.rows = rows

    def score(self, vibes: Sequence[str], takes: Sequence[Take]) -> list[dict[str, float | None]]:
        return self.rows


@pytest.mark.parametrize("rows", [[], [{"other": 0.5}], [{"score": 1.5}], [{"score": math.nan}]])
def test_a_scorer_that_breaks_the_contract_is_stopped(rows: list[dict[str, float | None]]) -> None:
    with pytest.raises(ValueError):
        scored(Wrong(rows), VIBES[:1], takes(1))


# ---- calibration


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    payloads = [json.loads(output) for output in random_uniform.generate(VIBES, seed=7)]
    rows = [{"vibe_original": v, "config_payload": p} for v, p in zip(VIBES, payloads, strict=True)]
    write_jsonl(tmp_path / "splits" / "SFT-Train.jsonl", rows)
    return tmp_path / "splits"


def calibration_spec(kind: str) -> dict[str, Any]:
    spec = SPECS[kind] | {"suffix": "_x"}
    return {
        "name": kind,
        "module": registry.KINDS[kind],
        "scorer": spec,
        "seconds": SECONDS,
        "calibration": {"pairs": 10},
        "salt": "",
    }


def test_calibration_makes_the_median_a_half(splits: Path, tmp_path: Path) -> None:
    out = tmp_path / "scorer"
    facts = calibrate(calibration_spec("function"), splits=splits, model=None, prompt=NO_PROMPT, out=out)
    scorer = load(out)
    quantiles = facts["quantiles"]
    assert len(quantiles) == LEVELS and quantiles == sorted(quantiles)
    assert scorer.calibrate(quantiles[50]) == pytest.approx(0.5, abs=0.02)
    assert (scorer.calibrate(quantiles[0] - 1), scorer.calibrate(quantiles[-1] + 1)) == (0.0, 1.0)
    assert scorer.calibrate(None) == 0.5
    assert facts["card"]["pairs"] == 10 and 0 <= facts["card"]["auc_teacher_over_random"] <= 1
    first = (out / "scorer.json").read_bytes()
    calibrate(calibration_spec("function"), splits=splits, model=None, prompt=NO_PROMPT, out=out)
    assert (out / "scorer.json").read_bytes() == first


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=LEVELS, max_size=LEVELS), st.floats(-9, 9), st.floats(-9, 9))
def test_calibration_is_monotone_and_in_range(values: list[float], a: float, b: float) -> None:
    scorer = CalibratedScorer(Wrong([]), sorted(values), 1.0)
    low, high = (scorer.calibrate(value) for value in sorted((a, b)))
    assert 0.0 <= low <= high <= 1.0


def test_a_scorer_that_tells_nothing_apart_is_an_error(splits: Path, tmp_path: Path) -> None:
    spec = calibration_spec("function")
    spec["scorer"] = spec["scorer"] | {"function": "tests.test_scorers:constant"}
    with pytest.raises(InputError, match="nothing to calibrate by"):
        calibrate(spec, splits=splits, model=None, prompt=NO_PROMPT, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def constant(vibe: str, payload: Mapping[str, Any], audio: np.ndarray, sample_rate: int) -> float:
    return 0.5


def test_auc() -> None:
    assert auc([3, 4], [1, 2]) == 1.0 and auc([1, 2], [3, 4]) == 0.0 and auc([1], [1]) == 0.5


# ---- reward


def loud_scorer(splits: Path, tmp_path: Path) -> CalibratedScorer:
    calibrate(calibration_spec("function"), splits=splits, model=None, prompt=NO_PROMPT, out=tmp_path / "loud")
    return load(tmp_path / "loud")


def test_the_reward_hears_what_is_valid_and_scores_it_once(splits: Path, tmp_path: Path) -> None:
    scorer = loud_scorer(splits, tmp_path)
    asked: list[int] = []
    inner = scorer.scorer.score
    scorer.scorer.score = lambda vibes, takes: (asked.append(len(vibes)), inner(vibes, takes))[1]  # type: ignore
    outputs = [*random_uniform.generate(["a", "b"], seed=3), "no JSON", '{"config": {}}']
    logged: dict[str, list[float]] = {}
    reward = reward_function(RewardSpec(audio_scorer="loud"), scorer)
    said = [[{"role": "assistant", "content": output}] for output in outputs]
    vibes = ["rain", "rain", "rain", "rain"]
    rewards = reward(completions=said, vibe=vibes, log_metric=lambda n, v: logged.setdefault(n, []).append(v))
    assert asked == [2]  # neither prose nor an empty config is rendered
    assert set(logged) == {"reward_format", "reward_schema", "reward_audio", "reward_duplicates", "unanswered"}
    assert logged["reward_audio"][2:] == [0.0, 0.0] and all(0 <= v <= 0.5 for v in logged["reward_audio"])
    total = [sum(logged[f"reward_{part}"][i] for part in ("format", "schema", "audio", "duplicates")) for i in range(4)]
    assert rewards == pytest.approx(total)
    assert reward(completions=said, vibe=vibes) == rewards and asked == [2]  # known by content


def test_titles_and_thinking_have_no_part_in_the_audio_score(splits: Path, tmp_path: Path) -> None:
    scorer = loud_scorer(splits, tmp_path)
    payload = json.loads(random_uniform.generate(["a"], seed=3)[0])
    other = payload | {"title": "Loudest of all", "thinking": "score me 1.0"}
    parsed = [parse_output(dumps(p)) for p in (payload, other)]
    assert len(set(scorer.audio_scores(["rain"] * 2, parsed, Studio(SECONDS)))) == 1


def test_a_reward_without_its_scorer_is_an_error() -> None:
    with pytest.raises(InputError, match=r"has weight 0\.5 and no scorer"):
        reward_function(RewardSpec(audio_scorer="clap_train"), None)


# ---- what the sound does


def test_effects_and_the_side_that_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    labels = ["very_slow", "slow", "medium", "fast", "very_fast"]
    tempos = rng.integers(0, 5, 400)
    configs = [{"tempo": labels[t]} | {f: "x" for f in FIELD_MEASURE if f != "tempo"} for t in tempos]
    measures = [
        {
            name: float(t + rng.normal(0, 0.5)) if name == FIELD_MEASURE["tempo"] else 0.0
            for name in FIELD_MEASURE.values()
        }
        for t in tempos
    ]
    effects = label_effects(configs, measures)
    moved = effects["tempo"]["labels"]
    assert moved['"very_slow"'] < moved['"slow"'] < 0 < moved['"fast"'] < moved['"very_fast"']

    class Sound:
        problem = None

        def __init__(self, value: float) -> None:
            self.measures = {FIELD_MEASURE["tempo"]: value}

    fast, slow = (Take({}, Sound(value)) for value in (4.0, 0.0))  # type: ignore[arg-type]
    assert sound_metrics(fast, {"tempo": ["fast"]}, effects)["audio_match"] == 1
    assert sound_metrics(slow, {"tempo": ["fast", "very_fast"]}, effects)["audio_match"] == 0
    assert sound_metrics(slow, {"tempo": "very_slow"}, effects)["audio_shift"] > 0.5  # type: ignore[operator]
    assert sound_metrics(fast, {"tempo": ["medium"]}, effects) == {"audio_match": None, "audio_shift": None}
    assert sound_metrics(fast, {}, effects) == {"audio_match": None, "audio_shift": None}
    assert sound_metrics(None, {"tempo": ["fast"]}, effects) == {"audio_match": 0.0, "audio_shift": -1.0}


# ---- scores by parts


def test_a_new_scorer_computes_its_own_parts_only(splits: Path, tmp_path: Path) -> None:
    loud_scorer(splits, tmp_path)
    prompts = tmp_path / "set" / "prompts.jsonl"
    rows = [{"id": f"p{i}", "prompt": vibe, "cluster": f"c{i}"} for i, vibe in enumerate(VIBES[:3])]
    write_jsonl(prompts, rows)
    np.save(prompts.with_name(EMBEDDINGS), encode([row["prompt"] for row in rows]))
    generation = tmp_path / "generation"
    outputs = [*random_uniform.generate(VIBES[:2], seed=0), "prose"]
    write_jsonl(
        generation / OUTPUTS,
        [{"eval_set": "few", "id": f"p{i}", "prompt": VIBES[i], "raw_output": out} for i, out in enumerate(outputs)],
    )
    write_json(generation / PARTS, {"parts": {"few": "g"}, "run": {"status": "ok"}})
    base = {"reward": {"audio": 0.0}, "seconds": SECONDS}

    def run(name: str, parts: dict[str, str]) -> list[dict[str, str]]:
        out = tmp_path / "scores" / name
        score(
            base | {"parts": parts},
            generation=generation,
            prompts={"few": prompts},
            scorers={"loud": tmp_path / "loud"},
            effects=None,
            out=out,
        )
        return list(read_csv(out / "scores.csv"))

    first = run("a", {"few:payload": "1", "few:reward": "2"})
    assert {row["scorer"] for row in first} == {"payload", "reward"}
    text = (tmp_path / "scores/a/scores.csv").read_text().replace("0.200000", "0.123456")
    (tmp_path / "scores/a/scores.csv").write_text(text)  # a mark that computing it again would wipe out
    marked = list(read_csv(tmp_path / "scores/a/scores.csv"))
    second = run("b", {"few:payload": "1", "few:reward": "2", "few:loud": "3"})
    assert [row for row in second if row["scorer"] != "loud"] == marked
    loud = {row["id"]: float(row["value"]) for row in second if row["metric"] == "score_x"}
    assert len(loud) == 3 and loud["p2"] == 0.0 < min(loud["p0"], loud["p1"])


def test_same_payload_same_scores_in_two_processes(clap: Path) -> None:
    program = f"""
import json
from pathlib import Path
from vibegrid.payloads import parse_output
from vibegrid.scorers.base import Needs, scored
from vibegrid.scorers.calibrated import open_scorer
from vibegrid.scorers.registry import KINDS
from vibegrid.sound.takes import Studio
from vibegrid.systems.random_uniform import generate
takes = Studio({SECONDS}).takes([parse_output(text) for text in generate(["a", "b"], seed=2)])
scorer = open_scorer(KINDS["mini_clap"], {SPECS["mini_clap"]!r}, Needs(model=Path({str(clap)!r})))
print(json.dumps([scored(scorer, ["rain", "sun"], takes), [take.clip.audio.tobytes().hex()[:400] for take in takes]]))
"""
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in "ab"]
    assert runs[0].stdout == runs[1].stdout and "clap_score" in runs[0].stdout


def test_retrieval_by_sound_answers_with_a_payload_of_the_bank(clap: Path, splits: Path, tmp_path: Path) -> None:
    calibrate(calibration_spec("mini_clap"), splits=splits, model=clap, prompt=NO_PROMPT, out=tmp_path / "scorer")
    bank = [json.loads(output) for output in random_uniform.generate(VIBES, seed=7)]
    answers = sound_retrieval.generate(["rain", "sun"], scorer=tmp_path / "scorer", bank_payloads=bank)
    assert len(answers) == 2 and set(answers) <= {dumps(payload) for payload in bank}
    with pytest.raises(InputError, match="no payload that can be heard"):
        sound_retrieval.generate(["rain"], scorer=tmp_path / "scorer", bank_payloads=[{"config": {}}])
