"""Puts a text of unknown origin between markers, so that it cannot end them and speak for the prompt."""

import re
from functools import cache


@cache
def _marker(tag: str) -> re.Pattern[str]:
    return re.compile(rf"<(?=\s*/?\s*{re.escape(tag)}\s*>)", re.IGNORECASE)


def marked(tag: str, content: str) -> str:
    """`content` between `<tag>` and `</tag>`; a marker of that name inside it loses its bracket."""
    return f"<{tag}>\n{_marker(tag).sub('(', content)}\n</{tag}>"
