"""`make findings`: the confirmatory readings of results that exist, kept for docs/experiments.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vibegrid.analyses.observations import ALL
from vibegrid.analyses.readings import plain
from vibegrid.errors import InputError
from vibegrid.files import read_csv, read_json, write_text
from vibegrid.tables.forms import with_interval

FINDINGS = Path("docs/findings.json")
CONFIRMATORY = "confirmatory"
KEPT = ("reference", "status", "eval_set", "metric", "mean", "ci_low", "ci_high", "n", "n_clusters", "n_seeds")
CONTRAST = ("delta", "delta_low", "delta_high", "p_holm")


def keep_findings(root: Path, results: str) -> int:
    """Write docs/findings.json from ``all_tables.csv``: scale → experiment → its confirmatory rows; how many there are.

    What is there of other scales stays.

    Raises:
        InputError: there are no results.
    """
    table = root / results / "all_tables.csv"
    if not table.is_file():
        raise InputError(str(table), "no such file", "make it first: make")
    found: dict[str, dict[str, list[dict[str, str]]]] = {}
    for row in read_csv(table):
        if row["primary"] == CONFIRMATORY and row["subset"] == ALL:
            one = {"arm": plain(row["arm"]), **{key: row[key] for key in (*KEPT, *CONTRAST) if row[key]}}
            found.setdefault(row["scale"], {}).setdefault(row["experiment"], []).append(one)
    write_text(root / FINDINGS, as_json({**read_findings(root), **found}) + "\n")
    return sum(len(rows) for of_scale in found.values() for rows in of_scale.values())


def as_json(held: Any, depth: int = 0) -> str:
    """Findings as JSON, sorted, a reading a line: so git shows which readings changed."""
    if isinstance(held, dict):
        lines = [f"{json.dumps(name)}: {as_json(inner, depth + 1)}" for name, inner in sorted(held.items())]
    else:
        lines = [json.dumps(row, sort_keys=True, ensure_ascii=False, allow_nan=False) for row in held]
    opens, closes = "{}" if isinstance(held, dict) else "[]"
    indent = "\n" + " " * depth
    return opens + ",".join(f"{indent} {line}" for line in lines) + indent + closes


def read_findings(root: Path) -> dict[str, Any]:
    """The readings that are kept; nothing where there is no file."""
    return read_json(root / FINDINGS) if (root / FINDINGS).is_file() else {}


def sentence(rows: Sequence[Mapping[str, str]]) -> str:
    """What confirmatory rows say: "reward on short prompts: baseline 0.512 [0.470, 0.553]; against it r=8 +0.012 …"."""
    full = [{key: row.get(key, "") for key in ("arm", *KEPT, *CONTRAST)} for row in rows]
    first = full[0]
    told = [_reading(row) for row in full if row["arm"] == first["reference"] or not first["reference"]]
    others = [_contrast(row) for row in full if first["reference"] and row["arm"] != first["reference"]]
    where = f" on {first['eval_set'].replace('_', ' ')}" if first["eval_set"] else ""
    text = f"{first['metric'].replace('_', ' ')}{where}: {'; '.join(told) or 'no reference'}"
    return text + (f"; against it {'; '.join(others)}." if others else ".")


def _reading(row: Mapping[str, str]) -> str:
    number = with_interval(row, "mean", "ci_low", "ci_high") if row["ci_low"] else row["mean"]
    p = f" (p = {row['p_holm']})" if row["p_holm"] and not row["reference"] else ""
    return f"{row['arm']} {number if row['mean'] else row['status']}{p}"


def _contrast(row: Mapping[str, str]) -> str:
    if not row["delta"]:
        return f"{row['arm']} {row['status']}"
    p = f" (p = {row['p_holm']})" if row["p_holm"] else ""
    return f"{row['arm']} {with_interval(row, 'delta', 'delta_low', 'delta_high', sign='+')}{p}"
