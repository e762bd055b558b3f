"""LiteLLM and its providers: which models there are, what they take, what they cost, which key they need."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from vibegrid.errors import InputError
from vibegrid.llm import embedded, local
from vibegrid.llm.audio_parts import Messages, parts_of
from vibegrid.llm.usage import Usage
from vibegrid.specs.llms import PriceSpec

# Providers that answer in this process: they cost nothing, need no key, no timeout and no pace. Each module has
# `PROVIDER`, `register()` (makes LiteLLM know it) and `program(model)` (InputError for a name that does not exist).
IN_PROCESS = {embedded.PROVIDER: embedded, local.PROVIDER: local}
# Providers that want a mark where a prompt's repeated part ends; others cache it of themselves.
MARKED_CACHE = frozenset({"anthropic", "bedrock"})
MILLION = 1e6
BYTES_PER_TOKEN = 3  # of text, on the low side, so that an estimate is on the high one
BASE64_PER_TOKEN = 3_000  # of a 16-bit WAV of 44.1 kHz: 40 tokens a second; Gemini counts 32
TOKENS_PER_MESSAGE = 8
USUAL_OUTPUT_TOKENS = 2_000  # of a request without max_tokens

log = logging.getLogger(__name__)


def litellm() -> Any:
    """LiteLLM, quiet, and without its download of prices at import."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    setattr(litellm, "telemetry", False)  # noqa: B010 - not in its type stubs
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("httpx", "openai"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for module in IN_PROCESS.values():
        module.register()
    return litellm


def in_process(model: str) -> bool:
    """Whether a model is a program or a model of this process."""
    return model.partition("/")[0] in IN_PROCESS


def supports(model: str, param: str) -> bool:
    """Whether the provider takes a parameter; True where LiteLLM cannot say."""
    if in_process(model):
        return True
    name, provider = provider_of(model)
    known = litellm().get_supported_openai_params(model=name, custom_llm_provider=provider)
    return known is None or param in known


def supports_schema(model: str) -> bool:
    """Whether the provider holds an answer to a JSON schema (`response_format`)."""
    if in_process(model):
        return model.partition("/")[0] == local.PROVIDER
    return bool(litellm().supports_response_schema(model))


def provider_of(model: str) -> tuple[str, str]:
    """LiteLLM's (model, provider); InputError where it knows none."""
    library = litellm()
    try:
        name, provider, *_ = library.get_llm_provider(model)
    except library.exceptions.BadRequestError:
        hint = "write provider/model: openai/gpt-4o-mini, embedded/composer-1"
        raise InputError(f"model {model}", "LiteLLM knows no such provider", hint) from None
    return name, provider


def check_model(model: str, params: Sequence[Mapping[str, Any]]) -> None:
    """InputError before the first call where none could succeed: an unknown model, a missing key.

    Args:
        model: LiteLLM's name.
        params: parameters of the requests; an address or a key among them needs no key in the environment.
    """
    if in_process(model):
        IN_PROCESS[model.partition("/")[0]].program(model)
        return
    provider_of(model)
    if all(_has_address(model, each) or each.get("api_key") for each in params):
        return
    missing = missing_keys(model)
    if missing:
        hint = "set it in the environment, or use a model embedded/..."
        raise InputError(f"model {model}", f"no API key: {', '.join(missing)} not set", hint)


def missing_keys(model: str) -> list[str]:
    """Names of the keys that are not in the environment."""
    found = litellm().validate_environment(model=model)
    return [] if found["keys_in_environment"] else list(found["missing_keys"])


def _has_address(model: str, params: Mapping[str, Any]) -> bool:
    """Whether the model is on a server of the user's own, which may need no key."""
    if params.get("api_base") or params.get("base_url"):
        return True
    own = os.environ.get("OPENAI_API_BASE") or os.environ.get("OPENAI_BASE_URL")
    return bool(own) and provider_of(model)[1] == "openai"


def with_cache_marks(model: str, messages: Messages) -> list[dict[str, Any]]:
    """The chat, its system message marked as the part that a provider may keep, where that has to be said."""
    chat = [dict(message) for message in messages]
    if in_process(model) or provider_of(model)[1] not in MARKED_CACHE:
        return chat
    if not litellm().utils.supports_prompt_caching(model):
        return chat
    for message in chat:
        if message.get("role") == "system" and isinstance(message["content"], str):
            part = {"type": "text", "text": message["content"], "cache_control": {"type": "ephemeral"}}
            message["content"] = [part]
    return chat


class Price(NamedTuple):
    """Dollars a token. `own`: from config/llms.yaml, where LiteLLM's table says nothing of caches or sounds."""

    input: float
    output: float
    own: bool

    def most(self, messages: Messages, params: Mapping[str, Any]) -> float:
        """What a call may cost; an estimate where it has no `max_tokens`."""
        output = int(params.get("max_tokens") or USUAL_OUTPUT_TOKENS) * int(params.get("n") or 1)
        return self.input * input_tokens(messages) + self.output * output

    def usage(self, model: str, response: Any) -> Usage:
        """Of a response; unknown where it does not say what it used."""
        used = tokens_used(response)
        if used is None:
            return Usage.unknown()
        usd = self.input * used.input_tokens + self.output * used.output_tokens
        if not self.own:
            usd = sum(litellm().cost_per_token(model=model, usage_object=response.usage))
        return used._replace(usd=usd)


def price_of(model: str, own: PriceSpec | None) -> Price | None:
    """The price of a model: config's, else that of LiteLLM's local table; None where neither knows one."""
    if own is not None:
        return Price(own.input / MILLION, own.output / MILLION, own=True)
    if in_process(model):
        return Price(0.0, 0.0, own=True)
    try:
        known = litellm().get_model_info(model)
    except Exception:  # it raises a plain one for a model that it does not know
        return None
    price = Price(float(known["input_cost_per_token"] or 0), float(known["output_cost_per_token"] or 0), own=False)
    return price if price.input or price.output else None  # 0 is what LiteLLM says of a provider without a table


def tokens_used(response: Any) -> Usage | None:
    """Tokens of a response, without dollars; None where it does not say."""
    used = getattr(response, "usage", None)
    if used is None or not (used.prompt_tokens or used.completion_tokens):
        return None
    details = getattr(used, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None) or 0
    return Usage(used.prompt_tokens or 0, used.completion_tokens or 0, cached, None)


def input_tokens(messages: Messages) -> int:
    """Tokens of a chat, an estimate on the high side."""
    total = TOKENS_PER_MESSAGE * len(messages)
    for message in messages:
        content = message.get("content")
        texts = [content] if isinstance(content, str) else [p["text"] for p in content or () if p.get("type") == "text"]
        total += sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) // BYTES_PER_TOKEN
    sounds = parts_of(messages, "input_audio")
    return total + sum(len(sound["input_audio"]["data"]) for sound in sounds) // BASE64_PER_TOKEN


@cache
def most_output_tokens(model: str) -> int | None:
    """The provider's own limit of an answer; None where LiteLLM's table does not say."""
    try:
        known = litellm().get_model_info(model)
    except Exception:  # as above
        return None
    return known.get("max_output_tokens")
