"""What LLM calls used and cost: of one answer, and summed over a stage for its report."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

EVERY = 100  # calls between two lines of the log
EVERY_S = 30.0  # and seconds, whichever comes first

log = logging.getLogger(__name__)


class Usage(NamedTuple):
    """Tokens and dollars; `usd` is None where the price or the tokens are unknown, which is not 0."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0  # of the input, read from the provider's prompt cache
    usd: float | None = 0.0

    @classmethod
    def unknown(cls) -> Usage:
        return cls(usd=None)

    def plus(self, other: Usage) -> Usage:
        """The sum; unknown where one of them is."""
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            usd,
        )


@dataclass
class Tally:
    """Calls of one stage to one model, over all rounds of asking. `complete_many` adds to it."""

    requests: int = 0  # different ones that were wanted
    stored: int = 0  # of them, answered by the store
    answered: int = 0  # of them, answered now
    failed: int = 0  # of them, given up
    attempts: int = 0  # calls sent
    repairs: int = 0  # requests that ask once more for an answer that could not be used
    repaired: int = 0  # of them, those that mended it
    now: Usage = field(default_factory=Usage)
    before: Usage = field(default_factory=Usage)  # what the stored answers cost when they were asked for
    _said: tuple[int, float] = field(default=(0, 0.0), repr=False)

    def report(self) -> dict[str, Any]:
        """For a stage's file of results. Dollars are null where a price is unknown."""
        return {
            "requests": self.requests,
            "stored": self.stored,
            "answered": self.answered,
            "failed": self.failed,
            "attempts": self.attempts,
            "repairs": self.repairs,
            "repaired": self.repaired,
            "input_tokens": self.now.input_tokens,
            "output_tokens": self.now.output_tokens,
            "cached_tokens": self.now.cached_tokens,
            "usd": _rounded(self.now.usd),
            "usd_of_stored": _rounded(self.before.usd),
        }

    def say(self, model: str, total: int, *, last: bool = False) -> None:
        """The running line of the log, every `EVERY` calls or `EVERY_S` seconds, and at the end."""
        done, now = self.answered + self.failed, time.monotonic()
        calls, when = self._said
        if not last and when and done - calls < EVERY and now - when < EVERY_S:
            return
        self._said = (done, now)
        if last or when:
            cost = "price unknown" if self.now.usd is None else f"{self.now.usd:.4f} USD"
            log.info(
                "%s: %d of %d answered, %d failed, %d calls, %d + %d tokens, %s",
                model, self.answered, total, self.failed, self.attempts,
                self.now.input_tokens, self.now.output_tokens, cost,
            )  # fmt: skip


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 6)
