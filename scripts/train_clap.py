"""Train a mini-CLAP: a bank of renders in, a model folder with its card out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """One training, and the card on the held-out renders."""
    from vibegrid.clap.train import train
    from vibegrid.specs.clap import ClapSpec

    train(ClapSpec.model_validate(options.spec), bank=options.bank, out=options.out)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--bank", type=Path, required=True, help="folder of the bank")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the model")
    script.run(arguments, main, preload=LANGUAGE_MODEL)
