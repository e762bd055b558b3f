"""Names of the metrics, for specs that name one; what they mean stands in `vibegrid.evals.metrics`."""

METRIC_NAMES = (
    "json_valid",
    "schema_valid",
    "palette_valid",
    "valid_field_fraction",
    "reward",
    "title_similarity",
    "teacher_agreement",
    "field_match",
    "field_match_near",
)
