"""An LLM judge as a scorer: it hears the audio and reads the vibe, nothing else (`vibegrid.judges.judge`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vibegrid.llm.usage import Tally
from vibegrid.scorers.base import Column, Needs
from vibegrid.sound.takes import Take
from vibegrid.specs.scorers import JudgeSpec


class JudgeScorer:
    """Scores by one LLM, out of 10 as the field asks; an answer that could not be had is None."""

    columns: Mapping[str, Column] = {
        "final": Column(0.0, 10.0, "harmonic mean of vibe_match and audio_quality"),
        "vibe_match": Column(0.0, 10.0, "how well the audio fits the vibe, by the judge"),
        "audio_quality": Column(0.0, 10.0, "how good the audio is, by the judge"),
    }
    primary = "final"

    def __init__(self, spec: JudgeSpec, needs: Needs) -> None:
        self.spec, self.needs = spec, needs
        self.tally = Tally()

    def score(self, vibes: Sequence[str], takes: Sequence[Take]) -> list[dict[str, float | None]]:
        """The judge's numbers of each pair, asked together."""
        from vibegrid.judges.judge import judge

        judgements = judge(
            vibes,
            [take.clip for take in takes],
            model=self.spec.model,
            system_prompt=self.needs.prompt,
            store_path=self.needs.store,
            salt=self.needs.salt,
            tally=self.tally,
        )
        return [{name: getattr(one, name) for name in self.columns} for one in judgements]


def load(spec: Mapping[str, Any], needs: Needs) -> JudgeScorer:
    """The scorer of a JudgeSpec."""
    return JudgeScorer(JudgeSpec.model_validate(spec), needs)
