"""Plot best of N: selection.csv in, a figure as PDF and PNG out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import FIGURES


def main(options: Namespace) -> None:
    """A panel for each scorer that chooses, a line for each that reads."""
    from vibegrid.figures.selection import plot_selection
    from vibegrid.files import read_csv, read_text, write_text

    plot_selection(read_csv(options.selection), options.scale, options.out)
    write_text(options.made, read_text(options.stamp))


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--selection", type=Path, required=True, help="selection.csv of the report")
    arguments.add_argument("--scale", required=True, help="name of the scale, for the caption")
    arguments.add_argument("--out", type=Path, required=True, help="the PDF; the PNG stands beside it")
    arguments.add_argument("--stamp", type=Path, required=True, help="stamp of the figure")
    arguments.add_argument("--made", type=Path, required=True, help="copy of the stamp")
    script.run(arguments, main, preload=FIGURES)
