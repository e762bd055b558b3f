"""What the embedded listeners hear: acoustic features of a clip, from its shared STFT and its samples.

The formulas are the listeners' own and simple on purpose: they are no measures of `vibegrid.sound.acoustics`, so
that the acoustic readings of the study remain a second opinion on what a listener rewards.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vibegrid.sound.clip import Clip

MIN_SECONDS = 0.5  # of a clip that can be judged
BAND_EDGES_HZ = 50.0 * 2.0 ** (np.arange(29) / 3.2)  # 28 bands from 50 Hz to 21.5 kHz
FLOOR_DB = 60.0  # below its loudest, a level counts as this low
ONSET_DB = 1.0  # rise of the mean band level, over its median, that counts as an onset
PITCH_HZ = (100.0, 2_500.0)  # of the peaks that count as notes
PEAK_SHARE = 1e-4  # of the highest power: softer peaks are none
ROUGH_HZ = (30.0, 150.0)  # modulation that is heard as roughness (Fastl and Zwicker 2007, ch. 11)
# Probe-tone ratings of Krumhansl and Kessler (1982).
MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
TINY = 1e-12


def _decibel(power: np.ndarray) -> np.ndarray:
    """Decibels, not lower than FLOOR_DB under the highest."""
    level = 10.0 * np.log10(power + TINY)
    return np.maximum(level, level.max() - FLOOR_DB)


class Ear:
    """A clip as a listener takes it in; every part is computed once."""

    def __init__(self, clip: Clip) -> None:
        self.audio, self.sample_rate, self.seconds = clip.audio, clip.sample_rate, clip.seconds
        self.magnitudes = clip.magnitudes  # (frames, bins)
        self.power = np.square(self.magnitudes)
        self.frequencies = np.linspace(0.0, clip.sample_rate / 2, self.power.shape[1])

    @cached_property
    def spectrum(self) -> np.ndarray:
        """Mean power of each bin."""
        return self.power.mean(axis=0)

    @cached_property
    def bands(self) -> np.ndarray:
        """Power in each band: (frames, 28)."""
        edges = np.searchsorted(self.frequencies, BAND_EDGES_HZ)
        starts = np.minimum(edges[:-1], self.power.shape[1] - 1)
        return np.add.reduceat(self.power[:, : edges[-1]], starts, axis=1)

    @cached_property
    def band_levels(self) -> np.ndarray:
        """Bands in dB."""
        return _decibel(self.bands)

    @cached_property
    def level(self) -> np.ndarray:
        """Level of each frame in dB."""
        return _decibel(self.bands.sum(axis=1))

    @cached_property
    def rises(self) -> np.ndarray:
        """Mean rise of the bands from frame to frame, in dB; falls count as 0."""
        return np.maximum(np.diff(self.band_levels, axis=0), 0.0).mean(axis=1)

    @cached_property
    def pitch_classes(self) -> np.ndarray:
        """Magnitude of the spectral peaks at each pitch class, from A: (12,).

        A peak lies where a parabola through its three log magnitudes has its top (Smith and Serra 1987): a bin
        alone is wider than a semitone under 370 Hz.
        """
        low, high = np.searchsorted(self.frequencies, PITCH_HZ)
        part = self.power[:, low - 1 : high + 1]
        middle = part[:, 1:-1]
        frame, bin_ = np.nonzero((middle > part[:, :-2]) & (middle > part[:, 2:]) & (middle > part.max() * PEAK_SHARE))
        left, top, right = (np.log(part[frame, bin_ + i] + TINY) for i in range(3))
        offset = 0.5 * (left - right) / (left - 2.0 * top + right - TINY)
        hertz = (bin_ + low + offset) * self.frequencies[1]
        classes = np.round(12.0 * np.log2(hertz / 440.0)).astype(int) % 12
        return np.bincount(classes, weights=np.sqrt(middle[frame, bin_]), minlength=12)

    def share_db(self, low_hz: float, high_hz: float) -> float:
        """Power between two frequencies, in dB relative to all."""
        inside = (self.frequencies >= low_hz) & (self.frequencies < high_hz)
        return float(10.0 * np.log10((self.spectrum[inside].sum() + TINY) / (self.spectrum.sum() + TINY)))


def pace(ear: Ear) -> float:
    """Onsets per second: peaks of the rises."""
    rises = ear.rises
    middle = rises[1:-1]
    peaks = (middle >= rises[:-2]) & (middle > rises[2:]) & (middle > np.median(rises) + ONSET_DB)
    return float(peaks.sum() / ear.seconds)


def brightness(ear: Ear) -> float:
    """Power from 600 to 2,500 Hz over that from 100 to 600 Hz, in dB: overtones over fundamentals."""
    return ear.share_db(600.0, 2_500.0) - ear.share_db(100.0, 600.0)


def attack(ear: Ear) -> float:
    """How hard sounds begin: growth of the magnitudes from frame to frame (95 % quantile), over their mean."""
    growth = np.maximum(np.diff(ear.magnitudes, axis=0), 0.0).sum(axis=1)
    return float(np.quantile(growth, 0.95) / (ear.magnitudes.sum(axis=1).mean() + TINY))


def swell(ear: Ear) -> float:
    """Range of the level in dB, from the 10 % to the 90 % quantile."""
    low, high = np.quantile(ear.level, [0.1, 0.9])
    return float(high - low)


def weight(ear: Ear) -> float:
    """Share of the power under 150 Hz, in dB."""
    return ear.share_db(0.0, 150.0)


def mood(ear: Ear) -> float:
    """Best fit of the pitch classes with a major key less that with a minor one (correlations)."""
    chroma = np.sqrt(ear.pitch_classes)
    if np.ptp(chroma) == 0:  # no peaks: noise, or clicks
        return 0.0
    centred = chroma - chroma.mean()
    fits = _keys() @ (centred / np.linalg.norm(centred))
    return float(fits[:12].max() - fits[12:].max())


@cache
def _keys() -> np.ndarray:
    """The twelve major and twelve minor keys, centred, of norm 1: (24, 12)."""
    keys = np.stack([np.roll(key, shift) for key in (MAJOR, MINOR) for shift in range(12)])
    keys -= keys.mean(axis=1, keepdims=True)
    return keys / np.linalg.norm(keys, axis=1, keepdims=True)


def noise(ear: Ear) -> float:
    """Flatness of the spectrum from 300 Hz to 10 kHz, in dB: 0 is white noise (mean over frames)."""
    low, high = np.searchsorted(ear.frequencies, (300.0, 10_000.0))
    part = ear.power[:, low:high] + TINY
    return float(np.mean(10.0 * np.log10(part).mean(axis=1) - 10.0 * np.log10(part.mean(axis=1))))


def space(ear: Ear) -> float:
    """How slowly sound dies away: mean fall of the falling bands, in negative dB per frame."""
    steps = np.diff(ear.band_levels, axis=0)
    return float(np.minimum(steps, 0.0).sum() / max(1, np.count_nonzero(steps < 0)))


def fullness(ear: Ear) -> float:
    """Entropy of the bands of a frame, in bits (mean over frames)."""
    share = ear.bands / (ear.bands.sum(axis=1, keepdims=True) + TINY)
    return float(-np.sum(share * np.log2(share + TINY), axis=1).mean())


def crest(ear: Ear) -> float:
    """Peak over effective value, in dB."""
    rms = np.sqrt(np.mean(np.square(ear.audio, dtype=np.float64)))
    return float(20.0 * np.log10((np.abs(ear.audio).max() + TINY) / (rms + TINY)))


def silence(ear: Ear) -> float:
    """Share of the frames that are 40 dB or more under the loudest."""
    return float(np.mean(ear.level < ear.level.max() - 40.0))


def slope(ear: Ear) -> float:
    """Fall of the mean band level towards the high bands, in dB per band."""
    levels = _decibel(ear.bands.mean(axis=0))
    return float(np.polyfit(np.arange(levels.size), levels, 1)[0])


def harshness(ear: Ear) -> float:
    """Share of the power from 2 to 5 kHz, where ears are most sensitive, in dB."""
    return ear.share_db(2_000.0, 5_000.0)


def roughness(ear: Ear) -> float:
    """Share of the envelope's modulation between 30 and 150 Hz, in dB."""
    step = max(1, ear.sample_rate // 1_000)
    steep = np.abs(np.diff(ear.audio))  # a difference: bass tones would count as modulation of their envelope
    envelope = steep[: steep.size // step * step].reshape(-1, step).mean(axis=1)
    modulation = np.square(np.abs(np.fft.rfft(envelope - envelope.mean())))
    frequencies = np.linspace(0.0, ear.sample_rate / step / 2, modulation.size)
    rough = modulation[(frequencies >= ROUGH_HZ[0]) & (frequencies <= ROUGH_HZ[1])].sum()
    return float(10.0 * np.log10((rough + TINY) / (modulation.sum() + TINY)))


# What a vibe can ask for, and what makes sound good or bad; names as in the data files.
FEATURES: dict[str, Callable[[Ear], float]] = {
    f.__name__: f for f in (pace, brightness, attack, swell, weight, mood, noise, space, fullness)
}
QUALITIES: dict[str, Callable[[Ear], float]] = {f.__name__: f for f in (crest, slope, harshness, roughness)}
