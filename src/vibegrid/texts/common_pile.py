"""Texts of the Common Pile, or of anything in its layout, streamed: no dataset is downloaded whole.

Rows there are Dolma's, in gzipped JSON lines: `id`, `text`, `source`, `created`, `added`, `metadata`. The order is
that of `datasets`: shards in a seeded order, then a seeded draw from a buffer that the next rows refill. So a text can
be drawn if it lies among the first `buffer + per_stream` rows of that order. Equal seed, buffer and revision give equal
texts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.specs.texts import CommonPileTexts, StreamSpec

log = logging.getLogger(__name__)

FIELDS = ("id", "text")
HINT = "network, HF_HUB_OFFLINE=0, the name and the revision; other scales' texts need none of them"


def draw(spec: CommonPileTexts) -> tuple[list[dict[str, Any]], dict[str, dict[str, int]]]:
    """`spec.per_stream` text rows of each stream, in the order in which they were drawn, and counts by stream.

    Rows with an empty text, a NUL in it, no UTF-8 or an id that came before are counted in `passed_over`, and left out.

    Raises:
        InputError: a stream cannot be reached or read, has no field `id` or `text`, or gives no text.
    """
    rows: list[dict[str, Any]] = []
    counts: dict[str, dict[str, int]] = {}
    for stream in spec.streams:
        name = stream.name or stream.path
        found, passed = _take(_rows(stream, spec.seed, spec.buffer), name, spec.per_stream)
        if not found:
            raise InputError(_where(stream), f"no text in {passed} rows")
        if len(found) < spec.per_stream:
            log.warning("%s has %d texts, %d were asked for", name, len(found), spec.per_stream)
        counts[name] = {"texts": len(found), "passed_over": passed}
        rows += found
    return rows, counts


def _take(source: Iterator[Mapping[str, Any]], name: str, count: int) -> tuple[list[dict[str, Any]], int]:
    found: dict[str, dict[str, Any]] = {}
    passed = 0
    for row in source:
        key = str(row["id"])
        if key in found or not key.strip() or not _usable(row):
            passed += 1
            continue
        found[key] = _text_row(name, row)
        if len(found) == count:
            break
    return list(found.values()), passed


def _usable(row: Mapping[str, Any]) -> bool:
    """Whether there is a text, and the row can be written as JSON in UTF-8 (no NaN, no half of a surrogate pair)."""
    text = row["text"]
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        return False
    try:
        json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except ValueError:
        return False
    return True


def _text_row(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ours; `metadata` keeps what else the dataset says."""
    return {
        "created": row.get("created"),
        "metadata": {key: value for key, value in row.items() if key not in ("id", "text", "created")},
        "dataset": name,
        "id_in_dataset": str(row["id"]),
        "text": row["text"],
    }


def _rows(stream: StreamSpec, seed: int, buffer: int) -> Iterator[dict[str, Any]]:
    """Shuffled rows of a stream; whatever the library cannot do is one line."""
    import datasets
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    datasets.disable_progress_bars()
    try:
        # Lines of text, not columns: a table's columns have one type, and `metadata` differs from shard to shard.
        lines = datasets.load_dataset("text", data_files=_files(stream), split="train", streaming=True)
        for line in lines.shuffle(seed=seed, buffer_size=buffer):
            if line["text"].strip():
                yield _row(stream, line["text"])
    except InputError:
        raise
    except (OSError, ValueError, EOFError, DatasetsError, HfHubHTTPError) as error:
        reason = (str(error).strip().splitlines() or [""])[0][:160]
        raise InputError(_where(stream), f"cannot be streamed: {type(error).__name__}: {reason}", HINT) from None


def _files(stream: StreamSpec) -> str:
    if Path(stream.path).is_dir():
        return f"{stream.path}/{stream.files}"
    if stream.path.startswith((".", "/")):
        raise InputError(stream.path, "no such folder", "a stream's path is owner/name of the hub, or a folder")
    revision = f"@{stream.revision}" if stream.revision else ""
    return f"hf://datasets/{stream.path}{revision}/{stream.files}"


def _row(stream: StreamSpec, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(_where(stream), f"a line is no JSON object: {error}: {line[:60]!r}") from None
    if not isinstance(row, dict):
        raise InputError(_where(stream), f"a JSON object was expected, not {type(row).__name__}")
    missing = next((field for field in FIELDS if field not in row), None)
    if missing is not None:
        raise InputError(_where(stream), f"field {missing!r} is missing", f"fields: {', '.join(row)}")
    return row


def _where(stream: StreamSpec) -> str:
    return f"{stream.path}@{stream.revision}" if stream.revision else stream.path
