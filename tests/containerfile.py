"""envs/Containerfile, taken apart."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

CONTAINERFILE = Path(__file__).resolve().parents[1] / "envs/Containerfile"


def instructions(kind: str) -> list[str]:
    """The arguments of all instructions of a kind, in their order, each on one line."""
    lines = [line for line in CONTAINERFILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n", "", "\n".join(lines))
    return [line.partition(" ")[2].strip() for line in joined.splitlines() if line.split(" ")[0] == kind]


def environment() -> dict[str, str]:
    """What the image puts into the environment of its containers."""
    return dict(entry.split("=", 1) for line in instructions("ENV") for entry in shlex.split(line))
