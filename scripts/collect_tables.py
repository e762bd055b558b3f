"""Collect tables: the tables of all experiments in, all_tables.csv out."""

import json
from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """One long table, sorted."""
    from vibegrid.files import read_json, write_text
    from vibegrid.tables.all_tables import write_all_tables

    write_all_tables(options.tables, options.out)
    content = read_json(options.stamp)
    content.pop("missing", None)
    write_text(options.made, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--tables", nargs="+", type=Path, required=True, help="CSV tables of the experiments")
    arguments.add_argument("--stamp", type=Path, required=True, help="stamp of the table")
    arguments.add_argument("--out", type=Path, required=True, help="all_tables.csv")
    arguments.add_argument("--made", type=Path, required=True, help="copy of the stamp")
    script.run(arguments, main)
