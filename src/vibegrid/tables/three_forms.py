"""The three files of an experiment's table: long (CSV), and for reading (Markdown, LaTeX)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vibegrid.analyses.compare import COLUMNS, KEY
from vibegrid.files import write_csv, write_text
from vibegrid.tables.forms import Block, latex_of, markdown_of


def write_three(
    experiment: str, blocks: Sequence[Block], rows: Sequence[Mapping[str, str]], out_dir: str | Path
) -> list[Path]:
    """Write ``<experiment>.csv`` of the sorted rows, ``.md`` and ``.tex`` of the blocks into `out_dir`; their paths."""
    paths = [Path(out_dir) / f"{experiment}{ending}" for ending in (".csv", ".md", ".tex")]
    write_csv(paths[0], sorted(rows, key=lambda row: tuple(row[column] for column in KEY)), COLUMNS)
    write_text(paths[1], markdown_of(blocks))
    write_text(paths[2], latex_of(blocks))
    return paths
