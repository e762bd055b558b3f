"""Build the listening page of stories: outputs of several systems in, a static folder with their pieces out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Render the stories and write the page."""
    from vibegrid.files import read_text, write_text
    from vibegrid.listen.stories import build

    systems = dict(script.named_path(value) for value in options.systems)
    build(options.spec, systems=systems, prompts=options.prompts, out=options.out)
    write_text(options.made, read_text(options.stamp))


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--systems", nargs="*", default=[], help="name=GENERATIONS, in the order of the cards")
    arguments.add_argument("--prompts", type=Path, required=True, help="prompts.jsonl of the eval set")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the page")
    arguments.add_argument("--stamp", type=Path, required=True, help="stamp of the page")
    arguments.add_argument("--made", type=Path, required=True, help="copy of the stamp")
    script.run(arguments, main)
