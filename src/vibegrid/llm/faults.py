"""What goes wrong with LLM calls: what may pass, what ends them all, how long to wait, and what a row says of it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from vibegrid.redact import redacted

BACKOFF_S = 1.0  # the first wait between attempts; it doubles, with as much jitter
MAX_WAIT_S = 120.0  # bound of any wait, a server's own wish included
MAX_ERROR_CHARS = 300
REFUSALS = frozenset({"content_filter", "refusal", "safety"})  # finish reasons
# A wish in the words of an error: OpenAI's "try again in 1.2s" or "20ms", Google's "retryDelay": "34s".
_WISH = re.compile(r"(?:try again in|\"retryDelay\":\s*\")\s*(\d+(?:\.\d+)?)\s*(ms|s)\b", re.IGNORECASE)

log = logging.getLogger(__name__)


class EmptyAnswerError(Exception):
    """The model answered, with nothing in it."""


class RefusedError(Exception):
    """The model, or its provider's filter, refused to answer. Asking again would be refused again."""


def is_passing(litellm: Any, error: BaseException) -> bool:
    """Whether the same call may succeed later."""
    known = litellm.exceptions
    if is_final_for_all(litellm, error):
        return False
    if isinstance(error, EmptyAnswerError | TimeoutError | ConnectionError):
        return True
    if isinstance(error, known.RateLimitError | known.Timeout | known.APIConnectionError):
        return True
    status = getattr(error, "status_code", None)
    return isinstance(error, known.openai.APIError) and isinstance(status, int) and status >= 500


def is_final_for_all(litellm: Any, error: BaseException) -> bool:
    """Whether every other call would fail alike: a refused key, a model that does not exist, an empty account."""
    known = litellm.exceptions
    if isinstance(error, known.RateLimitError):
        return "insufficient_quota" in f"{error} {getattr(error, 'body', None)}"
    return isinstance(error, known.AuthenticationError | known.PermissionDeniedError | known.NotFoundError)


def is_about_the_form(litellm: Any, error: BaseException) -> bool:
    """Whether a provider refused the request for its `response_format`."""
    return isinstance(error, litellm.exceptions.BadRequestError) and "response_format" in str(error)


def may_be_billed(litellm: Any, error: BaseException) -> bool:
    """Whether a call without a readable answer may have been answered, and billed, all the same."""
    if isinstance(error, TimeoutError | ConnectionError | litellm.exceptions.Timeout):
        return True
    return isinstance(error, litellm.exceptions.APIConnectionError)


def check_choices(model: str, response: Any) -> list[str]:
    """The texts of a response; EmptyAnswerError or RefusedError where none of them says anything."""
    texts = [choice.message.content or "" for choice in response.choices]
    if any(text.strip() for text in texts):
        return texts
    for choice in response.choices:
        refusal = (getattr(choice.message, "provider_specific_fields", None) or {}).get("refusal")
        if refusal or choice.finish_reason in REFUSALS:
            raise RefusedError(f"{model} refused: {refusal or choice.finish_reason}")
    raise EmptyAnswerError(f"{model} answered with nothing")


def wait(state: Any) -> float:
    """Seconds to the next attempt: the server's wish or jittered exponential backoff, whichever is longer.

    `state`: tenacity's, of the attempt that failed.
    """
    import tenacity

    backoff = tenacity.wait_exponential_jitter(multiplier=BACKOFF_S, max=MAX_WAIT_S, jitter=BACKOFF_S)(state)
    return min(MAX_WAIT_S, max(backoff, retry_after(state.outcome.exception())))


def retry_after(error: BaseException | None) -> float:
    """Seconds that the provider asks to wait, by a header or in words; 0 where it says nothing."""
    for headers in _headers(error):
        milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after")
        found = _number(milliseconds, 1e-3) if milliseconds else _number(value, 1.0) if value else None
        if found is None and value:
            found = _seconds_to(value)
        if found is not None:
            return max(0.0, found)
    wish = _WISH.search(str(error or ""))
    return float(wish[1]) * (1e-3 if wish[2].lower() == "ms" else 1.0) if wish else 0.0


def _headers(error: BaseException | None) -> Iterator[Any]:
    response = getattr(error, "response", None)
    for headers in (getattr(error, "litellm_response_headers", None), getattr(response, "headers", None)):
        if headers:
            yield headers


def _number(text: str, unit: float) -> float | None:
    try:
        return float(text) * unit
    except ValueError:
        log.debug("no number, perhaps a date: %s", text)
        return None


def _seconds_to(date: str) -> float | None:
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        log.debug("no date: %s", date)
        return None


def one_line(error: BaseException) -> str:
    """The kind of an error and its first line, bounded, without keys."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
    return redacted(text)[:MAX_ERROR_CHARS]
