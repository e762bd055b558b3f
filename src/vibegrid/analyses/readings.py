"""Which readings of an experiment its table and figure show, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from vibegrid.specs.analyses import AnalysisSpec

LABELS = {
    "json_valid": "valid JSON (share)",
    "schema_valid": "schema-valid (share)",
    "palette_valid": "valid palettes (share)",
    "valid_field_fraction": "valid fields (share)",
    "reward": "reward",
    "title_similarity": "title similarity (cosine)",
    "teacher_agreement": "teacher agreement (share)",
    "field_match": "expected fields hit (share)",
    "field_match_near": "expected fields within a step (share)",
    "audio_score": "audio reward (calibrated)",
    "audio_match": "sound on the asked side (share)",
    "audio_shift": "sound towards the asked side (rank)",
    "clap_score": "CLAP score (clap_eval)",
    "clap_similarity": "CLAP similarity (clap_eval)",
    "clap_score_train": "CLAP score (clap_train)",
    "clap_similarity_train": "CLAP similarity (clap_train)",
    "vibe_match": "judged vibe match",
    "audio_quality": "judged audio quality",
    "final": "judged, harmonic mean",
}
CONTROL = "controllability"
FAMILIARITY = ("seen", "unseen")
MOST = 4  # readings shown where there is no controllability set
MOST_WITH_CONTROL = 6


class Reading(NamedTuple):
    """A metric on an eval set."""

    metric: str
    eval_set: str

    @property
    def label(self) -> str:
        """The metric with its unit, for people."""
        base, _, number = self.metric.rpartition("_")
        if number.isdigit() and base in LABELS:  # of another judge
            return f"{LABELS[base]}, judge {number}"
        return LABELS.get(self.metric, self.metric.replace("_", " "))

    @property
    def set_label(self) -> str:
        """The eval set, for people."""
        name = self.eval_set.removesuffix("_prompts") if "/" in self.eval_set else self.eval_set
        return name.replace("_", " ").replace("/", ": ")

    @property
    def is_control(self) -> bool:
        """Whether the set asks for expected fields, and is shown by seen and unseen words."""
        return self.eval_set.startswith(CONTROL)


class Rows:
    """Rows of a comparison, found by (arm, reading, subset)."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._rows = {(plain(row["arm"]), row["eval_set"], row["subset"], row["metric"]): row for row in rows}

    def get(self, arm: str, reading: Reading, subset: str = "all") -> Mapping[str, str] | None:
        """The row, or None where the arm has no such number."""
        row = self._rows.get((arm, reading.eval_set, subset, reading.metric))
        return row if row is not None and row["mean"] else None

    def any_of(self, arm: str) -> Mapping[str, str] | None:
        """Some row of the arm: its status and counts of dropped rows are the same in all."""
        return next((row for key, row in self._rows.items() if key[0] == arm), None)

    def available(self) -> set[Reading]:
        """Readings with a number in at least one arm, on whole eval sets."""
        return {
            Reading(metric, eval_set)
            for (_, eval_set, subset, metric), row in self._rows.items()
            if subset == "all" and row["mean"]
        }


def plain(cell: str) -> str:
    """A cell of a CSV file without the quote that `files.write_csv` puts before a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "@") else cell


def choose(spec: AnalysisSpec, rows: Rows) -> list[Reading]:
    """The primary reading, then field matches of controllability sets, then what tells most of the rest."""
    first, chosen_set = Reading(spec.primary.metric, spec.primary.eval_set), spec.primary.eval_set
    there = rows.available()
    about_control = first.is_control  # then the sound beside the fields
    metrics = ("field_match", "audio_match") if about_control else ("field_match",)
    control = [r for metric in metrics for r in sorted(there) if r.is_control and r.metric == metric]
    rest = [
        Reading("reward", chosen_set),
        Reading("audio_score", chosen_set),
        Reading("clap_score", chosen_set),
        Reading("teacher_agreement", "test"),
        Reading("final", chosen_set),
        Reading("valid_field_fraction", chosen_set),
        Reading("title_similarity", chosen_set),
        Reading("field_match", chosen_set),
    ]
    shown = control if about_control else control[: MOST_WITH_CONTROL - 1]
    found = [r for r in dict.fromkeys([first, *shown, *rest]) if r == first or r in there]
    return found[: max(MOST_WITH_CONTROL if control else MOST, len({first, *shown}))]
