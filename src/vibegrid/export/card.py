"""Cards of what is exported: what it is, what it was made of, its rows of the tables, how to load it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any

from vibegrid.grid.identity import flatten
from vibegrid.tables.escape import markdown
from vibegrid.tables.forms import with_interval

METRICS = ("json_valid", "schema_valid", "reward", "audio_score", "clap_score", "final", "teacher_agreement")
UNKNOWN_LICENCE = "other"


@dataclass(frozen=True)
class Facts:
    """What the card of an adapter says.

    Attributes:
        title: how it differs from the baseline, and its stage.
        scale: of the study; `mini` is about the workflow and not about language models.
        identity: `slug.digest` in the study.
        base: repository of the base model, or its name in config/models.yaml.
        base_is_here: whether the base is exported too.
        revision: commit of the base on the hub, or what config/models.yaml says where that is all that is known; else
            empty.
        licence: identifier of the hub for the base model's licence; empty where nobody wrote it down.
        spec: the resolved spec.
        versions: libraries that trained it.
        max_new_tokens: tokens of an answer at most, in the study.
        rows: its rows of all_tables.csv.
    """

    title: str
    scale: str
    identity: str
    base: str
    base_is_here: bool
    revision: str
    licence: str
    spec: Mapping[str, Any]
    versions: Mapping[str, Any]
    max_new_tokens: int
    rows: Sequence[Mapping[str, str]]


def of_adapter(facts: Facts) -> str:
    """README.md of an exported adapter."""
    base = "base" if facts.base_is_here else facts.base
    return _filled(
        "adapter.md",
        title=markdown(facts.title),
        scale=facts.scale,
        identity=facts.identity,
        base_at=f"`{facts.base}` at `{facts.revision}`" if facts.revision else f"`{facts.base}`",
        base_folder=f'"{base}", revision="{facts.revision}"' if facts.revision else f'"{base}"',
        front_base="" if facts.base_is_here else f"base_model: {facts.base}\n",
        licence=facts.licence or UNKNOWN_LICENCE,
        about_licence=f"`{facts.licence}`"
        if facts.licence
        else "not written down in config/models.yaml: ask its makers",
        results=_results(facts.rows),
        spec=_pairs(flatten(dict(facts.spec))),
        versions=_pairs(dict(facts.versions)),
        max_new_tokens=str(facts.max_new_tokens),
    )


def of_retrieval_map(*, scale: str, identity: str, count: int, dim: int, teacher: str, data_card: str) -> str:
    """README.md of an exported retrieval map; `data_card` is the card of its dataset variant."""
    return _filled(
        "retrieval_map.md",
        scale=scale,
        identity=identity,
        count=str(count),
        dim=str(dim),
        teacher=teacher,
        data_card=data_card.replace("\n# ", "\n### ").replace("\n## ", "\n### ").removeprefix("# "),
    )


def _results(rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return "No table of this study has been made yet."
    lines = ["| experiment | arm | eval set | metric | mean [95 % interval] | prompts | seeds | p (Holm) |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        cells = [row["experiment"], row["arm"], row["eval_set"], row["metric"]]
        cells.append(with_interval(row, "mean", "ci_low", "ci_high"))
        cells += [row["n"], row["n_seeds"], row["p_holm"] or "–"]
        lines.append("| " + " | ".join(markdown(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _pairs(values: Mapping[str, Any]) -> str:
    lines = ["| | |", "| --- | --- |"]
    lines += [f"| {markdown(name)} | {markdown(str(value))} |" for name, value in sorted(values.items())]
    return "\n".join(lines)


def _filled(name: str, **values: str) -> str:
    text = resources.files("vibegrid.export").joinpath("data", name).read_text(encoding="utf-8")
    return Template(text).substitute(values)
