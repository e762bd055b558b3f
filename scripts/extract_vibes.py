"""Extract vibes: texts in, vibes.jsonl and pages.jsonl out; labels, embeddings and splits read them."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Paginate, ask the extractor, one row a level and scope."""
    from vibegrid.llm.prompts import read_prompt
    from vibegrid.specs.vibes import VibesSpec
    from vibegrid.vibes.extract import extract

    values = dict(options.spec)
    salt = values.pop("salt", "")
    extract(
        VibesSpec.model_validate(values),
        texts=options.texts / "texts.jsonl",
        prompt=read_prompt(options.prompt),
        store=options.store,
        salt=salt,
        out=options.out,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--texts", type=Path, required=True, help="folder of the texts")
    arguments.add_argument("--prompt", type=Path, required=True, help="system prompt of the extractor")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    arguments.add_argument("--store", type=Path, default=Path(".cache/llm"), help="store of LLM responses")
    script.run(arguments, main)
