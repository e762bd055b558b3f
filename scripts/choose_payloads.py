"""Choose payloads: labels with candidates in, the same with the ones that a scorer likes best out; splits read it."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """Render the candidates, score them raw, keep the best valid one."""
    from vibegrid.labels.choose import choose
    from vibegrid.llm.prompts import read_prompt

    choose(
        options.spec,
        labels=options.labels / "labels.jsonl",
        model=options.model,
        prompt=read_prompt(options.prompt).text if options.prompt else "",
        store=options.store,
        out=options.out,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--labels", type=Path, required=True, help="folder of the labels")
    arguments.add_argument(
        "--model", type=script.optional_path, nargs="?", default=None, help="folder of the scorer's model"
    )
    arguments.add_argument("--prompt", type=script.optional_path, nargs="?", default=None, help="prompt of a judge")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    arguments.add_argument("--store", type=Path, default=Path(".cache/llm"), help="store of LLM responses")
    script.run(arguments, main, preload=LANGUAGE_MODEL)
