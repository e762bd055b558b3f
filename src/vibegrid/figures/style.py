"""One look for all figures, and saving that gives the same bytes for the same content.

Sizes are those of a two-column paper: `ONE_COLUMN` and `TWO_COLUMNS` inches wide, text of 6.5 to 8 points
in the DejaVu fonts that matplotlib brings along, so that no machine's fonts matter. Colours are Okabe and
Ito's, which people with any common colour blindness tell apart (Okabe & Ito 2008, Color Universal Design).
Text is never parsed as mathematics: names come from users.
"""

from __future__ import annotations

import os
import tempfile
import textwrap
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ONE_COLUMN = 3.4
TWO_COLUMNS = 7.0
PNG_DPI = 200

BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#000000"
GREY, LIGHT, BAND = "#666666", "#B8B8B8", "#E9E9E9"
CATEGORIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, BLACK, VERMILLION)
DASHES = ("-", (0, (4, 1.2)), (0, (1.2, 1.2)), (0, (4, 1.2, 1.2, 1.2)), (0, (7, 1.5)))

TITLE, LABEL, TICK, NOTE = 9.0, 7.5, 7.0, 6.5  # points
_POINT = 1 / 72  # inch

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": LABEL,
    "text.parse_math": False,
    "text.usetex": False,
    "axes.titlesize": LABEL,
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "axes.labelsize": LABEL,
    "axes.labelpad": 3,
    "axes.linewidth": 0.6,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "axes.axisbelow": True,
    "grid.color": "#EBEBEB",
    "grid.linewidth": 0.5,
    "xtick.labelsize": TICK,
    "ytick.labelsize": TICK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": TICK,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.4,
    "legend.borderaxespad": 0,
    "lines.linewidth": 1.2,
    "figure.constrained_layout.w_pad": 0.05,
    "figure.constrained_layout.h_pad": 0.05,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.hashsalt": "vibegrid",
    "path.simplify": False,
}


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's own defaults and then `RC`: a user's matplotlibrc does not matter."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)  # type: ignore[arg-type]
        yield


def new_figure(width: float, height: float, title: str, footer: str) -> tuple[Figure, float, float]:
    """A figure of `width` by `height` inches (`height` without title and footer), and the room of the two.

    The title stands above, the footer in small type below; what is drawn later is laid out between them.

    Returns:
        The figure, and the y of the lower and upper bound of the drawing, as fractions of its height.
    """
    from matplotlib.figure import Figure

    above = textwrap.wrap(visible(title), _characters(width, TITLE, 0.68), max_lines=2, placeholder=" …")
    below = textwrap.wrap(visible(footer), _characters(width, NOTE, 0.52), max_lines=4, placeholder=" …")
    top = 0.06 + len(above) * TITLE * 1.35 * _POINT
    bottom = 0.05 + len(below) * NOTE * 1.35 * _POINT
    whole = height + top + bottom
    figure = Figure(figsize=(width, whole), dpi=PNG_DPI, layout="constrained")
    if above:
        figure.text(0.05 / width, 1 - 0.05 / whole, "\n".join(above), size=TITLE, weight="bold", va="top")
    if below:
        figure.text(0.05 / width, 0.05 / whole, "\n".join(below), size=NOTE, color=GREY, va="bottom")
    low, high = bottom / whole, 1 - top / whole
    reserve(figure, low, high)
    return figure, low, high


def reserve(figure: Figure, low: float, high: float) -> None:
    """Lay the axes out between `low` and `high` (fractions of the height)."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0, low, 1, high - low))  # type: ignore[call-arg]


def legend_above(figure: Figure, handles: list[Any], high: float, columns: int) -> float:
    """A legend in rows under the title; the new upper bound of the drawing."""
    if not handles:
        return high
    height = figure.get_figheight()
    rows = -(-len(handles) // columns)
    labels = [" " + handle.get_label().lstrip("_") for handle in handles]  # matplotlib hides labels that begin with _
    figure.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(0.05 / figure.get_figwidth(), high),
        ncols=columns,
        handletextpad=0.3,
    )
    return high - (0.04 + rows * TICK * 1.5 * _POINT) / height


def _characters(width: float, size: float, em: float) -> int:
    """How many characters of `em` times the size fit on `width` inches."""
    return max(20, int((width - 0.1) / (size * em * _POINT)))


def visible(text: str) -> str:
    """Text as one line, without control characters, which fonts draw as boxes."""
    kept = (" " if character.isspace() else character for character in text)
    return " ".join("".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cf", "Cs")).split())


def shorten(text: str, most: int) -> str:
    """At most `most` characters, cut in the middle: names of one sweep differ at their ends."""
    text = visible(text)
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return text[: most - 1 - tail] + "…" + text[len(text) - tail :]


def limits(low: float, high: float, bounds: tuple[float, float] | None = None) -> tuple[float, float]:
    """Axis limits around data from `low` to `high`: some air, no magnified noise, not far beyond `bounds`."""
    span = high - low
    if span < 0.02:
        low, high, span = low - (0.02 - span) / 2, high + (0.02 - span) / 2, 0.02
    first, last = low - 0.08 * span, high + 0.08 * span
    if bounds is not None:
        first, last = max(first, bounds[0] - 0.04 * span), min(last, bounds[1] + 0.04 * span)
    return first, last


def empty_note(axes: Axes, text: str) -> None:
    """A panel that has nothing to show says so."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=GREY, size=TICK)


def save(figure: Figure, out_pdf: str | Path, out_png: str | Path, title: str, caption: str) -> None:
    """Write the figure as PDF and PNG, caption in the metadata, no date or version; each appears whole."""
    import warnings

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    title, caption = visible(title), visible(caption)
    pdf = {"Title": title, "Subject": caption, "Creator": "vibegrid", "Producer": None, "CreationDate": None}
    png = {"Title": title, "Description": caption, "Software": None}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # names in any script are allowed
        buffer = BytesIO()
        FigureCanvasAgg(figure).print_png(buffer, metadata=png)
        _write_bytes(out_png, buffer.getvalue())
        figure.set_layout_engine("none")  # laid out already; a second time costs as much as the drawing
        buffer = BytesIO()
        FigureCanvasPdf(figure).print_pdf(buffer, metadata=pdf)
        _write_bytes(out_pdf, buffer.getvalue())


def _write_bytes(path: str | Path, data: bytes) -> None:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
