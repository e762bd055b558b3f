"""An LLM's JSON object against what was asked for, with the problem in the few words that a repair request quotes."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

MAX_CHARS = 300

M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], value: Any) -> tuple[M | None, str]:
    """The value as `model` and no problem, or None and the first problem: `scene.xl: Field required`."""
    try:
        return model.model_validate(value), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        line = f"{place}: {first['msg']}".encode("utf-8", "replace").decode("utf-8")  # a key is the answer's own word
        return None, " ".join(line.split())[:MAX_CHARS]
