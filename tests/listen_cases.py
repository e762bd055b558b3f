"""Small systems for the tests of the listening page: folders of outputs and scores as the workflow writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vibegrid.files import write_csv, write_json, write_jsonl
from vibegrid.payloads import dumps
from vibegrid.systems import random_uniform

EVAL_SET = "few"
COLUMNS = ("eval_set", "id", "subset_keys", "cluster", "metric", "value")
PROMPTS = [
    {"id": "few-1", "prompt": "slow grey rain", "familiarity": "seen"},
    {"id": "few-2", "prompt": "<b>bright</b> noon & market", "expected_fields": {"brightness": ["bright"]}},
]


def payload(seed: int = 0, **changes: Any) -> str:
    """A valid payload, some of its keys changed; a change of `config` is merged into it."""
    made = json.loads(random_uniform.generate(["rain"], seed=seed)[0])
    config = made["config"] | changes.pop("config", {})
    return dumps(made | changes | {"config": config})


def write_prompts(folder: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    write_jsonl(folder / "prompts.jsonl", PROMPTS if rows is None else rows)
    return folder / "prompts.jsonl"


def write_system(
    folder: Path, outputs: list[str], kind: str = "sft", status: str = "ok", score: float = 0.5
) -> tuple[Path, Path]:
    """Folders of a system that answered the first prompts so, and rows of a set that the page does not show."""
    generations, scores = folder / "generations", folder / "scores"
    rows = [
        {"eval_set": EVAL_SET, "id": row["id"], "prompt": row["prompt"], "raw_output": output}
        for row, output in zip(PROMPTS, outputs, strict=False)
    ]
    write_jsonl(generations / "generations.jsonl", [*rows, *({**row, "eval_set": "other"} for row in rows)])
    run = {"status": status, "reason": None if status == "ok" else "loss is NaN"}
    write_json(generations / "parts.json", {"parts": {}, "run": run, "system": {"kind": kind}})
    values = [
        {"eval_set": eval_set, "id": row["id"], "subset_keys": "{}", "cluster": "c", "metric": metric, "value": value}
        for row in rows
        for eval_set, metric, value in (
            (EVAL_SET, "valid_field_fraction", f"{score:.6f}"),
            (EVAL_SET, "title_similarity", "0.250000"),
            ("other", "valid_field_fraction", "0.999000"),
        )
    ]
    write_csv(scores / "scores.csv", values, COLUMNS)
    return generations, scores


def spec(**changes: Any) -> dict[str, Any]:
    made = {"eval_set": EVAL_SET, "prompts": None, "seconds": 1, "notes": "Scale mini: miniature models."}
    return made | {"metrics": ["valid_field_fraction", "title_similarity"]} | changes
