"""A table of numbers as colours, from white (0 or less) to blue, with its scale beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vibegrid.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISSING = "#EEE6DA"  # a cell without a number


def heat_map(axes: Axes, values: Any, columns: Sequence[str], title: str, label: str, top: float | None = None) -> Any:
    """Draw values (rows, columns), the first row on top, with a colour bar; NaN is a cell without a number.

    Args:
        axes: where.
        values: the numbers.
        columns: names of the columns.
        title: of the panel.
        label: of the colour bar, with the unit.
        top: what the darkest colour stands for; the greatest value where it is None.
    """
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap

    known = np.asarray(values, dtype=float)
    greatest = top if top is not None else float(np.nanmax(known)) if np.isfinite(known).any() else 1.0
    colours = LinearSegmentedColormap.from_list("blues", ["#FFFFFF", style.SKY, style.BLUE, "#00263B"])
    colours = colours.with_extremes(bad=MISSING)
    image = axes.imshow(known, aspect="auto", cmap=colours, vmin=0.0, vmax=max(greatest, 1e-6), interpolation="nearest")
    axes.set_xticks(range(len(columns)), [style.shorten(name, 18) for name in columns], rotation=90, size=style.NOTE)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title)
    assert axes.figure is not None
    bar = axes.figure.colorbar(image, ax=axes, location="bottom", shrink=0.9, aspect=24, pad=0.01)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.set_label(label, size=style.NOTE)
    bar.ax.tick_params(labelsize=style.NOTE, length=2)
    return image


def field_axis(axes: Axes, fields: Sequence[str], faint: Sequence[str] = ()) -> None:
    """Names of fields down the side, the first on top; faint ones in grey."""
    axes.set_ylim(len(fields) - 0.5, -0.5)
    axes.set_yticks(range(len(fields)), [field.replace("_", " ") for field in fields], size=style.NOTE)
    axes.tick_params(axis="y", length=0)
    for text, field in zip(axes.get_yticklabels(), fields, strict=True):
        text.set_color(style.LIGHT if field in faint else style.BLACK)
