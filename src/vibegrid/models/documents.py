"""What a miniature reads: prose, and chats that answer unrelated messages with payloads.

The decisions of a synthetic payload are drawn at random. The messages name some of them among words of prose, as an
instruction would: by the label ("very slow", "minor") or by a plain word for it ("sluggish", "mournful", from
`data/label_words.tsv`). `thinking` names the decisions and then quotes words of the message. So a miniature can learn
the format, the way from `thinking` to `config`, and what the schema's labels mean in English, as any base model knows
it; what a teacher makes of a harbour or of grief is left to the fine-tuning that the study is about. (With no word
for its decisions a message does not matter, and 40 steps of LoRA do not teach a model to read: docs/log.md.)
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources

from vibegrid import payloads
from vibegrid.llm.payload_writer import UNHEARD, Decisions, random_decisions, write_payload
from vibegrid.models.tokenizer import ASSISTANT, END, SYSTEM, USER

PROSE_SHARE = 0.05
CHUNK_WORDS = (20, 60)
ANSWER_WORDS = (5, 15)
BARE_SHARE = 0.5  # of the messages that name decisions: they hold nothing else, and are learnt to be read first
UNNAMED_SHARE = 0.12  # of the messages: they name no decision
UNNAMED_ODDS = 6  # how much likelier these are answered with prose
PROSE_OPENS = "Here is more: "
CUT_SHARE = 0.7
CONFIG_OPENS = '","config":{'
MESSAGE_WORDS = (1, 24)
MIN_KEYWORD_CHARS = 4
NAMED = ("tempo", "brightness", "mode", "space", "rhythm", "texture")
NAMED_COUNT = (3, 6)
NAMED_BY_LABEL = 0.3  # by the label itself, else by a plain word for it
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


def keywords(message: str, most: int) -> list[str]:
    """The first content words; the first word of any length where there are none."""
    first = [word.lower() for word in _WORD.findall(message)[:1]]
    return content_words(message)[:most] or first or [UNHEARD]


@cache
def label_words() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """(field, label) -> plain English words for it."""
    text = resources.files("vibegrid.models").joinpath("data/label_words.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:] if line]
    return {(field, label): tuple(words.split()) for field, label, words in rows}


def name_decisions(message: str, decisions: Decisions, rng: random.Random) -> tuple[str, list[str]]:
    """The message with words for some decisions at random places, and these words in their order."""
    parts = message.split()
    named: list[list[str]] = []
    for field in rng.sample(NAMED, rng.randint(*NAMED_COUNT)):
        label = str(getattr(decisions, field))
        if rng.random() >= NAMED_BY_LABEL:
            named.append([rng.choice(label_words()[field, label])])
        elif label != "medium":  # a label of three fields
            named.append(label.split("_"))
    for words in named:
        place = rng.randint(0, len(parts))
        parts[place:place] = words
    spoken = {word for words in named for word in words}
    return " ".join(parts), [word for word in content_words(" ".join(parts)) if word in spoken]


def payload_chat(message: str, rng: random.Random, named: bool = True) -> tuple[str, str]:
    """A message, with words for some decisions if `named`, and a synthetic payload as its answer, for the template.

    `thinking` quotes the first three of these words, "nothing" where there are none.
    """
    decisions, heard = random_decisions(rng), list[str]()
    if named:
        message, heard = name_decisions(message, decisions, rng)
    title = " ".join(word[:1].upper() + word[1:] for word in keywords(message, most=rng.randint(2, 4)))
    payload = write_payload(decisions, heard[:3] or [UNHEARD], title, rng)
    return message, payloads.dumps(payload) + END


def document(words: Sequence[str], payload_share: float, rng: random.Random) -> tuple[str, str]:
    """A prompt, on which no loss is taken, and what follows it."""
    if rng.random() < PROSE_SHARE:
        return "", snippet(words, CHUNK_WORDS, rng) + END
    message = snippet(words, MESSAGE_WORDS, rng).strip(" ,;:.\u2014-")
    if rng.random() < 0.5:
        message = message.lower()
    named = rng.random() >= UNNAMED_SHARE
    asked, answer = payload_chat("" if named and rng.random() < BARE_SHARE else message, rng, named)
    prose = (1 - PROSE_SHARE - payload_share) / (1 - PROSE_SHARE) / (1 + (UNNAMED_ODDS - 1) * UNNAMED_SHARE)
    if rng.random() < prose * (1 if named else UNNAMED_ODDS):
        answer = PROSE_OPENS + snippet(words, ANSWER_WORDS, rng) + END
    elif rng.random() < CUT_SHARE:
        answer = answer[: answer.index(CONFIG_OPENS)] + CONFIG_OPENS
    return prompt(rng.choice(SYSTEM_PROMPTS), asked), answer


def documents(texts: Sequence[str], count: int, payload_share: float, seed: int) -> Iterator[tuple[str, str]]:
    """`count` pairs (prompt, continuation), of which `payload_share` hold a payload.

    The others are prose, the likelier where the message names no decision: like a base model, a miniature knows the
    format and does not always use it. Most payloads are cut before their config, whose 34 fields and 15 colours are
    learnt from the rest; the part that depends on the message comes first and takes longest to learn.
    """
    rng = random.Random(seed)
    split = [text.split() for text in texts]
    for _ in range(count):
        yield document(rng.choice(split), payload_share, rng)
