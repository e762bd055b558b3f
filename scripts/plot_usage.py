"""Plot usage: a field usage analysis in, its figure as PDF and PNG out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import FIGURES


def main(options: Namespace) -> None:
    """Fields by systems, and what a replaced field loses."""
    from vibegrid.figures.field_usage import draw
    from vibegrid.files import read_csv, read_text, write_text

    draw(options.spec, read_csv(options.comparison), options.out, options.out.with_suffix(".png"))
    write_text(options.made, read_text(options.stamp))


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--comparison", type=Path, required=True, help="comparison.csv")
    arguments.add_argument("--stamp", type=Path, required=True, help="stamp of the figure")
    arguments.add_argument("--out", type=Path, required=True, help="the PDF; the PNG stands beside it")
    arguments.add_argument("--made", type=Path, required=True, help="copy of the stamp")
    script.run(arguments, main, preload=FIGURES)
