"""What a miniature reads: prose, and chats that answer unrelated messages with payloads.

The decisions of a synthetic payload are drawn at random, and its `thinking` names words of the message and then
those decisions. Half of the messages hold label words of some of the decisions ("very slow", "minor") among words
of prose, as an instruction would. So the format, the way from `thinking` to `config` and obedience to the schema's
own words can be learnt from these documents, and what any other word should sound like cannot: that is left to the
fine-tuning that the study is about.
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
SPOKEN = ("tempo", "brightness", "mode", "space", "rhythm", "texture")
SPOKEN_WORDS = (1, 12)
SPOKEN_SHARE = 0.5
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
    return write_payload(random_decisions(rng), keywords(message), _title(message, rng), rng)


def _title(message: str, rng: random.Random) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in keywords(message, most=rng.randint(2, 4)))


def spoken_payload(words: Sequence[str], rng: random.Random) -> tuple[str, dict[str, Any]]:
    """A message of prose that names some of the decisions, and the payload that follows it in these."""
    decisions = random_decisions(rng)
    parts = snippet(words, SPOKEN_WORDS, rng).split()
    named = {field: str(getattr(decisions, field)).split("_") for field in rng.sample(SPOKEN, rng.randint(1, 3))}
    named = {field: label for field, label in named.items() if label != ["medium"]}  # of three fields
    for label in named.values():
        place = rng.randint(0, len(parts))
        parts[place:place] = label
    message = " ".join(parts)
    heard = [word for word in keywords(message, most=len(parts)) if any(word in label for label in named.values())]
    return message, write_payload(decisions, heard[:3] or keywords(message), _title(message, rng), rng)


def payload_chat(words: Sequence[str], rng: random.Random) -> str:
    """A message of prose answered with a synthetic payload."""
    if rng.random() < SPOKEN_SHARE:
        message, payload = spoken_payload(words, rng)
    else:
        message = snippet(words, MESSAGE_WORDS, rng).strip(" ,;:.\u2014-")
        payload = random_payload(message, rng)
    if rng.random() < 0.5:
        message = message.lower()
    return chat(rng.choice(SYSTEM_PROMPTS), message, payloads.dumps(payload))


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
