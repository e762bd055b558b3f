"""Measure stories: a few systems' outputs for consecutive pages in, their coherence with intervals and tests out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """One analysis of stories: comparison.csv, points.csv (a pair of pages a row), pages.csv and spec.json."""
    from vibegrid.stories.analysis import measure_stories

    measure_stories(
        options.spec, folders=options.generations, prompts=options.prompts, scorer=options.scorer, out=options.out
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--generations", nargs="*", type=Path, default=[], help="folders of generations")
    arguments.add_argument("--prompts", type=Path, required=True, help="prompts.jsonl of the eval set of stories")
    arguments.add_argument("--scorer", type=Path, required=True, help="folder of the calibrated CLAP")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the analysis")
    script.run(arguments, main)
