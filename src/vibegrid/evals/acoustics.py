"""Does the sound move the way the prompt asks? Expected labels against acoustic measures of the render.

What a label does to the sound is measured, not assumed: `label_effects` averages a measure over a bank of random
renders by the label they were made with. A prompt that expects labels whose mean lies above the bank's mean is
answered when its render's measure lies above the bank's median, and the other way round.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vibegrid.errors import InputError
from vibegrid.files import read_json
from vibegrid.sound.acoustics import FIELD_MEASURE
from vibegrid.sound.takes import Take

MIN_EFFECT = 0.1  # standard deviations: labels that move the mean by less promise nothing that can be heard
LEVELS = 101

SOUND_METRICS = ("audio_match", "audio_shift")


def label_effects(configs: Sequence[Mapping[str, Any]], measures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Field -> measure, its quantiles over all renders, and each label's effect in standard deviations.

    Args:
        configs: n configs, random.
        measures: of each one's render, measure -> value.
    """
    effects = {}
    for field, measure in FIELD_MEASURE.items():
        values = np.array([float(row[measure]) for row in measures])
        spread = float(values.std()) or 1.0
        labels = np.array([json.dumps(config[field]) for config in configs])
        effects[field] = {
            "measure": measure,
            "quantiles": [round(float(q), 6) for q in np.quantile(values, np.linspace(0, 1, LEVELS))],
            "labels": {
                str(label): round(float((values[labels == label].mean() - values.mean()) / spread), 6)
                for label in sorted(set(labels))
            },
        }
    return effects


@lru_cache(maxsize=4)
def load_effects(path: Path) -> dict[str, Any]:
    """The object that `label_effects` made."""
    found = read_json(path)
    missing = set(FIELD_MEASURE) - set(found)
    if missing:
        raise InputError(str(path), f"no field {min(missing)!r}", "delete that folder")
    return found


def sound_metrics(
    take: Take | None, expected: Mapping[str, Any] | None, effects: Mapping[str, Any]
) -> dict[str, float | None]:
    """`audio_shift`: how far the sound lies on the side that the prompt asks for, from -1 to 1, in ranks of the bank
    (0 is its median); `audio_match`: 1 where that is above 0. None where the prompt asks for nothing that can be
    heard; without sound -1 and 0.
    """
    shifts = []
    for field, labels in (expected or {}).items():
        if field not in effects:
            continue
        known = effects[field]["labels"]
        effect = float(np.mean([known.get(json.dumps(label), 0.0) for label in _listed(labels)]))
        if abs(effect) < MIN_EFFECT:
            continue
        if take is None or take.clip.problem is not None:
            shifts.append(-1.0)
            continue
        value = take.clip.measures[effects[field]["measure"]]
        rank = float(np.interp(value, effects[field]["quantiles"], np.linspace(0, 1, LEVELS)))
        shifts.append(float(np.sign(effect)) * (2 * rank - 1))
    if not shifts:
        return dict.fromkeys(SOUND_METRICS)
    return {"audio_match": float(np.mean([shift > 0 for shift in shifts])), "audio_shift": float(np.mean(shifts))}


def _listed(labels: Any) -> list[Any]:
    return list(labels) if isinstance(labels, list | tuple) else [labels]
