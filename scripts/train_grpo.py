"""Train a GRPO adapter: an SFT adapter and its base in, an adapter folder out."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """One training, resumed where it was interrupted."""
    from vibegrid.files import read_text
    from vibegrid.specs.grpo import GRPOSpec
    from vibegrid.training.grpo import train

    train(
        GRPOSpec.model_validate(options.spec),
        model=options.model,
        sft_adapter=options.sft_adapter,
        dataset=options.dataset,
        system_prompt=read_text(options.system_prompt).strip(),
        scorer=options.scorer,
        out=options.out,
        work=options.work,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="folder of the base model")
    arguments.add_argument("--sft-adapter", type=Path, required=True, help="folder of the SFT adapter")
    arguments.add_argument("--dataset", type=Path, required=True, help="folder of the dataset variant")
    arguments.add_argument("--system-prompt", type=Path, required=True, help="file of the system prompt")
    arguments.add_argument(
        "--scorer",
        type=script.optional_path,
        nargs="?",
        default=None,
        help="folder of the audio scorer, if any",
    )
    arguments.add_argument("--work", type=Path, required=True, help="folder of the checkpoints")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the adapter")
    script.run(arguments, main, preload=LANGUAGE_MODEL)
