"""Whether a prompt's words were ever seen: by the composer's lexicon or in the training vibes.

A prompt is `unseen` if none of its content words is known: a test of what a model makes of words that no
training taught it. Words are compared by a simple stem, so that "glowing" is known through "glow".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Familiarity = Literal["seen", "unseen"]

MIN_LETTERS = 3
_WORD = re.compile(r"[^\W\d_]+")

STOPWORDS: frozenset[str] = frozenset(
    """
about above across after again against all almost along already also although always among and another any
anything are around away back because been before behind being below beneath beside besides between beyond both
but can cannot could did does doing done down during each either else enough even ever every everything few for
from further get gets getting goes going got had has have having her here hers herself him himself his how
however into its itself just least less like made make makes making many may might mine more most much must
myself near neither never next nor not nothing now off often once one only onto other others our ours out over
own per perhaps put quite rather really same several shall she should since some something somewhere still such
than that the their theirs them themselves then there these they thing things this those though through thus too
toward towards two under until upon use used using very was way were what when where whether which while who
whole whom whose why will with within without would yet you your yours
""".split()
)

_VOWELS = frozenset("aeiouy")


def stem(word: str) -> str:
    """A lower-case word without its plainest endings: glows, glowing, glowed -> glow; starry -> star."""
    for ending, replacement in (("ies", "y"), ("ied", "y"), ("sses", "ss"), ("iness", "y"), ("ness", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 2:
            word = word[: -len(ending)] + replacement
            break
    else:
        if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
            word = word[:-1]
    for ending in ("ingly", "edly", "ing", "ed", "ly", "er", "est"):
        rest = word[: -len(ending)]
        if word.endswith(ending) and len(rest) >= 3 and _VOWELS & set(rest):
            word = _undouble(rest)
            break
    if word.endswith("y") and len(word) > 3:
        word = _undouble(word[:-1])
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def _undouble(word: str) -> str:
    """running -> runn -> run; but a final ll, ss or zz stays."""
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        return word[:-1]
    return word


def content_words(text: str) -> set[str]:
    """Stems of the words of `text` that carry content: letters only, at least three, no stopword."""
    words = _WORD.findall(text.lower())
    return {stem(word) for word in words if len(word) >= MIN_LETTERS and word not in STOPWORDS}


def known_words(texts: Iterable[str]) -> set[str]:
    """The content words of many texts (lexicon entries, training vibes): the `known` of `familiarity`."""
    known: set[str] = set()
    for text in texts:
        known |= content_words(text)
    return known


def familiarity(prompt: str, known: set[str]) -> Familiarity:
    """`seen` if a content word of the prompt is among the stems `known`, else `unseen`."""
    return "unseen" if content_words(prompt).isdisjoint(known) else "seen"
