"""Plot training curves: metrics.csv of an experiment's adapters in, a figure as PDF and PNG out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import FIGURES


def main(options: Namespace) -> None:
    """Loss and reward over steps, a line per arm."""
    from vibegrid.figures.training_curves import plot_curves
    from vibegrid.files import read_csv, read_json, read_text, write_text

    arms = read_json(options.stamp)["arms"]
    metrics = {arm: [read_csv(Path(folder) / "metrics.csv") for folder in folders] for arm, folders in arms.items()}
    plot_curves(options.spec, metrics, options.out, options.out.with_suffix(".png"))
    write_text(options.made, read_text(options.stamp))


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--stamp", type=Path, required=True, help="stamp of the figure, which names the adapters")
    arguments.add_argument("--out", type=Path, required=True, help="the PDF; the PNG stands beside it")
    arguments.add_argument("--made", type=Path, required=True, help="copy of the stamp")
    script.run(arguments, main, preload=FIGURES)
