"""The figure of mini-CLAPs' cards: what they retrieve, and what words their captions never held tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibegrid.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "mini-CLAP: retrieval and free language on held-out renders"
CAPTION = (
    "Left: share of held-out captions whose own render is among the k nearest; dashes: chance. Right: AUC of phrases "
    "with no word of any caption: filled, mean over pairs of a high and a low phrase; hollow, by the mean of a pole's "
    "phrases; dashes: chance."
)
MARKERS = "os^Dv"
ROW, BAR = 0.16, 0.8  # of the room of one attribute or of one k


def plot_clap(cards: Mapping[str, Mapping[str, Any]], out_pdf: str | Path) -> None:
    """Draw the cards (`card.json` by model name) side by side: PDF, and PNG beside it, the same bytes twice."""
    from matplotlib.lines import Line2D

    out_pdf = Path(out_pdf)
    with style.house_style():
        figure, low, high = style.new_figure(style.TWO_COLUMNS, 2.2, TITLE, CAPTION)
        looks: dict[str, dict[str, Any]] = {
            name: {"color": style.CATEGORIES[i % len(style.CATEGORIES)], "marker": MARKERS[i % len(MARKERS)]}
            for i, name in enumerate(cards)
        }
        handles = [
            Line2D([], [], linestyle="none", markersize=5, label=style.shorten(name, 30), **look)
            for name, look in looks.items()
        ]
        style.reserve(figure, low, style.legend_above(figure, handles, high, 4))
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.7))
        _recall(left, cards, looks)
        _probes(right, cards, looks)
        style.save(figure, out_pdf, out_pdf.with_suffix(".png"), TITLE, CAPTION)


def _recall(axes: Axes, cards: Mapping[str, Mapping[str, Any]], looks: Mapping[str, dict[str, Any]]) -> None:
    """Bars: one group a k, one bar a model, chance as a dash across it."""
    ranks = list(dict.fromkeys(rank for card in cards.values() for rank in card["recall"]))
    width = BAR / max(len(cards), 1)
    for number, (name, card) in enumerate(cards.items()):
        for place, rank in enumerate(ranks):
            if rank not in card["recall"]:
                continue
            x, value = place + (number - (len(cards) - 1) / 2) * width, card["recall"][rank]
            axes.bar(x, value, width * 0.9, color=looks[name]["color"])
            axes.text(x, value, f"{value:.2f}", ha="center", va="bottom", size=style.NOTE)
            half, chance = width * 0.45, card["chance"][rank]
            axes.plot([x - half, x + half], [chance, chance], color=style.BLACK, linewidth=0.9, linestyle=(0, (2, 1)))
    axes.set_xticks(range(len(ranks)), [f"recall{rank}" for rank in ranks])
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, 1)
    axes.set_title("Caption to render")
    axes.set_ylabel("share of captions")
    axes.grid(axis="y")


def _probes(axes: Axes, cards: Mapping[str, Mapping[str, Any]], looks: Mapping[str, dict[str, Any]]) -> None:
    """A row of dots an attribute; a filled and a hollow one a model."""
    attributes = list(dict.fromkeys(name for card in cards.values() for name in card["probes"]))
    for number, (name, card) in enumerate(cards.items()):
        shift = (number - (len(cards) - 1) / 2) * ROW
        for reading, hollow in (("auc", False), ("auc_pooled", True)):
            known = [(i, card["probes"].get(attribute, {}).get(reading)) for i, attribute in enumerate(attributes)]
            points = [(value, place + shift) for place, value in known if value is not None]
            look: dict[str, Any] = looks[name] | ({"markerfacecolor": "white"} if hollow else {})
            axes.plot([x for x, _ in points], [y for _, y in points], linestyle="none", markersize=5, **look)
    axes.axvline(0.5, color=style.GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=0)
    axes.set_yticks(range(len(attributes)), attributes)
    axes.set_ylim(len(attributes) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    lowest = min(
        (p["auc"] for card in cards.values() for p in card["probes"].values() if p["auc"] is not None), default=0
    )
    axes.set_xlim(min(0.4, lowest - 0.03), 1)
    axes.set_title("Unseen phrases against renders of the other pole")
    axes.set_xlabel("AUC")
    axes.grid(axis="x")
