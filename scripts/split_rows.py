"""Split rows: vibes and labels in, TEST, SFT-Val, GRPO and SFT-Train out, by source text."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Join vibes with labels and split them."""
    from vibegrid.datasets.split import split
    from vibegrid.specs.datasets import SplitSpec

    split(
        SplitSpec.model_validate(options.spec),
        vibes=options.vibes / "vibes.jsonl",
        labels=options.labels / "labels.jsonl",
        embeddings=options.embeddings / "embeddings.npz",
        out=options.out,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--vibes", type=Path, required=True, help="folder of the vibes")
    arguments.add_argument("--labels", type=Path, required=True, help="folder of the labels")
    arguments.add_argument("--embeddings", type=Path, required=True, help="folder of the embeddings")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    script.run(arguments, main)
