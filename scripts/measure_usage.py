"""Measure usage: systems' outputs and the teacher's payloads in; which config fields each of them uses out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """One field usage analysis: comparison.csv and spec.json."""
    from vibegrid.evals.parts import by_eval_set
    from vibegrid.usage.measure import measure_usage

    measure_usage(
        options.spec,
        generations=options.generations,
        prompts=by_eval_set(options.prompts, options.spec["eval_sets"]),
        splits=options.splits,
        embeddings=options.embeddings / "embeddings.npz",
        scorer=options.scorer,
        out=options.out,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--generations", nargs="+", type=Path, required=True, help="folders of generations")
    arguments.add_argument("--prompts", nargs="+", required=True, help="name=prompts.jsonl of each eval set")
    arguments.add_argument("--splits", type=Path, required=True, help="folder of the splits")
    arguments.add_argument("--embeddings", type=Path, required=True, help="folder of the vibes' embeddings")
    arguments.add_argument("--scorer", type=script.optional_path, nargs="?", default=None, help="folder of the CLAP")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the analysis")
    script.run(arguments, main, preload=LANGUAGE_MODEL)
