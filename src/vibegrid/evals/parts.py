"""Parts of an evaluation: a system's outputs on one eval set, or a scorer's scores of them, with an identity each.

One job computes all sets of a system, since loading the model costs more than a set. When one set is edited, the
job's folder gets a new name, and the parts whose identity is unchanged are taken over from the folder before.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.files import read_json

log = logging.getLogger("vibegrid.evals")

PARTS = "parts.json"
EMBEDDINGS = "embeddings.npy"  # beside an eval set's prompts.jsonl, of what its prompts mean


def meant(row: Mapping[str, Any]) -> str:
    """What an answer is judged by: the prompt, or for a corrupted one the prompt before its typing errors."""
    return row.get("prompt_original") or row["prompt"]


def find_parts(kind: Path, wanted: Mapping[str, str]) -> dict[str, Path]:
    """Parts of ``wanted`` (name to identity) that some folder of ``kind`` holds already, with that folder."""
    found: dict[str, Path] = {}
    for manifest in sorted(kind.glob(f"*/{PARTS}")):
        parts = read_json(manifest).get("parts", {})
        for name, identity in wanted.items():
            if name not in found and parts.get(name) == identity:
                found[name] = manifest.parent
    return found


def gather(
    kind: Path,
    wanted: Mapping[str, str],
    read: Callable[[Path], list[dict[str, Any]]],
    compute: Callable[[list[str]], list[dict[str, Any]]],
    part_of: Callable[[Mapping[str, Any]], str] = lambda row: row["eval_set"],
) -> list[dict[str, Any]]:
    """Rows of all wanted parts, in their order: kept where a folder of ``kind`` has them, else computed.

    Args:
        kind: folder of generations or scores.
        wanted: part (an eval set, or what a scorer says of one) to its identity.
        read: rows of such a folder.
        compute: rows of the named parts.
        part_of: the part that a row belongs to.
    """
    kept = find_parts(kind, wanted)
    missing = [name for name in wanted if name not in kept]
    log.info("parts: computed %s; kept %s", missing or "none", sorted(kept) or "none")
    rows = {name: [] for name in wanted}
    for row in compute(missing) if missing else []:
        rows[part_of(row)].append(row)
    for folder in {str(folder): folder for folder in kept.values()}.values():
        names = {name for name, source in kept.items() if source == folder}
        for row in read(folder):
            if part_of(row) in names:
                rows[part_of(row)].append(row)
    return [row for name in wanted for row in rows[name]]


def by_eval_set(values: list[str], names: list[str]) -> dict[str, Path]:
    """Files given on the command line as ``name=path``, one for each of the eval sets ``names``.

    Raises:
        InputError: a set without a file, or a file of another set.
    """
    given = {name: Path(path) for name, _, path in (value.partition("=") for value in values)}
    if set(given) != set(names) or len(given) != len(values):
        raise InputError("--prompts", f"name=path was expected for each of {', '.join(names)}, not {values}")
    return {name: given[name] for name in names}
