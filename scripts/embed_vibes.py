"""Embed vibes: vibes in, MiniLM embeddings out; splits, dedupe and leakage checks read them."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Embed each unique vibe once."""
    from vibegrid.datasets.embed import embed

    embed(options.vibes, options.out / "embeddings.npz")


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--vibes", type=Path, required=True, help="folder of the vibes, or of labelled split files")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    script.run(arguments, main)
