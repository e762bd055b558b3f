"""What the jobs of a run have spent on LLM calls, and when the next call may start: one SQLite file beside the store.

A call is entered with what it may cost at most before it is sent, and with what it did cost when it is answered. So
several jobs share one budget, and a call that a kill cut off still counts: its provider may have billed it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from vibegrid.llm.database import failure, open_private

SUFFIX = "-ledger"
FAR_S = 600.0  # a next start further away than this comes from a clock that was set back
ROUNDING_USD = 1e-9
_TABLES = (
    "CREATE TABLE IF NOT EXISTS calls "
    "(id INTEGER PRIMARY KEY, run TEXT NOT NULL, model TEXT NOT NULL, usd REAL, open_until REAL)",
    "CREATE INDEX IF NOT EXISTS calls_of_run ON calls (run)",
    "CREATE TABLE IF NOT EXISTS pace (model TEXT PRIMARY KEY, next_start REAL NOT NULL)",
)


class OverBudgetError(Exception):
    """The next call may cost more than is left of the budget."""

    def __init__(self, spent: float, most: float, limit: float) -> None:
        super().__init__(f"{spent:.4f} of {limit:.4f} USD are spent, and the next call may cost {most:.4f}")


class Spent(NamedTuple):
    """Of one run."""

    usd: float  # of the calls whose cost is known
    calls: int
    unknown: int  # calls whose price is unknown


def ledger_path(store: str | os.PathLike[str]) -> Path:
    """The ledger of a store."""
    path = Path(store)
    return path.with_name(path.name + SUFFIX)


class Ledger:
    """The entries of one run. Use as a context manager."""

    def __init__(self, path: Path, run: str, max_usd: float | None = None) -> None:
        self.path, self.run, self.max_usd = path, run, max_usd
        self._db = open_private(path, *_TABLES)

    def open_call(self, model: str, most: float | None, seconds: float) -> int | None:
        """Enter a call that may cost `most` dollars and ends within `seconds`; its number.

        None: it may exceed the budget, but only if calls under way cost as much as they may. Ask again later.

        Raises:
            OverBudgetError: it may exceed the budget, whatever becomes of the calls under way.
        """
        with self._transaction():
            now = time.time()
            if self.max_usd is not None and most is not None:
                spent, open_usd = self._db.execute(
                    "SELECT coalesce(sum(usd) FILTER (WHERE coalesce(open_until, 0) < ?), 0),"
                    " coalesce(sum(usd) FILTER (WHERE open_until >= ?), 0) FROM calls WHERE run = ?",
                    (now, now, self.run),
                ).fetchone()
                limit = self.max_usd + ROUNDING_USD
                if spent + most > limit:
                    raise OverBudgetError(spent, most, self.max_usd)
                if spent + open_usd + most > limit:
                    return None
            row = (self.run, model, most, now + seconds)
            return self._db.execute(
                "INSERT INTO calls (run, model, usd, open_until) VALUES (?, ?, ?, ?)", row
            ).lastrowid

    def close_call(self, number: int, usd: float | None) -> None:
        """Enter what a call cost; None where that is unknown."""
        with self._transaction():
            self._db.execute("UPDATE calls SET usd = ?, open_until = NULL WHERE id = ?", (usd, number))

    def start_of_call(self, model: str, gap_s: float) -> float:
        """Seconds to wait, so that calls to a model start at least `gap_s` after the one before, in every process."""
        with self._transaction():
            now = time.time()
            row = self._db.execute("SELECT next_start FROM pace WHERE model = ?", (model,)).fetchone()
            start = max(now, row[0]) if row and row[0] - now < FAR_S else now
            self._db.execute("INSERT OR REPLACE INTO pace VALUES (?, ?)", (model, start + gap_s))
            return start - now

    def spent(self) -> Spent:
        """What this run has spent, calls under way as much as they may cost."""
        query = "SELECT coalesce(sum(usd), 0), count(*), count(*) - count(usd) FROM calls WHERE run = ?"
        with self._transaction():
            return Spent(*self._db.execute(query, (self.run,)).fetchone())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
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
