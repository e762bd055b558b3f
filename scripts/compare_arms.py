"""Compare arms: the scores of an experiment in, means, intervals, differences and tests out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """One comparison; tables and figures are made of it."""
    from vibegrid.analyses.experiment import compare_arms

    compare_arms(options.spec, folders=options.scores, out=options.out)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--scores", nargs="+", type=Path, required=True, help="folders of scores")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the analysis")
    script.run(arguments, main)
