"""Measure sensitivity: a CLAP and a bank of random renders in; what each config field changes in the sound out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """One sensitivity analysis: comparison.csv, moves.csv (a move a row), indices.csv and spec.json."""
    from vibegrid.sensitivity.measure import measure_sensitivity

    measure_sensitivity(options.spec, scorer=options.scorer, bank=options.bank, out=options.out)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--scorer", type=Path, required=True, help="folder of the calibrated CLAP")
    arguments.add_argument("--bank", type=Path, required=True, help="folder of the bank of renders")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the analysis")
    script.run(arguments, main, preload=LANGUAGE_MODEL)
