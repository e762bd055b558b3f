"""Puts a text of unknown origin between markers, so that it cannot end them and speak for the prompt."""

import re
import unicodedata

# Brackets that open a marker, or look as if they did.
_BRACKET = re.compile(r"[<\uff1c\ufe64\u2039\u27e8\u3008\u2329\u276c\u276e\u02c2\u1438]")
_REACH = 1_000  # characters behind a bracket that are looked at, at most
TURN = "|"  # <|im_end|> and its like: tokens of chat templates


def marked(tag: str, content: str) -> str:
    """`content` between `<tag>` and `</tag>`. A bracket inside it that opens or closes a marker of that name, or of
    a chat template, becomes `(`, however the name is written: in capitals, wide letters, with spaces or characters
    that nobody sees."""
    opens = (match.start() for match in _BRACKET.finditer(content))
    places = {i for i in opens if _is_marker(content, i + 1, tag.casefold())}
    safe = "".join("(" if i in places else char for i, char in enumerate(content)) if places else content
    return f"<{tag}>\n{safe}\n</{tag}>"


def _is_marker(content: str, start: int, tag: str) -> bool:
    """Whether what follows a bracket begins with the tag's name, or with a bar. Only letters and digits count."""
    letters = ""
    for char in content[start : start + _REACH]:
        plain = unicodedata.normalize("NFKD", char).casefold()
        if not letters and plain == TURN:
            return True
        letters += "".join(each for each in plain if each.isalnum())
        if letters.startswith(tag):
            return True
        if not tag.startswith(letters):
            return False
    return False
