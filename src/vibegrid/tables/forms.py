"""Forms of a table: Markdown and LaTeX of blocks whose cells are plain text, and how numbers are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vibegrid.tables.escape import latex, markdown, markdown_paragraph

NOTHING = "–"


class Block(NamedTuple):
    """A table before it is rendered; all cells are plain text."""

    label: str
    title: str
    caption: str
    columns: list[str]
    rows: list[list[str]]


def with_interval(row: Mapping[str, str] | None, mean: str, low: str, high: str, sign: str = "") -> str:
    """`0.512 [0.470, 0.553]`, from the named columns of a row."""
    if row is None or not row[mean]:
        return NOTHING
    return f"{_number(row[mean], sign)} [{_number(row[low], sign)}, {_number(row[high], sign)}]"


def _number(text: str, sign: str) -> str:
    value = round(float(text), 3) + 0.0  # no negative zero
    return f"{value:{sign}.3f}".replace("-", "−") if value else f"{0:.3f}"


def markdown_of(blocks: Sequence[Block]) -> str:
    """The blocks as Markdown, the first as the heading."""
    parts = []
    for depth, block in enumerate(blocks):
        lines = [f"{'#' * min(depth + 1, 2)} {markdown(block.title)}", ""]
        lines.append("| " + " | ".join(markdown(column) for column in block.columns) + " |")
        lines.append("|" + " --- |" + " ---: |" * (len(block.columns) - 1))
        lines += ["| " + " | ".join(markdown(cell) for cell in row) + " |" for row in block.rows]
        lines += ["", markdown_paragraph(block.caption), ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)


def latex_of(blocks: Sequence[Block]) -> str:
    """The blocks as LaTeX tables (booktabs)."""
    parts = ["% Needs booktabs and graphicx; T1 fonts and textcomp."]
    for block in blocks:
        head = " & ".join(rf"\textbf{{{latex(column)}}}" for column in block.columns)
        lines = [
            r"\begin{table*}",
            r"  \centering",
            r"  \footnotesize",
            rf"  \caption{{{latex(block.title)}. {latex(block.caption)}}}",
            rf"  \label{{tab:{block.label}}}",
            r"  \resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
            rf"  \begin{{tabular}}{{l{'r' * (len(block.columns) - 1)}}}",
            r"    \toprule",
            rf"    {head} \\",
            r"    \midrule",
            *(rf"    {' & '.join(latex(cell) for cell in row)} \\" for row in block.rows),
            r"    \bottomrule",
            r"  \end{tabular}}",
            r"\end{table*}",
        ]
        parts.append("\n".join(lines))
    return "\n".join(parts) + "\n"
