"""One way to ask any LLM: LiteLLM with retries, limits, a budget and a store of every answer.

Embedded programs and hosted models go through the same call (`litellm.acompletion`), parsing, store and
retries.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from vibegrid.errors import InputError
from vibegrid.llm import embedded, providers, settings
from vibegrid.llm.calls import Calls, Completion, Request, completion
from vibegrid.llm.ledger import Ledger, ledger_path
from vibegrid.llm.store import ResponseStore, Stored, key_of
from vibegrid.llm.usage import Tally
from vibegrid.specs.llms import LimitsSpec

# Parameters that say where or how to reach a model, not what is asked: no part of an answer's key.
NOT_IDENTITY = frozenset({"api_base", "base_url", "api_key", "timeout"})
NOT_ALLOWED = frozenset({"model", "messages", "stream"})

__all__ = ["Completion", "Request", "complete_many"]


def complete_many(
    requests: Sequence[Request],
    *,
    model: str,
    store_path: str | os.PathLike[str],
    salt: str = "",
    limits: LimitsSpec | None = None,
    tally: Tally | None = None,
) -> list[Completion]:
    """Answer every request, in order; stored answers are not asked for again.

    Args:
        requests: what to ask. Equal requests are asked once.
        model: LiteLLM's name, `openai/gpt-4o-mini` or `embedded/composer-1`.
        store_path: the store's file, made where it is missing. Every answer is kept as soon as it arrives. The
            ledger of what was spent lies beside it.
        salt: part of each answer's key; an embedded program's code digest, for example.
        limits: concurrency, attempts, timeouts, pace, price; left out, those of this run (config/llms.yaml).
        tally: what was asked, used and spent is added to it.

    Raises:
        InputError: before anything is asked, for an unknown model, a missing key, or a budget that cannot be kept;
            later, if the budget is spent, the key or the model is refused, or the store fails. What was answered by
            then is in the store.
    """
    _check_requests(requests)
    parts = [_parts(request, model) for request in requests]
    keys = [[_key(model, part, salt) for part in row] for row in parts]
    wanted = {key: part for names, row in zip(keys, parts, strict=True) for key, part in zip(names, row, strict=True)}
    tally = Tally() if tally is None else tally
    with ResponseStore(store_path) as store:
        known = store.get_many(wanted)
        todo = {key: part for key, part in wanted.items() if key not in known}
        _count(tally, wanted=len(wanted), known=known)
        made = _ask(todo, model, store, limits, tally) if todo else {}
    done = made | {key: completion(answer.texts, stored=True) for key, answer in known.items()}
    return [_merged([done[key] for key in row]) for row in keys]


def _ask(
    todo: dict[str, Request], model: str, store: ResponseStore, limits: LimitsSpec | None, tally: Tally
) -> dict[str, Completion]:
    providers.check_model(model, [request.params for request in todo.values()])
    run = settings.of_this_run()
    with Ledger(ledger_path(store.path), run.run, run.max_usd) as ledger:
        calls = Calls(model, store, ledger, limits or run.limits(model), tally)
        made = asyncio.run(calls.all(todo))
    if calls.stopped:
        raise calls.stopped
    return made


def _count(tally: Tally, *, wanted: int, known: dict[str, Stored]) -> None:
    tally.requests += wanted
    tally.stored += len(known)
    for answer in known.values():
        tally.before = tally.before.plus(answer.usage)


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
    if request.n == 1 or providers.supports(model, "n"):
        return [request]
    params = {name: value for name, value in request.params.items() if name != "n"}
    first = int(params.get("seed") or 0)
    seeds = (first + embedded.CHOICE_STRIDE * i for i in range(request.n))
    return [Request(request.messages, params | {"seed": seed}) for seed in seeds]


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
