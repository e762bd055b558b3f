"""Calibrate a scorer: training vibes, teacher's and random payloads in, scorer.json out; rewards and scores read it."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """Render, score, keep the quantiles."""
    from vibegrid.llm.prompts import NO_PROMPT, read_prompt
    from vibegrid.scorers.calibrate import calibrate

    calibrate(
        options.spec,
        splits=options.splits,
        model=options.model,
        prompt=read_prompt(options.prompt) if options.prompt else NO_PROMPT,
        out=options.out,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--splits", type=Path, required=True, help="folder of the splits")
    arguments.add_argument("--model", type=script.optional_path, nargs="?", default=None, help="folder of its model")
    arguments.add_argument("--prompt", type=script.optional_path, nargs="?", default=None, help="prompt of a judge")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the scorer")
    script.run(arguments, main, preload=LANGUAGE_MODEL)
