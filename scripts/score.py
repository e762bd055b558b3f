"""Score: one system's outputs in, one row a prompt and metric out; the analyses read them."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """Score every part that no earlier folder has."""
    from vibegrid.evals.parts import by_eval_set
    from vibegrid.evals.score import score

    eval_sets = dict.fromkeys(part.rpartition(":")[0] for part in options.spec["parts"])
    score(
        options.spec,
        generation=options.generation,
        prompts=by_eval_set(options.prompts, list(eval_sets)),
        scorers=dict(script.named_path(value) for value in options.scorers),
        effects=options.effects,
        out=options.out,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--prompts", nargs="+", required=True, help="name=prompts.jsonl of each eval set")
    arguments.add_argument("--generation", type=Path, required=True, help="folder of the generations")
    arguments.add_argument("--scorers", nargs="*", default=[], help="name=folder of each audio scorer")
    arguments.add_argument("--effects", type=script.optional_path, nargs="?", default=None, help="effects.json")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the scores")
    script.run(arguments, main, preload=LANGUAGE_MODEL)
