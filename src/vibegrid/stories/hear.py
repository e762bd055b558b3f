"""Outputs of systems for the pages of stories, heard: one render a config, its embedding and measures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.evals.generate import OUTPUTS, read_rows
from vibegrid.evals.parts import PARTS
from vibegrid.files import read_json, read_jsonl
from vibegrid.payloads import dumps, parse_output
from vibegrid.sound.clip import Clip
from vibegrid.sound.takes import Studio
from vibegrid.stories.similarity import Pages

Prompt = dict[str, Any]
Embed = Callable[[Sequence[Clip]], Any]  # clips -> (n, dim) of unit norm


def read_pages(path: Path) -> list[Prompt]:
    """Prompts of an eval set of stories, in its order.

    Raises:
        InputError: a row is no page of a story.
    """
    rows = read_jsonl(path, ("id", "prompt", "story", "page", "config_payload"), unique="id")
    for row in rows:
        if not isinstance(row["page"], int) or not isinstance(row["story"], str):
            raise InputError(str(path), f"prompt {row['id']!r}: `page` is no number or `story` no text")
    return rows


def read_outputs(folder: Path, eval_set: str, prompts: Sequence[Prompt]) -> list[str] | None:
    """Raw outputs of a folder of generations in the order of the prompts; None for a failed training.

    Raises:
        InputError: a prompt has no output.
    """
    if read_json(folder / PARTS)["run"]["status"] == "failed":
        return None
    found = {str(row["id"]): row["raw_output"] for row in read_rows(folder / OUTPUTS) if row["eval_set"] == eval_set}
    missing = next((row["id"] for row in prompts if str(row["id"]) not in found), None)
    if missing is not None:
        raise InputError(str(folder / OUTPUTS), f"no output of prompt {missing!r} of {eval_set}", "delete that folder")
    return [found[str(row["id"])] for row in prompts]


def teacher_outputs(prompts: Sequence[Prompt]) -> list[str]:
    """The payloads that stand beside the prompts, as raw outputs."""
    return [dumps(row["config_payload"]) for row in prompts]


class Listener:
    """Hears outputs: configs that came before are not rendered again.

    Args:
        seconds: length of a render.
        embed: of a CLAP, clips to unit vectors.
    """

    def __init__(self, seconds: float, embed: Embed) -> None:
        self.studio, self.embed = Studio(seconds, keep=0), embed
        self._known: dict[str, tuple[Mapping[str, Any], Any, Mapping[str, float]] | None] = {}

    def hear(self, outputs: Sequence[str]) -> Pages:
        """Pages of one run; one that cannot be rendered, or whose sound cannot be scored, is None."""
        found = [self._hear(output) for output in outputs]
        return Pages(
            [page and page[1] for page in found],
            [page and page[2] for page in found],
            [page and page[0] for page in found],
        )

    def _hear(self, output: str) -> tuple[Mapping[str, Any], Any, Mapping[str, float]] | None:
        parsed = parse_output(output)
        key = json.dumps((parsed.payload or {}).get("config"), sort_keys=True)
        if key not in self._known:
            take = self.studio.takes([parsed])[0]
            if take is None or take.clip.problem is not None:
                self._known[key] = None
            else:
                self._known[key] = (take.config, self.embed([take.clip])[0], take.clip.measures)
        return self._known[key]
