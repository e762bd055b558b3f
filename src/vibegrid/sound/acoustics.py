"""What can be measured in a clip without a model: registered functions of its one STFT.

Levels are relative to the clip's mean energy, so that no measure depends on how loud a clip is. Which measure
hears which config field, and how well, was tried on renders: see `FIELD_MEASURE`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from vibegrid.sound.clip import HOP, N_FFT, mel_filters

TEMPO_LOW, TEMPO_HIGH = 40.0, 165.0  # BPM; the synthesizer plays 71 to 154, and beats are often halved
BEATS = 3  # multiples of a period that must agree
KICK_TOP, HATS_BOTTOM, BASS_TOP = 75.0, 8_000.0, 118.0  # Hz
ROUGH_BAND = (120.0, 640.0)  # Hz
PEAK_TOP = 4_300.0  # Hz; above it the synthesizer has noise only
LOWEST_NOTE, HIGHEST_NOTE = 36, 108  # MIDI numbers
DECONVOLUTIONS = 30
LONGEST_DECAY = 10.0  # seconds

# Krumhansl and Kessler's profiles of the pitch classes over the tonic (Krumhansl 1990, p. 30)
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


class Spectrum:
    """A clip's power spectra with what several measures need of them, each made once.

    Args:
        magnitudes: |STFT| (frames, 1025), not all zero.
        sample_rate: in Hz.
    """

    def __init__(self, magnitudes: np.ndarray, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.frame_rate = sample_rate / HOP  # frames per second
        self.frequencies = np.fft.rfftfreq(N_FFT, 1.0 / sample_rate)  # Hz (1025,)
        power = (magnitudes / magnitudes.max()) ** 2
        self.power = power / power.sum(axis=1).mean()  # (frames, 1025), the mean frame has energy 1

    @property
    def seconds(self) -> float:
        return len(self.power) / self.frame_rate

    @cached_property
    def mel(self) -> np.ndarray:
        """Power by mel band (frames, 64)."""
        return self.power @ mel_filters(self.sample_rate)

    @cached_property
    def mel_levels(self) -> np.ndarray:
        """Mel bands in dB (frames, 64), at least -60."""
        return _decibels(self.mel, -60.0)

    @cached_property
    def mean_power(self) -> np.ndarray:
        return self.power.mean(axis=0)

    def band(self, low: float, high: float = math.inf) -> np.ndarray:
        """Power between two frequencies in Hz, frame by frame (frames,)."""
        start, stop = np.searchsorted(self.frequencies, (low, high))
        return self.power[:, start:stop].sum(axis=1)


class Measure(NamedTuple):
    """A measure as tables describe it."""

    unit: str
    range: tuple[float, float]
    description: str
    compute: Callable[[Spectrum], float]


def _decibels(power: np.ndarray, floor: float) -> np.ndarray:
    """10 log10 of relative power, flattening out at `floor` dB."""
    return 10.0 * np.log10(power + 10.0 ** (floor / 10.0))


def rises(levels: np.ndarray, before: float | None = None) -> np.ndarray:
    """Positive changes from frame to frame, of the first frame against `before` (None: no rise)."""
    first = levels[:1] if before is None else np.full_like(levels[:1], before)
    return np.maximum(np.diff(levels, axis=0, prepend=first), 0.0)


def tempo(s: Spectrum) -> float:
    """The shortest period at which the onsets of bass and hats repeat; 0 where nothing does.

    Autocorrelation of the onset strength, averaged over a period's first multiples (a comb, as Scheirer 1998).
    """
    low, high = np.searchsorted(s.frequencies, (20.0, BASS_TOP))
    bins = s.power[:, low:high]
    bass = rises(_decibels(bins / max(bins.sum(axis=1).mean(), 1e-4), -20.0), -20.0).mean(axis=1)
    hats = rises(_decibels(s.band(6_000.0), -60.0), -60.0)
    onsets = bass / max(bass.std(), 1e-9) + hats / max(hats.std(), 1e-9)
    onsets = np.convolve(onsets, (0.25, 0.5, 0.25), "same")
    n = len(onsets)
    spectrum = np.abs(np.fft.rfft(onsets - onsets.mean(), 2 * n)) ** 2
    correlation = np.fft.irfft(spectrum)[:n] * n / (n - np.arange(n))
    lags = np.arange(60.0 * s.frame_rate / TEMPO_HIGH, 60.0 * s.frame_rate / TEMPO_LOW, 0.25)
    multiples = np.arange(1, BEATS + 1)[:, None] * lags
    heard = multiples < 0.72 * n
    values = np.interp(multiples, np.arange(n), correlation) * heard
    scores = values.sum(axis=0) / np.maximum(heard.sum(axis=0), 1)
    peaks = np.flatnonzero((scores[1:-1] >= scores[:-2]) & (scores[1:-1] >= scores[2:])) + 1
    peaks = peaks[scores[peaks] > max(0.8 * scores.max(), 0.02 * correlation[0])]
    return 60.0 * s.frame_rate / float(lags[peaks[0]]) if len(peaks) else 0.0


def onset_rate(s: Spectrum) -> float:
    """Local maxima of the onset strength (rises of mel bands over a floor of -30 dB) above twice its mean."""
    strength = rises(_decibels(s.mel, -30.0), -30.0).mean(axis=1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(strength, 3), 7).max(axis=1)
    return float(np.count_nonzero((strength >= around) & (strength > 2.0 * strength.mean()))) / s.seconds


def pulse(s: Spectrum) -> float:
    """Relative to the band's own mean, where that is above -40 dB: what cannot be heard does not pulse."""
    bass = s.band(20.0, BASS_TOP)
    return float(rises(_decibels(bass / max(bass.mean(), 1e-4), -20.0)).mean()) * s.frame_rate


def kick(s: Spectrum) -> float:
    return float(rises(_decibels(s.band(20.0, KICK_TOP), -20.0), -20.0).max())


def hats(s: Spectrum) -> float:
    greatest = np.sort(rises(_decibels(s.band(HATS_BOTTOM), -60.0)))
    return float(greatest[-max(1, round(0.05 * len(greatest))) :].mean())


def brightness(s: Spectrum) -> float:
    magnitudes = np.sqrt(s.power).sum(axis=0)
    return float(magnitudes @ s.frequencies / magnitudes.sum())


def partials(s: Spectrum) -> float:
    low = s.power[:, : np.searchsorted(s.frequencies, PEAK_TOP)]
    middle = low[:, 1:-1]
    peaks = (middle > low[:, :-2]) & (middle > low[:, 2:]) & (middle > 0.01 * s.power.max())
    return float(peaks.sum(axis=1).mean())


def mode(s: Spectrum) -> float:
    """Best correlation of the chroma with a major key's profile, less the best with a minor key's."""
    weights = chroma(s)
    spread = weights.std()
    if spread < 1e-9:
        return 0.0
    correlations = _key_profiles() @ ((weights - weights.mean()) / spread)
    return float(correlations[:12].max() - correlations[12:].max())


def chroma(s: Spectrum) -> np.ndarray:
    """Weight of each pitch class from C up, (12,): the fourth roots of its notes' powers, summed."""
    return np.bincount(np.arange(LOWEST_NOTE, HIGHEST_NOTE + 1) % 12, note_powers(s) ** 0.25, minlength=12)


def note_powers(s: Spectrum) -> np.ndarray:
    """Power of each semitone, (73,): the mean spectrum freed of the window's lobes, which are wider than one.

    Deconvolution by Richardson 1972 and Lucy 1974. Notes less than about 40 Hz apart still run together.
    """
    lobes = _note_lobes(s.sample_rate)
    spectrum = s.mean_power[: len(lobes)].astype(np.float64)
    spectrum = spectrum / max(spectrum.sum(), 1e-12) + 1e-9
    notes = np.full(lobes.shape[1], 1.0 / lobes.shape[1])
    for _ in range(DECONVOLUTIONS):
        notes = notes * (spectrum / (lobes @ notes + 1e-15) @ lobes)
    return np.maximum(notes, 1e-7)


@lru_cache(maxsize=4)
def _note_lobes(sample_rate: int) -> np.ndarray:
    """Power spectra of pure tones at each semitone as the Hann window shows them: (200, 73), columns sum to 1."""
    tones = 440.0 * 2.0 ** ((np.arange(LOWEST_NOTE, HIGHEST_NOTE + 1) - 69) / 12.0)
    offsets = np.arange(200)[:, None] - tones * N_FFT / sample_rate
    offsets[np.abs(np.abs(offsets) - 1.0) < 1e-6] += 1e-5  # the formula's removable poles
    lobes = (np.sinc(offsets) / (1.0 - offsets**2)) ** 2
    return lobes / np.maximum(lobes.sum(axis=0), 1e-12)


@lru_cache(maxsize=1)
def _key_profiles() -> np.ndarray:
    """The profiles of all keys, standardised, for a correlation by product: (24, 12), major keys first."""
    rows = [np.roll(profile, tonic) for profile in (MAJOR, MINOR) for tonic in range(12)]
    table = np.array(rows)
    return (table - table.mean(axis=1, keepdims=True)) / table.std(axis=1, keepdims=True) / 12.0


def noisiness(s: Spectrum) -> float:
    """Geometric over arithmetic mean of the power at 2 to 16 kHz; what lies below -80 dB counts as nothing."""
    start, stop = np.searchsorted(s.frequencies, (2_000.0, 16_000.0))
    power = s.mean_power[start:stop]
    audible = 1e-8 / len(power)
    return float(np.exp(np.mean(np.log(power + 1e-20))) / (power.mean() + audible))


def hiss(s: Spectrum) -> float:
    cells = s.mel[:, 24:50]
    return float(np.quantile(_decibels(cells / s.mel.max(), -70.0), 0.1))


def space(s: Spectrum) -> float:
    falls = np.diff(s.mel_levels[:, :40], axis=0)  # above are hats, which have no reverberation
    steepest = -float(np.quantile(falls, 0.005)) if len(falls) else 0.0
    return min(LONGEST_DECAY, 60.0 / max(steepest * s.frame_rate, 1e-9))


def density(s: Spectrum) -> float:
    shares = np.sqrt(s.mel.mean(axis=0))
    shares = shares / max(shares.sum(), 1e-12)
    return float(-(shares * np.log2(shares + 1e-12)).sum())


def shimmer(s: Spectrum) -> float:
    return float(np.quantile(_decibels(s.band(1_000.0, 2_000.0), -90.0), 0.1))


def twinkle(s: Spectrum) -> float:
    return float(s.mel_levels[:, 10:30].std(axis=0).mean())


def roughness(s: Spectrum) -> float:
    levels = _decibels(s.power[:, slice(*np.searchsorted(s.frequencies, ROUGH_BAND))], -60.0)
    return float(np.median(np.abs(np.diff(levels, n=2, axis=0)))) if len(levels) > 2 else 0.0


INF = math.inf
MEASURES: dict[str, Measure] = {
    "tempo": Measure("BPM", (0, TEMPO_HIGH), "period at which bass and hat onsets repeat; 0 where none does", tempo),
    "pulse": Measure("dB/s", (0, INF), "rises of the level below 118 Hz", pulse),
    "onset_rate": Measure("1/s", (0, INF), "onsets in all bands", onset_rate),
    "kick": Measure("dB", (0, INF), "greatest rise below 75 Hz within one frame", kick),
    "hats": Measure("dB", (0, INF), "mean of the greatest 5 % of the rises above 8 kHz", hats),
    "percussive": Measure("dB", (0, INF), "kick plus half of hats", lambda s: kick(s) + hats(s) / 2.0),
    "brightness": Measure("Hz", (0, INF), "spectral centroid, weighted by magnitude", brightness),
    "partials": Measure("1", (0, INF), "spectral peaks within 20 dB of the loudest, mean over frames", partials),
    "mode": Measure("1", (-2, 2), "best major less best minor key correlation of the chroma", mode),
    "noisiness": Measure("1", (0, 1), "spectral flatness at 2 to 16 kHz", noisiness),
    "hiss": Measure(
        "dB", (-70, 0), "level of a mel band at 1.7 to 7.4 kHz that is exceeded nine tenths of the time", hiss
    ),
    "space": Measure(
        "s", (0, LONGEST_DECAY), "time to fall by 60 dB at the steepest 0.5 % of rates below 4.3 kHz", space
    ),
    "density": Measure("bit", (0, 6), "entropy of the mean mel spectrum's amplitudes", density),
    "shimmer": Measure("dB", (-90, INF), "level at 1 to 2 kHz that is exceeded nine tenths of the time", shimmer),
    "twinkle": Measure("dB", (0, INF), "deviation over time of the levels of mel bands at 0.5 to 2.4 kHz", twinkle),
    "roughness": Measure("dB", (0, INF), "median flutter of a bin from frame to frame at 120 to 640 Hz", roughness),
}

# The measure that hears each field best (it rises with ordered labels, and towards major). In brackets, on 300
# held-out random configs of 4 s: Spearman's rho, or the AUC of major, an audible rhythm, vinyl crackle; then how
# often it rises when only this field goes from end to end. Most of a measure's spread comes from other fields.
FIELD_MEASURE: dict[str, str] = {
    "tempo": "pulse",  # (0.36; 0.92)
    "brightness": "partials",  # (0.45; 0.92), where the centroid follows hats and hiss: (0.05; 0.52)
    "mode": "mode",  # (0.69; 0.79); a spectrum of one bin per 0.25 Hz reaches 0.77
    "space": "space",  # (0.22; 0.85); attack: 0.49
    "density": "density",  # (0.67; 1.00)
    "rhythm": "percussive",  # (0.96; 1.00)
    "texture": "hiss",  # (1.00; 1.00); shimmers: shimmer, stars: twinkle, breaths: roughness
}


def measure(magnitudes: np.ndarray, sample_rate: int) -> dict[str, float]:
    """All measures of one clip, finite and in their ranges. Silence has the least of each, and mode 0.

    Args:
        magnitudes: |STFT| (frames, 1025) of `vibegrid.sound.clip.Clip`.
        sample_rate: in Hz.
    """
    if not magnitudes.any():
        return {name: float(entry.range[0]) for name, entry in MEASURES.items()} | {"mode": 0.0}
    spectrum = Spectrum(magnitudes, sample_rate)
    return {name: float(np.clip(entry.compute(spectrum), *entry.range)) for name, entry in MEASURES.items()}
