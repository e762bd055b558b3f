"""Build an eval set: prompts (or TEST rows) in, prompts.jsonl out, checked and tagged seen or unseen."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Check, sample, tag."""
    from vibegrid.evals.eval_sets import build
    from vibegrid.specs.evals import EvalSetSpec

    build(
        EvalSetSpec.model_validate(options.spec),
        source=options.prompts or options.splits,
        splits=options.splits,
        lexicon_words=options.lexicon,
        out=options.out,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument(
        "--prompts", type=script.optional_path, nargs="?", default=None, help="file of prompts; empty for none"
    )
    arguments.add_argument("--lexicon", type=Path, required=True, help="lexicon of the composer")
    arguments.add_argument("--splits", type=Path, required=True, help="folder of the splits")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the eval set")
    script.run(arguments, main)
