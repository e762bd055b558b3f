"""The table of an analysis that measures units (a field, a story, a pair of systems): long, and a row a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vibegrid.specs.measures import MeasuresSpec, measures_spec
from vibegrid.tables.forms import NOTHING, Block, with_interval
from vibegrid.tables.three_forms import write_three

UNIT = ("arm", "system", "eval_set", "decoding")  # what names a row for reading; columns with one value are left out


def write_tables(
    spec: MeasuresSpec | Mapping[str, Any], rows: Sequence[Mapping[str, str]], out_dir: str | Path
) -> list[Path]:
    """Write ``<experiment>.csv``, ``.md`` and ``.tex`` into `out_dir`; their paths.

    Args:
        spec: the analysis.
        rows: of its comparison.csv.
        out_dir: made if it is missing.
    """
    spec = measures_spec(spec)
    return write_three(spec.experiment, [wide_table(spec, rows)], rows, out_dir)


def wide_table(spec: MeasuresSpec, rows: Sequence[Mapping[str, str]]) -> Block:
    """A row per unit, in the order of the rows, and a column per metric of the spec, over the whole eval set."""
    whole = [row for row in rows if row["subset"] == "all"]
    names = ["arm", *(name for name in UNIT[1:] if len({row[name] for row in whole}) > 1)]
    found: dict[tuple[str, ...], dict[str, Mapping[str, str]]] = {}
    for row in whole:
        found.setdefault(tuple(row[name] for name in names), {})[row["metric"]] = row
    columns = [spec.unit, *(name.replace("_", " ") for name in names[1:]), *spec.columns.values()]
    body = [[*unit, *(_cell(metrics, column) for column in spec.columns)] for unit, metrics in found.items()]
    text = " ".join(part for part in (spec.question, spec.notes, f"Scale {spec.scale}; 95 % intervals.") if part)
    return Block(spec.experiment, spec.title or spec.experiment, text, columns, body)


def _cell(metrics: Mapping[str, Mapping[str, str]], column: str) -> str:
    """`0.51 [0.47, 0.55]`, or the mean alone where there is no interval; of `metric.delta` the difference."""
    metric, _, part = column.partition(".")
    row = metrics.get(metric)
    if part == "delta":
        return with_interval(row, "delta", "delta_low", "delta_high", sign="+")
    if row is None or not row["mean"]:
        return NOTHING
    if row["ci_low"]:
        return with_interval(row, "mean", "ci_low", "ci_high")
    return f"{float(row['mean']):g}"
