"""Best of N by a scorer: of each vibe's valid candidates, the one whose sound the scorer likes best."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vibegrid.files import write_json, write_jsonl
from vibegrid.labels.candidates import Scores, open_heard, parsed_candidates, raw_scores
from vibegrid.labels.rows import is_usable, validation
from vibegrid.payloads import Parsed
from vibegrid.texts.draws import sample
from vibegrid.texts.rows import numbered_rows

log = logging.getLogger("vibegrid.labels")

NEEDED = ("vibe_original", "config_candidates", "candidate_scores", "best_index", "config_payload", "config_error")


def choose(
    spec: Mapping[str, Any], *, labels: Path, model: Path | None, prompt: str, store: Path, out: Path
) -> dict[str, Any]:
    """Write `labels.jsonl`, the payload of each vibe chosen anew, and `choice.json` (counts) to folder `out`.

    A vibe without a valid candidate, or beyond `vibes`, stays as it is. All candidates and their scores are kept:
    `scores_external` holds those of the scorer, by its name.

    Args:
        spec: ``name``, ``module`` (of the registry), ``scorer`` (its spec), ``salt``, ``seconds`` (of a clip),
            ``vibes`` (at how many vibes the scorer chooses, null for all; drawn with ``seed``).
        labels: file of the labels stage.
        model: folder of the scorer's model, where it has one.
        prompt: system prompt of a judge, or nothing.
        store: the store of LLM responses, for a judge.
        out: folder for the results.

    Returns:
        The counts that are in `choice.json`.
    """
    rows = [row for _, row in numbered_rows(labels, NEEDED, unique="vibe_original")]
    there = [row for row in rows if row["config_payload"] is not None]
    if spec["vibes"] is not None:
        there = sample(there, spec["vibes"], lambda row: (row["vibe_original"],), "choose", spec["seed"])
    candidates = [parsed_candidates(row) for row in there]
    heard = open_heard(spec, model, prompt, store)
    scores = raw_scores([row["vibe_original"] for row in there], candidates, [heard], spec["seconds"])[spec["name"]]
    before = [row["best_index"] for row in there]
    for row, parsed, values in zip(there, candidates, scores, strict=True):
        apply(row, parsed, spec["name"], values)
    report = {
        "scorer": spec["name"],
        "vibes": len(rows),
        "scored": len(there),
        "candidates": sum(is_usable(one) for each in candidates for one in each),
        "without_score": sum(all(value is None for value in values) for values in scores),
        "changed": sum(row["best_index"] != index for row, index in zip(there, before, strict=True)),
    }
    write_jsonl(out / "labels.jsonl", rows)
    write_json(out / "choice.json", report)
    log.info("choice: %s", report)
    return report


def apply(row: dict[str, Any], candidates: Sequence[Parsed | None], name: str, scores: Scores) -> None:
    """Give a labelled row its scores and the payload that they choose (in place)."""
    row["scores_external"] = {**(row.get("scores_external") or {}), name: scores}
    best = pick(scores, row["candidate_scores"], row["best_index"])
    parsed = candidates[best]
    if parsed is not None and is_usable(parsed):
        row |= {"best_index": best, "config_payload": parsed.payload, "validation_scores": validation(parsed)}


def pick(scores: Scores, validity: Sequence[float], otherwise: int) -> int:
    """Index of the highest score; equal ones by validity, then the first. `otherwise` where there is no score.

    Invalid candidates have no score, so that none of them wins over a valid one.
    """
    known = [i for i, value in enumerate(scores) if value is not None]
    return max(known, key=lambda i: (scores[i], validity[i], -i), default=otherwise)
