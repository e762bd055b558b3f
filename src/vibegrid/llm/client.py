"""One way to ask any LLM: LiteLLM with retries, bounded concurrency and a store of every answer.

Embedded programs and hosted models go through the same call (`litellm.acompletion`), parsing, store and
retries.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from vibegrid.errors import InputError
from vibegrid.llm import embedded
from vibegrid.llm.audio_parts import for_provider
from vibegrid.llm.store import ResponseStore, key_of

BACKOFF_S = 1.0  # the first wait between attempts; it doubles, with as much jitter
MAX_WAIT_S = 120.0  # bound of any wait, a server's Retry-After included
MAX_ERROR_CHARS = 300
# Parameters that say where or how to reach a model, not what is asked: no part of an answer's key.
NOT_IDENTITY = frozenset({"api_base", "base_url", "api_key", "timeout"})
NOT_ALLOWED = frozenset({"model", "messages", "stream"})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """A chat and its parameters by LiteLLM's names: temperature, seed, n, max_tokens, api_base ..."""

    messages: Sequence[Mapping[str, Any]]
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Answers wanted."""
        return int(self.params.get("n", 1))


@dataclass(frozen=True)
class Completion:
    """An answer, or an error of one line. `texts`: one per choice; `text`: the first that is not empty."""

    text: str | None
    error: str | None = None
    stored: bool = False  # it was in the store before this call
    texts: tuple[str, ...] = ()


class EmptyAnswerError(Exception):
    """The model answered, with nothing in it."""


def complete_many(
    requests: Sequence[Request],
    *,
    model: str,
    store_path: str | os.PathLike[str],
    salt: str = "",
    max_concurrency: int = 8,
    attempts: int = 5,
    timeout_s: float = 60.0,
    requests_per_minute: int | None = None,
) -> list[Completion]:
    """Answer every request, in order; stored answers are not asked for again.

    Args:
        requests: what to ask. Equal requests are asked once.
        model: LiteLLM's name, `openai/gpt-4o-mini` or `embedded/composer-1`.
        store_path: the store's file, made where it is missing. Every answer is kept as soon as it arrives.
        salt: part of each answer's key; an embedded program's code digest, for example.
        max_concurrency: calls under way at one time.
        attempts: calls per request, on 429, 5xx, timeouts, lost connections and empty answers.
        timeout_s: limit of one call.
        requests_per_minute: the calls of this process, repeated ones included, start at least 60/this seconds apart.

    Raises:
        InputError: before anything is asked, for an unknown model or a missing key; or if the store fails.
    """
    _check_requests(requests)
    parts = [_parts(request, model) for request in requests]
    keys = [[_key(model, part, salt) for part in row] for row in parts]
    with ResponseStore(store_path) as store:
        known = store.get_many(key for row in keys for key in row)
        todo = {
            key: part
            for names, row in zip(keys, parts, strict=True)
            for key, part in zip(names, row, strict=True)
            if key not in known
        }
        made: dict[str, Completion] = {}
        if todo:
            _check_model(model, list(todo.values()))
            limit, pace = asyncio.Semaphore(max(1, max_concurrency)), _Pace(requests_per_minute)
            run = _Run(model, store, limit, pace, max(1, attempts), timeout_s)
            started = time.monotonic()
            made = asyncio.run(run.all(todo))
            failed = sum(each.error is not None for each in made.values())
            seconds = time.monotonic() - started
            log.info("%s: %d asked, %d failed, %.1f s", model, len(made), failed, seconds)
    done = made | {key: _completion(texts, stored=True) for key, texts in known.items()}
    return [_merged([done[key] for key in row]) for row in keys]


def _check_requests(requests: Sequence[Request]) -> None:
    for number, request in enumerate(requests):
        wrong = NOT_ALLOWED & set(request.params)
        if wrong:
            raise InputError(f"request {number}", f"parameter {min(wrong)!r} cannot be set here")
        if request.n < 1:
            raise InputError(f"request {number}", f"n is {request.n}, expected at least 1")


def _key(model: str, request: Request, salt: str) -> str:
    asked = {name: value for name, value in request.params.items() if name not in NOT_IDENTITY}
    return key_of(model, request.messages, asked, salt)


def _parts(request: Request, model: str) -> list[Request]:
    """The request itself, or `n` single ones with seeds of their own where the provider has no `n`."""
    if request.n == 1 or _supports(model, "n"):
        return [request]
    params = {name: value for name, value in request.params.items() if name != "n"}
    first = int(params.get("seed") or 0)
    seeds = (first + embedded.CHOICE_STRIDE * i for i in range(request.n))
    return [Request(request.messages, params | {"seed": seed}) for seed in seeds]


def _completion(texts: Sequence[str], stored: bool) -> Completion:
    text = next((each for each in texts if each.strip()), None)
    return Completion(text, stored=stored, texts=tuple(texts))


def _merged(parts: Sequence[Completion]) -> Completion:
    """One completion of a request's parts: an error only where no part has an answer."""
    if len(parts) == 1:
        return parts[0]
    texts = tuple(text for part in parts for text in part.texts)
    if not texts:
        return parts[0]
    return Completion(
        next((part.text for part in parts if part.text is not None), None),
        stored=all(part.stored for part in parts),
        texts=texts,
    )


def _litellm() -> Any:
    """LiteLLM, quiet, and without its download of prices at import."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    setattr(litellm, "telemetry", False)  # noqa: B010 - not in its type stubs
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("httpx", "openai"):
        logging.getLogger(name).setLevel(logging.WARNING)
    embedded.register()
    return litellm


def _is_embedded(model: str) -> bool:
    return model.startswith(f"{embedded.PROVIDER}/")


def _supports(model: str, param: str) -> bool:
    """Whether the provider takes a parameter; True where LiteLLM cannot say."""
    if _is_embedded(model):
        return True
    litellm = _litellm()
    name, provider = _provider(model)
    known = litellm.get_supported_openai_params(model=name, custom_llm_provider=provider)
    return known is None or param in known


def _provider(model: str) -> tuple[str, str]:
    """LiteLLM's (model, provider); InputError where it knows none."""
    litellm = _litellm()
    try:
        name, provider, *_ = litellm.get_llm_provider(model)
    except litellm.exceptions.BadRequestError:
        hint = "write provider/model: openai/gpt-4o-mini, embedded/composer-1"
        raise InputError(f"model {model}", "LiteLLM knows no such provider", hint) from None
    return name, provider


def _check_model(model: str, requests: Sequence[Request]) -> None:
    """Stops before the first call where none could succeed."""
    if _is_embedded(model):
        embedded.program(model)
        return
    _provider(model)
    if all(_has_address(model, request.params) or request.params.get("api_key") for request in requests):
        return
    missing = _missing_keys(model)
    if missing:
        hint = "set it in the environment, or use a model embedded/..."
        raise InputError(f"model {model}", f"no API key: {', '.join(missing)} not set", hint)


def _missing_keys(model: str) -> list[str]:
    found = _litellm().validate_environment(model=model)
    return [] if found["keys_in_environment"] else list(found["missing_keys"])


def _has_address(model: str, params: Mapping[str, Any]) -> bool:
    """Whether the model is on a server of the user's own, which may need no key."""
    if params.get("api_base") or params.get("base_url"):
        return True
    own = os.environ.get("OPENAI_API_BASE") or os.environ.get("OPENAI_BASE_URL")
    return bool(own) and _provider(model)[1] == "openai"


class _Pace:
    """Spaces the starts of calls evenly."""

    def __init__(self, per_minute: int | None) -> None:
        self.gap_s = 60.0 / per_minute if per_minute else 0.0
        self.next_start = 0.0  # on the monotonic clock

    async def wait(self) -> None:
        now = time.monotonic()
        start = max(now, self.next_start)
        self.next_start = start + self.gap_s
        await asyncio.sleep(start - now)


class _Run:
    """The calls of one `complete_many`: shared limits, and what stopped them all, if anything did."""

    def __init__(
        self,
        model: str,
        store: ResponseStore,
        limit: asyncio.Semaphore,
        pace: _Pace,
        attempts: int,
        timeout_s: float,
    ) -> None:
        self.model, self.store, self.limit, self.pace = model, store, limit, pace
        self.attempts, self.timeout_s = attempts, timeout_s
        self.litellm = _litellm()
        self.stopped: str | None = None
        self.drop_seed = not _supports(model, "seed")
        if self.drop_seed:
            log.warning("%s takes no seed: its answers cannot be repeated, only kept", model)
        self.drop_format = not self.litellm.supports_response_schema(model)

    async def all(self, todo: Mapping[str, Request]) -> dict[str, Completion]:
        """Key -> completion. A call that fails gives an error, a store that fails ends the run."""
        try:
            made = await asyncio.gather(*(self.one(key, request) for key, request in todo.items()))
        finally:
            if not _is_embedded(self.model):
                await self.litellm.close_litellm_async_clients()
        return dict(zip(todo, made, strict=True))

    async def one(self, key: str, request: Request) -> Completion:
        async with self.limit:
            if self.stopped:
                return Completion(None, self.stopped)
            try:
                texts = await self.ask(request)
            except Exception as error:  # whatever a provider raises is this row's error
                line = _one_line(error)
                if self.is_final_for_all(error):
                    self.stopped = line
                return Completion(None, line)
            self.store.put(key, self.model, texts)
            return _completion(texts, stored=False)

    async def ask(self, request: Request) -> list[str]:
        """The texts of an answer, after as many attempts as it takes and is allowed."""
        import tenacity

        calls = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=_wait,
            retry=tenacity.retry_if_exception(self.is_passing),
            reraise=True,
        )
        return await calls(self.call, request)

    async def call(self, request: Request) -> list[str]:
        params = {"timeout": self.timeout_s} | dict(request.params)
        if self.drop_seed:
            params.pop("seed", None)
        if self.drop_format:
            params.pop("response_format", None)  # the prompt says it in words
        if not (_is_embedded(self.model) or params.get("api_key")) and _missing_keys(self.model):
            params["api_key"] = "none"  # a server of the user's own; the client library insists on a key
        call = for_provider(self.model, request.messages, params)
        await self.pace.wait()
        async with asyncio.timeout(call.params["timeout"]):
            response = await self.litellm.acompletion(
                model=call.model,
                messages=call.messages,
                max_retries=0,  # the retries are ours
                num_retries=0,
                **{"no-log": True},  # no callbacks: they cost time and are not used
                **call.params,
            )
        texts = [choice.message.content or "" for choice in response.choices]
        if not any(text.strip() for text in texts):
            raise EmptyAnswerError(f"{self.model} answered with nothing")
        return texts

    def is_passing(self, error: BaseException) -> bool:
        """Whether the same call may succeed later."""
        if isinstance(error, EmptyAnswerError | TimeoutError | ConnectionError):
            return True
        known = self.litellm.exceptions
        if isinstance(error, known.RateLimitError | known.Timeout | known.APIConnectionError):
            return True
        status = getattr(error, "status_code", None)
        return isinstance(error, known.openai.APIError) and isinstance(status, int) and status >= 500

    def is_final_for_all(self, error: BaseException) -> bool:
        """Whether every other call would fail alike: a refused key, a model that does not exist."""
        known = self.litellm.exceptions
        return isinstance(error, known.AuthenticationError | known.PermissionDeniedError | known.NotFoundError)


def _wait(state: Any) -> float:
    """Seconds to the next attempt: the server's wish or jittered exponential backoff, whichever is longer."""
    import tenacity

    backoff = tenacity.wait_exponential_jitter(multiplier=BACKOFF_S, max=MAX_WAIT_S, jitter=BACKOFF_S)(state)
    return min(MAX_WAIT_S, max(backoff, _retry_after(state.outcome.exception())))


def _retry_after(error: BaseException | None) -> float:
    """Seconds of a Retry-After header (a number or a date), 0 where there is none."""
    response = getattr(error, "response", None)
    for headers in (getattr(error, "litellm_response_headers", None), getattr(response, "headers", None)):
        value = headers.get("retry-after") if headers else None
        if value is None:
            continue
        try:
            return max(0.0, float(value))
        except ValueError:
            log.debug("Retry-After is no number, perhaps a date: %s", value)
        try:
            return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError):
            log.debug("Retry-After cannot be read: %s", value)
    return 0.0


def _one_line(error: BaseException) -> str:
    """The kind of an error and its first line, bounded."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
    return text[:MAX_ERROR_CHARS]
