"""Kinds of scorers, to the modules that load them. It imports nothing.

A module has `load(spec, needs) -> Scorer` (`vibegrid.scorers.base`) and `COLUMNS`, the names of its columns. Which
scorers there are stands in config/scorers.yaml.
"""

SCORER_FILE = "scorer.json"  # of a calibrated scorer
KINDS: dict[str, str] = {
    "mini_clap": "vibegrid.scorers.mini_clap",
    "laion_clap": "vibegrid.scorers.laion_clap",
    "judge": "vibegrid.scorers.judge",
    "function": "vibegrid.scorers.function",
}
# The columns of each kind, with the one that is calibrated first.
COLUMNS: dict[str, tuple[str, ...]] = {
    "mini_clap": ("clap_score", "clap_similarity"),
    "laion_clap": ("clap_score", "clap_similarity"),
    "judge": ("final", "vibe_match", "audio_quality"),
    "function": ("score",),
}
