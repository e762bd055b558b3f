"""The figure of a human evaluation: who is preferred, and how many ratings settle which difference.

Left, the win rate of each pair with its interval, against one half. Right, ratings needed over the true win rate: the
curve of the experiment's settings, what each pair has so far, and the smallest win rate that would matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibegrid.analyses.captions import CAVEATS
from vibegrid.figures import style
from vibegrid.human.power import ratings_needed
from vibegrid.specs.human import RatingsSpec, pair_name, ratings_spec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST, MOST = 0.51, 0.9  # true win rates of the curve
POINTS = 79


def draw(
    spec: RatingsSpec | Mapping[str, Any], rows: Sequence[Mapping[str, str]], out_pdf: str | Path, out_png: str | Path
) -> None:
    """Draw the analysis; the full caption is in the metadata of both files, a short one under the figure.

    Args:
        spec: the analysis.
        rows: of its comparison.csv.
        out_pdf, out_png: written whole, the same bytes for the same input.
    """
    spec = ratings_spec(spec)
    found = {(row["arm"], row["metric"]): row for row in rows}
    title = spec.title or spec.experiment
    with style.house_style():
        height = max(1.9, 0.7 + 0.42 * len(spec.pairs))
        figure, _, _ = style.new_figure(style.TWO_COLUMNS, height, title, short_line(spec, found))
        left, right = figure.subplots(1, 2, width_ratios=[1.1, 1.0])
        _win_rates(left, spec, found)
        _power(right, spec, found)
        style.save(figure, out_pdf, out_png, title, caption(spec, found))


Found = Mapping[tuple[str, str], Mapping[str, str]]


def caption(spec: RatingsSpec, found: Found) -> str:
    """All that a reader needs: question, scale, primary reading, sizes, interval, test."""
    texts = [" ".join(text.split()) for text in (spec.question, spec.notes)]
    parts = [text if not text or text[-1] in ".?!" else f"{text}." for text in texts]
    parts += [CAVEATS.get(spec.scale, f"Scale {spec.scale}."), f"Confirmatory: win rate of {spec.primary.arm}."]
    n = sum(int(found[pair_name(*pair), "win_rate"]["n"]) for pair in spec.pairs)
    settings = spec.settings
    parts.append(
        f"{n} ratings. Win rates count a tie as half; 95 % intervals by a bootstrap over raters and prompts."
        f" Raters who fail more than {settings.max_failed} of {settings.checks} checks are left out."
        f" Right: ratings of a pair that find its true win rate with a chance of {settings.power:g} at a level of"
        f" {settings.level:g} shared by {len(spec.pairs)} pairs; without ratings, {settings.design_effect:g} are taken"
        " to be worth one independent rating."
    )
    return " ".join(part for part in parts if part)


def short_line(spec: RatingsSpec, found: Found) -> str:
    """What stands under the figure."""
    n = sum(int(found[pair_name(*pair), "win_rate"]["n"]) for pair in spec.pairs)
    said = f"{n} ratings; 95 % intervals over raters and prompts." if n else "No ratings yet."
    return f"{CAVEATS.get(spec.scale, f'Scale {spec.scale}.')} {said} Bold: confirmatory. Ties count half."


def _win_rates(axes: Axes, spec: RatingsSpec, found: Found) -> None:
    """A line a pair."""
    arms = [pair_name(*pair) for pair in spec.pairs]
    for place, arm in enumerate(arms):
        row = found[arm, "win_rate"]
        if row["mean"]:
            mean, low, high = (float(row[column]) for column in ("mean", "ci_low", "ci_high"))
            error = [[max(mean - low, 0)], [max(high - mean, 0)]]
            axes.errorbar(
                mean, place, xerr=error, marker="o", color=style.BLACK, linestyle="none", markersize=3.8, capsize=1.6
            )
    if not any(found[arm, "win_rate"]["mean"] for arm in arms):
        style.empty_note(axes, "no ratings yet")
    else:
        axes.axvline(0.5, color=style.GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(arms) - 0.4, -0.6)
    counts = [int(found[arm, "win_rate"]["n"]) for arm in arms]
    labels = [f"{style.shorten(arm, 34)}\n(n = {n})" for arm, n in zip(arms, counts, strict=True)]
    axes.set_yticks(range(len(arms)), labels)
    axes.tick_params(axis="y", length=0)
    for text, arm in zip(axes.get_yticklabels(), arms, strict=True):
        text.set(weight="bold" if arm == spec.primary.arm else "normal", size=style.NOTE)
    axes.grid(axis="x")
    axes.set_xlabel("win rate of the first (dashed: no preference)")


def _power(axes: Axes, spec: RatingsSpec, found: Found) -> None:
    """Ratings needed over the true win rate."""
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    settings, level = spec.settings, spec.settings.level / len(spec.pairs)
    rates = [LEAST + (MOST - LEAST) * i / (POINTS - 1) for i in range(POINTS)]
    for effect, dashes in ((1.0, style.DASHES[1]), (settings.design_effect, style.DASHES[0])):
        needed = [ratings_needed(r, level=level, power=settings.power, design_effect=effect) or 0 for r in rates]
        label = "independent ratings" if effect == 1.0 else f"{effect:g} for one independent rating"
        axes.plot(rates, needed, color=style.BLUE, linestyle=dashes, label=label)
    for number, pair in enumerate(spec.pairs):
        row = found[pair_name(*pair), "win_rate"]
        if row["mean"] and int(row["n"]):
            rate = max(float(row["mean"]), 1 - float(row["mean"]))
            color = style.CATEGORIES[(number + 1) % len(style.CATEGORIES)]
            axes.plot([rate], [int(row["n"])], "o", color=color, markersize=4, label=style.shorten(row["arm"], 30))
    axes.axvline(
        settings.smallest_win_rate,
        color=style.GREY,
        linewidth=0.7,
        linestyle=(0, (3, 2)),
        zorder=1,
        label="smallest that matters",
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(0.5, MOST)
    axes.grid()
    axes.set_xlabel("true win rate of the preferred one")
    axes.set_ylabel("ratings of a pair needed")
    axes.legend(loc="upper right", fontsize=style.NOTE)
