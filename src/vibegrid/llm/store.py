"""A store of LLM answers: SQLite, private to its owner, kept as soon as an answer arrives, with what it cost.

Two processes may write to one store. It is safe against a kill at any moment.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from vibegrid.llm.database import failure, open_private
from vibegrid.llm.usage import Usage

CHUNK = 500  # keys a query; SQLite's own limit on variables is far above
_TABLE = """CREATE TABLE IF NOT EXISTS answers
(key TEXT PRIMARY KEY, model TEXT NOT NULL, texts TEXT NOT NULL, usage TEXT)"""


class Stored(NamedTuple):
    """The texts of an answer, one per choice, and what they cost when they were asked for."""

    texts: list[str]
    usage: Usage


def key_of(model: str, messages: Sequence[Mapping[str, Any]], params: Mapping[str, Any], salt: str = "") -> str:
    """sha256, in hex, over all that determines an answer. Invalid unicode is escaped, not refused."""
    whole = json.dumps([model, list(messages), dict(params), salt], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(whole.encode("ascii")).hexdigest()


class ResponseStore:
    """Key -> an answer. Use as a context manager."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._db = open_private(self.path, _TABLE)
        try:
            self._add_usage()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise failure(self.path, error) from None

    def _add_usage(self) -> None:
        """The column that stores of earlier versions lack."""
        if not any(name == "usage" for _, name, *_ in self._db.execute("PRAGMA table_info(answers)")):
            try:
                self._db.execute("ALTER TABLE answers ADD COLUMN usage TEXT")
            except sqlite3.OperationalError as error:
                if "duplicate column" not in str(error):  # another process was first
                    raise

    def get_many(self, keys: Iterable[str]) -> dict[str, Stored]:
        """The stored answers among `keys`."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Stored] = {}
        try:
            for start in range(0, len(wanted), CHUNK):
                part = wanted[start : start + CHUNK]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, texts, usage FROM answers WHERE key IN ({marks})"
                for key, texts, usage in self._db.execute(query, part):
                    found[key] = Stored(json.loads(texts), Usage(*json.loads(usage)) if usage else Usage.unknown())
        except sqlite3.DatabaseError as error:
            raise failure(self.path, error) from None
        return found

    def put(self, key: str, model: str, texts: Sequence[str], usage: Usage) -> None:
        """Keep an answer; where another process was first, its answer stays."""
        row = (key, model, json.dumps(list(texts)), json.dumps(list(usage)))
        try:
            self._db.execute("INSERT OR IGNORE INTO answers (key, model, texts, usage) VALUES (?, ?, ?, ?)", row)
        except sqlite3.DatabaseError as error:
            raise failure(self.path, error) from None

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
