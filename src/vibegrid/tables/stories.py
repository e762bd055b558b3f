"""The tables of an analysis of stories: long (CSV), and one row per system for reading (Markdown, LaTeX)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vibegrid.analyses.readings import Reading, Rows
from vibegrid.specs.stories import HEARD, StoriesSpec, stories_spec
from vibegrid.stories.captions import caption
from vibegrid.tables.forms import NOTHING, Block, with_interval
from vibegrid.tables.three_forms import write_three

HEADINGS = {
    "neighbour_vs_others_clap": "neighbours − other texts, CLAP",
    "neighbour_vs_shuffled_clap": "neighbours − shuffled, CLAP",
    "neighbour_vs_others_acoustic": "neighbours − other texts, acoustic",
    "neighbour_vs_others_config": "neighbours − other texts, config",
    "neighbour_similarity_config": "equal fields of neighbours",
    HEARD: "pages heard",
}
DIFFERENCES = "vs"  # part of the names of metrics that have a sign


def write_tables(
    spec: StoriesSpec | Mapping[str, Any], rows: Sequence[Mapping[str, str]], out_dir: str | Path
) -> list[Path]:
    """Write ``<experiment>.csv``, ``.md`` and ``.tex`` into `out_dir`; their paths.

    Args:
        spec: the analysis.
        rows: of its comparison.csv.
        out_dir: made if it is missing.
    """
    spec = stories_spec(spec)
    return write_three(spec.experiment, [wide_table(spec, rows)], rows, out_dir)


def wide_table(spec: StoriesSpec, rows: Sequence[Mapping[str, str]]) -> Block:
    """One row per system, a column per reading with its interval, the primary one with its p."""
    found = Rows(rows)
    metrics = list(dict.fromkeys([spec.primary.metric, *HEADINGS]))
    body = []
    for system in spec.systems:
        first = found.get(system, Reading(spec.primary.metric, spec.eval_set))
        size = f"{first['n']} ({first['n_clusters']})" if first else NOTHING
        some = found.any_of(system)
        state = some["status"] if some else "failed"
        cells = [_cell(found.get(system, Reading(metric, spec.eval_set)), metric) for metric in metrics]
        p = first["p_holm"] if first and first["p_holm"] else NOTHING
        body.append([system + (f" ({state})" if state != "ok" else ""), size, cells[0], p, *cells[1:]])
    headings = [HEADINGS.get(metric, metric.replace("_", " ")) for metric in metrics]
    columns = ["system", "n (texts)", headings[0], "p (Holm)", *headings[1:]]
    return Block(spec.experiment, spec.title or spec.experiment, caption(spec, found), columns, body)


def _cell(row: Mapping[str, str] | None, metric: str) -> str:
    sign = "+" if DIFFERENCES in metric.split("_") else ""
    if row is None or row["ci_low"]:
        return with_interval(row, "mean", "ci_low", "ci_high", sign=sign)
    return f"{float(row['mean']):{sign}.3f}".replace("-", "−")
