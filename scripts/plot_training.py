"""Plot training curves: metrics.csv of an experiment's adapters in, a figure as PDF and PNG out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import FIGURES


def main(options: Namespace) -> None:
    """Loss and reward over steps, a line per arm."""
    from vibegrid.figures.training_curves import plot_curves
    from vibegrid.files import read_csv, read_text, write_text

    metrics: dict[str, list[list[dict[str, str]]]] = {}
    for arm, path in zip(options.arms, options.metrics, strict=True):
        metrics.setdefault(arm, []).append(read_csv(path))
    plot_curves(options.spec, metrics, options.out, options.out.with_suffix(".png"))
    write_text(options.made, read_text(options.stamp))


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--stamp", type=Path, required=True, help="stamp of the figure")
    arguments.add_argument("--metrics", type=Path, nargs="+", required=True, help="training curves of the adapters")
    arguments.add_argument("--arms", nargs="+", required=True, help="the arm of each of them")
    arguments.add_argument("--out", type=Path, required=True, help="the PDF; the PNG stands beside it")
    arguments.add_argument("--made", type=Path, required=True, help="copy of the stamp")
    script.run(arguments, main, preload=FIGURES)
