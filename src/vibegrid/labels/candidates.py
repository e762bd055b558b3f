"""Candidates of labelled vibes as a scorer hears them: each valid one rendered once, with raw scores.

Raw, not calibrated: a calibration reads the training rows, which are made of the payloads that are chosen here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vibegrid.labels.rows import is_usable
from vibegrid.payloads import Parsed, dumps, parse_output
from vibegrid.scorers.base import Needs, Scorer, scored
from vibegrid.scorers.calibrated import open_scorer
from vibegrid.sound.takes import Studio

log = logging.getLogger("vibegrid.labels")

BATCH = 32  # candidates rendered and scored together

Scores = list[float | None]  # of a vibe's candidates; None for one that is invalid, or that the scorer failed at


class Heard(NamedTuple):
    """A scorer with the name under which its scores are kept."""

    name: str
    scorer: Scorer


def open_heard(spec: Mapping[str, Any], model: Path | None, prompt: str, store: Path) -> Heard:
    """The uncalibrated scorer of a spec with `name`, `module`, `scorer` and `salt`."""
    needs = Needs(model=model, prompt=prompt, salt=spec["salt"], store=store)
    return Heard(spec["name"], open_scorer(spec["module"], spec["scorer"], needs))


def parsed_candidates(row: Mapping[str, Any]) -> list[Parsed | None]:
    """The candidates of a labelled row; None where there was no object."""
    return [None if c is None else parse_output(dumps(c)) for c in row["config_candidates"] or ()]


def raw_scores(
    vibes: Sequence[str], candidates: Sequence[Sequence[Parsed | None]], heard: Sequence[Heard], seconds: float
) -> dict[str, list[Scores]]:
    """By scorer, the primary column of every valid candidate of every vibe, in order."""
    found: dict[str, list[Scores]] = {one.name: [[None] * len(each) for each in candidates] for one in heard}
    places = [(i, j) for i, each in enumerate(candidates) for j, parsed in enumerate(each) if is_usable(parsed)]
    studio, start = Studio(seconds, keep=2 * BATCH), time.monotonic()
    for first in range(0, len(places), BATCH):
        batch = places[first : first + BATCH]
        takes = studio.takes([parsed for i, j in batch if (parsed := candidates[i][j]) is not None])
        there = [(place, take) for place, take in zip(batch, takes, strict=True) if take is not None]
        for one in heard:
            rows = scored(one.scorer, [vibes[i] for (i, _), _ in there], [take for _, take in there])
            for ((i, j), _), row in zip(there, rows, strict=True):
                value = row[one.scorer.primary]
                found[one.name][i][j] = None if value is None else round(value, 6)
    log.info("%d candidates of %d vibes in %.0f s", len(places), len(vibes), time.monotonic() - start)
    return found
