"""Rows of a JSONL file with the lines they stand on, and the checks that every stage makes of a text
field."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vibegrid.errors import InputError
from vibegrid.files import read_jsonl, read_text


class Numbered(NamedTuple):
    """A row and the place to name in an error, `file:line`."""

    where: str
    row: dict[str, Any]


def numbered_rows(
    path: str | os.PathLike[str], required: Sequence[str] = (), unique: str | None = None
) -> list[Numbered]:
    """`files.read_jsonl` with the line of each row (blank lines are skipped there and here).

    A row that could not be written again is an error too: NaN, half of a surrogate pair, deep nesting.
    """
    rows = read_jsonl(path, required, unique)
    lines = [i for i, line in enumerate(read_text(path).split("\n"), start=1) if line.strip()]
    found = [Numbered(f"{path}:{line}", row) for line, row in zip(lines, rows, strict=True)]
    for where, row in found:
        _check_writable(where, row)
    return found


def _check_writable(where: str, row: dict[str, Any]) -> None:
    try:
        json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(where, "a text holds half of a surrogate pair, which is no text") from None
    except ValueError:
        raise InputError(where, "a number is NaN or infinite, which is not JSON") from None
    except RecursionError:
        raise InputError(where, "the object is nested too deep") from None


def text_key(row: Mapping[str, Any]) -> tuple[str, str]:
    """What names a text: its dataset and its id, compared as text (7 and "7" are one id)."""
    return row["dataset"], str(row["id_in_dataset"])


def check_text(where: str, field: str, value: Any) -> str:
    """`value` if it is a text with something in it and no NUL character; InputError otherwise."""
    if not isinstance(value, str):
        raise InputError(where, f"field {field!r} must be a text, not {type(value).__name__}")
    if not value.strip():
        raise InputError(where, f"field {field!r} is empty", "remove the row or give it a text")
    if "\0" in value:
        raise InputError(where, f"field {field!r} holds a NUL character")
    return value
