"""The tables of an agreement analysis: long (CSV), and one row per pair of scores for reading (Markdown, LaTeX)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vibegrid.analyses.agreement_captions import caption
from vibegrid.analyses.readings import Rows
from vibegrid.specs.agreement import ALPHA, PAIR_METRICS, AgreementSpec, agreement_spec, pair_name
from vibegrid.tables.forms import NOTHING, Block, with_interval
from vibegrid.tables.three_forms import write_three

HEADINGS = {
    "spearman": "Spearman",
    "pearson": "Pearson",
    "kendall": "Kendall",
    "within_prompt_spearman": "Spearman within prompts",
    "between_system_spearman": "Spearman of systems' means",
}


def write_tables(
    spec: AgreementSpec | Mapping[str, Any], rows: Sequence[Mapping[str, str]], out_dir: str | Path
) -> list[Path]:
    """Write ``<experiment>.csv``, ``.md`` and ``.tex`` into `out_dir`; their paths.

    Args:
        spec: the analysis.
        rows: of its comparison.csv.
        out_dir: made if it is missing.
    """
    spec = agreement_spec(spec)
    return write_three(spec.experiment, [wide_table(spec, rows)], rows, out_dir)


def wide_table(spec: AgreementSpec, rows: Sequence[Mapping[str, str]]) -> Block:
    """One row per pair, a column per correlation with its interval, over the whole eval set."""
    found = {(row["arm"], row["metric"]): row for row in rows if row["subset"] == "all"}
    tested = spec.primary.metric if spec.primary.metric in PAIR_METRICS else PAIR_METRICS[0]
    body = []
    for arm in [pair_name(*pair) for pair in spec.all_pairs]:
        row = found.get((arm, tested))
        size = f"{row['n']} ({row['n_clusters']})" if row else NOTHING
        cells = [_cell(found.get((arm, metric))) for metric in PAIR_METRICS]
        body.append([arm, size, *cells, row["p_holm"] if row and row["p_holm"] else NOTHING])
    text = [caption(spec, Rows(rows))]
    for group in spec.raters:
        alpha = found.get((group, ALPHA))
        if alpha is not None:
            text.append(f"Krippendorff's alpha of {group}: {_cell(alpha)}.")
    columns = [
        "scores",
        "n (clusters)",
        *(HEADINGS[metric] for metric in PAIR_METRICS),
        f"p (Holm), {HEADINGS[tested]}",
    ]
    return Block(spec.experiment, spec.title or spec.experiment, " ".join(text), columns, body)


def _cell(row: Mapping[str, str] | None) -> str:
    return with_interval(row, "mean", "ci_low", "ci_high", sign="+")
