"""Acoustic measures: known answers, invariances, and librosa's on real renders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.schema import FIELDS
from vibegrid.sound.acoustics import FIELD_MEASURE, LOWEST_NOTE, MEASURES, Spectrum, chroma, measure, note_powers, rises
from vibegrid.sound.clip import HOP, N_FFT, Clip, mel_filters
from vibegrid.sound.render import SAMPLE_RATE, render

SECONDS = 4.0
TIMES = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
FADES = np.clip(np.minimum(TIMES, SECONDS - TIMES) / 0.1, 0, 1)  # an abrupt end is a click


def tones(*frequencies: float) -> np.ndarray:
    return sum(np.sin(2 * np.pi * f * TIMES) for f in frequencies) * FADES * (0.5 / len(frequencies))


def notes(*midi: int) -> np.ndarray:
    return tones(*(440.0 * 2 ** ((m - 69) / 12) for m in midi))


def clicks(bpm: float) -> np.ndarray:
    audio = np.zeros(len(TIMES))
    for i in range(int(SECONDS * bpm / 60)):
        audio[round(i * 60 / bpm * SAMPLE_RATE)] = 0.8
    return audio


def noise(seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(len(TIMES))


def measures(audio: np.ndarray) -> dict[str, float]:
    return Clip(audio).measures


def random_configs(n: int, seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [{field: labels[rng.integers(len(labels))] for field, labels in FIELDS.items()} for _ in range(n)]


@pytest.fixture(scope="module")
def renders() -> list[Clip]:
    return [Clip(render(config, SECONDS)) for config in random_configs(10, seed=20)]


@pytest.mark.parametrize("bpm", [60, 90, 120, 150])
def test_a_click_track_has_its_tempo_and_rate(bpm):
    found = measures(clicks(bpm))
    assert found["tempo"] == pytest.approx(bpm, rel=0.03)
    assert found["onset_rate"] == pytest.approx(bpm / 60, abs=0.15)


def test_a_steady_tone_has_no_tempo_and_one_onset():
    found = measures(tones(440))
    assert found["onset_rate"] == pytest.approx(1 / SECONDS, abs=0.05)
    assert found["pulse"] < 2
    assert found["hats"] < 1


def test_brightness_of_a_tone_is_its_frequency():
    assert measures(tones(1000))["brightness"] == pytest.approx(1000, rel=0.05)
    assert measures(tones(200))["brightness"] < measures(tones(2000))["brightness"]


@pytest.mark.parametrize("root", [48, 53, 58, 60, 66, 71])
def test_major_and_minor_triads_differ_in_sign(root):
    assert measures(notes(root, root + 4, root + 7, root + 12))["mode"] > 0.02
    assert measures(notes(root, root + 3, root + 7, root + 12))["mode"] < -0.02


def test_notes_are_found_between_the_lobes_of_others():
    power = note_powers(Spectrum(Clip(notes(60, 63, 67)).magnitudes, SAMPLE_RATE))
    loudest = {int(i) + LOWEST_NOTE for i in np.argsort(power)[-3:]}
    assert loudest == {60, 63, 67}  # 50 Hz apart; a lobe is 86 Hz wide


def test_white_noise_is_flat_and_a_tone_is_not():
    hissing, pure = measures(noise()), measures(tones(3000))
    assert hissing["noisiness"] > 0.97
    assert pure["noisiness"] < 0.05
    assert measures(tones(440))["noisiness"] < 0.05  # what is inaudible up there is not called noise
    assert hissing["hiss"] > -30 > -60 > pure["hiss"]
    assert hissing["roughness"] > 3 > 0.1 > pure["roughness"]


def test_a_kick_and_a_hat_are_heard_in_their_bands():
    pad = tones(220, 277, 330)
    kicked, hatted = pad.copy(), pad.copy()
    rng = np.random.default_rng(0)
    for start in range(0, len(TIMES) - 8000, SAMPLE_RATE // 2):
        decay = np.exp(-np.arange(8000) / 1000)
        kicked[start : start + 8000] += 0.5 * decay * np.sin(2 * np.pi * 55 * np.arange(8000) / SAMPLE_RATE)
        hatted[start : start + 2000] += 0.05 * np.diff(rng.standard_normal(2001)) * decay[:8000:4]
    plain, kick, hat = measures(pad), measures(kicked), measures(hatted)
    assert kick["kick"] > plain["kick"] + 5 and abs(hat["kick"] - plain["kick"]) < 2
    assert hat["hats"] > plain["hats"] + 10 and abs(kick["hats"] - plain["hats"]) < 5
    assert kick["percussive"] > plain["percussive"] < hat["percussive"]


def test_a_slow_decay_is_more_space():
    def pluck(decay: float) -> np.ndarray:
        return tones(440, 880) * np.exp(-TIMES / decay)

    dry, wet = measures(pluck(0.05)), measures(pluck(0.8))
    assert dry["space"] < wet["space"] / 2


def test_more_partials_are_denser():
    assert measures(tones(220))["density"] < measures(tones(220, 700, 1900, 5000))["density"]
    assert measures(tones(220))["partials"] == pytest.approx(1, abs=0.1)
    assert measures(tones(220, 700, 1900))["partials"] == pytest.approx(3, abs=0.1)


def test_loudness_has_no_influence(renders):
    for clip in renders[:4]:
        quiet = Clip(clip.audio * 0.05).measures
        assert quiet == pytest.approx(clip.measures, rel=0.02, abs=0.02)


def test_measures_of_renders_are_in_range(renders):
    for clip in [*renders, Clip(noise()), Clip(clicks(120)), Clip(tones(1000))]:
        for name, value in clip.measures.items():
            low, high = MEASURES[name].range
            assert low <= value <= high, name


@given(st.integers(1, 6), st.floats(1e-4, 1e4), st.integers(0, 2**32 - 1))
def test_any_spectrogram_gives_finite_measures(frames, scale, seed):
    rng = np.random.default_rng(seed)
    magnitudes = scale * rng.random((frames, N_FFT // 2 + 1)) * (rng.random((frames, 1)) < 0.5)
    for name, value in measure(magnitudes.astype(np.float32), SAMPLE_RATE).items():
        low, high = MEASURES[name].range
        assert low <= value <= high, name


def test_field_measures_exist():
    assert set(FIELD_MEASURE) <= set(FIELDS) and set(FIELD_MEASURE.values()) <= set(MEASURES)


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("tempo", "very_slow", "very_fast"),
        ("brightness", "very_dark", "very_bright"),
        ("space", "dry", "vast"),
        ("density", 2, 6),
        ("rhythm", "none", "electronic"),
        ("texture", "none", "vinyl_crackle"),
    ],
)
def test_the_sound_moves_with_the_field(field, low, high):
    """The rest of the config being equal, the field's measure rises in at least two of three configs."""
    name = FIELD_MEASURE[field]
    audible = {"density": 6} if field in ("rhythm", "texture") else {}
    risen = []
    for config in random_configs(6, seed=1):
        below, above = (Clip(render(config | audible | {field: label}, 3.0)).measures for label in (low, high))
        risen.append(above[name] > below[name])
    assert np.mean(risen) > 0.66


@pytest.mark.slow
def test_librosa_agrees_on_renders(renders):
    import librosa

    alike = []
    for clip in renders:
        magnitudes = clip.magnitudes.T.astype(np.float64)
        expected = np.abs(librosa.stft(clip.audio, n_fft=N_FFT, hop_length=HOP, pad_mode="constant"))
        np.testing.assert_allclose(magnitudes, expected, atol=1e-3)
        power = librosa.feature.melspectrogram(
            S=expected**2, sr=SAMPLE_RATE, n_mels=64, fmin=40, fmax=16_000, htk=True, norm=None
        )
        np.testing.assert_allclose(clip.log_mel, np.log(np.maximum(power.T, 1e-4)), atol=1e-2)

        centroids = librosa.feature.spectral_centroid(S=magnitudes, sr=SAMPLE_RATE, n_fft=N_FFT)[0]
        weights = magnitudes.sum(axis=0)
        assert clip.measures["brightness"] == pytest.approx(centroids @ weights / weights.sum(), rel=1e-3)

        spectrum = Spectrum(clip.magnitudes, SAMPLE_RATE)
        band = spectrum.mean_power[(spectrum.frequencies >= 2000) & (spectrum.frequencies < 16_000)]
        flatness = librosa.feature.spectral_flatness(S=band[:, None] ** 0.5, amin=1e-20)[0, 0]
        audible = band.sum() / (band.sum() + 1e-8)
        assert clip.measures["noisiness"] == pytest.approx(flatness * audible, rel=1e-3)

        onsets = librosa.onset.onset_strength(S=spectrum.mel_levels.T, sr=SAMPLE_RATE, hop_length=HOP, center=False)
        assert np.corrcoef(rises(spectrum.mel_levels).mean(axis=1), onsets)[0, 1] > 0.999

        chroma_cqt = librosa.feature.chroma_cqt(y=clip.audio, sr=SAMPLE_RATE, hop_length=HOP, tuning=0.0)
        alike.append(np.corrcoef(chroma(spectrum), chroma_cqt.mean(axis=1))[0, 1])
    assert np.median(alike) > 0.5  # the constant-Q transform resolves low notes, a window of 46 ms does not


@pytest.mark.slow
def test_mel_filters_equal_librosas():
    import librosa

    filters = librosa.filters.mel(
        sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=64, fmin=40, fmax=16_000, htk=True, norm=None, dtype=np.float64
    )
    np.testing.assert_allclose(mel_filters(SAMPLE_RATE), filters.T, atol=1e-6)
