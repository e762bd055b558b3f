"""Build a dataset variant: splits in, the rows that a training reads out. No LLM call."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Representation, noise, dedupe, size."""
    from vibegrid.datasets.variant import build
    from vibegrid.specs.datasets import VariantSpec

    build(
        VariantSpec.model_validate(options.spec),
        splits=options.splits,
        pages=options.vibes / "pages.jsonl",
        embeddings=options.embeddings / "embeddings.npz",
        out=options.out,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--splits", type=Path, required=True, help="folder of the splits")
    arguments.add_argument("--vibes", type=Path, required=True, help="folder of the vibes")
    arguments.add_argument("--embeddings", type=Path, required=True, help="folder of the embeddings")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    script.run(arguments, main)
