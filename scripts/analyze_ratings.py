"""Analyze ratings: a pack, its raters' files and the systems' scores in; win rates, agreement and power out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """comparison.csv, raters.csv and spec.json; without ratings, how many are needed."""
    from vibegrid.human.analysis import analyze_ratings

    analyze_ratings(options.spec, pack=options.pack, scores=options.scores, ratings=options.ratings, out=options.out)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--pack", type=Path, required=True, help="folder of the pack")
    arguments.add_argument("--scores", nargs="+", type=Path, required=True, help="folders of the systems' scores")
    arguments.add_argument(
        "--ratings", type=script.optional_path, nargs="?", default=None, help="folder of the raters' files"
    )
    arguments.add_argument("--out", type=Path, required=True, help="folder of the analysis")
    script.run(arguments, main)
