"""Build a pack for raters: outputs of two or more systems in, a static page with its sounds and the key out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Render what the systems answered and write page and key."""
    from vibegrid.human.pack import build_pack

    generations = dict(script.named_path(value) for value in options.generations)
    build_pack(options.spec, generations=generations, prompts=options.prompts, out=options.out)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--generations", nargs="+", required=True, help="name=FOLDER of each system")
    arguments.add_argument("--prompts", type=Path, required=True, help="prompts.jsonl of the eval set")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the pack")
    script.run(arguments, main)
