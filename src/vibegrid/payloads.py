"""Read what a system wrote, and write payloads in the one form used everywhere.

`parse_output` never raises: an output is the text of a language model, and an invalid one scores as invalid.
It is tolerant only of white space and of a code fence around the whole output.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple

from common.music_schema import MusicConfigPromptPayload, Palette

from vibegrid.schema import FIELDS, is_legal

MAX_BYTES = 200_000
MAX_DEPTH = 50
N_PALETTES = 3
PAYLOAD_KEYS = ("thinking", "title", "config", "palettes")

_FENCE = re.compile(r"```(?:json)?[ \t]*\r?\n(.*)```", re.DOTALL | re.IGNORECASE)
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_HEX = re.compile(r"#[0-9A-Fa-f]{6}")


class Parsed(NamedTuple):
    """What an output is worth. `payload` is the object as written (None where `json_valid` is false)."""

    payload: dict[str, Any] | None
    json_valid: bool
    schema_valid: bool
    palette_valid: bool
    valid_field_fraction: float  # share of the 34 config fields with a legal value, in [0, 1]
    duplicate_color_fraction: float  # mean over palettes of 1 - distinct/total colours, in [0, 1)


INVALID = Parsed(None, False, False, False, 0.0, 0.0)


def parse_output(raw: str) -> Parsed:
    """Parse and check one raw output. Over 200 kB or nested deeper than 50 is invalid JSON here."""
    payload = load_object(raw)
    if payload is None:
        return INVALID
    config = payload.get("config")
    legal = 0
    if isinstance(config, dict):
        legal = sum(1 for name in FIELDS if name in config and is_legal(name, config[name]))
    palettes = payload.get("palettes")
    return Parsed(
        payload=payload,
        json_valid=True,
        # pydantic's Literal takes 3.0 for 3: a field counts as valid in both readings or in neither
        schema_valid=legal == len(FIELDS) and _validates(MusicConfigPromptPayload, payload),
        palette_valid=_palettes_valid(palettes),
        valid_field_fraction=legal / len(FIELDS),
        duplicate_color_fraction=_duplicate_color_fraction(palettes),
    )


def load_object(raw: str) -> dict[str, Any] | None:
    """The JSON object that is the whole of `raw` (bare or in a code fence), or None."""
    if not isinstance(raw, str) or len(raw) > MAX_BYTES:
        return None
    text = raw.strip()
    fence = _FENCE.fullmatch(text)
    if fence:
        text = fence.group(1).strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES or _too_deep(text):
        return None
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except ValueError:  # JSONDecodeError, a NaN, an integer of more digits than Python reads
        return None
    return value if isinstance(value, dict) else None


def dumps(payload: dict[str, Any]) -> str:
    """The compact JSON of a payload: keys in the schema's order, unknown ones after, one line, no NaN."""
    ordered = _in_order(payload, PAYLOAD_KEYS)
    if isinstance(ordered.get("config"), dict):
        ordered["config"] = _in_order(ordered["config"], tuple(FIELDS))
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _in_order(mapping: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    known = {key: mapping[key] for key in keys if key in mapping}
    return known | {key: value for key, value in mapping.items() if key not in known}


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is out of range")
    return number


def _too_deep(text: str) -> bool:
    """Whether brackets outside strings nest deeper than MAX_DEPTH."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:  # nearly always
        return False
    depth = 0
    for match in _STRUCTURE.finditer(text):
        char = match.group()[0]
        if char in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif char in "}]":
            depth -= 1
    return False


def _validates(model: Any, value: Any) -> bool:
    """Strict validation: no coercion of types, no extra keys."""
    try:
        model.__pydantic_validator__.validate_python(value, strict=True)
    except ValueError:  # pydantic's ValidationError is one
        return False
    return True


def _palettes_valid(palettes: Any) -> bool:
    if not isinstance(palettes, list) or len(palettes) != N_PALETTES:
        return False
    return all(isinstance(palette, dict) and _validates(Palette, palette) for palette in palettes)


def _duplicate_color_fraction(palettes: Any) -> float:
    """Mean over the palettes that have hex colours of 1 - distinct/total; 0 where there is none."""
    fractions = []
    for palette in palettes if isinstance(palettes, list) else ():
        colors = palette.get("colors") if isinstance(palette, dict) else None
        found = []
        for color in colors if isinstance(colors, list) else ():
            value = color.get("hex") if isinstance(color, dict) else None
            if isinstance(value, str) and _HEX.fullmatch(value):
                found.append(value.lower())
        if found:
            fractions.append(1.0 - len(set(found)) / len(found))
    return sum(fractions) / len(fractions) if fractions else 0.0
