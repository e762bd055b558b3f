"""Collect the source texts: a JSONL in, texts.jsonl out; the vibes stage reads it."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Read, check, draw, cut."""
    from vibegrid.specs.texts import CommonPileTexts, FileTexts
    from vibegrid.texts.collect import collect

    kind = CommonPileTexts if options.spec.get("source") == "common_pile" else FileTexts
    collect(kind.model_validate(options.spec), options.texts, options.out)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--texts", type=script.optional_path, nargs="?", default=None, help="JSONL of texts")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    script.run(arguments, main)
