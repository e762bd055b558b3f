"""Scores of one system's outputs: generations in, one row per prompt and metric out; the analyses read them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vibegrid.errors import InputError
from vibegrid.evals.generate import OUTPUTS, read_rows
from vibegrid.evals.metrics import METRICS, score_outputs
from vibegrid.evals.parts import EMBEDDINGS, PARTS, gather
from vibegrid.files import read_csv, read_json, read_jsonl, write_csv, write_json
from vibegrid.folders import whole_folder
from vibegrid.specs.reward import RewardSpec

COLUMNS = ("eval_set", "id", "subset_keys", "cluster", "metric", "value")
TAGS = ("familiarity", "vibe_level", "vibe_scope", "difficulty")


def score(spec: Mapping[str, Any], *, generation: Path, prompts: Mapping[str, Path], out: Path) -> None:
    """Write ``scores.csv`` (one row per prompt and metric) and ``parts.json`` to the folder ``out``.

    Args:
        spec: ``reward`` (a RewardSpec) and ``parts`` (eval set to identity).
        generation: the system's folder of generations.
        prompts: eval set to its prompts.jsonl, which has its embeddings beside it.
        out: the folder; its siblings are searched for parts that exist.
    """
    reward = RewardSpec.model_validate(spec["reward"])
    manifest = read_json(generation / PARTS)

    def compute(names: list[str]) -> list[dict[str, Any]]:
        outputs = read_rows(generation / OUTPUTS)
        return [row for name in names for row in _score_set(name, outputs, prompts[name], reward)]

    rows = gather(out.parent, spec["parts"], lambda folder: list(read_csv(folder / "scores.csv")), compute)
    with whole_folder(out) as draft:
        write_csv(draft / "scores.csv", rows, COLUMNS)
        write_json(draft / PARTS, {"parts": dict(spec["parts"]), "run": manifest["run"]})


def _score_set(name: str, outputs: list[dict[str, Any]], path: Path, reward: RewardSpec) -> list[dict[str, Any]]:
    prompts = {str(row["id"]): row for row in read_jsonl(path, ("id", "prompt", "cluster"), unique="id")}
    mine = [row for row in outputs if row["eval_set"] == name]
    if mine and {str(row["id"]) for row in mine} != set(prompts):
        raise InputError(str(path), f"the outputs of {name} are of other prompts", "delete that generations folder")
    embedded = dict(zip(prompts, np.load(path.with_name(EMBEDDINGS)), strict=True))
    joined = [
        {
            **prompts[str(row["id"])],
            "id": row["id"],
            "raw_output": row["raw_output"],
            "embedding": embedded[str(row["id"])],
        }
        for row in mine
    ]
    rows = []
    for row, scores in zip(joined, score_outputs(joined, reward), strict=True):
        tags = json.dumps({tag: row[tag] for tag in TAGS if row.get(tag)}, sort_keys=True)
        for metric in METRICS:
            if scores[metric] is not None:
                value = f"{scores[metric]:.6f}"
                rows.append(
                    {
                        "eval_set": name,
                        "id": row["id"],
                        "subset_keys": tags,
                        "cluster": row["cluster"],
                        "metric": metric,
                        "value": value,
                    }
                )
    return rows
