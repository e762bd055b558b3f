"""Measure agreement: scores of many systems in, correlations of pairs of scores with intervals and tests out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """One agreement analysis: comparison.csv, points.csv (a render a row) and spec.json."""
    from vibegrid.analyses.agreement import measure_agreement

    measure_agreement(options.spec, folders=options.scores, out=options.out)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--scores", nargs="+", type=Path, required=True, help="folders of scores")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the analysis")
    script.run(arguments, main)
