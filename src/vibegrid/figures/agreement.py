"""The figure of an agreement analysis: correlations of pairs with their intervals, and the renders behind them.

Left, each pair's correlations (over all renders, within prompts, between systems) and each group of raters' alpha,
against the line of chance. Right, up to four pairs as points: a small one is a system's answer to a prompt, a large
one the system's mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.analyses.agreement_captions import MOST_PAIRS, STATISTICS, caption, short_line
from vibegrid.analyses.observations import ALL
from vibegrid.analyses.readings import Reading, Rows, plain
from vibegrid.figures import style
from vibegrid.specs.agreement import ALPHA, AgreementSpec, agreement_spec, pair_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pair = tuple[str, str]
# without colour, which means systems
LOOKS: dict[str, dict[str, Any]] = {
    "spearman": {"marker": "o", "color": style.BLACK},
    "within_prompt_spearman": {"marker": "s", "color": style.GREY},
    "between_system_spearman": {"marker": "^", "color": style.GREY, "markerfacecolor": "white"},
    ALPHA: {"marker": "D", "color": style.BLACK, "markerfacecolor": "white"},
}
MARKERS = ("o", "s", "^")
MOST_PANELS = 4
MOST_SYSTEMS = len(style.CATEGORIES) * len(MARKERS)  # with a look of their own; the rest are grey


class Cloud(NamedTuple):
    """The units of a pair: system -> scores of its answers."""

    pair: Pair
    units: dict[str, list[tuple[float, float]]]


def draw(
    spec: AgreementSpec | Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    points: Sequence[Mapping[str, str]],
    out_pdf: str | Path,
    out_png: str | Path,
) -> None:
    """Draw the analysis; the full caption is in the metadata of both files, a short one under the figure.

    Args:
        spec: the analysis.
        rows: from `agreement.agreement`, or read back from comparison.csv.
        points: from `agreement.points`, or read back from points.csv.
        out_pdf, out_png: written whole, the same bytes for the same input.
    """
    spec = agreement_spec(spec)
    found = Rows(rows)
    pairs = sorted(spec.all_pairs, key=lambda pair: pair_name(*pair) != spec.primary.arm)
    clouds = [cloud(points, pair) for pair in pairs[:MOST_PANELS]]
    title = spec.title or spec.experiment
    with style.house_style():
        labels = arm_labels(spec, rows, pairs[:MOST_PAIRS])
        figure = _draw(spec, found, labels, clouds, title, short_line(spec, found))
        style.save(figure, out_pdf, out_png, title, caption(spec, found))


def arm_labels(spec: AgreementSpec, rows: Sequence[Mapping[str, str]], pairs: Sequence[Pair]) -> dict[str, str]:
    """Pairs and groups of raters for people, with the status of those that have no number."""
    status = {
        plain(row["arm"]): row["status"]
        for row in rows
        if row["metric"] in ("spearman", ALPHA) and row["subset"] == ALL
    }
    labels = {pair_name(*pair): "\n~ ".join(style.shorten(score_label(score), 30) for score in pair) for pair in pairs}
    labels |= {group: style.shorten(group, 30) for group in spec.raters}
    state = {arm: status.get(arm, "no scores") for arm in labels}
    return {arm: label + ("" if state[arm] == "ok" else f" ({state[arm]})") for arm, label in labels.items()}


def cloud(points: Sequence[Mapping[str, str]], pair: Pair) -> Cloud:
    """The units of a pair: means over the runs of a system that have both scores."""
    first, second = pair
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in points:
        if row[first] and row[second]:
            found.setdefault(row["system"], {}).setdefault(row["id"], []).append(
                (float(row[first]), float(row[second]))
            )
    units = {
        system: [
            (sum(x for x, _ in each) / len(each), sum(y for _, y in each) / len(each)) for each in prompts.values()
        ]
        for system, prompts in found.items()
    }
    return Cloud(pair, units)


def score_label(score: str) -> str:
    """A score for people."""
    return Reading(score, "").label


def _draw(
    spec: AgreementSpec, rows: Rows, labels: Mapping[str, str], clouds: Sequence[Cloud], title: str, footer: str
) -> Any:
    columns = 1 if len(clouds) <= 1 else 2
    lines = 2 if len(clouds) > 2 else 1
    step = 0.42 if len(labels) <= 8 else 0.32
    height = max(0.75 + step * len(labels), 1.9 * lines if clouds else 1.5)
    figure, low, high = style.new_figure(style.TWO_COLUMNS, height, title, footer)
    metrics = [metric for metric in STATISTICS if any(_row(spec, rows, arm, metric) for arm in labels)]
    looks = system_looks(sorted({system for each in clouds for system in each.units}))
    high = style.legend_above(figure, _statistics_legend(metrics), high, 4)
    handles, most = _systems_legend(looks)
    high = style.legend_above(figure, handles, high, most)
    style.reserve(figure, low, high)
    grid = figure.add_gridspec(lines, 1 + columns * bool(clouds), width_ratios=[1.15] + [1.0] * columns * bool(clouds))
    _forest(figure.add_subplot(grid[:, 0]), spec, rows, labels, metrics)
    for number, each in enumerate(clouds):
        axes = figure.add_subplot(grid[number // columns, 1 + number % columns])
        _scatter(axes, spec, rows, each, looks)
    return figure


def _forest(axes: Axes, spec: AgreementSpec, rows: Rows, labels: Mapping[str, str], metrics: Sequence[str]) -> None:
    """A line an arm, a mark a statistic."""
    ends = [0.0]
    for place, arm in enumerate(labels):
        shown = [(metric, row) for metric in metrics if (row := _row(spec, rows, arm, metric)) is not None]
        for number, (metric, row) in enumerate(shown):
            mean, low, high = (float(row[column] or row["mean"]) for column in ("mean", "ci_low", "ci_high"))
            ends += [low, high]
            at = place + 0.2 * (number - (len(shown) - 1) / 2)
            error = [[max(mean - low, 0)], [max(high - mean, 0)]]
            axes.errorbar(
                mean, at, xerr=error, linestyle="none", markersize=3.8, elinewidth=1, capsize=1.6, **LOOKS[metric]
            )
    axes.axvline(0, color=style.GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    axes.set_xlim(*style.limits(*((min(ends), max(ends)) if any(ends) else (-1.0, 1.0)), (-1.0, 1.0)))
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_yticks(range(len(labels)), list(labels.values()))
    axes.tick_params(axis="y", length=0)
    for text, arm in zip(axes.get_yticklabels(), labels, strict=True):
        text.set(weight="bold" if arm == spec.primary.arm else "normal", size=style.NOTE)
    axes.xaxis.set_major_locator(_few_ticks())
    axes.grid(axis="x")
    axes.set_xlabel("rank correlation" + (", alpha" if ALPHA in metrics else "") + " (dashed: chance)")


def _scatter(axes: Axes, spec: AgreementSpec, rows: Rows, shown: Cloud, looks: Mapping[str, Mapping[str, Any]]) -> None:
    """The units of a pair and, on top, the means of the systems."""
    for system, units in sorted(shown.units.items()):
        axes.scatter(*zip(*units, strict=True), **looks[system], s=7, alpha=0.3, linewidths=0)
    for system, units in sorted(shown.units.items()):
        means = (math.fsum(x for x, _ in units) / len(units), math.fsum(y for _, y in units) / len(units))
        axes.scatter(*means, **looks[system], s=34, linewidths=0.8, edgecolors="white", zorder=3)
    if not shown.units:
        style.empty_note(axes, "no scores")
    primary = pair_name(*shown.pair) == spec.primary.arm
    row = _row(spec, rows, pair_name(*shown.pair), "spearman")
    if row is not None:
        mean, low, high = (_number(row[column] or row["mean"]) for column in ("mean", "ci_low", "ci_high"))
        axes.set_title(f"ρ = {mean} [{low}, {high}]", weight="bold" if primary else "normal", size=style.TICK)
    axes.set_xlabel(style.shorten(score_label(shown.pair[0]), 34))
    axes.set_ylabel(style.shorten(score_label(shown.pair[1]), 34))
    axes.xaxis.set_major_locator(_few_ticks())
    axes.yaxis.set_major_locator(_few_ticks())
    axes.grid()


def system_looks(systems: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of each system; those after the first `MOST_SYSTEMS` share one."""
    size = len(style.CATEGORIES)
    looks: dict[str, dict[str, Any]] = {}
    for number, system in enumerate(systems):
        own = number < MOST_SYSTEMS
        color = style.CATEGORIES[number % size] if own else style.LIGHT
        looks[system] = {"color": color, "marker": MARKERS[number // size] if own else "o"}
    return looks


def _statistics_legend(metrics: Sequence[str]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], **LOOKS[metric], linewidth=1, markersize=4, label=STATISTICS[metric]) for metric in metrics]


def _systems_legend(looks: Mapping[str, Mapping[str, Any]]) -> tuple[list[Any], int]:
    """Marks of the systems, and how many fit in a row."""
    from matplotlib.lines import Line2D

    named = list(looks)[:MOST_SYSTEMS]
    handles = [
        Line2D([], [], linestyle="none", markersize=4, label=style.shorten(system, 34), **looks[system])
        for system in named
    ]
    if len(looks) > len(named):
        label = f"{len(looks) - len(named)} other systems"
        handles.append(Line2D([], [], linestyle="none", markersize=4, marker="o", color=style.LIGHT, label=label))
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    return handles, max(1, min(7, int(style.TWO_COLUMNS / (0.4 + longest * style.TICK * 0.6 / 72))))


def _row(spec: AgreementSpec, rows: Rows, arm: str, metric: str) -> Mapping[str, str] | None:
    return rows.get(arm, Reading(metric, spec.eval_set))


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=5, steps=[1, 2, 5, 10], min_n_ticks=2)


def _number(text: str) -> str:
    value = round(float(text), 2) + 0.0  # no negative zero
    return f"{value:.2f}".replace("-", "−")
