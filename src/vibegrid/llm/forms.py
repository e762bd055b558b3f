"""JSON schemas as providers take them in `response_format`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

# What every provider's structured output takes; the rest (titles, lengths of texts ...) is checked here afterwards.
KEPT = frozenset(
    {"type", "enum", "const", "properties", "required", "additionalProperties", "items", "minItems", "maxItems"}
    | {"minimum", "maximum", "pattern", "anyOf", "description"}
)
NUMBERS = frozenset({"minimum", "maximum"})


def response_format(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The parameter `response_format` that holds an answer to a JSON schema."""
    return {"type": "json_schema", "json_schema": {"name": name, "schema": dict(schema), "strict": True}}


def plain_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model in the form that strict providers take: no references, no defaults, every key required
    and no other allowed."""
    whole = model.model_json_schema()
    return _plain(whole, whole.get("$defs", {}))


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return _plain(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    made = {key: value for key, value in schema.items() if key in KEPT and not (key in NUMBERS and "enum" in schema)}
    if "properties" in schema:
        made["properties"] = {name: _plain(part, definitions) for name, part in schema["properties"].items()}
        made["required"] = list(schema["properties"])
        made["additionalProperties"] = False
    if isinstance(schema.get("items"), Mapping):
        made["items"] = _plain(schema["items"], definitions)
    if "anyOf" in schema:
        made["anyOf"] = [_plain(part, definitions) for part in schema["anyOf"]]
    return made
