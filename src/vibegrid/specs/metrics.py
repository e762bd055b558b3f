"""Names of the metrics, for specs that name one; what they mean stands in `vibegrid.evals.metrics`.

Those of audio scorers are their columns with the scorer's suffix (`vibegrid.scorers.registry`, config/scorers.yaml).
"""

# Scorers of every output that are no audio scorer of config/scorers.yaml.
PAYLOAD, REWARD, ACOUSTICS = "payload", "reward", "acoustics"

METRIC_NAMES = (
    "json_valid",
    "schema_valid",
    "palette_valid",
    "valid_field_fraction",
    "reward",
    "audio_score",
    "audio_match",
    "audio_shift",
    "title_similarity",
    "teacher_agreement",
    "field_match",
    "field_match_near",
)
