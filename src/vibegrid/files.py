"""Reading with precise errors, writing whole or not at all (temporary name, then rename)."""

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` (UTF-8, LF) to ``path``; the file appears whole, by rename, in one step."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` as sorted, indented JSON; NaN and infinities are refused (ValueError)."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_jsonl(path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one compact JSON object a line, keys in the order of the rows."""
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    write_text(path, "".join(lines))


def write_csv(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write ``rows`` under ``columns``. A text cell that a spreadsheet would run is quoted by ``'``."""
    import io

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column, "")) for column in columns])
    write_text(path, buffer.getvalue())


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str) and value[:1] in ("=", "+", "@"):
        return "'" + value
    return value


def read_text(path: str | os.PathLike[str]) -> str:
    """Text of a UTF-8 file, without its BOM and with LF line ends.

    Raises:
        InputError: the file is missing, is not UTF-8, or holds a NUL byte.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(str(path), "no such file") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}", "not UTF-8", "save the file as UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{path}:{line}", "a NUL byte in a text file")
    return text.replace("\r\n", "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """The JSON value of a file; InputError names the line that does not parse."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}", f"not JSON: {error.msg}") from None


def read_jsonl(
    path: str | os.PathLike[str], required: Sequence[str] = (), unique: str | None = None
) -> list[dict[str, Any]]:
    """Rows of a JSONL file; blank lines are skipped.

    Args:
        path: the file.
        required: fields that every row must have.
        unique: a field (or ``"a+b"`` for a pair) whose value may not repeat.

    Raises:
        InputError: names the file and line of what is broken; also for a file without rows.
    """
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        row = _row(path, number, line, required)
        if unique is not None:
            key = tuple(str(row.get(part)) for part in unique.split("+"))
            if key in seen:
                raise InputError(f"{path}:{number}", f"{unique} {'/'.join(key)!r} repeats line {seen[key]}")
            seen[key] = number
        rows.append(row)
    if not rows:
        raise InputError(str(path), "the file has no rows", "one JSON object a line is expected")
    return rows


def _row(path: str | os.PathLike[str], number: int, line: str, required: Sequence[str]) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}:{number}", f"not a JSON object: {error}") from None
    if not isinstance(row, dict):
        raise InputError(f"{path}:{number}", f"a JSON object was expected, not {type(row).__name__}")
    missing = [field for field in required if field not in row]
    if missing:
        raise InputError(f"{path}:{number}", f"field {missing[0]!r} is missing", f"fields: {', '.join(required)}")
    return row


def read_csv(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Rows of a CSV file as text, in order; InputError if the file is missing, has no header or is no CSV."""
    import io

    reader = csv.DictReader(io.StringIO(read_text(path)))
    try:
        if reader.fieldnames is None:
            raise InputError(str(path), "the file is empty, a header was expected")
        return [dict(row) for row in reader]
    except csv.Error as error:  # a bare carriage return outside of quotes
        raise InputError(f"{path}:{max(1, reader.line_num)}", f"not CSV: {error}") from None
