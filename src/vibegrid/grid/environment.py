"""The environment of local jobs."""

import os
import sys
from pathlib import Path


def use_this_python() -> None:
    """Let `python` in a rule be the one that runs Snakemake, also where its environment is not activated."""
    folder = str(Path(sys.executable).parent)
    if os.environ.get("PATH", "").split(os.pathsep)[0] != folder:
        os.environ["PATH"] = folder + os.pathsep + os.environ.get("PATH", "")
