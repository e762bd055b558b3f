"""Captions of finished figures for Snakemake's report: reStructuredText, from the files themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_MARKUP = re.compile(r"([\\`*_|<>:\[\]])")


def caption_of(files: Sequence[str]) -> str:
    """The caption in the metadata of the first PNG of `files`, as one escaped paragraph; empty where it has none."""
    from PIL import Image

    path = next((Path(file) for file in files if str(file).endswith(".png")), None)
    if path is None:
        return ""
    with Image.open(path) as image:
        return rst(str(image.info.get("Description", "")))


def rst(text: str) -> str:
    """Text as one paragraph of reStructuredText: no markup, no directive, no list."""
    line = " ".join(text.split())
    return "\\ " + _MARKUP.sub(r"\\\1", line) if line else ""
