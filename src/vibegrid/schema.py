"""The 34 fields of a music config and their labels, read from the synthesizer's own schema.

Source: `common.music_schema`, installed with `latentscore` (its import needs pydantic only). Nothing is
written down here twice: a label that the synthesizer gains or loses changes `FIELDS` by itself.
"""

from __future__ import annotations

from typing import Literal, get_args, get_origin

from common.music_schema import PROMPT_REGISTER_MAX, PROMPT_REGISTER_MIN, MusicConfigPrompt

from vibegrid.errors import InputError

Label = str | int | bool


def _labels(name: str) -> tuple[Label, ...]:
    """The legal values of one field, in the schema's order."""
    annotation = MusicConfigPrompt.model_fields[name].annotation
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if annotation is bool:
        return (False, True)
    if annotation is int and name in ("register_min_oct", "register_max_oct"):
        return tuple(range(PROMPT_REGISTER_MIN, PROMPT_REGISTER_MAX + 1))
    raise TypeError(f"config field {name}: no label list can be read from {annotation!r}")


FIELDS: dict[str, tuple[Label, ...]] = {name: _labels(name) for name in MusicConfigPrompt.model_fields}

# Fields whose labels stand in an order of amount. Not among them: styles, the root note (a circle), the mode
# and `depth` (two values).
ORDERED: frozenset[str] = frozenset(
    {
        "tempo",
        "brightness",
        "space",
        "density",
        "motion",
        "attack",
        "stereo",
        "echo",
        "human",
        "grain",
        "phrase_len_bars",
        "melody_density",
        "syncopation",
        "swing",
        "motif_repeat_prob",
        "step_bias",
        "chromatic_prob",
        "cadence_strength",
        "register_min_oct",
        "register_max_oct",
        "chord_change_bars",
        "chord_extensions",
    }
)

_INDEX: dict[str, dict[tuple[type, Label], int]] = {
    name: {(type(label), label): i for i, label in enumerate(labels)} for name, labels in FIELDS.items()
}


def label_index(field: str, value: object) -> int | None:
    """Position of `value` among the field's labels, None where it is not one (`True` is not 1)."""
    index = _INDEX.get(field)
    if index is None:
        raise InputError("config field", f"'{field}' does not exist", f"expected one of: {', '.join(FIELDS)}")
    try:
        return index.get((type(value), value))  # type: ignore[arg-type]
    except TypeError:  # unhashable: a list or an object where a label belongs
        return None


def is_legal(field: str, value: object) -> bool:
    """True where `value` is one of the field's labels, of the right type."""
    return label_index(field, value) is not None


def distance(field: str, a: object, b: object) -> int:
    """Steps between two labels of a field: 0..len-1 for ordered fields, else 0 (equal) or 1."""
    positions = []
    for value in (a, b):
        position = label_index(field, value)
        if position is None:
            expected = ", ".join(str(label) for label in FIELDS[field])
            raise InputError(f"config field '{field}'", f"no such label: {value!r}", f"expected: {expected}")
        positions.append(position)
    steps = abs(positions[0] - positions[1])
    return steps if field in ORDERED else min(steps, 1)
