"""The figure of a sensitivity analysis: fields in the order of what they change, and a map of field and measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibegrid.analyses.captions import CAVEATS
from vibegrid.figures import style
from vibegrid.figures.heatmap import field_axis, heat_map
from vibegrid.schema import FIELDS
from vibegrid.specs.sensitivity import ACOUSTIC, EMBEDDING, HEARD, SHIFT, SensitivitySpec, sensitivity_spec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Mapping[tuple[str, str], Mapping[str, str]]
PANELS = {EMBEDDING: ("CLAP embedding", "cosine distance"), ACOUSTIC: ("acoustic measures", "mean |change| (SD)")}
ROW_INCHES = 0.155


def draw(
    spec: SensitivitySpec | Mapping[str, Any],
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
    spec = sensitivity_spec(spec)
    found = {(row["arm"], row["metric"]): row for row in rows}
    title = spec.title or spec.experiment
    with style.house_style():
        figure = _draw(spec, found, title)
        style.save(figure, out_pdf, out_png, title, caption(spec, found))


def ranked(rows: Rows) -> list[str]:
    """Fields by what they change in the embedding, beyond another seed; the greatest first."""
    return sorted(FIELDS, key=lambda field: (-_number(rows, field, EMBEDDING + SHIFT, "delta"), field))


def unheard(rows: Rows) -> list[str]:
    """Fields that change neither the embedding nor the measures beyond another seed, in the schema's order."""
    return [field for field in FIELDS if not any(_number(rows, field, metric, "mean") for metric in HEARD.values())]


def caption(spec: SensitivitySpec, rows: Rows) -> str:
    """All that a reader needs: question, scale, design, intervals, what is not heard."""
    silent = unheard(rows)
    parts = [_sentence(spec.question), _sentence(spec.notes), _scale(spec), _design(spec)]
    parts.append(
        "Beyond another seed: less the distance between two renders of the base. 95 % intervals by a bootstrap over the"
        f" bases ({spec.bootstrap} resamples), not adjusted for {len(FIELDS)} fields."
    )
    parts.append(f"Not heard, by neither reading ({len(silent)} of {len(FIELDS)}): {', '.join(silent) or 'none'}.")
    return " ".join(part for part in parts if part)


def _design(spec: SensitivitySpec) -> str:
    return (
        f"{spec.design.bases} random configs, renders of {spec.seconds:g} s; each of {len(FIELDS)} fields is moved"
        " alone to another label, and the config is rendered with another seed."
    )


def _scale(spec: SensitivitySpec) -> str:
    return CAVEATS.get(spec.scale, f"Scale {spec.scale}.").split(";")[0].rstrip(".") + "."


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if not text or text[-1] in ".?!" else text + "."


def _draw(spec: SensitivitySpec, rows: Rows, title: str) -> Any:
    from matplotlib.lines import Line2D

    from vibegrid.sound.acoustics import MEASURES

    fields, silent = ranked(rows), unheard(rows)
    footer = f"{_scale(spec)} {_design(spec)} Bars: 95 % intervals over the configs. Grey names: not heard by either."
    figure, low, high = style.new_figure(style.TWO_COLUMNS, 1.3 + ROW_INCHES * len(fields), title, footer)
    marks = {"heard: interval above 0": style.BLACK, "not heard": "white"}
    handles = [
        Line2D([], [], marker="o", linestyle="none", color=style.BLACK, markerfacecolor=face, markersize=4, label=name)
        for name, face in marks.items()
    ]
    high = style.legend_above(figure, handles, high, 2)
    style.reserve(figure, low, high)
    grid = figure.add_gridspec(1, 3, width_ratios=[1.0, 0.8, 2.0])
    for column, name in enumerate(PANELS):
        axes = figure.add_subplot(grid[0, column])
        _ranking(axes, rows, name, fields)
        field_axis(axes, fields, silent)
        if column:
            axes.set_yticklabels([])
    axes = figure.add_subplot(grid[0, 2])
    table = [[_number(rows, field, name + SHIFT, "delta") for name in MEASURES] for field in fields]
    heat_map(
        axes, table, [name.replace("_", " ") for name in MEASURES], "each measure", "|change| beyond another seed (SD)"
    )
    field_axis(axes, fields)
    axes.set_yticklabels([])
    return figure


def _ranking(axes: Axes, rows: Rows, name: str, fields: Sequence[str]) -> None:
    """A dot a field with its interval, filled where that lies above 0."""
    for place, field in enumerate(fields):
        value, low, high = (_number(rows, field, name + SHIFT, end) for end in ("delta", "delta_low", "delta_high"))
        heard = bool(_number(rows, field, HEARD[name], "mean"))
        face = style.BLACK if heard else "white"
        error = [[max(value - low, 0)], [max(high - value, 0)]]
        axes.errorbar(
            value,
            place,
            xerr=error,
            marker="o",
            color=style.BLACK,
            markerfacecolor=face,
            markersize=3.4,
            elinewidth=0.9,
        )
    axes.axvline(0, color=style.GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    axes.grid(axis="x")
    axes.set_title(PANELS[name][0])
    axes.set_xlabel(f"{PANELS[name][1]}\nbeyond another seed")


def _number(rows: Rows, field: str, metric: str, column: str) -> float:
    row = rows.get((field, metric))
    return float(row[column]) if row is not None and row[column] else float("nan")
