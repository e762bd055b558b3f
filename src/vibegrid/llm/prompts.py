"""Prompts: files with a version in their first line, which reports name and the model does not see.

<!-- version: 2 -->
You describe how a page of prose feels ...
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from vibegrid.errors import InputError
from vibegrid.files import read_text

_VERSION = re.compile(r"<!--\s*version:\s*([\w.-]+)\s*-->\s*")


class Prompt(NamedTuple):
    """A system prompt. Its bytes are part of the identity of what is made with it; the version is for people."""

    text: str
    name: str = ""
    version: str = ""

    def label(self) -> dict[str, str]:
        """For reports."""
        return {"prompt": self.name, "prompt_version": self.version}


NO_PROMPT = Prompt("")


def read_prompt(path: Path) -> Prompt:
    """The prompt of a file; InputError where it has no version or no text."""
    whole = read_text(path)
    version = _VERSION.match(whole)
    if version is None:
        raise InputError(f"{path}:1", "a prompt begins with its version", "first line: <!-- version: 1 -->")
    text = whole[version.end() :].strip()
    if not text:
        raise InputError(str(path), "the prompt is empty")
    return Prompt(text, path.stem, version[1])
