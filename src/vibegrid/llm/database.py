"""SQLite files that are private to their owner (0600) and may be written by several processes.

They belong on a local disk: SQLite's write-ahead log does not work over network file systems.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from vibegrid.errors import InputError

BUSY_S = 60.0


def open_private(path: Path, *statements: str) -> sqlite3.Connection:
    """A connection (autocommit, write-ahead log) after `statements`, which make the tables; InputError on failure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)  # SQLite gives its side files the mode of this one
    except OSError as error:
        raise InputError(str(path), f"the file of LLM calls cannot be opened: {error.strerror}") from None
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", *statements):
            connection.execute(statement)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise failure(path, error) from None
    return connection


def failure(path: Path, error: sqlite3.Error) -> InputError:
    """The one line of a database that fails."""
    hint = "is it a SQLite file, on a local disk with space left, and not held by another program?"
    return InputError(str(path), f"the file of LLM calls failed: {error}", hint)
