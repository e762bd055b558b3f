"""The table of the whole study: the rows of every experiment, in one order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vibegrid.analyses.compare import COLUMNS, KEY
from vibegrid.errors import InputError
from vibegrid.files import read_csv, write_csv


def write_all_tables(tables: Iterable[str | Path], out: str | Path) -> int:
    """Write the rows of `tables` (CSV files with the columns of `compare.COLUMNS`) to `out`; how many there
    are.

    The order of the files does not matter: rows are sorted by `compare.KEY`.

    Raises:
        InputError: a file has other columns, or two rows have the same key.
    """
    rows: list[dict[str, str]] = []
    first: dict[tuple[str, ...], Path] = {}
    for table in sorted(Path(table) for table in tables):
        for number, row in enumerate(read_csv(table), start=2):
            if tuple(row) != COLUMNS or None in row.values():
                raise InputError(f"{table}:{number}", f"columns expected: {', '.join(COLUMNS)}")
            key = tuple(row[column] for column in KEY)
            if key in first:
                raise InputError(f"{table}:{number}", f"{'/'.join(key)} is in {first[key]} as well")
            first[key] = table
            rows.append(row)
    rows.sort(key=lambda row: tuple(row[column] for column in KEY))
    write_csv(out, rows, COLUMNS)
    return len(rows)
