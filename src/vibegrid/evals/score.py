"""Scores of one system's outputs: generations in, one row per prompt and metric out; the analyses read them.

A part is what one scorer says of one eval set (``short_prompts:clap_eval``), with an identity of its own: a scorer
that is added, or a prompt that is edited, computes its own parts and keeps the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vibegrid.embeddings import keep_alone
from vibegrid.errors import InputError
from vibegrid.evals.acoustics import load_effects, sound_metrics
from vibegrid.evals.generate import OUTPUTS, read_rows
from vibegrid.evals.metrics import METRICS, score_outputs
from vibegrid.evals.parts import EMBEDDINGS, PARTS, gather, meant
from vibegrid.files import read_csv, read_json, read_jsonl, write_csv, write_json
from vibegrid.folders import whole_folder
from vibegrid.payloads import Parsed, parse_output
from vibegrid.rewards import formula
from vibegrid.scorers.calibrated import CalibratedScorer, load
from vibegrid.sound.takes import Studio
from vibegrid.specs.metrics import ACOUSTICS, PAYLOAD, REWARD
from vibegrid.specs.reward import RewardSpec

COLUMNS = ("eval_set", "id", "subset_keys", "cluster", "scorer", "metric", "value")
TAGS = ("familiarity", "vibe_level", "vibe_scope", "difficulty")

Scores = list[dict[str, float | None]]


def score(
    spec: Mapping[str, Any],
    *,
    generation: Path,
    prompts: Mapping[str, Path],
    scorers: Mapping[str, Path],
    effects: Path | None,
    out: Path,
) -> None:
    """Write ``scores.csv`` (one row per prompt and metric) and ``parts.json`` to the folder ``out``.

    Args:
        spec: ``reward`` (a RewardSpec), ``seconds`` (of a render) and ``parts`` (``eval set:scorer`` to identity).
        generation: the system's folder of generations.
        prompts: eval set to its prompts.jsonl, which has its embeddings beside it.
        scorers: name to folder of the audio scorers.
        effects: effects.json, what the labels do to the sound; needed for `acoustics`.
        out: the folder; its siblings are searched for parts that exist.
    """
    manifest = read_json(generation / PARTS)
    bench = _Bench(spec, scorers, effects)

    def compute(missing: list[str]) -> list[dict[str, Any]]:
        by_set: dict[str, list[str]] = {}
        for part in missing:
            eval_set, _, scorer = part.rpartition(":")
            by_set.setdefault(eval_set, []).append(scorer)
        outputs = read_rows(generation / OUTPUTS)
        return [
            row
            for name, wanted in by_set.items()
            for row in _score_set(name, wanted, [each for each in outputs if each["eval_set"] == name], prompts, bench)
        ]

    rows = gather(out.parent, spec["parts"], lambda folder: list(read_csv(folder / "scores.csv")), compute, part_of)
    with whole_folder(out) as draft:
        write_csv(draft / "scores.csv", rows, COLUMNS)
        write_json(draft / PARTS, {"parts": dict(spec["parts"]), "run": manifest["run"], "llm": bench.calls()})


def part_of(row: Mapping[str, Any]) -> str:
    """The part that a row of scores.csv belongs to."""
    return f"{row['eval_set']}:{row['scorer']}"


class _Bench:
    """All that scores an output, loaded once a job; what no part asks for is not loaded."""

    def __init__(self, spec: Mapping[str, Any], folders: Mapping[str, Path], effects: Path | None) -> None:
        self.reward = RewardSpec.model_validate(spec["reward"])
        self.studio = Studio(spec["seconds"] or 1.0)  # no scorer asks for a render where sound is off
        self._folders, self._effects = folders, effects
        self._loaded: dict[str, CalibratedScorer] = {}

    def scorer(self, name: str) -> CalibratedScorer:
        if name not in self._loaded:
            if name not in self._folders:
                raise InputError("--scorers", f"no folder of scorer {name!r} was given")
            self._loaded[name] = load(self._folders[name])
        return self._loaded[name]

    def calls(self) -> dict[str, dict[str, Any]]:
        """What the calls of each judge that was asked used and cost."""
        tallies = {name: getattr(loaded.scorer, "tally", None) for name, loaded in self._loaded.items()}
        return {name: tally.report() for name, tally in tallies.items() if tally is not None}

    def metrics(self, scorer: str, rows: list[dict[str, Any]], parsed: list[Parsed]) -> Scores:
        """Metrics of all rows by one scorer."""
        if scorer == PAYLOAD:
            return [{name: row[name] for name in METRICS} for row in score_outputs(rows)]
        vibes = [meant(row) for row in rows]
        if scorer == REWARD:
            return self._rewards(vibes, parsed)
        takes = self.studio.takes(parsed)
        if scorer == ACOUSTICS:
            assert self._effects is not None, "the rule passes no --effects"
            effects = load_effects(self._effects)
            expected = [row.get("expected_fields") for row in rows]
            return [sound_metrics(take, wanted, effects) for take, wanted in zip(takes, expected, strict=True)]
        return self.scorer(scorer).rows(vibes, takes)

    def _rewards(self, vibes: list[str], parsed: list[Parsed]) -> Scores:
        audio: list[float | None] = [None] * len(parsed)
        if self.reward.audio > 0 and self.reward.audio_scorer is not None:
            audio = [*self.scorer(self.reward.audio_scorer).audio_scores(vibes, parsed, self.studio)]
        totals = [formula.reward(output, self.reward, found) for output, found in zip(parsed, audio, strict=True)]
        return [{"reward": total["reward"], "audio_score": found} for total, found in zip(totals, audio, strict=True)]


def _score_set(
    name: str, wanted: list[str], outputs: list[dict[str, Any]], prompts: Mapping[str, Path], bench: _Bench
) -> list[dict[str, Any]]:
    joined = _join(name, outputs, prompts[name])
    parsed = [parse_output(row["raw_output"]) for row in joined]
    tags = [json.dumps({tag: row[tag] for tag in TAGS if row.get(tag)}, sort_keys=True) for row in joined]
    return [
        {
            "eval_set": name,
            "id": row["id"],
            "subset_keys": keys,
            "cluster": row["cluster"],
            "scorer": scorer,
            "metric": metric,
            "value": f"{value:.6f}",
        }
        for scorer in wanted
        for row, keys, scores in zip(joined, tags, bench.metrics(scorer, joined, parsed), strict=True)
        for metric, value in scores.items()
        if value is not None
    ]


def _join(name: str, outputs: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """Outputs with all that is known of their prompts."""
    prompts = {str(row["id"]): row for row in read_jsonl(path, ("id", "prompt", "cluster"), unique="id")}
    if outputs and {str(row["id"]) for row in outputs} != set(prompts):
        raise InputError(str(path), f"the outputs of {name} are of other prompts", "delete that generations folder")
    embedded = dict(zip(prompts, np.load(path.with_name(EMBEDDINGS)), strict=True))
    keep_alone((meant(row) for row in prompts.values()), embedded.values())
    return [
        {
            **prompts[str(row["id"])],
            "id": row["id"],
            "raw_output": row["raw_output"],
            "embedding": embedded[str(row["id"])],
        }
        for row in outputs
    ]
