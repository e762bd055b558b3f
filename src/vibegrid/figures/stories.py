"""The figure of an analysis of stories: coherence of each system, similarity by distance, and one story page by page.

Above, left: neighbours against other texts and against shuffled pages, by CLAP. Above, right: similarity of pages so
many pages apart, and of pages of other texts. Below: acoustic measures along the pages of one story, its longest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibegrid.analyses.readings import Reading, Rows
from vibegrid.figures import style
from vibegrid.figures.agreement import system_looks
from vibegrid.specs.stories import NEIGHBOUR, OTHERS, StoriesSpec, jump_metric, stories_spec
from vibegrid.stories.captions import KIND_NAMES, caption, short_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURES = {"onset_rate": "onsets a second", "brightness": "brightness", "density": "density"}
CONTRAST_LOOKS: dict[str, dict[str, Any]] = {
    "neighbour_vs_others": {"marker": "o"},
    "neighbour_vs_shuffled": {"marker": "s", "markerfacecolor": "white"},
}
MOST_PAGES = 12  # of the story below


def draw(
    spec: StoriesSpec | Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    pages: Sequence[Mapping[str, str]],
    out_pdf: str | Path,
    out_png: str | Path,
) -> None:
    """Draw the analysis; the full caption is in the metadata of both files, a short one under the figure.

    Args:
        spec: the analysis.
        rows: of its comparison.csv.
        pages: of its pages.csv.
        out_pdf, out_png: written whole, the same bytes for the same input.
    """
    spec = stories_spec(spec)
    found = Rows(rows)
    title = spec.title or spec.experiment
    with style.house_style():
        figure, low, high = style.new_figure(style.TWO_COLUMNS, 4.6, title, short_line(spec, found))
        looks = system_looks(spec.systems)
        high = style.legend_above(figure, _systems_legend(looks), high, min(6, len(looks)))
        style.reserve(figure, low, high)
        grid = figure.add_gridspec(2, 6, height_ratios=[1.15, 1.0])
        kind = spec.primary.metric.rpartition("_")[2]
        _contrasts(figure.add_subplot(grid[0, :3]), spec, found, looks, kind)
        _distances(figure.add_subplot(grid[0, 3:]), spec, found, looks, kind)
        story = one_story(pages)
        for number, measure in enumerate(MEASURES):
            axes = figure.add_subplot(grid[1, 2 * number : 2 * number + 2])
            _along(axes, [page for page in pages if page["story"] == story], measure, looks)
            if number == 0:
                axes.set_ylabel("rank among all pages")
                axes.set_title(f"{style.shorten(story, 30)}: {MEASURES[measure]}", size=style.TICK)
        style.save(figure, out_pdf, out_png, title, caption(spec, found))


def one_story(pages: Sequence[Mapping[str, str]]) -> str:
    """The story of most pages, the first of them where several have as many; empty where there is none."""
    size: dict[str, set[str]] = {}
    for page in pages:
        size.setdefault(page["story"], set()).add(page["page"])
    return max(size, key=lambda story: len(size[story]), default="")


def _contrasts(axes: Axes, spec: StoriesSpec, rows: Rows, looks: Mapping[str, Mapping[str, Any]], kind: str) -> None:
    """A line a system, a mark a contrast."""
    ends = [0.0]
    for place, system in enumerate(spec.systems):
        for number, (contrast, look) in enumerate(CONTRAST_LOOKS.items()):
            row = rows.get(system, Reading(f"{contrast}_{kind}", spec.eval_set))
            if row is None:
                continue
            mean, low, high = (float(row[column] or row["mean"]) for column in ("mean", "ci_low", "ci_high"))
            ends += [low, high]
            error = [[max(mean - low, 0)], [max(high - mean, 0)]]
            color = looks[system]["color"]
            at = place + 0.24 * (number - 0.5)
            axes.errorbar(mean, at, xerr=error, color=color, markersize=4, elinewidth=1, capsize=1.6, **look)
    axes.axvline(0, color=style.GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    axes.set_xlim(*style.limits(min(ends), max(ends)))
    axes.set_ylim(len(spec.systems) - 0.4, -0.6)
    axes.set_yticks(range(len(spec.systems)), [style.shorten(system, 24) for system in spec.systems])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel(f"difference of similarity ({KIND_NAMES[kind]})")
    axes.set_title("neighbours: ● less other texts, □ less shuffled pages", weight="bold", size=style.TICK)


def _distances(axes: Axes, spec: StoriesSpec, rows: Rows, looks: Mapping[str, Mapping[str, Any]], kind: str) -> None:
    """Similarity by distance; the last place is another text."""
    metrics = [f"{NEIGHBOUR}_{kind}", *(f"{jump_metric(jump)}_{kind}" for jump in range(2, spec.jumps + 1))]
    there = [m for m in metrics if any(rows.get(s, Reading(m, spec.eval_set)) for s in spec.systems)]
    places = [*there, f"{OTHERS}_{kind}"]
    for number, system in enumerate(spec.systems):
        shift = 0.08 * (number - (len(spec.systems) - 1) / 2)
        found = [(at + shift, rows.get(system, Reading(m, spec.eval_set))) for at, m in enumerate(places)]
        points = [
            (at, *(float(row[c] or row["mean"]) for c in ("mean", "ci_low", "ci_high"))) for at, row in found if row
        ]
        if not points:
            continue
        at, mean, low, high = zip(*points, strict=True)
        error = [[m - a for m, a in zip(mean, low, strict=True)], [b - m for m, b in zip(mean, high, strict=True)]]
        look = {"color": looks[system]["color"], "marker": looks[system]["marker"]}
        axes.errorbar(at, mean, yerr=error, markersize=4, linewidth=0.8, elinewidth=0.8, capsize=1.4, **look)
    axes.set_xticks(range(len(places)), [*(str(jump) for jump in range(1, len(there) + 1)), "other\ntext"])
    axes.grid(axis="y")
    axes.set_xlabel("pages apart")
    axes.set_ylabel(KIND_NAMES[kind])
    if not there:
        style.empty_note(axes, "no pages")


def _along(
    axes: Axes, pages: Sequence[Mapping[str, str]], measure: str, looks: Mapping[str, Mapping[str, Any]]
) -> None:
    """A measure's rank page by page: means over the runs of a system."""
    numbers = sorted({int(page["page"]) for page in pages})[:MOST_PAGES]
    for system, look in looks.items():
        found: dict[int, list[float]] = {}
        for page in pages:
            if page["system"] == system and page[measure] and int(page["page"]) in numbers:
                found.setdefault(int(page["page"]), []).append(float(page[measure]))
        means = [(number, sum(values) / len(values)) for number, values in sorted(found.items())]
        if means:
            axes.plot(
                *zip(*means, strict=True), color=look["color"], marker=look["marker"], markersize=3.5, linewidth=1
            )
    axes.set_ylim(-0.04, 1.04)
    axes.set_xticks(numbers)
    axes.set_xlabel("page")
    axes.set_title(MEASURES[measure], size=style.TICK)
    axes.grid(axis="y")
    if not numbers:
        style.empty_note(axes, "no pages")


def _systems_legend(looks: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], linestyle="none", markersize=4, label=style.shorten(system, 24), **look)
        for system, look in looks.items()
    ]
