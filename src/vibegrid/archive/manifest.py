"""What an archive of results says of itself, and what it may ask for: checked before a byte of it is written.

An archive comes from someone else. It may hold files under `results/` and name scripts that make tables and figures;
paths that leave the folder, other scripts and other programs are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from vibegrid.errors import InputError
from vibegrid.specs.base import Spec

MANIFEST = "manifest.json"
FORMAT = 1
SCRIPTS = re.compile(r"^(tabulate|plot)[a-z_]*$|^collect_tables$")  # they read results and write tables and figures
ROOTS = ("results", "logs")  # all that a path of an archive may begin with
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Step(Spec):
    """One script, with the arguments that it was run with."""

    script: str = Field(..., pattern=SCRIPTS.pattern, description="of scripts/, without its ending")
    arguments: tuple[str, ...] = Field(..., description="paths relative to the project's folder")

    @field_validator("arguments")
    @classmethod
    def _inside(cls, arguments: tuple[str, ...]) -> tuple[str, ...]:
        for argument in arguments:
            for part in re.split(r"[=@]", argument):
                if "/" in part or "\\" in part or part == "..":
                    check_path(part)
        return arguments


class Manifest(Spec):
    """manifest.json of an archive."""

    format: Literal[1] = FORMAT
    scale: str = Field(..., description="of the results")
    results: str = Field(..., pattern=r"^results(/[a-z0-9_-]+)?$", description="their folder")
    files: dict[str, Digest] = Field(..., description="what is in the archive, with SHA-256")
    made: dict[str, Digest] = Field(..., description="tables and figures as they were when it was packed")
    steps: tuple[Step, ...] = Field(..., description="what makes them; collect_tables last")
    versions: dict[str, str] = Field(default_factory=dict, description="of the libraries and of this project")

    @field_validator("files", "made")
    @classmethod
    def _paths(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            check_path(name)
        return files


def check_path(name: str) -> str:
    """A relative path under `results/` or `logs/`.

    Raises:
        ValueError: anything else.
    """
    path = PurePosixPath(name)
    unsafe = "\\" in name or "\0" in name or path.is_absolute() or ".." in path.parts
    if unsafe or str(path) != name or path.parts[0] not in ROOTS:
        raise ValueError(f"{name!r} is no path under {' or '.join(ROOTS)}")
    return name


def parse_manifest(where: str, value: Any) -> Manifest:
    """The manifest; InputError for the first thing that is wrong."""
    if not isinstance(value, Mapping):
        raise InputError(where, "a JSON object was expected")
    if value.get("format") != FORMAT:
        raise InputError(where, f"format {value.get('format')!r}", f"this version reads format {FORMAT}")
    try:
        return Manifest.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where}: {key}", first["msg"].removeprefix("Value error, ")) from None
