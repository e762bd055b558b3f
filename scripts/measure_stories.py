"""Measure stories: a few systems' outputs for consecutive pages in, their coherence with intervals and tests out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """One analysis of stories: comparison.csv, points.csv (a pair of pages a row), pages.csv and spec.json."""
    from vibegrid.stories.analysis import measure_stories

    _, prompts = options.prompts
    measure_stories(options.spec, folders=options.generations, prompts=prompts, scorer=options.scorer, out=options.out)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--generations", nargs="*", type=Path, default=[], help="folders of generations")
    arguments.add_argument("--prompts", type=script.named_path, required=True, help="eval set=its prompts.jsonl")
    arguments.add_argument("--scorer", type=Path, required=True, help="folder of the calibrated CLAP")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the analysis")
    script.run(arguments, main, preload=LANGUAGE_MODEL)
