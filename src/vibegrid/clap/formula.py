"""The score of a CLAP, mini or LAION: likeness of sound and text, less what the sound has of bad sound."""

from __future__ import annotations

from importlib import resources

import numpy as np

from vibegrid.embeddings import paired_cosine


def bad_sound_phrases() -> list[str]:
    """The phrases for bad sound, one a line of `data/bad_sound.txt`."""
    text = resources.files("vibegrid.clap").joinpath("data/bad_sound.txt").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def mean_direction(embeddings: np.ndarray) -> np.ndarray:
    """The mean of embeddings (n, d), brought to unit norm: (d,)."""
    mean = embeddings.astype(np.float64).mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)


def clap_score(text: np.ndarray, audio: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """`sim(text, audio) − max(0, sim(audio, bad) − sim(text, bad))`, in [-3, 1], row by row.

    A sound is held to be bad only as far as the text does not ask for it (DESIGN section 6; the reward of the
    original study).

    Args:
        text, audio: (n, d) of unit norm, row i of the one with row i of the other.
        bad: (d,) of unit norm, see `mean_direction`.
    """
    excess = paired_cosine(audio, np.broadcast_to(bad, audio.shape)) - paired_cosine(
        text, np.broadcast_to(bad, text.shape)
    )
    return paired_cosine(text, audio) - np.maximum(0.0, excess)
