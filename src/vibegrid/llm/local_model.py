"""The language model behind the provider `local`: chats in, answers out, in one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from vibegrid.decoding.batches import Asked, Writer
from vibegrid.errors import InputError
from vibegrid.training import chat as chats
from vibegrid.training import engine

USUAL_TOKENS = 1024  # of an answer, where a request says nothing
CALLER = frozenset({"max_retries"})  # what concerns the call, not the answer
PARAMS = frozenset({"temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "response_format", "n"})


class Chat(NamedTuple):
    """A conversation and how its answer is written."""

    messages: Sequence[Mapping[str, str]]
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    schema: Mapping[str, Any] | None


class Answer(NamedTuple):
    """`finish_reason`: stop, or length where the limit cut it."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


def chat(messages: Sequence[Mapping[str, str]], params: Mapping[str, Any]) -> Chat:
    """A request as LiteLLM hands it over.

    Raises:
        InputError: a parameter that is not honoured here, several answers, or a response format without a schema.
    """
    unknown = sorted(name for name, value in params.items() if name not in PARAMS | CALLER and value is not None)
    if unknown:
        raise InputError(
            f"parameter {unknown[0]}", "a local model does not take it", "it takes a temperature, a seed, a limit"
        )
    if int(params.get("n") or 1) != 1:
        raise InputError("parameter n", "a local model gives one answer a call")
    form, schema = params.get("response_format"), None
    if form is not None:
        schema = (form.get("json_schema") or {}).get("schema")
        if schema is None:
            raise InputError("parameter response_format", "no schema in it", "type json_schema")
    limit = params.get("max_tokens") or params.get("max_completion_tokens") or USUAL_TOKENS
    temperature, top_p = params.get("temperature"), params.get("top_p")
    return Chat(
        messages=messages,
        max_tokens=int(limit),
        temperature=1.0 if temperature is None else float(temperature),  # as hosted models have it
        top_p=1.0 if top_p is None else float(top_p),
        seed=int(params.get("seed") or 0),
        schema=schema,
    )


def write(folder: Path, asked: Sequence[Chat]) -> list[Answer]:
    """Answers of the model in `folder`, in order, written as one batch."""
    tokenizer, writer = _loaded(folder)
    rows = [
        Asked(
            chats.encode_conversation(tokenizer, one.messages),
            one.max_tokens,
            one.temperature,
            one.top_p,
            one.seed,
            one.schema,
        )
        for one in asked
    ]
    written = writer.write(rows, batch_size=len(rows))
    return [
        Answer(
            text=tokenizer.decode(ids, skip_special_tokens=True),
            finish_reason="length" if len(ids) == row.max_new_tokens else "stop",
            prompt_tokens=len(row.ids),
            completion_tokens=len(ids),
        )
        for row, ids in zip(rows, written, strict=True)
    ]


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> tuple[Any, Writer]:
    engine.slim_imports()
    model, tokenizer = engine.load(folder, engine="transformers", dtype="float32", max_length=USUAL_TOKENS)
    model.eval()
    return tokenizer, Writer(model, tokenizer, chats.stop_ids(tokenizer, model))
