"""Label fields of a row, and what makes a payload fit for training."""

from vibegrid.payloads import Parsed

LABEL_FIELDS = (
    "config_model",
    "config_candidates",
    "validation_scores",
    "candidate_scores",
    "scores_external",
    "best_index",
    "config_payload",
    "config_error",
)


def is_usable(parsed: Parsed | None) -> bool:
    """Whether a payload is valid by schema and palettes."""
    return parsed is not None and parsed.schema_valid and parsed.palette_valid


def validation(parsed: Parsed | None) -> dict[str, bool]:
    """The `validation_scores` of a candidate; None is a call without an answer."""
    return {
        "format_valid": parsed is not None and parsed.json_valid,
        "schema_valid": parsed is not None and parsed.schema_valid,
        "palette_valid": parsed is not None and parsed.palette_valid,
    }


def payload_problem(parsed: Parsed) -> str:
    """Why an answer cannot be trained on; empty where it can."""
    if not parsed.json_valid:
        return "the answer is not a JSON object"
    if not parsed.schema_valid:
        return f"the payload breaks the schema ({parsed.valid_field_fraction:.0%} of the fields are legal)"
    return "" if parsed.palette_valid else "the palettes are not three of five colours"
