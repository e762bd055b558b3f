"""Generate: prompts of all eval sets of one system in, its raw outputs out; the scoring step reads them."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """Load the system once, answer every prompt that no earlier folder has."""
    from vibegrid.evals.generate import generate
    from vibegrid.evals.parts import by_eval_set

    generate(
        options.spec,
        prompts=by_eval_set(options.prompts, list(options.spec["parts"])),
        files={
            "model": options.model,
            "adapter": options.adapter,
            "dataset": options.dataset,
            "scorer": options.scorer,
            "system_prompt": options.system_prompt,
        },
        store=options.store,
        out=options.out,
    )


def libraries(options: Namespace) -> tuple[str, ...]:
    """Nothing heavy for a system without a model."""
    return LANGUAGE_MODEL if options.model or options.scorer else ()


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--prompts", nargs="+", required=True, help="name=prompts.jsonl of each eval set")
    for role, what in (
        ("model", "folder of the base model"),
        ("adapter", "folder of the adapter"),
        ("dataset", "folder of the retrieval bank"),
        ("scorer", "folder of the scorer of retrieval by sound"),
        ("system-prompt", "file of the system prompt, an LLM's included"),
    ):
        arguments.add_argument(
            f"--{role}", type=script.optional_path, nargs="?", default=None, help=f"{what}; empty for none"
        )
    arguments.add_argument("--store", type=Path, default=Path(".cache/llm"), help="store of LLM responses")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the generations")
    script.run(arguments, main, preload=libraries)
