"""What a miniature reads: prose, and chats that answer unrelated messages with payloads.

The decisions of a synthetic payload are drawn at random. The messages hold label words of some of them ("very slow",
"minor") among words of prose, as an instruction would; `thinking` names the decisions and then quotes words of the
message. So the format, the way from `thinking` to `config`, and obedience to the schema's own words can be learnt
from these documents; what any other word should sound like cannot, and is left to the fine-tuning that the study is
about. (Without the label words a model learns that the message does not matter, and 40 steps of LoRA do not unlearn
that: docs/log.md.)
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from vibegrid import payloads
from vibegrid.llm.payload_writer import Decisions, random_decisions, write_payload
from vibegrid.models.tokenizer import ASSISTANT, END, SYSTEM, USER

PROSE_SHARE = 0.05
CHUNK_WORDS = (20, 60)
ANSWER_WORDS = (10, 30)
PROSE_OPENS = "Here is more: "
LONG_MESSAGE_WORDS = 8
LONG_SHARE = 0.42  # of the messages that have more words than that
CUT_SHARE = 0.7
CONFIG_OPENS = '","config":{'
MESSAGE_WORDS = (1, 40)
MIN_KEYWORD_CHARS = 4
NAMED = ("tempo", "brightness", "mode", "space", "rhythm", "texture")
NAMED_COUNT = (2, 6)
NAMED_SHARE = 1.0  # of the messages with a payload
SYSTEM_PROMPTS = (
    None,
    "You turn a vibe into music.",
    "Write a music config as JSON.",
    "You are a sound designer. Return only JSON.",
    "You are a helpful assistant.",
    "Describe the music for this text. Answer with one JSON object.",
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")


def prompt(system: str | None, user: str) -> str:
    """A conversation up to where the answer begins, in the form of the chat template."""
    head = f"{SYSTEM} {system}{END}" if system else ""
    return f"{head}{USER} {user}{END}{ASSISTANT}"


def snippet(words: Sequence[str], sizes: tuple[int, int], rng: random.Random) -> str:
    """Consecutive words of one text; short snippets are as frequent as long ones (log-uniform)."""
    low, high = sizes
    count = round(low * (high / low) ** rng.random())
    start = rng.randrange(max(1, len(words) - count))
    return " ".join(words[start : start + count])


def content_words(text: str) -> list[str]:
    """The words of four letters or more, lower case, each once."""
    found = dict.fromkeys(word.lower() for word in _WORD.findall(text))
    return [word for word in found if len(word) >= MIN_KEYWORD_CHARS]


def keywords(message: str, most: int = 3) -> list[str]:
    """The first content words; the first word of any length where there are none."""
    first = [word.lower() for word in _WORD.findall(message)[:1]]
    return content_words(message)[:most] or first or ["nothing"]


def name_decisions(message: str, decisions: Decisions, rng: random.Random) -> tuple[str, list[str]]:
    """The message with label words of some decisions at random places, and these words in their order."""
    parts = message.split()
    fields = rng.sample(NAMED, rng.randint(*NAMED_COUNT))
    labels = [str(getattr(decisions, field)).split("_") for field in fields]
    labels = [label for label in labels if label != ["medium"]]  # a label of three fields
    for label in labels:
        place = rng.randint(0, len(parts))
        parts[place:place] = label
    spoken = {word for label in labels for word in label}
    return " ".join(parts), [word for word in content_words(" ".join(parts)) if word in spoken]


def payload_chat(message: str, rng: random.Random) -> tuple[str, str]:
    """A message and a synthetic payload as its answer, both ready for the template."""
    decisions = random_decisions(rng)
    heard: list[str] = []
    if rng.random() < NAMED_SHARE:
        message, heard = name_decisions(message, decisions, rng)
    title = " ".join(word[:1].upper() + word[1:] for word in keywords(message, most=rng.randint(2, 4)))
    payload = write_payload(decisions, heard[:3] or keywords(message), title, rng)
    return message, payloads.dumps(payload) + END


def document(words: Sequence[str], payload_share: float, rng: random.Random) -> tuple[str, str]:
    """A prompt, on which no loss is taken, and what follows it."""
    if rng.random() < PROSE_SHARE:
        return "", snippet(words, CHUNK_WORDS, rng) + END
    message = snippet(words, MESSAGE_WORDS, rng).strip(" ,;:.\u2014-")
    if rng.random() < 0.5:
        message = message.lower()
    is_long = len(message.split()) > LONG_MESSAGE_WORDS
    if is_long and rng.random() < (1 - PROSE_SHARE - payload_share) / LONG_SHARE:
        answer = PROSE_OPENS + snippet(words, ANSWER_WORDS, rng) + END
        return prompt(rng.choice(SYSTEM_PROMPTS), message), answer
    message, answer = payload_chat(message, rng)
    if rng.random() < CUT_SHARE:
        answer = answer[: answer.index(CONFIG_OPENS)] + CONFIG_OPENS
    return prompt(rng.choice(SYSTEM_PROMPTS), message), answer


def documents(texts: Sequence[str], count: int, payload_share: float, seed: int) -> Iterator[tuple[str, str]]:
    """`count` pairs (prompt, continuation), of which `payload_share` hold a payload.

    Prose answers go to long messages: like a base model, a miniature knows the format and does not always use
    it. Most payloads are cut before their config, whose 34 fields and 15 colours are learnt from the rest; the
    part that depends on the message comes first and takes longest to learn.
    """
    rng = random.Random(seed)
    split = [text.split() for text in texts]
    for _ in range(count):
        yield document(rng.choice(split), payload_share, rng)
