"""The calls of one `complete_many`: under its limits, its budget, with retries, each answer kept as it arrives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vibegrid.errors import InputError
from vibegrid.llm import faults, providers
from vibegrid.llm.audio_parts import Call, for_provider
from vibegrid.llm.ledger import Ledger, OverBudgetError
from vibegrid.llm.store import ResponseStore
from vibegrid.llm.usage import Tally, Usage
from vibegrid.specs.llms import LimitsSpec

TURN_S = 0.05  # between two looks at the budget, while calls under way hold what is left of it
ENTRY_S = 30.0  # beyond a call's timeout, after which its entry in the ledger is no call under way any more

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


def completion(texts: Sequence[str], stored: bool) -> Completion:
    """An answer of one text per choice."""
    text = next((each for each in texts if each.strip()), None)
    return Completion(text, stored=stored, texts=tuple(texts))


class Calls:
    """Calls to one model. What stops them all (a refused key, the budget) is in `stopped`, in one line."""

    def __init__(self, model: str, store: ResponseStore, ledger: Ledger, limits: LimitsSpec, tally: Tally) -> None:
        self.model, self.store, self.ledger, self.limits, self.tally = model, store, ledger, limits, tally
        self.litellm = providers.litellm()
        self.in_process = providers.in_process(model)
        self.price = providers.price_of(model, limits.price)
        self.slots = asyncio.Semaphore(limits.concurrency)
        self.stopped: InputError | None = None
        self.output_seen = 0  # tokens of the longest answer, for the pace
        self.dearest = 0.0  # dollars of the dearest call so far: what the next one may cost, whatever its estimate
        self.drop_seed = not providers.supports(model, "seed")
        self.drop_format = not providers.supports_schema(model)
        self.total = 0
        self._warn()

    def _warn(self) -> None:
        if self.drop_seed:
            log.warning("%s takes no seed: its answers cannot be repeated, only kept", self.model)
        if self.price is None and self.ledger.max_usd is not None:
            hint = f"config/llms.yaml: models: {{{self.model}: {{price: {{input: 0.5, output: 1.5}}}}}}"
            raise InputError(f"model {self.model}", "its price is unknown, so budget.max_usd cannot be kept", hint)
        if self.price is None:
            log.warning("%s: its price is unknown; tokens are counted, dollars are not", self.model)

    async def all(self, todo: Mapping[str, Request]) -> dict[str, Completion]:
        """Key -> completion. A call that fails gives an error; a store that fails ends the run."""
        self.total = self.tally.answered + self.tally.failed + len(todo)
        self.tally.say(self.model, self.total)
        try:
            made = await asyncio.gather(*(self.one(key, request) for key, request in todo.items()))
        finally:
            if not self.in_process:
                await self.litellm.close_litellm_async_clients()
        self.tally.say(self.model, self.total, last=True)
        return dict(zip(todo, made, strict=True))

    async def one(self, key: str, request: Request) -> Completion:
        """One request, after as many calls as it takes and is allowed."""
        async with self.slots:
            if self.stopped:
                return Completion(None, str(self.stopped))
            used = _Used()
            try:
                texts = await self.ask(request, used)
            except InputError:  # the ledger failed, not the row
                raise
            except Exception as error:  # whatever a provider raises is this row's error
                self.tally.failed += 1
                self.stopped = self.stopped or self.ending(error)
                return Completion(None, faults.one_line(error))
            finally:
                self.tally.now = self.tally.now.plus(used.total)
            self.store.put(key, self.model, texts, used.total)
            self.tally.answered += 1
            self.tally.say(self.model, self.total)
            return completion(texts, stored=False)

    def ending(self, error: Exception) -> InputError | None:
        """The one line of an error that ends all calls; None for an error of one row."""
        if isinstance(error, OverBudgetError):
            hint = "the answers so far are in the store: with a higher budget a new run goes on from there"
            return InputError("budget.max_usd", f"no further call to {self.model}: {error}", hint)
        if faults.is_final_for_all(self.litellm, error):
            return InputError(f"model {self.model}", faults.one_line(error), "the answers so far are in the store")
        return None

    async def ask(self, request: Request, used: _Used) -> list[str]:
        """The texts of an answer."""
        import tenacity

        def again(state: Any) -> bool:
            error = state.outcome.exception()
            if isinstance(error, faults.RefusedError):
                return state.attempt_number == 1
            return error is not None and faults.is_passing(self.litellm, error)

        calls = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self.limits.attempts), wait=faults.wait, retry=again, reraise=True
        )
        return await calls(self.call, request, used)

    async def call(self, request: Request, used: _Used) -> list[str]:
        """One call. What it used is added to `used`, whether or not it is of use."""
        call = self.prepared(request)
        entry = None if self.in_process else await self.entered(request, call)
        self.tally.attempts += 1
        spent = Usage()
        try:
            response = await self.sent(call)
            spent = self.usage(response)
        except Exception as error:
            if faults.is_about_the_form(self.litellm, error) and not self.drop_format:
                log.warning("%s takes no such response_format: it is asked without", self.model)
                self.drop_format = True
                return await self.call(request, used)
            if faults.may_be_billed(self.litellm, error) and not self.in_process:
                entry = None  # it stays in the ledger with what it may have cost
            raise
        finally:
            used.add(spent)
            self.output_seen = max(self.output_seen, spent.output_tokens)
            self.dearest = max(self.dearest, spent.usd or 0.0)
            if entry is not None:
                self.ledger.close_call(entry, spent.usd)
        return faults.check_choices(self.model, response)

    def usage(self, response: Any) -> Usage:
        """What a response used; dollars are unknown without a price, and where it does not say its tokens."""
        if self.in_process:
            return (providers.tokens_used(response) or Usage())._replace(usd=0.0)
        if self.price is None:
            return providers.tokens_used(response) or Usage.unknown()
        return self.price.usage(self.model, response)

    def prepared(self, request: Request) -> Call:
        """The call as this provider takes it."""
        params = dict(request.params)
        if not self.in_process:
            params = {"timeout": self.limits.timeout_s} | params
        if self.drop_seed:
            params.pop("seed", None)
        if self.drop_format:
            params.pop("response_format", None)  # the prompt says it in words
        most = providers.most_output_tokens(self.model)
        if most and params.get("max_tokens", 0) > most:
            params["max_tokens"] = most
        if not (self.in_process or params.get("api_key")) and providers.missing_keys(self.model):
            params["api_key"] = "none"  # a server of the user's own; the client library insists on a key
        return for_provider(self.model, providers.with_cache_marks(self.model, request.messages), params)

    async def entered(self, request: Request, call: Call) -> int:
        """The number of a call in the ledger, once budget and pace let it start."""
        most = max(self.dearest, self.price.most(request.messages, call.params)) if self.price else None
        seconds = float(call.params["timeout"]) + ENTRY_S
        while (entry := self.ledger.open_call(self.model, most, seconds)) is None:
            await asyncio.sleep(TURN_S)
        gap_s = self.gap(request)
        if gap_s:
            await asyncio.sleep(self.ledger.start_of_call(self.model, gap_s))
        return entry

    def gap(self, request: Request) -> float:
        """Seconds from the start of this call to that of the next."""
        gap_s = 60.0 / self.limits.requests_per_minute if self.limits.requests_per_minute else 0.0
        if self.limits.tokens_per_minute:
            tokens = providers.input_tokens(request.messages) + (self.output_seen or providers.USUAL_OUTPUT_TOKENS)
            gap_s = max(gap_s, 60.0 * tokens / self.limits.tokens_per_minute)
        return gap_s

    async def sent(self, call: Call) -> Any:
        """LiteLLM's response; a model of this process takes the time that it takes."""
        async with asyncio.timeout(call.params.get("timeout")):
            return await self.litellm.acompletion(
                model=call.model,
                messages=call.messages,
                max_retries=0,  # the retries are ours
                num_retries=0,
                **{"no-log": True},  # no callbacks: they cost time and are not used
                **call.params,
            )


class _Used:
    """What the calls of one request used so far."""

    def __init__(self) -> None:
        self.total = Usage()

    def add(self, usage: Usage) -> None:
        self.total = self.total.plus(usage)
