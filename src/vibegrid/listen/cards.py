"""What a card says of one output: plain data of a known shape, made from text that nobody vouches for."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from common.music_schema import WeightLabel

from vibegrid.listen.clips import Clips
from vibegrid.payloads import N_PALETTES, Parsed, parse_output
from vibegrid.schema import FIELDS, Label, is_legal
from vibegrid.sound.render import repair

MAX_TEXT = 300  # characters of a title, a thinking, a label that is none
MAX_PROMPT = 2000
MAX_RAW = 600  # characters of an output that is no JSON
MAX_COLORS = 5
MIN_LEGAL = 0.5  # rendered above this share of legal fields, as the reward scores it

_HEX = re.compile(r"#[0-9A-Fa-f]{6}")
_WEIGHTS = get_args(WeightLabel)


def card(raw: str | None, status: str, clips: Clips) -> dict[str, Any]:
    """One output as the page shows it.

    Keys: `state` ("ok", "not JSON", "few legal fields"; `status` where there is no output), `raw` (of what is not
    JSON), `title`, `thinking`, `config` (a label or None for each field), `illegal` (fields), `rendered` (fields
    that the render replaced, with what it took), `palettes`, `audio` (file), `problem` (as Clip.problem).
    """
    made: dict[str, Any] = {
        "state": clean(status) if raw is None else "ok",
        "raw": None,
        "title": None,
        "thinking": None,
        "config": None,
        "illegal": [],
        "rendered": {},
        "palettes": [],
        "audio": None,
        "problem": None,
    }
    if raw is None:
        return made
    parsed = parse_output(raw)
    if parsed.payload is None:
        return made | {"state": "not JSON", "raw": clean(raw, MAX_RAW)}
    return made | _payload(parsed, clips)


def _payload(parsed: Parsed, clips: Clips) -> dict[str, Any]:
    payload = parsed.payload or {}
    config = payload.get("config")
    config = config if isinstance(config, dict) else {}
    made = {
        "title": _text(payload.get("title")),
        "thinking": _text(payload.get("thinking")),
        "config": labels(config),
        "illegal": [field for field in FIELDS if field in config and not is_legal(field, config[field])],
        "palettes": _palettes(payload.get("palettes")),
    }
    if parsed.valid_field_fraction <= MIN_LEGAL:
        return made | {"state": "few legal fields"}
    heard = clips.of(config)
    replaced = {field: label for field, label in repair(config).items() if not _is(label, config.get(field))}
    return made | {"audio": heard.file, "problem": heard.problem, "rendered": replaced}


def labels(config: Mapping[str, Any]) -> list[Label | None]:
    """What a config says of each field: a label, the text of what is none, or None where it says nothing."""
    given = [(field, config.get(field)) for field in FIELDS]
    return [value if value is None or is_legal(field, value) else clean(str(value)) for field, value in given]


def common_labels(configs: Sequence[Sequence[Label | None]]) -> list[Label | None]:
    """For each field the label that most of the configs have, the first of them where several have as many."""
    common: list[Label | None] = [None] * len(FIELDS)
    for field, column in enumerate(zip(*configs, strict=True)):
        counts = Counter((type(label), label) for label in column if label is not None)
        if counts:
            common[field] = counts.most_common(1)[0][0][1]
    return common


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Text cut to `limit` characters, with what cannot be seen (controls, marks of direction) as its code point."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    return "".join(character if _visible(character) else f"[U+{ord(character):04X}]" for character in cut)


def _visible(character: str) -> bool:
    return character.isprintable() or character == "\n" or unicodedata.category(character) == "Zs"


def _text(value: Any) -> str | None:
    """A text of the payload; None where there is none, its JSON-like form where it is something else."""
    return None if value is None else clean(value if isinstance(value, str) else repr(value))


def _is(a: object, b: object) -> bool:
    return type(a) is type(b) and a == b


def _palettes(palettes: Any) -> list[list[list[str]]]:
    """At most three palettes of at most five [colour, weight]; what is no colour is left out."""
    found = []
    for palette in palettes[:N_PALETTES] if isinstance(palettes, list) else ():
        colors = palette.get("colors") if isinstance(palette, dict) else None
        shown = []
        for color in colors[:MAX_COLORS] if isinstance(colors, list) else ():
            value, weight = (color.get("hex"), color.get("weight")) if isinstance(color, dict) else (None, None)
            if isinstance(value, str) and _HEX.fullmatch(value):
                shown.append([value.lower(), weight if weight in _WEIGHTS else ""])
        if shown:
            found.append(shown)
    return found
