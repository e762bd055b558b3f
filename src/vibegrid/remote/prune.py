"""What this project left on Modal: apps of earlier code, checkpoints and weights that no study names."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vibegrid.errors import InputError
from vibegrid.remote import app
from vibegrid.remote.client import COMPLETE
from vibegrid.remote.container import CHECKPOINTS, WEIGHTS


class Left(NamedTuple):
    """One thing that can go."""

    what: str  # `app`, or the volume
    name: str  # of the app, or of the folder in the volume


def left_over(root: Path, named: Iterable[str]) -> list[Left]:
    """What can go.

    Args:
        root: the project's folder, whose own app stays.
        named: ids (`slug.digest`) that some study names; their checkpoints and weights stay.

    Raises:
        InputError: Modal cannot be asked.
    """
    keep = set(named)
    found = [Left("app", name) for name in _apps() if name != app.name_of(root)]
    for volume in (CHECKPOINTS, WEIGHTS):
        found += [Left(volume, path) for path in _folders(volume) if Path(path).name not in keep]
    return found


def remove(left: Sequence[Left]) -> None:
    """Stop apps and delete folders."""
    import modal

    for one in left:
        if one.what == "app":
            _modal("app", "stop", "--yes", one.name)
        else:
            modal.Volume.from_name(one.what).remove_file(one.name, recursive=True)


def _apps() -> list[str]:
    """Names of this project's deployed apps in which nothing runs."""
    found = set()
    for row in json.loads(_modal("app", "list", "--json", "--limit", "0")):
        facts = {key.lower().replace(" ", "_"): value for key, value in row.items()}
        name = facts.get("description") or facts.get("name") or ""
        idle = str(facts.get("tasks", "0")) in ("", "0")
        if name.startswith(app.PREFIX) and "deployed" in str(facts.get("state", "")) and idle:
            found.add(name)
    return sorted(found)


def _modal(*arguments: str) -> str:
    """Output of Modal's own command line, which is its interface for apps."""
    done = subprocess.run([sys.executable, "-m", "modal", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason was given"]
        raise InputError(f"modal {' '.join(arguments)}", lines[-1])
    return done.stdout


def _folders(volume: str) -> list[str]:
    """Folders of a volume that are named by an identity, or hold a complete set of weights."""
    import modal
    from modal.exception import NotFoundError

    try:
        entries: list[Any] = modal.Volume.from_name(volume).listdir("/", recursive=True)
    except (NotFoundError, FileNotFoundError):
        return []
    paths = [Path(entry.path) for entry in entries]
    weights = {path.parent.as_posix() for path in paths if path.name == COMPLETE}
    if volume == WEIGHTS:
        return sorted(folder for folder in weights if "/models/" in folder)
    work = {parent for path in paths for parent in path.parents if "." in parent.name and len(parent.parts) > 2}
    return sorted({folder.as_posix() for folder in work if folder.parts[:2] == (".cache", "work")})
