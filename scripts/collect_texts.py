"""Collect the source texts: a JSONL in, texts.jsonl out; the vibes stage reads it."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Read, check, draw, cut."""
    from vibegrid.specs.texts import TextsSpec
    from vibegrid.texts.collect import collect

    collect(TextsSpec.model_validate(options.spec), options.texts, options.out)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--texts", type=Path, required=True, help="JSONL of texts")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    script.run(arguments, main)
