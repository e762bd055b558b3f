"""A store of LLM answers: SQLite, private to its owner, kept as soon as an answer arrives.

Two processes may write to one store. It is safe against a kill at any moment. The file belongs on a local
disk: SQLite's write-ahead log does not work over network file systems.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vibegrid.errors import InputError

BUSY_S = 60.0
CHUNK = 500  # keys a query; SQLite's own limit on variables is far above
_TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, model TEXT NOT NULL, texts TEXT NOT NULL)"


def key_of(model: str, messages: Sequence[Mapping[str, Any]], params: Mapping[str, Any], salt: str = "") -> str:
    """sha256, in hex, over all that determines an answer. Invalid unicode is escaped, not refused."""
    whole = json.dumps([model, list(messages), dict(params), salt], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(whole.encode("ascii")).hexdigest()


class ResponseStore:
    """Key -> the texts of an answer, one per choice. Use as a context manager."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self.path.chmod(0o600)  # SQLite gives its side files the mode of this one
        except OSError as error:
            raise InputError(str(self.path), f"the response store cannot be opened: {error.strerror}") from None
        self._db = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_TABLE)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise self._failure(error) from None

    def get_many(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """The stored answers among `keys`."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, list[str]] = {}
        try:
            for start in range(0, len(wanted), CHUNK):
                part = wanted[start : start + CHUNK]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, texts FROM answers WHERE key IN ({marks})"
                found |= {key: json.loads(texts) for key, texts in self._db.execute(query, part)}
        except sqlite3.DatabaseError as error:
            raise self._failure(error) from None
        return found

    def put(self, key: str, model: str, texts: Sequence[str]) -> None:
        """Keep an answer; where another process was first, its answer stays."""
        row = (key, model, json.dumps(list(texts)))
        try:
            self._db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", row)
        except sqlite3.DatabaseError as error:
            raise self._failure(error) from None

    def _failure(self, error: sqlite3.Error) -> InputError:
        hint = "is it a SQLite file, on a local disk with space left, and not held by another program?"
        return InputError(str(self.path), f"the response store failed: {error}", hint)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
