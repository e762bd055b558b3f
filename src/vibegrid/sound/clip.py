"""One clip of sound and all that is computed from it, each once and only when it is asked for.

Every scorer and measure reads the one STFT of a clip. A clip that cannot be scored says so in `problem`; its
spectra and measures are finite all the same, so that a batch never breaks on it.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np

from vibegrid.errors import InputError
from vibegrid.sound.render import SAMPLE_RATE

N_FFT = 2048
HOP = 1024
N_MELS = 64
MEL_LOW, MEL_HIGH = 40.0, 16_000.0  # Hz
MEL_FLOOR = 1e-4  # of mel power; a full-scale sine reads about 3e5, so 95 dB lie between

N_CHROMA = 12
CHROMA_LOW, CHROMA_HIGH = 200.0, 4_300.0  # Hz
CHROMA_WIDTH = 0.5  # semitones, the deviation of a pitch class's bell

SILENT_RMS = 1e-3  # -60 dBFS
FULL_SCALE = 0.999
CLIPPED_SHARE = 1e-3  # of all samples: 4 ms of a 4-second clip


class Clip:
    """A mono clip, its spectra and measures.

    Args:
        audio: (samples,), full scale is 1.
        sample_rate: in Hz.

    Raises:
        InputError: `audio` is not one-dimensional.
    """

    def __init__(self, audio: np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
        samples = np.asarray(audio)
        if samples.ndim != 1:
            raise InputError("clip", f"audio of shape {samples.shape}", "one channel was expected: (samples,)")
        with np.errstate(over="ignore"):  # a double beyond float32 becomes inf: a problem, reported as one
            self.audio: np.ndarray = samples.astype(np.float32, copy=False)
        self.sample_rate = sample_rate

    @property
    def seconds(self) -> float:
        return len(self.audio) / self.sample_rate

    @cached_property
    def problem(self) -> str | None:
        """Why the clip cannot be scored: "nan" (or infinite), "silent", "clipped"; None where it can be.

        Silent: the deviation from the mean is below -60 dBFS. Clipped: more than 0.1 % of the samples stand
        at full scale (or beyond) and equal to both neighbours; a loud sine touches full scale but never
        stays there.
        """
        if not np.isfinite(self.audio).all():
            return "nan"
        level = np.minimum(np.abs(self.audio), 1.0)
        if len(level) == 0 or np.std(self.audio, dtype=np.float64) < SILENT_RMS:
            return "silent"
        stays = (level[1:] >= FULL_SCALE) & (np.abs(np.diff(level)) < 1e-6)
        return "clipped" if np.count_nonzero(stays[1:] & stays[:-1]) > CLIPPED_SHARE * len(level) else None

    @cached_property
    def magnitudes(self) -> np.ndarray:
        """|STFT|, float32 (frames, 1025): 2048 samples, Hann, hop 1024, centred, zeros beyond the ends.

        As `librosa.stft(n_fft=2048, hop_length=1024, pad_mode="constant")`, of the clip as a player would
        sound it: limited to full scale, without samples that are no numbers.
        """
        heard = np.clip(np.nan_to_num(self.audio, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
        padded = np.pad(heard, N_FFT // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
        return np.abs(np.fft.rfft(frames * _hann(), axis=1))

    @cached_property
    def log_mel(self) -> np.ndarray:
        """Natural log of mel-band power, float32 (frames, 64), at least log(1e-4)."""
        power = self.magnitudes**2 @ mel_filters(self.sample_rate)
        return np.log(np.maximum(power, np.float32(MEL_FLOOR)))

    @cached_property
    def chroma(self) -> np.ndarray:
        """How strong each pitch class from C up is over the whole clip: float32 (12,), mean 0, deviation 1.

        Fourth roots of the mean power of the bins, which keep weak notes beside strong ones; zeros for silence.
        """
        weights = (self.magnitudes**2).mean(axis=0) ** 0.25 @ chroma_filters(self.sample_rate)
        weights = weights - weights.mean()
        return weights / max(float(weights.std()), 1e-6)

    @cached_property
    def clap_frames(self) -> np.ndarray:
        """What a mini-CLAP hears: `log_mel`, then `chroma`, the same in each frame; float32 (frames, 76)."""
        return np.hstack([self.log_mel, np.tile(self.chroma, (len(self.log_mel), 1))])

    @cached_property
    def measures(self) -> dict[str, float]:
        """Acoustic measures by name: see `vibegrid.sound.acoustics.MEASURES`."""
        from vibegrid.sound.acoustics import measure

        return measure(self.magnitudes, self.sample_rate)


@lru_cache(maxsize=1)
def _hann() -> np.ndarray:
    """The periodic Hann window, float32 (2048,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)


@lru_cache(maxsize=4)
def mel_filters(sample_rate: int) -> np.ndarray:
    """Triangles of height 1, evenly spaced in mel from 40 Hz to 16 kHz: float32 (1025, 64).

    Mel after O'Shaughnessy 1987, as HTK has it: 2595 log10(1 + f / 700).
    """
    low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (MEL_LOW, min(MEL_HIGH, sample_rate / 2)))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, N_MELS + 2) / 2595.0) - 1.0)
    bins = np.fft.rfftfreq(N_FFT, 1.0 / sample_rate)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


@lru_cache(maxsize=4)
def chroma_filters(sample_rate: int) -> np.ndarray:
    """How much of each bin from 200 to 4300 Hz each pitch class takes, a bell over semitones: float32 (1025, 12)."""
    bins = np.fft.rfftfreq(N_FFT, 1.0 / sample_rate)
    notes = 12.0 * np.log2(np.maximum(bins, 1.0) / 440.0) + 9.0  # semitones over C
    away = (notes[:, None] - np.arange(N_CHROMA) + 6.0) % 12.0 - 6.0
    used = (bins >= CHROMA_LOW) & (bins <= CHROMA_HIGH)
    return (np.exp(-0.5 * (away / CHROMA_WIDTH) ** 2) * used[:, None]).astype(np.float32)
