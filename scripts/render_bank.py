"""Render a bank: random configs, their log-mel frames and acoustic measures out; mini-CLAP is trained on it."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Render and measure every config."""
    from vibegrid.clap.bank import render_bank
    from vibegrid.specs.clap import BankSpec

    render_bank(BankSpec.model_validate(options.spec), options.out)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--out", type=Path, required=True, help="folder of the bank")
    script.run(arguments, main)
