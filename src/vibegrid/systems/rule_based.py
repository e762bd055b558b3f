"""Baseline `rule_based`: keywords of a prompt set config fields directly.

The keywords and their settings are in `rule_based_keywords.yaml`: musical terms (largo, staccato) and plain
words. The list was written without the composer's lexicon, by a different route: words that name a setting,
not words that suggest a mood. Its title is the start of the prompt, so its `title_similarity` is near 1 for
short vibes and says nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from vibegrid.errors import InputError
from vibegrid.files import read_text
from vibegrid.payloads import N_PALETTES, dumps
from vibegrid.schema import FIELDS, is_legal

KEYWORDS_FILE = Path(__file__).with_name("rule_based_keywords.yaml")
WEIGHTS = ("xl", "lg", "md", "sm", "xs")
MAX_TITLE_WORDS = 6
MAX_TITLE_CHARS = 60
MAX_THINKING_CHARS = 600

_WORD = re.compile(r"[^\W\d_]+")
_HEX = re.compile(r"#[0-9a-f]{6}")


class Rules(NamedTuple):
    """What the YAML file holds, checked."""

    defaults: dict[str, Any]  # all 34 fields
    keywords: dict[str, dict[str, Any]]  # lower-case word -> settings
    palettes: dict[str, list[list[str]]]  # brightness label -> three lists of five hex colours


def generate(prompts: list[str], *, seed: int = 0) -> list[str]:
    """One payload (compact JSON) per prompt. Deterministic: `seed` is unused, there as in all systems."""
    rules = load_rules()
    return [dumps(_payload(prompt, rules)) for prompt in prompts]


def _payload(prompt: str, rules: Rules) -> dict[str, Any]:
    """The first keyword of the prompt that sets a field wins; fields that none sets keep their default."""
    chosen: dict[str, Any] = {}
    reasons: list[str] = []
    for word in dict.fromkeys(_WORD.findall(prompt.lower())):
        keyword = _keyword(word, rules.keywords)
        fresh = {f: v for f, v in rules.keywords[keyword].items() if f not in chosen} if keyword else {}
        if fresh:
            chosen |= fresh
            reasons.append(f"{keyword}: " + ", ".join(f"{f} {_text(v)}" for f, v in fresh.items()))
    config = rules.defaults | chosen
    thinking = "Keywords. " + "; ".join(reasons) + "." if reasons else "No keyword known, defaults throughout."
    palettes = [
        {"colors": [{"hex": color, "weight": weight} for color, weight in zip(colors, WEIGHTS, strict=True)]}
        for colors in rules.palettes[config["brightness"]]
    ]
    return {
        "thinking": thinking[:MAX_THINKING_CHARS],
        "title": _title(prompt),
        "config": config,
        "palettes": palettes,
    }


def _keyword(word: str, keywords: dict[str, dict[str, Any]]) -> str | None:
    """The keyword that a word is, as it stands or without a plural s."""
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if form in keywords:
            return form
    return None


def _text(value: Any) -> str:
    return str(value).lower().replace("_", " ")


def _title(prompt: str) -> str:
    words = _WORD.findall(prompt)[:MAX_TITLE_WORDS]
    return " ".join(word.capitalize() for word in words)[:MAX_TITLE_CHARS].strip() or "Untitled"


@lru_cache(maxsize=1)
def load_rules() -> Rules:
    """The packaged rules; InputError names the key that is not legal."""
    import yaml

    try:
        data = yaml.safe_load(read_text(KEYWORDS_FILE))
    except yaml.YAMLError as error:
        raise InputError(KEYWORDS_FILE.name, f"not YAML: {error}") from None
    if not isinstance(data, dict) or set(data) != {"defaults", "keywords", "palettes"}:
        raise InputError(KEYWORDS_FILE.name, "expected the keys defaults, keywords, palettes")
    rules = Rules(**data)
    if set(rules.defaults) != set(FIELDS):
        raise InputError(f"{KEYWORDS_FILE.name}: defaults", "expected exactly the 34 config fields")
    for name, settings in {"defaults": rules.defaults, **rules.keywords}.items():
        for field, value in settings.items():
            if not is_legal(field, value):
                expected = ", ".join(str(label) for label in FIELDS[field])
                raise InputError(f"{KEYWORDS_FILE.name}: {name}.{field}", f"no such label: {value!r}", expected)
    _check_palettes(rules.palettes)
    return rules


def _check_palettes(palettes: dict[str, list[list[str]]]) -> None:
    for label in FIELDS["brightness"]:
        found = palettes.get(str(label), [])
        good = len(found) == N_PALETTES and all(
            len(colors) == len(WEIGHTS) and all(_HEX.fullmatch(color) for color in colors) for colors in found
        )
        if not good:
            raise InputError(f"{KEYWORDS_FILE.name}: palettes.{label}", "expected three lists of five #rrggbb")
