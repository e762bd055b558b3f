"""The sounds of a pack: equally loud for one prompt, under names that say nothing, and spoilt ones for checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vibegrid.sound.loudness import loudness, normalise, write_audio
from vibegrid.sound.render import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np

NOISE, CUT = "noise", "cut"
SPOILT = (NOISE, CUT)  # the checks take them in turn
CUT_SECONDS = 0.5
GUARD = 0.01  # seconds over which a cut fades, so that it is no click


def clip_file(clip: str) -> str:
    """Where a clip lies, relative to the page."""
    return f"audio/{clip}.flac"


def equally_loud(sounds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The sounds of one prompt at one loudness: what the one with the highest peaks can reach (-20 LUFS at most)."""
    level = min(loudness(normalise(audio, SAMPLE_RATE), SAMPLE_RATE) for audio in sounds.values())
    return {name: normalise(audio, SAMPLE_RATE, level) for name, audio in sounds.items()}


def write_clips(folder: Path, sounds: Mapping[str, np.ndarray]) -> None:
    """Write clips (by name) as FLAC."""
    for clip, audio in sounds.items():
        write_audio(folder / clip_file(clip), audio, SAMPLE_RATE)


def write_spoilt(folder: Path, clip: str, out: str, how: str, seed: Sequence[int]) -> None:
    """Write clip `out`, which is `clip` spoilt so that nobody who listens can prefer it.

    `noise`: white noise of the clip's length and loudness in its place. `cut`: half a second of it, then silence.
    """
    import numpy as np
    import soundfile

    audio, _ = soundfile.read(folder / clip_file(clip), dtype="float32")
    if how == NOISE:
        noise = np.random.default_rng(seed).standard_normal(len(audio)).astype(np.float32)
        spoilt = normalise(noise, SAMPLE_RATE, loudness(audio, SAMPLE_RATE))
    else:
        kept, fade = round(CUT_SECONDS * SAMPLE_RATE), round(GUARD * SAMPLE_RATE)
        spoilt = audio.copy()
        spoilt[kept : kept + fade] *= np.linspace(1, 0, len(spoilt[kept : kept + fade]), dtype=np.float32)
        spoilt[kept + fade :] = 0
    write_audio(folder / clip_file(out), spoilt, SAMPLE_RATE)
