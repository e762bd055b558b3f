"""mini-CLAP as a scorer: a contrastive text-audio model that this workflow trains (`vibegrid.clap`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vibegrid.errors import InputError
from vibegrid.scorers.base import CLAP_COLUMNS, Column, Needs
from vibegrid.sound.clip import Clip
from vibegrid.sound.takes import Take


class MiniClapScorer:
    """Scores by one trained mini-CLAP."""

    columns: Mapping[str, Column] = CLAP_COLUMNS
    primary = "clap_score"

    def __init__(self, model: Any) -> None:
        self.model = model
        self._vibes: dict[str, np.ndarray] = {}

    def score(self, vibes: Sequence[str], takes: Sequence[Take]) -> list[dict[str, float | None]]:
        """`clap_score` and `clap_similarity` of each pair, the same whatever else is in the batch."""
        text, audio = self.embed_vibes(vibes), self.embed_clips([take.clip for take in takes])
        pairs = zip(self.model.score(text, audio), self.model.similarity(text, audio), strict=True)
        return [{"clap_score": float(score), "clap_similarity": float(cosine)} for score, cosine in pairs]

    def embed_vibes(self, vibes: Sequence[str]) -> np.ndarray:
        """Vibes in the common space, float32 (n, dim) of unit norm."""
        return np.stack([self._embed_vibe(vibe) for vibe in vibes]) if vibes else np.zeros((0, self.model.dim))

    def _embed_vibe(self, vibe: str) -> np.ndarray:
        if vibe not in self._vibes:
            from vibegrid.embeddings import encode_alone

            self._vibes[vibe] = self.model.embed_text(np.array([encode_alone(vibe)]))[0]
        return self._vibes[vibe]

    def embed_clips(self, clips: Sequence[Clip]) -> np.ndarray:
        """Clips in the common space, float32 (n, dim) of unit norm."""
        return self.model.embed_audio([clip.clap_frames for clip in clips])


def load(spec: Mapping[str, Any], needs: Needs) -> MiniClapScorer:
    """The scorer of a trained model's folder."""
    from vibegrid.clap.model import MiniClap

    if needs.model is None:
        raise InputError("mini_clap", "no folder of a trained model was given")
    return MiniClapScorer(MiniClap.load(needs.model))
