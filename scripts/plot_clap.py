"""Plot the cards of mini-CLAPs: card.json of each in, a figure as PDF and PNG out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.errors import InputError
from vibegrid.preload import FIGURES


def main(options: Namespace) -> None:
    """Recall and free-language AUC, models side by side."""
    from vibegrid.figures.clap import plot_clap
    from vibegrid.files import read_json, read_text, write_text

    cards = {}
    for pair in options.cards:
        name, sign, path = pair.partition("=")
        if not sign or name in cards:
            raise InputError(f"--cards {pair}", "each name once, as name=card.json")
        cards[name] = read_json(path)
    plot_clap(cards, options.out)
    write_text(options.made, read_text(options.stamp))


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--cards", nargs="+", required=True, help="name=card.json of each model")
    arguments.add_argument("--out", type=Path, required=True, help="the PDF; the PNG stands beside it")
    arguments.add_argument("--stamp", type=Path, required=True, help="stamp of the figure")
    arguments.add_argument("--made", type=Path, required=True, help="copy of the stamp")
    script.run(arguments, main, preload=FIGURES)
