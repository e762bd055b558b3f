"""Fetch a base model from the hub, or copy one from a folder, into the results."""

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from vibegrid import script


def main(options: Namespace) -> None:
    """Download at a revision, or copy; safetensors only."""
    from pydantic import TypeAdapter

    from vibegrid.models.fetch import fetch
    from vibegrid.specs.models import ModelSpec

    adapter: TypeAdapter[Any] = TypeAdapter(ModelSpec)
    fetch(adapter.validate_python(options.spec), options.out)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "0")  # the one step that asks the hub
    arguments = script.parser(__doc__)
    arguments.add_argument("--out", type=Path, required=True, help="folder of the model")
    script.run(arguments, main)
