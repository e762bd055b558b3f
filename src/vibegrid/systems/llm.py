"""An LLM as a system: asked for a payload as a teacher is, through LiteLLM, its store, retries and limits.

Hosted models, embedded programs and models in this process alike. A call that fails for good leaves an empty output,
which scores as invalid.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common.music_schema import MusicConfigPromptPayload, schema_signature

from vibegrid.decoding.schema import payload_schema
from vibegrid.llm import local, settings
from vibegrid.llm.client import Request, complete_many
from vibegrid.llm.forms import plain_schema, response_format
from vibegrid.llm.prompts import read_prompt
from vibegrid.llm.usage import Tally
from vibegrid.specs.systems import DecodingSpec
from vibegrid.texts.markers import marked

log = logging.getLogger(__name__)

SCHEMA_PLACEHOLDER = "{schema}"


class Answered(NamedTuple):
    """Raw outputs, and what asking for them took (calls, tokens, dollars; null where a price is unknown)."""

    outputs: list[str]
    report: dict[str, Any]


def generate(
    prompts: Sequence[str],
    *,
    model: str,
    prompt: Path,
    decoding: DecodingSpec,
    folder: Path | None,
    store: Path,
    salt: str,
) -> Answered:
    """One raw output per prompt, in the order of `prompts`.

    Args:
        prompts: vibes.
        model: LiteLLM's name.
        prompt: file of the system prompt; `{schema}` in it becomes the JSON schema of a payload.
        decoding: temperature, limit, seed; constrained outputs are held to the payload's schema by the provider.
        folder: the model itself, for one of the provider `local`.
        store: the store of LLM responses.
        salt: part of each response's identity.
    """
    asked = read_prompt(prompt)
    system = asked.text.replace(SCHEMA_PLACEHOLDER, schema_signature())
    params: dict[str, Any] = {
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "seed": decoding.seed,
        "max_tokens": decoding.max_new_tokens,
    }
    if decoding.mode == "constrained":
        params["response_format"] = response_format("payload", _schema(model))
    limits = settings.of_this_run().limits(model)
    if folder is not None:
        params["api_base"] = str(folder)
        limits = limits.model_copy(update={"concurrency": local.BATCH})
    requests = [
        Request([{"role": "system", "content": system}, {"role": "user", "content": marked("vibe", vibe)}], params)
        for vibe in prompts
    ]
    tally = Tally()
    answers = complete_many(requests, model=model, store_path=store, salt=salt, limits=limits, tally=tally)
    failed = [answer.error for answer in answers if answer.text is None]
    if failed:
        log.warning("%d of %d prompts have no answer, the first: %s", len(failed), len(answers), failed[0])
    report = {"model": model, **asked.label(), **tally.report()}
    return Answered([answer.text or "" for answer in answers], report)


def _schema(model: str) -> dict[str, Any]:
    """With bounds where they are kept; strict providers refuse a schema that has them."""
    return payload_schema() if model.startswith(f"{local.PROVIDER}/") else plain_schema(MusicConfigPromptPayload)
