"""The key of a pack: what its names mean. It stands beside the page's folder, and raters never get it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from vibegrid.errors import InputError
from vibegrid.files import read_json
from vibegrid.human.trials import Trial

KEY = "key.json"


class Clip(NamedTuple):
    """What a clip is."""

    prompt: str
    system: str  # empty for a spoilt one
    content: str  # digest of the config that was rendered, or how the clip was spoilt
    of: str = ""  # the clip that was spoilt


class Key:
    """A pack's trials and clips.

    Args:
        values: `experiment`, `eval_set`, `systems`, `seconds`; `prompts` (prompt to its text); `trials` and `clips`, as
            of `Trial` and `Clip`; `clusters` (prompt to cluster); `unheard` (system to prompts without a sound);
            `same` (pair to prompts on which the two sound the same).
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)
        self.experiment: str = values["experiment"]
        self.eval_set: str = values["eval_set"]
        self.systems: list[str] = list(values["systems"])
        self.seconds: float = values["seconds"]
        self.prompts: dict[str, str] = dict(values["prompts"])
        self.clusters: dict[str, str] = dict(values["clusters"])
        self.unheard: dict[str, list[str]] = dict(values["unheard"])
        self.same: dict[str, list[str]] = dict(values["same"])
        self.clips = {name: Clip(**clip) for name, clip in values["clips"].items()}
        self.trials = {row["id"]: Trial(**row) for row in values["trials"]}

    @cached_property
    def pack(self) -> str:
        """Name of the pack: a digest of its trials and of what is heard in them, the same on every machine."""
        return digest(self.values)

    def systems_of(self, trial: Trial) -> tuple[str, str]:
        """Systems on the left and on the right of a comparison."""
        return self.clips[trial.left].system, self.clips[trial.right].system

    def json(self) -> dict[str, Any]:
        """What the file holds."""
        return {**self.values, "pack": self.pack}


def digest(value: Any) -> str:
    """12 hex digits of what a JSON value says."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_key(folder: Path) -> Key:
    """The key in a pack's folder.

    Raises:
        InputError: there is none, or it is not what this version writes, or it was edited.
    """
    path = folder / KEY
    values = read_json(path)
    try:
        pack = values.pop("pack")
        key = Key(values)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(str(path), f"not the key of a pack: {error}", "build the pack again") from None
    if pack != key.pack:
        raise InputError(str(path), "the key does not fit its own name", "build the pack again")
    return key
