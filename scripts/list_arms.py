"""List arms: which arm and replicate is which adapter and which evaluation."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """arms.csv, from the stamp that the plan wrote."""
    from vibegrid.files import read_json, read_text, write_csv, write_text

    rows = read_json(options.stamp)["rows"]
    write_csv(options.out, rows, list(rows[0]))
    write_text(options.made, read_text(options.stamp))


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--stamp", type=Path, required=True, help="stamp of the arms")
    arguments.add_argument("--out", type=Path, required=True, help="arms.csv")
    arguments.add_argument("--made", type=Path, required=True, help="copy of the stamp")
    script.run(arguments, main)
