"""What a scorer is, and what it makes of clips that nobody should hear.

A scorer never sees a payload's title or thinking: it gets the vibe, the config and the audio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from vibegrid.sound.takes import Take


class Column(NamedTuple):
    """A number that a scorer gives."""

    minimum: float  # lower end of its range, and what an output without sound gets
    maximum: float
    description: str


CLAP_COLUMNS: Mapping[str, Column] = {
    "clap_score": Column(-3.0, 1.0, "clap_similarity, less how much nearer the audio is to bad sound than the vibe"),
    "clap_similarity": Column(-1.0, 1.0, "cosine of vibe and audio"),
}


class Scorer(Protocol):
    """Scores of (vibe, take) pairs, in batches."""

    columns: Mapping[str, Column]
    primary: str  # the column that is calibrated and rewarded

    def score(self, vibes: Sequence[str], takes: Sequence[Take]) -> list[dict[str, float | None]]:
        """A number for each column and pair, in order; None where the scorer failed to give one."""
        ...


class Needs(NamedTuple):
    """What a scorer is loaded from, besides its spec."""

    model: Path | None = None  # folder of its model, where it has one
    prompt: str = ""  # system prompt of a judge
    salt: str = ""  # version of an embedded judge
    store: Path = Path(".cache/llm")  # store of LLM responses


def scored(scorer: Scorer, vibes: Sequence[str], takes: Sequence[Take]) -> list[dict[str, float | None]]:
    """Scores of all pairs: silent, clipped and broken clips get the worst of each column and are not sent.

    Raises:
        ValueError: a scorer returned other columns, a number out of its range, or another count of rows.
    """
    heard = [i for i, take in enumerate(takes) if take.clip.problem is None]
    rows: list[dict[str, float | None]] = [worst(scorer) for _ in takes]
    if not heard:
        return rows
    found = scorer.score([vibes[i] for i in heard], [takes[i] for i in heard])
    if len(found) != len(heard):
        raise ValueError(f"{len(found)} scores for {len(heard)} clips")
    for i, row in zip(heard, found, strict=True):
        _check(scorer, row)
        rows[i] = row
    return rows


def worst(scorer: Scorer) -> dict[str, float | None]:
    """What an output without sound gets."""
    return {name: column.minimum for name, column in scorer.columns.items()}


def _check(scorer: Scorer, row: Mapping[str, float | None]) -> None:
    if set(row) != set(scorer.columns):
        raise ValueError(f"columns {sorted(row)}, expected {sorted(scorer.columns)}")
    for name, value in row.items():
        column = scorer.columns[name]
        if value is not None and not column.minimum <= value <= column.maximum:
            raise ValueError(f"{name} is {value!r}, expected {column.minimum:g} to {column.maximum:g}")
