"""Tabulate stories: an analysis of stories in, one table as CSV, Markdown and LaTeX out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Three forms of one table."""
    from vibegrid.files import read_csv, read_text, write_text
    from vibegrid.tables.stories import write_tables

    write_tables(options.spec, read_csv(options.comparison), options.out.parent)
    write_text(options.made, read_text(options.stamp))


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--comparison", type=Path, required=True, help="comparison.csv")
    arguments.add_argument("--stamp", type=Path, required=True, help="stamp of the table")
    arguments.add_argument("--out", type=Path, required=True, help="the CSV; the others stand beside it")
    arguments.add_argument("--made", type=Path, required=True, help="copy of the stamp")
    script.run(arguments, main)
