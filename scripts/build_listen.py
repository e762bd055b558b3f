"""Build the listening page: outputs and scores of several systems in, a static folder with their sound out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Render what the systems answered and write the page."""
    from vibegrid.files import read_text, write_text
    from vibegrid.listen.build import build
    from vibegrid.listen.source import by_system

    build(
        options.spec,
        systems=by_system(options.systems),
        prompts=options.prompts,
        scorers=options.scorers,
        out=options.out,
    )
    write_text(options.made, read_text(options.stamp))


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument(
        "--systems", nargs="+", required=True, help="name=GENERATIONS=SCORES of each system, in the order of the cards"
    )
    arguments.add_argument("--prompts", type=Path, required=True, help="prompts.jsonl of the eval set")
    arguments.add_argument("--scorers", type=Path, nargs="*", default=[], help="folders of the audio scorers")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the page")
    arguments.add_argument("--stamp", type=Path, required=True, help="stamp of the page")
    arguments.add_argument("--made", type=Path, required=True, help="copy of the stamp")
    script.run(arguments, main)
