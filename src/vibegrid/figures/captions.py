"""Captions of finished figures for Snakemake's report: reStructuredText, from the figures themselves."""

from __future__ import annotations

import re

_MARKUP = re.compile(r"([\\`*_|<>:\[\]])")


class Captions(dict[str, str]):
    """Path of a PNG to the caption in its metadata; a figure is read when its caption is asked for."""

    def __missing__(self, path: str) -> str:
        from PIL import Image

        with Image.open(path) as image:
            self[path] = rst(str(image.info.get("Description", "")))
        return self[path]


def rst(text: str) -> str:
    """Text as one paragraph of reStructuredText: no markup, no directive, no list."""
    line = " ".join(text.split())
    return "\\ " + _MARKUP.sub(r"\\\1", line) if line else ""
