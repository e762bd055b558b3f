"""The tables of one experiment: long (CSV), and one row per arm for reading (Markdown, LaTeX)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vibegrid.analyses.captions import caption
from vibegrid.analyses.readings import FAMILIARITY, Reading, Rows, choose
from vibegrid.specs.analyses import AnalysisSpec, analysis_spec
from vibegrid.tables.forms import NOTHING, Block, with_interval
from vibegrid.tables.three_forms import write_three

SIGNIFICANT = 0.05
MARK = f"* Holm-adjusted p < {SIGNIFICANT} against the reference."


def write_tables(
    spec: AnalysisSpec | Mapping[str, Any], rows: Sequence[Mapping[str, str]], out_dir: str | Path
) -> list[Path]:
    """Write ``<experiment>.csv``, ``.md`` and ``.tex`` into `out_dir`; their paths.

    Args:
        spec: the experiment.
        rows: from `compare`, or read back from the analysis's CSV.
        out_dir: made if it is missing.
    """
    spec = analysis_spec(spec)
    return write_three(spec.experiment, wide_tables(spec, rows), rows, out_dir)


def wide_tables(spec: AnalysisSpec, rows: Sequence[Mapping[str, str]]) -> list[Block]:
    """The main table, and, where controllability sets are split, one of seen and unseen words."""
    found = Rows(rows)
    readings = choose(spec, found)
    text = caption(spec, found, readings)
    title = spec.title or spec.experiment
    blocks = [_main(spec, found, readings, title, text)]
    split = [r for r in readings if r.is_control and any(_both(found, arm.arm, r) for arm in spec.arms)]
    if split:
        blocks.append(_split(spec, found, split, title))
    return blocks


def _main(spec: AnalysisSpec, rows: Rows, readings: Sequence[Reading], title: str, text: str) -> Block:
    first = readings[0]
    columns = ["arm", "seeds", "n (clusters)", _heading(first, first), "Δ to reference", "p (Holm)"]
    columns += [_heading(reading, first) for reading in readings[1:]]
    dropped = {arm.arm: (rows.any_of(arm.arm) or {}).get("n_dropped", "") for arm in spec.arms}
    shows_dropped = any(count not in ("", "0") for count in dropped.values())
    if shows_dropped:
        columns.append("rows dropped")
    body = []
    for arm in spec.arms:
        row = rows.get(arm.arm, first)
        some = rows.any_of(arm.arm)
        state = (some["status"] if some else "failed") if row is None or row["status"] != "ok" else ""
        name = arm.arm + (" (reference)" if arm.arm == spec.reference else "")
        name += f" ({state})" if state not in ("", "ok") else ""
        cells = [name, row["n_seeds"] if row else NOTHING]
        cells.append(f"{row['n']} ({row['n_clusters']})" if row else NOTHING)
        cells += [_mean(row), _delta(row), _p(row)]
        cells += [_marked(rows.get(arm.arm, reading)) for reading in readings[1:]]
        cells += [dropped[arm.arm] or NOTHING] if shows_dropped else []
        body.append(cells)
    if any(cell.endswith("*") for cells in body for cell in cells):
        text = f"{text} {MARK}"
    return Block(spec.experiment, title, text, columns, body)


def _split(spec: AnalysisSpec, rows: Rows, readings: Sequence[Reading], title: str) -> Block:
    columns = ["arm"]
    columns += [f"{reading.set_label.split(': ')[-1]}, {subset}" for reading in readings for subset in FAMILIARITY]
    body = [
        [arm.arm, *(_mean(rows.get(arm.arm, reading, part)) for reading in readings for part in FAMILIARITY)]
        for arm in spec.arms
    ]
    text = (
        "Seen: a content word of the prompt stands in the composer's lexicon or the training vibes; unseen:"
        f" none does. Means of {', '.join(dict.fromkeys(r.label for r in readings))}, with 95 % intervals."
    )
    return Block(f"{spec.experiment}_familiarity", f"{title}: seen and unseen words", text, columns, body)


def _both(rows: Rows, arm: str, reading: Reading) -> bool:
    return any(rows.get(arm, reading, subset) is not None for subset in FAMILIARITY)


def _heading(reading: Reading, first: Reading) -> str:
    return reading.label if reading.eval_set == first.eval_set else f"{reading.label}, {reading.set_label}"


def _mean(row: Mapping[str, str] | None) -> str:
    return with_interval(row, "mean", "ci_low", "ci_high")


def _delta(row: Mapping[str, str] | None) -> str:
    return with_interval(row, "delta", "delta_low", "delta_high", sign="+")


def _p(row: Mapping[str, str] | None) -> str:
    if row is None or not row["p_holm"]:
        return NOTHING
    p = float(row["p_holm"])
    return ("< 0.001" if p < 0.001 else f"{p:.3f}") + ("*" if p < SIGNIFICANT else "")


def _marked(row: Mapping[str, str] | None) -> str:
    starred = row is not None and row["p_holm"] and float(row["p_holm"]) < SIGNIFICANT
    return _mean(row) + ("*" if starred else "")
