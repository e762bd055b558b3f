"""Train an SFT adapter: a base model and a dataset variant in, an adapter folder out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """One training, resumed where it was interrupted."""
    from vibegrid.files import read_text
    from vibegrid.specs.sft import SFTSpec
    from vibegrid.training.sft import train

    train(
        SFTSpec.model_validate(options.spec),
        model=options.model,
        dataset=options.dataset,
        system_prompt=read_text(options.system_prompt).strip(),
        out=options.out,
        work=options.work,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="folder of the base model")
    arguments.add_argument("--dataset", type=Path, required=True, help="folder of the dataset variant")
    arguments.add_argument("--system-prompt", type=Path, required=True, help="file of the system prompt")
    arguments.add_argument("--work", type=Path, required=True, help="folder of the checkpoints")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the adapter")
    script.run(arguments, main, preload=LANGUAGE_MODEL)
