"""The figure of an experiment: each arm's readings with their intervals, the reference and its seeds
marked.

A swept number is drawn along its axis, one panel a reading; named settings as rows of dots. A panel of a
controllability set shows prompts with seen and with unseen words apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.analyses.captions import caption, short_line
from vibegrid.analyses.readings import FAMILIARITY, Reading, Rows, choose
from vibegrid.figures import style
from vibegrid.figures.axis import Axis, arm_axis
from vibegrid.specs.analyses import AnalysisSpec, analysis_spec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARES = ("share", "valid", "fraction", "match")
REFERENCE, ARM, SEEDS = "reference", "arm", "range of the reference's seeds"
SEEN, UNSEEN = "seen words", "unseen words"


class Point(NamedTuple):
    """One mark: where, and how."""

    place: float
    row: Mapping[str, str]
    reference: bool
    part: str  # all, seen, unseen

    def number(self, column: str) -> float:
        """A number of the row; the mean where there is no interval."""
        return float(self.row[column] or self.row["mean"])


class Panel(NamedTuple):
    """What one pair of axes shows."""

    reading: Reading
    points: list[Point]
    seeds: list[float]  # means of the reference's seeds, where there are several
    failed: list[float]  # places of the failed arms
    parts: bool  # whether seen and unseen are apart


def plot(
    spec: AnalysisSpec | Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    out_pdf: str | Path,
    out_png: str | Path,
) -> None:
    """Draw the experiment; the full caption is in the metadata of both files, a short one under the figure.

    Args:
        spec: the experiment.
        rows: from `compare`, or read back from its CSV; the column `seed_means` may be missing.
        out_pdf, out_png: written whole, the same bytes for the same input.
    """
    spec = analysis_spec(spec)
    found = Rows(rows)
    readings = choose(spec, found)
    axis = arm_axis(spec)
    panels = [_panel(spec, found, reading, axis) for reading in readings]
    title = spec.title or spec.experiment
    with style.house_style():
        draw = _draw_rows if axis.kind == "category" else _draw_sweep
        figure = draw(spec, axis, panels, title, short_line(spec, found, readings))
        style.save(figure, out_pdf, out_png, title, caption(spec, found, readings))


def _panel(spec: AnalysisSpec, rows: Rows, reading: Reading, axis: Axis) -> Panel:
    has_parts = reading.is_control and any(
        rows.get(arm.arm, reading, part) is not None for arm in spec.arms for part in FAMILIARITY
    )
    points, failed = [], []
    for arm in spec.arms:
        place, reference = axis.places[arm.arm], arm.arm == spec.reference
        if rows.get(arm.arm, reading) is None and _failed(rows, arm.arm):
            failed.append(place)
        for part in FAMILIARITY if has_parts else ("all",):
            row = rows.get(arm.arm, reading, part)
            if row is not None:
                points.append(Point(place, row, reference, part))
    own = rows.get(spec.reference, reading)
    seeds = [float(value) for value in (own or {}).get("seed_means", "").split()]
    return Panel(reading, points, seeds if len(seeds) > 1 and not has_parts else [], failed, has_parts)


def _failed(rows: Rows, arm: str) -> bool:
    row = rows.any_of(arm)
    return row is not None and row["status"] == "failed"


def _draw_sweep(spec: AnalysisSpec, axis: Axis, panels: Sequence[Panel], title: str, footer: str) -> Any:
    columns = {1: 1, 2: 2, 3: 3, 4: 2}.get(len(panels), 3)
    lines = math.ceil(len(panels) / columns)
    width = style.ONE_COLUMN if len(panels) == 1 else style.TWO_COLUMNS
    figure, low, high = style.new_figure(width, 1.95 * lines + 0.5, title, footer)
    high = style.legend_above(figure, _legend(spec, panels), high, 5 if width > style.ONE_COLUMN else 2)
    style.reserve(figure, low, high)
    grid = figure.subplots(lines, columns, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(panels):
            axes.set_axis_off()
            continue
        panel = panels[number]
        if axis.kind == "log":
            axes.set_xscale("log")
        _marks(axes, panel, axis, upright=True)
        axes.set_ylim(*_limits(panel))
        axes.set_xlim(*axis.limits)
        _title(axes, panel, primary=number == 0)
        axes.set_ylabel(panel.reading.label)
        axes.grid(axis="y")
        axes.yaxis.set_major_locator(_few_ticks(6))
        axes.xaxis.set_minor_locator(_no_ticks())
        ticks = axis.readable(width / columns - 0.6)
        axes.set_xticks([place for place, _ in ticks], [label for _, label in ticks])
        if any(place in axis.slanted for place, _ in ticks):
            for text, (place, _) in zip(axes.get_xticklabels(), ticks, strict=True):
                if place in axis.slanted:
                    text.set(rotation=35, ha="right", rotation_mode="anchor")
        if axis.rest_from is not None:
            axes.axvline(axis.rest_from, color=style.LIGHT, linewidth=0.6, linestyle=(0, (1, 2)))
        if number + columns >= len(panels):
            axes.set_xlabel(axis.label)
        else:
            axes.tick_params(labelbottom=False)
    return figure


def _draw_rows(spec: AnalysisSpec, axis: Axis, panels: Sequence[Panel], title: str, footer: str) -> Any:
    arms = len(spec.arms)
    most = 4 if len(panels) <= 4 else 3
    columns, lines = min(len(panels), most), math.ceil(len(panels) / most)
    step = 0.24 if arms <= 12 else 0.155
    width = style.TWO_COLUMNS if len(panels) > 1 else style.ONE_COLUMN + 1.2
    figure, low, high = style.new_figure(width, (0.75 + step * max(arms, 3)) * lines + 0.15, title, footer)
    high = style.legend_above(figure, _legend(spec, panels), high, 5 if len(panels) > 1 else 2)
    style.reserve(figure, low, high)
    grid = figure.subplots(lines, columns, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(panels):
            axes.set_axis_off()
            continue
        panel = panels[number]
        _marks(axes, panel, axis, upright=False)
        axes.set_xlim(*_limits(panel))
        axes.set_ylim(arms - 0.4, -0.6)
        _title(axes, panel, primary=number == 0)
        axes.set_xlabel(_wrapped(panel.reading.label, 22))
        axes.grid(axis="x")
        axes.xaxis.set_major_locator(_few_ticks(3))
        axes.tick_params(axis="y", length=0)
        axes.set_yticks(range(arms), [style.shorten(arm.arm, 30) for arm in spec.arms])
        if number % columns:
            axes.tick_params(axis="y", labelleft=False)
            continue
        for text, arm in zip(axes.get_yticklabels(), spec.arms, strict=True):
            text.set(weight="bold" if arm.arm == spec.reference else "normal", size=style.TICK if step > 0.2 else 6)
    return figure


def _marks(axes: Axes, panel: Panel, axis: Axis, upright: bool) -> None:
    """Band and line of the reference, then the points, on upright or on lying axes."""
    if len(panel.seeds) > 1:
        (axes.axhspan if upright else axes.axvspan)(
            min(panel.seeds), max(panel.seeds), color=style.BAND, linewidth=0, zorder=0
        )
    for point in panel.points:
        if point.reference and point.part == "all":
            line = axes.axhline if upright else axes.axvline
            line(point.number("mean"), color=style.VERMILLION, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    if upright:
        _joined(axes, panel, axis)
    for point in panel.points:
        shift = {"all": 0, "seen": -1, "unseen": 1}[point.part]
        place = axis.shifted(point.place, shift)
        mean, low, high = (point.number(column) for column in ("mean", "ci_low", "ci_high"))
        error = [[max(mean - low, 0)], [max(high - mean, 0)]]
        ends = {"yerr": error} if upright else {"xerr": error}
        axes.errorbar(*((place, mean) if upright else (mean, place)), **ends, **_look(point))
    for place in panel.failed:
        where = axes.get_xaxis_transform() if upright else axes.get_yaxis_transform()
        at = (place, 0.06) if upright else (0.04, place)
        axes.plot(*at, marker="x", color=style.GREY, markersize=5, transform=where, clip_on=False)
        axes.annotate(
            "failed",
            at,
            xycoords=where,
            xytext=(0, 5) if upright else (6, 0),
            textcoords="offset points",
            ha="center" if upright else "left",
            va="bottom" if upright else "center",
            size=style.NOTE,
            color=style.GREY,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            zorder=4,
        )
    if not panel.points and not panel.failed:
        style.empty_note(axes, "no scores")


def _joined(axes: Axes, panel: Panel, axis: Axis) -> None:
    for part, dash in (("all", "-"), ("seen", "-"), ("unseen", (0, (2, 1.5)))):
        swept = sorted((p for p in panel.points if p.part == part and p.place in axis.numeric), key=lambda p: p.place)
        shift = {"all": 0, "seen": -1, "unseen": 1}[part]
        places = [axis.shifted(point.place, shift) for point in swept]
        means = [point.number("mean") for point in swept]
        axes.plot(places, means, color=style.BLUE, alpha=0.35, linewidth=1, linestyle=dash, zorder=1.5)


def _look(point: Point) -> dict[str, Any]:
    color = style.VERMILLION if point.reference else style.BLUE
    return {
        "fmt": "D" if point.reference else "o",
        "markersize": 4.2 if point.reference else 4,
        "color": color,
        "markerfacecolor": "white" if point.part == "unseen" else color,
        "markeredgewidth": 1,
        "elinewidth": 1,
        "capsize": 1.8,
        "capthick": 1,
        "zorder": 3 if point.reference else 2.5,
    }


def _legend(spec: AnalysisSpec, panels: Sequence[Panel]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    points = [point for panel in panels for point in panel.points]
    marks: dict[str, Any] = {"linestyle": "none", "markersize": 4, "markeredgewidth": 1}
    name = f"{REFERENCE}: {style.shorten(spec.reference, 36)}"
    handles: list[Any] = []
    if any(not point.reference for point in points):
        handles.append(Line2D([], [], marker="o", color=style.BLUE, label=ARM, **marks))
    if any(point.reference for point in points):
        handles.append(Line2D([], [], marker="D", color=style.VERMILLION, label=name, **marks))
    if any(panel.seeds for panel in panels):
        handles.append(Patch(color=style.BAND, label=SEEDS))
    if any(panel.parts for panel in panels):
        handles.append(Line2D([], [], marker="o", color=style.GREY, label=SEEN, **marks))
        open_mark = {"markerfacecolor": "white", **marks}
        handles.append(Line2D([], [], marker="o", color=style.GREY, label=UNSEEN, **open_mark))
    return handles


def _limits(panel: Panel) -> tuple[float, float]:
    numbers = [point.number(column) for point in panel.points for column in ("mean", "ci_low", "ci_high")]
    numbers += panel.seeds
    if not numbers:
        return 0.0, 1.0
    is_share = any(word in panel.reading.label for word in SHARES)
    return style.limits(min(numbers), max(numbers), (0.0, 1.0) if is_share else None)


def _title(axes: Axes, panel: Panel, primary: bool) -> None:
    axes.set_title(
        panel.reading.set_label,
        color="black" if primary else style.GREY,
        weight="bold" if primary else "normal",
    )


def _wrapped(text: str, width: int) -> str:
    import textwrap

    name, bracket, unit = text.partition(" (")  # the unit on a line of its own
    lines = textwrap.wrap(name, width)
    return "\n".join([*lines, "(" + unit] if bracket else lines)


def _few_ticks(most: int) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=most, steps=[1, 2, 5, 10], min_n_ticks=2)


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()
