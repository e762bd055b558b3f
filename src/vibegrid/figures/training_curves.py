"""How an experiment's adapters trained: loss, and for GRPO the reward, its parts and KL, by step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vibegrid.analyses.captions import CAVEATS
from vibegrid.figures import style
from vibegrid.figures.axis import arm_axis
from vibegrid.specs.analyses import AnalysisSpec, analysis_spec

Curve = list[tuple[float, float]]  # (step, value), by step
LABELS = {
    "loss": "loss (nats per token)",
    "reward": "reward",
    "reward_audio": "reward: audio part",
    "reward_schema": "reward: schema part",
    "reward_format": "reward: format part",
    "reward_duplicates": "reward: duplicate colours",
    "kl": "KL to the SFT adapter (nats)",
}
MOST_PANELS = 6
MOST_NAMED = 12  # arms in the legend; of more, some are named


class Line(NamedTuple):
    """The runs of one arm in one panel."""

    arm: str
    runs: list[Curve]


def plot_curves(
    spec: AnalysisSpec | Mapping[str, Any],
    metrics: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]],
    out_pdf: str | Path,
    out_png: str | Path,
) -> None:
    """Draw one panel a quantity and one colour an arm; runs thin, their mean (at the steps all have) thick.

    Args:
        spec: the experiment; arms that `metrics` lacks are left out.
        metrics: arm -> its runs, each the rows of an adapter's metrics.csv (`step`, `loss`, `reward`, `kl`,
        ...). out_pdf, out_png: written whole, the same bytes for the same input.
    """
    spec = analysis_spec(spec)
    arms = [arm.arm for arm in spec.arms if metrics.get(arm.arm)]
    columns = panel_columns([rows for arm in arms for rows in metrics[arm]])
    panels = {
        column: [Line(arm, [c for rows in metrics[arm] if (c := curve(rows, column))]) for arm in arms]
        for column in columns
    }
    title = f"{spec.title or spec.experiment}: training"
    several = any(len(metrics[arm]) > 1 for arm in arms)
    footer = CAVEATS.get(spec.scale, f"Scale {spec.scale}.") + (
        " Thin lines: seeds; thick: their mean." if several else " One seed an arm."
    )
    with style.house_style():
        figure = _draw(spec, arms, panels, title, footer)
        style.save(figure, out_pdf, out_png, title, footer)


def panel_columns(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Columns to draw, of those with numbers: loss, reward, the reward's parts, KL.

    A part that is zero throughout has no panel: its weight is zero, or nothing earned it.
    """
    there: dict[str, bool] = {}  # column -> whether it has a number other than zero
    for rows in runs:
        for row in rows:
            for column, text in row.items():
                value = _number(text)
                if value is not None:
                    there[column] = there.get(column, False) or value != 0
    ordered = dict.fromkeys((*LABELS, *sorted(there)))
    parts = [column for column in ordered if _is_part(column) and there.get(column)]
    wanted = ["loss", *(["reward", *parts] if "reward" in there or parts else [])]
    found = [column for column in wanted if column in there]
    if "kl" in there:
        found = [*found[: MOST_PANELS - 1], "kl"]
    return found[:MOST_PANELS]


def _is_part(column: str) -> bool:
    is_reward = column.startswith(("reward_", "reward/", "rewards/"))
    return is_reward and "std" not in column


def curve(rows: Sequence[Mapping[str, Any]], column: str) -> Curve:
    """(step, value) of the rows that have both, by step; of a repeated step (a resumed training) the last."""
    found = {}
    for row in rows:
        step, value = _number(row.get("step")), _number(row.get(column))
        if step is not None and value is not None:
            found[step] = value
    return sorted(found.items())


def mean_curve(runs: Sequence[Curve]) -> Curve:
    """Mean over runs at the steps that all of them have."""
    if not runs:
        return []
    tables = [dict(run) for run in runs]
    steps = sorted(set.intersection(*(set(table) for table in tables)))
    return [(step, sum(table[step] for table in tables) / len(tables)) for step in steps]


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None  # a column of text
    return number if math.isfinite(number) else None


def _draw(
    spec: AnalysisSpec, arms: Sequence[str], panels: Mapping[str, Sequence[Line]], title: str, footer: str
) -> Any:
    count = max(len(panels), 1)
    columns = {1: 1, 2: 2, 4: 2}.get(count, 3)
    lines = math.ceil(count / columns)
    looks = arm_looks(spec, arms)
    width = style.ONE_COLUMN + 0.6 if count == 1 and len(arms) <= MOST_NAMED else style.TWO_COLUMNS
    handles = _legend(spec, arms, looks)
    longest = max((len(handle.get_label()) for handle in handles), default=1)
    legend_columns = max(1, min(6, int(width / (0.45 + longest * style.TICK * 0.6 / 72))))
    legend_rows = math.ceil(len(handles) / legend_columns)
    height = 1.95 * lines + 0.3 + 0.15 * legend_rows
    figure, low, high = style.new_figure(width, height, title, footer)
    high = style.legend_above(figure, handles, high, legend_columns)
    style.reserve(figure, low, high)
    grid = figure.subplots(lines, columns, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(panels):
            axes.set_axis_off()
            if not panels:
                style.empty_note(axes, "no training curves")
            continue
        column = list(panels)[number]
        for line in panels[column]:
            _draw_line(axes, line, looks[line.arm], on_top=line.arm == spec.reference)
        axes.set_ylabel(_label(column))
        axes.grid(axis="y")
        axes.margins(x=0.02)
        if number + columns >= len(panels):
            axes.set_xlabel("step")
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _draw_line(axes: Any, line: Line, look: Mapping[str, Any], on_top: bool) -> None:
    if len(line.runs) > 1:
        for run in line.runs:
            axes.plot(*zip(*run, strict=True), **look, linewidth=0.5, alpha=0.55, zorder=2)
    mean = mean_curve(line.runs)
    if mean:
        marker = "o" if len(mean) == 1 else None
        axes.plot(
            *zip(*mean, strict=True),
            **look,
            linewidth=1.4,
            marker=marker,
            markersize=3,
            zorder=4 if on_top else 3,
        )


def arm_looks(spec: AnalysisSpec, arms: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and dash of each arm: from light to dark along a swept number, else distinct."""
    import matplotlib

    axis = arm_axis(spec)
    if axis.kind == "category":
        size = len(style.CATEGORIES)
        return {
            arm: {
                "color": style.CATEGORIES[i % size],
                "linestyle": style.DASHES[i // size % len(style.DASHES)],
            }
            for i, arm in enumerate(arms)
        }
    ordered = sorted(arms, key=lambda arm: axis.places[arm])
    swept = [arm for arm in ordered if axis.places[arm] in axis.numeric]
    scale = matplotlib.colormaps["viridis_r"]
    looks: dict[str, dict[str, Any]] = {
        arm: {"color": scale(0.12 + 0.88 * i / max(len(swept) - 1, 1)), "linestyle": "-"} for i, arm in enumerate(swept)
    }
    rest = [arm for arm in ordered if arm not in looks]
    dashes = style.DASHES[1:]
    return looks | {arm: {"color": style.GREY, "linestyle": dashes[i % len(dashes)]} for i, arm in enumerate(rest)}


def _legend(spec: AnalysisSpec, arms: Sequence[str], looks: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    from matplotlib.lines import Line2D

    named = list(arms)
    if len(named) > MOST_NAMED and arm_axis(spec).kind != "category":
        every = math.ceil(len(named) / MOST_NAMED)
        named = [arm for i, arm in enumerate(named) if i % every == 0 or i == len(named) - 1]
    handles = []
    for arm in named:
        label = style.shorten(arm, 34) + (" (reference)" if arm == spec.reference else "")
        handles.append(Line2D([], [], **looks[arm], linewidth=1.4, label=label))
    return handles


def _label(column: str) -> str:
    text = column.replace("rewards/", "reward/").removesuffix("/mean").replace("/", ": ").replace("_", " ")
    return LABELS.get(column, style.shorten(text, 34))
