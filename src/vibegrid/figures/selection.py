"""The figure of best of N: what the scorer that chooses gains, and what the other one hears of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibegrid.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Best of N: what is chosen by one scorer, read by each"
CAPTION = (
    "Gain of the best of n candidates over one, in standard deviations of a vibe's candidates; each panel: the scorer "
    "that chooses. Expected over all draws of n of the teacher's {total} candidates, {vibes} training vibes of {texts} "
    "texts; bands: 95 %, texts resampled. Scale {scale}."
)


def plot_selection(rows: Sequence[Mapping[str, str]], scale: str, out_pdf: str | Path) -> None:
    """Draw `selection.csv`, a panel a selector: PDF, and PNG beside it, the same bytes twice."""
    from matplotlib.lines import Line2D

    out_pdf = Path(out_pdf)
    names = list(dict.fromkeys(row["reading"] for row in rows))
    looks = {name: style.CATEGORIES[i % len(style.CATEGORIES)] for i, name in enumerate(names)}
    total = max(int(row["n"]) for row in rows)
    caption = CAPTION.format(total=total, vibes=rows[0]["n_vibes"], texts=rows[0]["n_texts"], scale=scale)
    selectors = list(dict.fromkeys(row["selector"] for row in rows))
    with style.house_style():
        figure, low, high = style.new_figure(style.TWO_COLUMNS, 2.2, TITLE, caption)
        handles = [
            Line2D([], [], color=color, marker="o", markersize=4, label=f"read by {style.shorten(name, 30)}")
            for name, color in looks.items()
        ]
        style.reserve(figure, low, style.legend_above(figure, handles, high, 4))
        panels = figure.subplots(1, len(selectors), sharey=True, squeeze=False)[0]
        for axes, selector in zip(panels, selectors, strict=True):
            _panel(axes, [row for row in rows if row["selector"] == selector], looks)
            axes.set_title(f"chosen by {style.shorten(selector, 30)}")
            axes.set_xticks(range(1, total + 1))
            axes.set_xlabel("candidates n")
        panels[0].set_ylabel("gain (s.d.)")
        style.save(figure, out_pdf, out_pdf.with_suffix(".png"), TITLE, caption)


def _panel(axes: Axes, rows: Sequence[Mapping[str, str]], looks: Mapping[str, Any]) -> None:
    for name, color in looks.items():
        curve = [row for row in rows if row["reading"] == name]
        n = [int(row["n"]) for row in curve]
        low, high = ([float(row[key]) for row in curve] for key in ("gain_low", "gain_high"))
        axes.fill_between(n, low, high, color=color, alpha=0.15, linewidth=0)
        axes.plot(n, [float(row["gain"]) for row in curve], color=color, marker="o", markersize=4)
    axes.axhline(0, color=style.GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=0)
    axes.grid(axis="y")
