"""Captions of an experiment's table and figure, as plain text: who shows them escapes them."""

from __future__ import annotations

from collections.abc import Sequence

from vibegrid.analyses.readings import Reading, Rows
from vibegrid.specs.analyses import AnalysisSpec

_JUDGE = "the judge is a program that measures the sound."
CAVEATS = {
    "mini": f"Scale mini: numbers exercise the workflow; {_JUDGE}",
    "small": f"Scale small: the teacher is a program; {_JUDGE}",
}
ONE_SEED = "With one seed, p compares two adapters, not two settings."


def caption(spec: AnalysisSpec, rows: Rows, readings: Sequence[Reading]) -> str:
    """All that a reader needs: question, scale, primary reading, sizes, interval, test, failures."""
    primary = readings[0]
    parts = [
        _sentence(spec.question),
        _sentence(spec.notes),
        CAVEATS.get(spec.scale, f"Scale {spec.scale}."),
        f"Confirmatory: {primary.label} on {primary.set_label}; the rest is exploratory.",
    ]
    found = sizes(spec, rows, primary)
    if found:
        parts.append(
            f"Means with 95 % intervals by a hierarchical bootstrap over seeds and clusters ({spec.bootstrap}"
            f" resamples); {found}."
        )
    compared = sum(spec.compares(arm) for arm in spec.arms)
    if found and spec.reference and compared:
        parts.append(
            f"Reference: {spec.reference}. p: two-sided sign-flip test on cluster means against the"
            f" reference, Holm-adjusted over the {compared} other arm{'s' * (compared > 1)}."
        )
        if one_seed(spec, rows, primary):
            parts.append(ONE_SEED)
    failed = failures(spec, rows)
    if failed:
        parts.append(f"Failed: {', '.join(failed)}.")
    return " ".join(part for part in parts if part)


def short_line(spec: AnalysisSpec, rows: Rows, readings: Sequence[Reading]) -> str:
    """What stands under the figure."""
    parts = [CAVEATS.get(spec.scale, f"Scale {spec.scale}.")]
    found = sizes(spec, rows, readings[0])
    parts.append(f"Means with 95 % intervals; {found}." if found else "No scores.")
    if len(readings) > 1:
        parts.append("Bold panel: confirmatory.")
    failed = failures(spec, rows)
    if failed:
        parts.append(f"Failed: {', '.join(failed)}.")
    return " ".join(parts)


def sizes(spec: AnalysisSpec, rows: Rows, reading: Reading) -> str:
    """Sizes of the arms: "n = 30 prompts in 12 clusters, 1-3 seeds an arm"; empty without scores."""
    found = [row for row in (rows.get(arm.arm, reading) for arm in spec.arms) if row is not None]
    if not found:
        return ""
    n, clusters, seeds = (_range([row[key] for row in found]) for key in ("n", "n_clusters", "n_seeds"))
    text = f"n = {n} prompts in {clusters} clusters, {seeds} seed{'' if seeds == '1' else 's'} an arm"
    own = rows.get(spec.reference, reading)
    if own is not None and seeds != own["n_seeds"]:
        text += f" (reference: {own['n_seeds']})"
    return text


def one_seed(spec: AnalysisSpec, rows: Rows, reading: Reading) -> bool:
    """Whether an arm other than the reference has a single seed."""
    others = (rows.get(arm.arm, reading) for arm in spec.arms if arm.arm != spec.reference)
    return any(row is not None and row["n_seeds"] == "1" for row in others)


def failures(spec: AnalysisSpec, rows: Rows) -> list[str]:
    """Names of the arms that failed."""
    names = []
    for arm in spec.arms:
        row = rows.any_of(arm.arm)
        if row is not None and row["status"] == "failed":
            names.append(arm.arm)
    return names


def _range(values: list[str]) -> str:
    numbers = sorted({int(value) for value in values})
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if not text or text[-1] in ".?!" else text + "."
