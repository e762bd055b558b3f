"""Import splits: a folder of labelled split files in, the same checked and without leaks out; datasets read them."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Check the rows, take out what is near to TEST."""
    from vibegrid.datasets.labelled import import_splits
    from vibegrid.specs.datasets import ImportSpec

    import_splits(
        ImportSpec.model_validate(options.spec),
        labelled=options.labelled,
        embeddings=options.embeddings / "embeddings.npz",
        out=options.out,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--labelled", type=Path, required=True, help="folder of the split files")
    arguments.add_argument("--embeddings", type=Path, required=True, help="folder of the embeddings")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    script.run(arguments, main)
