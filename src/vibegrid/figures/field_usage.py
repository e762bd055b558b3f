"""The figure of a field usage analysis: what each system's fields say of the vibe, how far its labels lie from the
teacher's, and what a field that is replaced loses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibegrid.analyses.captions import CAVEATS
from vibegrid.figures import style
from vibegrid.figures.heatmap import field_axis, heat_map
from vibegrid.schema import FIELDS
from vibegrid.specs.usage import (
    ABLATIONS,
    ALL_FIELDS,
    DIVERGENCE,
    FOLLOWS,
    INFORMATION,
    TEACHER,
    TEACHER_ROWS,
    UsageSpec,
    usage_spec,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Mapping[tuple[str, str, str], Mapping[str, str]]
ROW_INCHES = 0.155
LOST = ABLATIONS[1]


def draw(
    spec: UsageSpec | Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    out_pdf: str | Path,
    out_png: str | Path,
) -> None:
    """Draw the analysis; the full caption is in the metadata of both files, a short one under the figure.

    Args:
        spec: the analysis.
        rows: of its comparison.csv.
        out_pdf, out_png: written whole, the same bytes for the same input.
    """
    spec = usage_spec(spec)
    found = {(row["system"], row["arm"], row["metric"]): row for row in rows}
    title = spec.title or spec.experiment
    with style.house_style():
        figure = _draw(spec, found, title)
        style.save(figure, out_pdf, out_png, title, caption(spec, found))


def systems(spec: UsageSpec) -> list[str]:
    """The teacher, then the systems in the order of the experiment."""
    return [TEACHER_ROWS, TEACHER, *spec.runs]


def caption(spec: UsageSpec, rows: Rows) -> str:
    """All that a reader needs: question, scale, estimators, tests, how many fields follow the vibe."""
    counts = []
    for system in systems(spec):
        row = rows.get((system, ALL_FIELDS, FOLLOWS))
        if row is not None and row["mean"]:
            counts.append(f"{system} {round(float(row['mean']) * len(FIELDS))}")
    parts = [_sentence(spec.question), _sentence(spec.notes), CAVEATS.get(spec.scale, f"Scale {spec.scale}.")]
    parts.append(
        f"Mutual information of a field with the group of the vibe ({spec.design.groups} groups, k-means of MiniLM"
        f" embeddings), less its mean under {spec.design.permutations} permutations of the prompts; a dot:"
        f" Holm-adjusted p < 0.05 over {len(FIELDS)} fields. Fields that follow the vibe: {', '.join(counts)}."
        f" {TEACHER}: as many of the teacher's rows as there are prompts; {TEACHER_ROWS}: all of them."
    )
    parts.append(
        "Divergence: Jensen and Shannon's, from all the teacher's rows. Loss: CLAP score as written less that with one"
        f" field replaced by another label at random, {spec.design.ablation.prompts} prompts, the fields of each system"
        " that say most; 95 % intervals."
    )
    return " ".join(part for part in parts if part)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if not text or text[-1] in ".?!" else text + "."


def _draw(spec: UsageSpec, rows: Rows, title: str) -> Any:
    shown = systems(spec)
    fields = sorted(FIELDS, key=lambda field: (-_number(rows, TEACHER_ROWS, field, INFORMATION), field))
    ablated = [system for system in shown if any((system, field, LOST) in rows for field in FIELDS)]
    footer = (
        f"{CAVEATS.get(spec.scale, f'Scale {spec.scale}.')} Dots on the left: the field follows the vibe (Holm-adjusted"
        f" p < 0.05). {TEACHER.capitalize()}: a sample as large as the prompts. Bars: 95 % intervals."
    )
    figure, low, high = style.new_figure(style.TWO_COLUMNS, 1.6 + ROW_INCHES * len(fields), title, footer)
    looks = dict(zip(ablated, style.CATEGORIES, strict=False))
    high = style.legend_above(figure, _legend(looks), high, 4)
    style.reserve(figure, low, high)
    grid = figure.add_gridspec(1, 2 + bool(looks), width_ratios=[1.3, 1.2] + [1.0] * bool(looks))
    axes = figure.add_subplot(grid[0, 0])
    _information(axes, rows, fields, shown)
    field_axis(axes, fields)
    axes = figure.add_subplot(grid[0, 1])
    others = [system for system in shown if system != TEACHER_ROWS]
    table = [[_number(rows, system, field, DIVERGENCE) for system in others] for field in fields]
    heat_map(axes, table, _names(others), "labels beside the teacher's", "Jensen–Shannon divergence (bits)", 1.0)
    field_axis(axes, fields)
    axes.set_yticklabels([])
    if looks:
        axes = figure.add_subplot(grid[0, 2])
        _losses(axes, rows, fields, looks)
        field_axis(axes, fields)
        axes.set_yticklabels([])
    return figure


def _information(axes: Axes, rows: Rows, fields: Sequence[str], shown: Sequence[str]) -> None:
    table = [[_number(rows, system, field, INFORMATION) for system in shown] for field in fields]
    heat_map(axes, table, _names(shown), "what a field says of the vibe", "mutual information (bits)")
    for place, field in enumerate(fields):
        for column, system in enumerate(shown):
            if _number(rows, system, field, FOLLOWS) == 1.0:
                axes.plot(column, place, marker="o", markersize=2.6, color=style.ORANGE, linestyle="none")


def _losses(axes: Axes, rows: Rows, fields: Sequence[str], looks: Mapping[str, str]) -> None:
    """A dot a field and system with its interval."""
    for number, (system, colour) in enumerate(looks.items()):
        for place, field in enumerate(fields):
            value, low, high = (_number(rows, system, field, LOST, end) for end in ("mean", "ci_low", "ci_high"))
            if value == value:
                at = place + 0.16 * (number - (len(looks) - 1) / 2)
                error = [[max(value - low, 0)], [max(high - value, 0)]]
                axes.errorbar(value, at, xerr=error, marker="o", color=colour, markersize=2.8, elinewidth=0.8)
    axes.axvline(0, color=style.GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    axes.grid(axis="x")
    axes.set_title("a field replaced")
    axes.set_xlabel("loss of CLAP score")


def _legend(looks: Mapping[str, str]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], marker="o", linestyle="none", color=colour, markersize=4, label=f"replaced: {system}")
        for system, colour in looks.items()
    ]


def _names(shown: Sequence[str]) -> list[str]:
    return [system.replace("_", " ") for system in shown]


def _number(rows: Rows, system: str, field: str, metric: str, column: str = "mean") -> float:
    row = rows.get((system, field, metric))
    return float(row[column]) if row is not None and row[column] else float("nan")
