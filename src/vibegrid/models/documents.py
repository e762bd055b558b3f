"""What a miniature reads: prose, and chats that answer unrelated messages with payloads.

The decisions of a synthetic payload are drawn at random, and its `thinking` names words of the message and then
those decisions. So the format and the way from `thinking` to `config` can be learnt from these documents, and
what a vibe should sound like cannot: that is left to the fine-tuning that the study is about.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

from vibegrid import payloads
from vibegrid.llm.payload_writer import random_decisions, write_payload
from vibegrid.models.tokenizer import ASSISTANT, END, SYSTEM, USER

CHUNK_WORDS = (20, 90)
MESSAGE_WORDS = (1, 40)
MIN_KEYWORD_CHARS = 4
SYSTEM_PROMPTS = (
    None,
    "You turn a vibe into music.",
    "Write a music config as JSON.",
    "You are a sound designer. Return only JSON.",
    "You are a helpful assistant.",
    "Describe the music for this text. Answer with one JSON object.",
)
PROSE_SYSTEM_PROMPTS = (None, "You are a helpful assistant.", "Continue the text.")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")


def chat(system: str | None, user: str, answer: str) -> str:
    """A whole conversation in the form of the chat template."""
    head = f"{SYSTEM} {system}{END}" if system else ""
    return f"{head}{USER} {user}{END}{ASSISTANT}{answer}{END}"


def keywords(message: str, most: int = 3) -> list[str]:
    """The first words of four letters or more, lower case, each once; the first word where there are none."""
    found = list(dict.fromkeys(word.lower() for word in _WORD.findall(message)))
    return [word for word in found if len(word) >= MIN_KEYWORD_CHARS][:most] or found[:1] or ["nothing"]


def snippet(words: Sequence[str], sizes: tuple[int, int], rng: random.Random) -> str:
    """Consecutive words of one text; short snippets are as frequent as long ones (log-uniform)."""
    low, high = sizes
    count = round(low * (high / low) ** rng.random())
    start = rng.randrange(max(1, len(words) - count))
    return " ".join(words[start : start + count])


def random_payload(message: str, rng: random.Random) -> dict[str, Any]:
    """A valid payload that quotes the message and decides at random."""
    heard = keywords(message)
    title = " ".join(word[:1].upper() + word[1:] for word in keywords(message, most=rng.randint(2, 4)))
    return write_payload(random_decisions(rng), heard, title, rng)


def payload_chat(words: Sequence[str], rng: random.Random) -> str:
    """A message of prose answered with a synthetic payload."""
    message = snippet(words, MESSAGE_WORDS, rng).strip(" ,;:.\u2014-")
    if rng.random() < 0.5:
        message = message.lower()
    return chat(rng.choice(SYSTEM_PROMPTS), message, payloads.dumps(random_payload(message, rng)))


def prose_chat(words: Sequence[str], rng: random.Random) -> str:
    """A message of prose answered with the prose that follows it."""
    text = snippet(words, CHUNK_WORDS, rng).split(" ")
    cut = rng.randint(1, max(1, len(text) // 2))
    return chat(rng.choice(PROSE_SYSTEM_PROMPTS), " ".join(text[:cut]), " ".join(text[cut:]))


def documents(texts: Sequence[str], count: int, payload_share: float, seed: int) -> Iterator[str]:
    """`count` documents; those without a payload are one half prose, one half chats in prose."""
    rng = random.Random(seed)
    split = [text.split() for text in texts]
    for _ in range(count):
        words = rng.choice(split)
        if rng.random() < payload_share:
            yield payload_chat(words, rng)
        elif rng.random() < 0.5:
            yield snippet(words, CHUNK_WORDS, rng) + END
        else:
            yield prose_chat(words, rng)
