"""What the extractor answers, checked: a scene and characters, each a ladder of five vibes with tags."""

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from vibegrid.llm.validated import validated
from vibegrid.payloads import load_object
from vibegrid.vibes.rows import LEVELS

MAX_VIBE_CHARS = 2_000
MAX_NAME_CHARS = 200
MAX_TAGS = 50
MAX_CHARACTERS = 50

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _clean(value: Any) -> Any:
    """A text without control characters and half surrogate pairs, its ends trimmed; others as they are."""
    if not isinstance(value, str):
        return value
    return _CONTROL.sub(" ", value).encode("utf-8", "replace").decode("utf-8").strip()


Vibe = Annotated[str, Field(min_length=1, max_length=MAX_VIBE_CHARS), BeforeValidator(_clean)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS), BeforeValidator(_clean)]


class Ladder(BaseModel):
    """One vibe at five levels, from 2-3 vivid lines (`xl`) to 1-3 words (`xs`), and its tags."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    xl: Vibe
    lg: Vibe
    m: Vibe
    sm: Vibe
    xs: Vibe
    tags: list[Name] = Field(default_factory=list, max_length=MAX_TAGS)

    def levels(self) -> list[tuple[str, str]]:
        """(level, vibe) in the order of the levels."""
        return [(level, getattr(self, level)) for level in LEVELS]


class Character(Ladder):
    """The vibe of a character of the page."""

    name: Name


class Answer(BaseModel):
    """The whole answer for a page. Keys that were not asked for are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    scene: Ladder
    characters: list[Character] = Field(default_factory=list, max_length=MAX_CHARACTERS)

    def ladders(self) -> list[tuple[str, str | None, Ladder]]:
        """(scope, character name, ladder): the scene first, then the characters."""
        return [("scene", None, self.scene), *(("character", c.name, c) for c in self.characters)]


def parse_answer(raw: str) -> tuple[Answer | None, str]:
    """The checked answer, or None and what is wrong with it in a few words.

    The JSON object may stand in a code fence, or between words that a chat model puts around it.
    """
    value = load_object(raw) or load_object(_between_braces(raw))
    if value is None:
        return None, "the answer is empty" if not raw.strip() else "the answer is not one JSON object"
    return validated(Answer, value)


def _between_braces(raw: str) -> str:
    """From the first `{` to the last `}`."""
    return raw[raw.find("{") : raw.rfind("}") + 1] if "{" in raw else ""
