"""One system as the page reads it: its outputs and scores on one eval set."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vibegrid.errors import InputError
from vibegrid.evals.generate import OUTPUTS, read_rows
from vibegrid.evals.parts import PARTS
from vibegrid.files import read_csv, read_json


class Source(NamedTuple):
    """A system under the name that the page gives it."""

    name: str
    kind: str  # of vibegrid.systems.registry
    status: str  # "ok", or why there are no outputs
    outputs: dict[str, str]  # prompt id -> raw output
    scores: dict[str, dict[str, float]]  # prompt id -> metric -> value
    place: Path

    def output(self, prompt: str) -> str | None:
        """Raw output; None for a system that could not be trained."""
        if self.status == "ok" and prompt not in self.outputs:
            raise InputError(str(self.place), f"no output of prompt '{prompt}'", "delete that generations folder")
        return self.outputs.get(prompt)


def read_source(name: str, generations: Path, scores: Path, eval_set: str) -> Source:
    """Read a system's folders, the rows of `eval_set` only.

    Args:
        name: as the page shows it.
        generations: folder with generations.jsonl and parts.json.
        scores: folder with scores.csv.
        eval_set: the set's name.
    """
    manifest = read_json(generations / PARTS)
    run = manifest["run"]
    place = generations / OUTPUTS
    outputs = {str(row["id"]): row["raw_output"] for row in read_rows(place) if row["eval_set"] == eval_set}
    by_prompt: dict[str, dict[str, float]] = {}
    for row in read_csv(scores / "scores.csv"):
        if row["eval_set"] == eval_set:
            by_prompt.setdefault(row["id"], {})[row["metric"]] = float(row["value"])
    status = "ok" if run["status"] == "ok" else f"{run['status']}: {run.get('reason') or 'no reason given'}"
    return Source(name, manifest["system"]["kind"], status, outputs, by_prompt, place)


def by_system(values: list[str]) -> dict[str, tuple[Path, Path]]:
    """Systems given on the command line as ``name=GENERATIONS=SCORES``; a name may hold "=", a folder may not.

    Raises:
        InputError: another form, or a name that comes twice.
    """
    systems: dict[str, tuple[Path, Path]] = {}
    for value in values:
        name, *folders = value.rsplit("=", 2)
        if not name or len(folders) != 2:
            raise InputError("--systems", f"name=GENERATIONS=SCORES was expected, not '{value}'")
        if name in systems:
            raise InputError("--systems", f"the name '{name}' comes twice")
        systems[name] = (Path(folders[0]), Path(folders[1]))
    return systems
