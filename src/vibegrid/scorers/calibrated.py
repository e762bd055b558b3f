"""A scorer with its frozen calibration: raw scores to [0, 1], comparable between scorers.

The calibration is the distribution function of the scorer's primary column over (vibe, payload) pairs of training
vibes, half with their teacher's payload and half with a random one: 0.5 is the median of those, 1 the best of them.
It is part of the scorer's identity, and so of every reward made with it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vibegrid.errors import InputError
from vibegrid.files import read_json
from vibegrid.payloads import Parsed, dumps
from vibegrid.scorers.base import Needs, Scorer, scored, worst
from vibegrid.scorers.registry import SCORER_FILE
from vibegrid.sound.takes import Studio, Take

LEVELS = 101  # quantiles kept: 0 %, 1 %, ..., 100 %
UNKNOWN = 0.5  # of a pair whose judge gave no answer: neither reward nor punishment


class CalibratedScorer:
    """A scorer, the length of its clips, and what its raw scores are worth."""

    def __init__(self, scorer: Scorer, quantiles: Sequence[float], seconds: float, suffix: str = "") -> None:
        self.scorer, self.suffix = scorer, suffix
        self.quantiles = np.maximum.accumulate(np.asarray(quantiles, dtype=np.float64))
        self.seconds = seconds
        self.failures = 0  # pairs without an answer so far
        self._known: dict[tuple[str, str], float] = {}

    def rows(self, vibes: Sequence[str], takes: Sequence[Take | None]) -> list[dict[str, float | None]]:
        """Raw scores by metric name (with the scorer's suffix); None for a take gets the worst of each."""
        found = _scored(self.scorer, vibes, takes)
        return [{f"{name}{self.suffix}": value for name, value in row.items()} for row in found]

    def audio_scores(self, vibes: Sequence[str], parsed: Sequence[Parsed], studio: Studio) -> list[float]:
        """Calibrated scores in [0, 1] of outputs; 0 without sound. Each (vibe, config) is scored once."""
        keys = [(vibe, _key(output)) for vibe, output in zip(vibes, parsed, strict=True)]
        new = list({key: i for i, key in enumerate(keys) if key not in self._known}.values())
        takes = studio.takes([parsed[i] for i in new])
        for i, take, row in zip(new, takes, _scored(self.scorer, [vibes[i] for i in new], takes), strict=True):
            value = row[self.scorer.primary]
            self.failures += value is None
            self._known[keys[i]] = self.calibrate(value) if take is not None and take.clip.problem is None else 0.0
        return [self._known[key] for key in keys]

    def calibrate(self, value: float | None) -> float:
        """Share of the calibration pairs below a raw score, between its quantiles linear; 0.5 for no answer."""
        if value is None:
            return UNKNOWN
        return float(np.interp(value, self.quantiles, np.linspace(0.0, 1.0, len(self.quantiles))))


def _scored(scorer: Scorer, vibes: Sequence[str], takes: Sequence[Take | None]) -> list[dict[str, float | None]]:
    rows = [worst(scorer) for _ in takes]
    there = [(i, take) for i, take in enumerate(takes) if take is not None]
    found = scored(scorer, [vibes[i] for i, _ in there], [take for _, take in there])
    for (i, _), row in zip(there, found, strict=True):
        rows[i] = row
    return rows


def _key(parsed: Parsed) -> str:
    config = (parsed.payload or {}).get("config")
    return dumps({"config": config}) if isinstance(config, dict) else ""


def load(folder: Path) -> CalibratedScorer:
    """The scorer of a folder that `calibrate_scorer` wrote."""
    facts = read_json(folder / SCORER_FILE)
    quantiles = facts.get("quantiles")
    if not isinstance(quantiles, list) or len(quantiles) != LEVELS:
        raise InputError(str(folder / SCORER_FILE), f"{LEVELS} quantiles were expected", "delete that folder")
    model = (folder / facts["model"]).resolve() if facts["model"] else None
    needs = Needs(model=model, prompt=facts["prompt"], salt=facts["salt"])
    return CalibratedScorer(
        open_scorer(facts["module"], facts["spec"], needs), quantiles, facts["seconds"], facts["spec"]["suffix"]
    )


def open_scorer(module: str, spec: Mapping[str, Any], needs: Needs) -> Scorer:
    """The scorer that a module of the registry makes of its spec."""
    return importlib.import_module(module).load(spec, needs)
