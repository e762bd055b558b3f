"""Files for listeners: equal loudness, so that systems are not preferred for being louder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from vibegrid.errors import InputError

TARGET_LUFS = -20.0
PEAK_LIMIT = 10 ** (-1 / 20)  # -1 dBFS
BLOCK_SECONDS = 0.4  # of BS.1770: a shorter clip has no loudness


def loudness(audio: np.ndarray, sample_rate: int) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4, gated, by pyloudnorm); -inf for silence or under 0.4 s."""
    from pyloudnorm import Meter

    if len(audio) < BLOCK_SECONDS * sample_rate:
        return float("-inf")
    with np.errstate(divide="ignore"):  # log10(0) of silence
        return float(Meter(sample_rate).integrated_loudness(audio.astype(np.float64)))


def normalise(audio: np.ndarray, sample_rate: int, target: float = TARGET_LUFS) -> np.ndarray:
    """The clip, float32 (samples,), at `target` LUFS, or as near below as its peaks allow (-1 dBFS at most).

    One gain for the whole clip: nothing is compressed. What has no loudness is only held to the peak limit.

    Raises:
        InputError: a sample is no finite number.
    """
    if not np.isfinite(audio).all():
        raise InputError("normalise", "the audio holds NaN or infinite samples", "see Clip.problem")
    level = loudness(audio, sample_rate)
    gain = 10 ** ((target - level) / 20) if np.isfinite(level) else 1.0
    peak = float(np.max(np.abs(audio), initial=0.0))
    return (audio * min(gain, PEAK_LIMIT / max(peak, 1e-12))).astype(np.float32)


def write_audio(path: str | os.PathLike[str], audio: np.ndarray, sample_rate: int) -> None:
    """Write a 16-bit FLAC: whole, by rename; the same bytes for the same samples. Beyond full scale is cut."""
    import soundfile

    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    os.close(handle)
    try:
        soundfile.write(name, np.clip(audio, -1.0, 1.0), sample_rate, format="FLAC", subtype="PCM_16")
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
