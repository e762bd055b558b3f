"""Pretrain a miniature: prose in, a transformers folder out; trainings and generation read it."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """Tokenizer, weights, card."""
    from vibegrid.files import read_jsonl
    from vibegrid.models.miniature import pretrain
    from vibegrid.specs.models import MiniatureSpec

    texts = [row["text"] for row in read_jsonl(options.prose, ("text",))]
    work = Path(".cache/work/models") / options.out.name
    pretrain(MiniatureSpec.model_validate(options.spec), texts=texts, out=options.out, work=work)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--prose", type=Path, required=True, help="JSONL of texts")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the model")
    script.run(arguments, main, preload=LANGUAGE_MODEL)
