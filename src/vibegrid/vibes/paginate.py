"""Cuts a text into pages of about so many words, at ends of sentences where there are any."""

import re

SHORTEST = 0.6  # a page ends at a sentence of 0.6 to 1.3 times the wanted number of words
LONGEST = 1.3
LAST_PAGE = 1 / 3  # a last page below this share of a page joins the one before

_WORD = re.compile(r"\S+")
_END = re.compile(r"[.!?\u2026][\"'\u201d\u2019)\]]*$")
_ABBREVIATION = re.compile(r"^[\"'\u201c\u2018(]*(?:[A-Z]|Mr|Mrs|Ms|Dr|St|Prof|Rev|Capt|Col|No|Vol|vs|etc)\.$")


def paginate(text: str, page_words: int) -> list[str]:
    """Pages of `text`, each about `page_words` words, white space inside a page as it was.

    The words of the pages, one page after the other, are the words of the text. Without words: no page.
    """
    spans = [match.span() for match in _WORD.finditer(text)]
    ends = [_ends_sentence(text[start:stop]) for start, stop in spans]
    cuts = [0]
    while len(spans) - cuts[-1] > page_words * LONGEST:
        cuts.append(_next_cut(ends, cuts[-1], page_words))
    if len(cuts) > 1 and len(spans) - cuts[-1] < page_words * LAST_PAGE:
        cuts.pop()
    bounds = zip(cuts, [*cuts[1:], len(spans)], strict=True)
    return [text[spans[first][0] : spans[last - 1][1]] for first, last in bounds if last > first]


def page_marker(number: int) -> str:
    """What stands above a page of a text of several pages when a model reads it; `number` counts from 1."""
    return f"(Page {number})"


def _ends_sentence(word: str) -> bool:
    return bool(_END.search(word)) and not _ABBREVIATION.match(word)


def _next_cut(ends: list[bool], start: int, page_words: int) -> int:
    """Index of the first word of the next page: after the sentence end nearest to `page_words`, or right
    there."""
    target = start + page_words
    low = start + max(1, int(page_words * SHORTEST))
    high = min(len(ends) - 1, start + int(page_words * LONGEST))
    candidates = [cut for cut in range(low, high + 1) if ends[cut - 1]]
    return min(candidates, key=lambda cut: abs(cut - target), default=target)
