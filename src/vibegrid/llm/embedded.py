"""The LiteLLM provider `embedded`: deterministic programs behind the call that reaches hosted models too.

Models: `embedded/extractor-1` (texts to vibes) and `embedded/composer-1` (vibes to payloads). They are no
language models, and tables show these names as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from vibegrid.errors import InputError

PROVIDER = "embedded"
CHOICE_STRIDE = 1_000_003  # between the seeds of the choices of one request, so that seeds 42 and 43 share none


class Program(NamedTuple):
    """Where the answer comes from (`module:function`), and whether temperature and seed change it."""

    function: str
    sampled: bool


# Names map to import strings: nothing is imported before a model is asked.
PROGRAMS: dict[str, Program] = {
    "embedded/extractor-1": Program("vibegrid.llm.extractor:respond", sampled=False),
    "embedded/composer-1": Program("vibegrid.llm.composer:respond", sampled=True),
    "embedded/listener-1": Program("vibegrid.llm.listener:first", sampled=False),
    "embedded/listener-2": Program("vibegrid.llm.listener:second", sampled=False),
}


def program(model: str) -> Program:
    """The program of `embedded/composer-1`; InputError for a name that does not exist."""
    if model not in PROGRAMS:
        known = ", ".join(PROGRAMS)
        raise InputError(f"model {model}", "no such embedded model", f"expected one of: {known}")
    return PROGRAMS[model]


@cache
def _function(path: str) -> Callable[..., str]:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def answers(model: str, messages: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> list[str]:
    """`n` answers (default 1), each with a seed of its own."""
    chosen = program(model)
    respond = _function(chosen.function)
    count = int(params.get("n") or 1)
    if not chosen.sampled:
        return [respond(messages)] * count
    seed = int(params.get("seed") or 0)
    return [respond(messages, params.get("temperature"), seed + CHOICE_STRIDE * i) for i in range(count)]


def register() -> None:
    """Make LiteLLM know the provider; to call it again changes nothing."""
    import litellm

    if any(item["provider"] == PROVIDER for item in litellm.custom_provider_map):
        return
    litellm.custom_provider_map.append({"provider": PROVIDER, "custom_handler": _handler()})
    # A known price spares LiteLLM a search through its price map at every call (3.4 ms became 2.4 ms).
    price = {
        "input_cost_per_token": 0.0,
        "output_cost_per_token": 0.0,
        "litellm_provider": PROVIDER,
        "mode": "chat",
    }
    litellm.register_model({model: dict(price) for model in PROGRAMS})


def _handler() -> Any:
    """An instance of the provider; its class is made here, since its base is slow to import."""
    from litellm import Choices, CustomLLM, Message, Usage
    from litellm.exceptions import BadRequestError

    class Embedded(CustomLLM):
        def completion(self, *args: Any, **kwargs: Any) -> Any:
            response, model = kwargs["model_response"], f"{PROVIDER}/{kwargs['model']}"
            try:
                texts = answers(model, kwargs["messages"], kwargs["optional_params"])
            except Exception as error:  # a program's fault is final: LiteLLM would call it a lost connection
                problem = f"{type(error).__name__}: {error}"
                raise BadRequestError(problem, model=model, llm_provider=PROVIDER) from error
            response.choices = [
                Choices(index=i, finish_reason="stop", message=Message(role="assistant", content=text))
                for i, text in enumerate(texts)
            ]
            response.model = model
            # Zero, because nothing was billed; it also spares LiteLLM the counting and pricing of tokens.
            response.usage = Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
            response._hidden_params["response_cost"] = 0.0
            return response

        async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
            return self.completion(*args, **kwargs)

    return Embedded()
