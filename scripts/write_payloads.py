"""Write payloads: vibes in, labels.jsonl out (best of N by the teacher); the splits read it."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Ask the teacher, validate, keep the best."""
    from vibegrid.labels.write import write
    from vibegrid.llm.prompts import read_prompt
    from vibegrid.specs.labels import LabelsSpec

    values = dict(options.spec)
    salt = values.pop("salt", "")
    write(
        LabelsSpec.model_validate(values),
        vibes=options.vibes / "vibes.jsonl",
        prompt=read_prompt(options.prompt),
        store=options.store,
        salt=salt,
        out=options.out,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--vibes", type=Path, required=True, help="folder of the vibes")
    arguments.add_argument("--prompt", type=Path, required=True, help="system prompt of the teacher")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    arguments.add_argument("--store", type=Path, default=Path(".cache/llm"), help="store of LLM responses")
    script.run(arguments, main)
