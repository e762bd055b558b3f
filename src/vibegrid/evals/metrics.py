"""Metrics of one output that need no audio: registered pure functions, one number per prompt.

An invalid output scores 0 in every metric that applies to its prompt; it is never dropped. A metric that does
not apply (no reference payload, no expected field) is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from common.music_schema import MAX_TITLE_CHARS, MAX_TITLE_WORDS

from vibegrid.errors import InputError
from vibegrid.payloads import Parsed, load_object, parse_output
from vibegrid.schema import FIELDS, ORDERED, Label, distance, is_legal

REQUIRED = ("id", "prompt", "raw_output")


class Case(NamedTuple):
    """All that a metric may look at."""

    parsed: Parsed
    title_cosine: float  # cosine of title and prompt, 0 where there is no legal title
    expected: dict[str, tuple[Label, ...]]  # field -> acceptable labels
    reference: dict[str, Any] | None  # config of the reference payload


class Metric(NamedTuple):
    """A metric as tables describe it."""

    direction: Literal["higher", "lower"]  # which is better
    range: tuple[float, float]
    description: str
    compute: Callable[[Case], float | None]


def _config(case: Case) -> dict[str, Any]:
    config = (case.parsed.payload or {}).get("config")
    return config if isinstance(config, dict) else {}


def teacher_agreement(case: Case) -> float | None:
    """Share of the 34 fields equal, in type and value, to the reference payload's."""
    if case.reference is None:
        return None
    config = _config(case)
    same = [is_legal(f, config.get(f)) and _same(config[f], case.reference.get(f)) for f in FIELDS]
    return sum(same) / len(FIELDS)


def _same(a: object, b: object) -> bool:
    return type(a) is type(b) and a == b


def field_match(case: Case) -> float | None:
    """Mean over the expected fields of: the label is an acceptable one."""
    return _match(case, near=0)


def field_match_near(case: Case) -> float | None:
    """As `field_match`, but for ordered fields one step off still matches.

    Lenient: where both labels of a pole are acceptable, a constant `medium` matches too. Read it beside
    `field_match`.
    """
    return _match(case, near=1)


def _match(case: Case, near: int) -> float | None:
    if not case.expected:
        return None
    config, hits = _config(case), 0
    for field, labels in case.expected.items():
        value = config.get(field)
        if is_legal(field, value):
            allowed = near if field in ORDERED else 0
            hits += min(distance(field, value, label) for label in labels) <= allowed
    return hits / len(case.expected)


METRICS: dict[str, Metric] = {
    "json_valid": Metric("higher", (0, 1), "the output is one JSON object", lambda c: float(c.parsed.json_valid)),
    "schema_valid": Metric(
        "higher",
        (0, 1),
        "the object validates against the payload schema",
        lambda c: float(c.parsed.schema_valid),
    ),
    "palette_valid": Metric(
        "higher", (0, 1), "three valid palettes of five colours", lambda c: float(c.parsed.palette_valid)
    ),
    "valid_field_fraction": Metric(
        "higher",
        (0, 1),
        "share of the 34 config fields that are legal",
        lambda c: c.parsed.valid_field_fraction,
    ),
    "title_similarity": Metric(
        "higher",
        (-1, 1),
        "MiniLM cosine of title and vibe; 0 without a legal title",
        lambda c: c.title_cosine,
    ),
    "teacher_agreement": Metric(
        "higher", (0, 1), "share of the 34 fields equal to the reference payload's", teacher_agreement
    ),
    "field_match": Metric("higher", (0, 1), "share of the expected fields with an acceptable label", field_match),
    "field_match_near": Metric("higher", (0, 1), "field_match, within one step for ordered labels", field_match_near),
}


def score_outputs(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All registered metrics of all rows, in order: {"id", metric: float in its range, or None}.

    Args:
        rows: each with `id`, `prompt`, `raw_output`; optional `embedding` (MiniLM's of the prompt; made here where
            it is missing), `expected_fields`, `config_payload` (an object or its JSON text).

    Raises:
        InputError: a row lacks a field, or expects a label that does not exist. Outputs never raise.
    """
    for number, row in enumerate(rows, start=1):
        missing = [key for key in REQUIRED if key not in row]
        if missing:
            raise InputError(f"output row {number}", f"field '{missing[0]}' is missing")
    parsed = [parse_output(row["raw_output"]) for row in rows]
    titles = _title_cosines(rows, parsed)
    scores = []
    for row, output, title in zip(rows, parsed, titles, strict=True):
        case = Case(
            parsed=output,
            title_cosine=title,
            expected=expected_labels(row.get("expected_fields"), where=f"prompt {row['id']}"),
            reference=_reference(row.get("config_payload"), where=f"row {row['id']}"),
        )
        scores.append({"id": row["id"]} | {name: metric.compute(case) for name, metric in METRICS.items()})
    return scores


def expected_labels(expected: Any, where: str) -> dict[str, tuple[Label, ...]]:
    """`expected_fields` as field -> acceptable labels; a single label counts as a list of one."""
    if expected is None:
        return {}
    if not isinstance(expected, Mapping):
        raise InputError(f"{where}: expected_fields", f"an object was expected, not {type(expected).__name__}")
    result = {}
    for field, value in expected.items():
        labels = tuple(value) if isinstance(value, list | tuple) else (value,)
        wrong = [label for label in labels if not is_legal(field, label)]
        if wrong or not labels:
            known = ", ".join(str(label) for label in FIELDS[field])
            problem = f"no such label: {wrong[0]!r}" if wrong else "an empty list"
            raise InputError(f"{where}: expected_fields.{field}", problem, f"labels: {known}")
        result[field] = labels
    return result


def _reference(payload: Any, where: str) -> dict[str, Any] | None:
    if payload is None or payload == "":
        return None
    found = load_object(payload) if isinstance(payload, str) else payload
    config = found.get("config") if isinstance(found, Mapping) else None
    if not isinstance(config, Mapping):
        raise InputError(f"{where}: config_payload", "a payload with a config was expected")
    return dict(config)


def _legal_title(parsed: Parsed) -> str | None:
    """The title if it is one by the schema (1 to 60 characters, at most six words), else None."""
    title = (parsed.payload or {}).get("title")
    if not isinstance(title, str) or len(title) > MAX_TITLE_CHARS:
        return None
    return title if 1 <= len(title.split()) <= MAX_TITLE_WORDS else None


def _title_cosines(rows: Sequence[Mapping[str, Any]], parsed: list[Parsed]) -> list[float]:
    """Cosine of each title with its prompt; what has no embedding yet is embedded in one batch."""
    from vibegrid.embeddings import encode, paired_cosine

    titles = {i: title for i, title in enumerate(map(_legal_title, parsed)) if title is not None}
    if not titles:
        return [0.0] * len(rows)
    missing = [rows[i]["prompt"] for i in titles if rows[i].get("embedding") is None]
    embedded = encode([*titles.values(), *missing])
    made = iter(embedded[len(titles) :])
    prompts = np.stack([next(made) if rows[i].get("embedding") is None else rows[i]["embedding"] for i in titles])
    cosines = dict(zip(titles, paired_cosine(embedded[: len(titles)], prompts), strict=True))
    return [float(cosines.get(i, 0.0)) for i in range(len(rows))]
