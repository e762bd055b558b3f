"""Calibration of a scorer: training vibes, teacher's payloads and random ones in, ``scorer.json`` out.

Rewards, scores and tables read it. TEST takes no part in it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vibegrid.errors import InputError
from vibegrid.files import read_jsonl, write_json
from vibegrid.folders import whole_folder
from vibegrid.llm.prompts import Prompt
from vibegrid.payloads import dumps, parse_output
from vibegrid.ranking import auc
from vibegrid.scorers.base import Needs, Scorer, scored
from vibegrid.scorers.calibrated import LEVELS, open_scorer
from vibegrid.scorers.registry import SCORER_FILE
from vibegrid.sound.takes import Studio
from vibegrid.specs.scorers import CalibrationSpec
from vibegrid.systems.random_uniform import generate
from vibegrid.texts.draws import sample

log = logging.getLogger("vibegrid.scorers")


def calibrate(
    spec: Mapping[str, Any], *, splits: Path, model: Path | None, prompt: Prompt, out: Path
) -> dict[str, Any]:
    """Write ``scorer.json`` to the folder `out`; returns its object.

    Args:
        spec: ``name``, ``module`` (of the registry), ``scorer`` (its spec), ``seconds`` (of a clip), ``calibration``
            (a CalibrationSpec), ``salt`` (version of an embedded judge).
        splits: folder of the splits; SFT-Train is read.
        model: folder of the scorer's model, where it has one.
        prompt: system prompt of a judge, or nothing.
        out: folder of the scorer. It names the model's folder relative to itself, so that both can be moved.

    Raises:
        InputError: too few training rows, or a scorer that tells no two payloads apart.
    """
    sizes = CalibrationSpec.model_validate(spec["calibration"])
    rows = _pairs(splits / "SFT-Train.jsonl", sizes)
    vibes = [row["vibe_original"] for row in rows]
    outputs = {
        "teacher": [dumps(row["config_payload"]) for row in rows],
        "random": generate(vibes, seed=sizes.seed),
    }
    needs = Needs(model=model, prompt=prompt.text, salt=spec["salt"])
    scorer = open_scorer(spec["module"], spec["scorer"], needs)
    studio = Studio(spec["seconds"])
    raw = {group: _raw_scores(scorer, studio, vibes, texts) for group, texts in outputs.items()}
    found = {group: [value for value in values if value is not None] for group, values in raw.items()}
    failures = sum(len(raw[group]) - len(found[group]) for group in raw)
    every = np.array([*found["teacher"], *found["random"]])
    if len(every) < len(rows) or np.ptp(every) == 0:
        raise InputError(
            f"scorer {spec['name']}",
            f"{len(every)} scores, {failures} failures: nothing to calibrate by",
            "see its log",
        )
    facts = {
        "name": spec["name"],
        "module": spec["module"],
        "spec": dict(spec["scorer"]),
        "seconds": spec["seconds"],
        "model": os.path.relpath(model, out) if model else "",
        "prompt": prompt.text,
        "prompt_version": prompt.version,
        "salt": spec["salt"],
        "direction": "higher",
        "primary": scorer.primary,
        "columns": {name: list(column) for name, column in scorer.columns.items()},
        "quantiles": [round(float(q), 6) for q in np.quantile(every, np.linspace(0, 1, LEVELS))],
        "card": {
            "pairs": len(rows),
            "failures": failures,
            **{f"mean_{group}": round(float(np.mean(values)), 6) for group, values in found.items()},
            "auc_teacher_over_random": _rounded(auc(found["teacher"], found["random"])),
        },
    }
    with whole_folder(out) as draft:
        write_json(draft / SCORER_FILE, facts)
    log.info("scorer %s: %s", spec["name"], facts["card"])
    return facts


def _raw_scores(scorer: Scorer, studio: Studio, vibes: list[str], outputs: list[str]) -> list[float | None]:
    """The primary column of every output that can be heard; None where the scorer gave no number."""
    takes = studio.takes([parse_output(output) for output in outputs])
    there = [(vibe, take) for vibe, take in zip(vibes, takes, strict=True) if take is not None]
    rows = scored(scorer, [vibe for vibe, _ in there], [take for _, take in there])
    return [row[scorer.primary] for row in rows]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _pairs(path: Path, sizes: CalibrationSpec) -> list[dict[str, Any]]:
    unique = {row["vibe_original"]: row for row in read_jsonl(path, ("vibe_original", "config_payload"))}
    rows = [row for row in unique.values() if row["config_payload"] is not None]
    if len(rows) < 10:
        raise InputError(str(path), f"{len(rows)} vibes with a payload, expected at least 10")
    return sample(rows, sizes.pairs, lambda row: (row["vibe_original"],), "calibration", sizes.seed)
