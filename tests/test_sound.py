"""Rendering, clips and loudness: one payload is one waveform, and a bad clip is told from a good one."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibegrid.errors import InputError
from vibegrid.schema import FIELDS, is_legal
from vibegrid.sound.clip import Clip
from vibegrid.sound.loudness import loudness, normalise, write_audio
from vibegrid.sound.render import SAMPLE_RATE, render, repair, seed_of

CONFIG = {field: labels[-1] for field, labels in FIELDS.items()}
# every layer that draws from NumPy's global generator: humanised pad, hats, crackle
NOISY = CONFIG | {
    "density": 6,
    "rhythm": "hats_only",
    "texture": "vinyl_crackle",
    "human": "drunk",
    "pad": "warm_slow",
    "accent": "chime",
}


def digest(audio: np.ndarray) -> str:
    return hashlib.sha256(audio.tobytes()).hexdigest()


def sine(frequency: float, seconds: float = 2.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype("f4")


def test_the_sample_rate_is_the_synthesizers():
    from latentscore import synth

    assert synth.SAMPLE_RATE == SAMPLE_RATE


def test_the_same_bytes_in_two_processes():
    program = (
        "import hashlib, json, sys\n"
        "from vibegrid.sound.render import render\n"
        "configs = json.load(sys.stdin)\n"
        "print(*(hashlib.sha256(render(c, 1.5).tobytes()).hexdigest() for c in configs), sep='\\n')\n"
    )
    configs = [NOISY, CONFIG, {}]
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    other = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(configs), capture_output=True, text=True, env=environment
    )
    np.random.seed(3)  # the global generator's state has no influence
    assert other.stdout.split() == [digest(render(config, 1.5)) for config in configs], other.stderr


def test_rendering_leaves_the_global_generator_as_it_was():
    np.random.seed(11)
    expected = np.random.rand(3)
    np.random.seed(11)
    render(NOISY, 0.5)
    assert (np.random.rand(3) == expected).all()


def test_what_is_no_part_of_the_config_has_no_influence():
    dressed = dict(reversed(CONFIG.items())) | {"title": "x", "thinking": "y", "palettes": [], "seed": 5}
    assert seed_of(dressed) == seed_of(CONFIG)
    assert digest(render(dressed, 0.5)) == digest(render(CONFIG, 0.5))


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_moves_the_seed(field):
    low_to_high = {"register_min_oct": FIELDS["register_min_oct"][0]}
    config = CONFIG | low_to_high
    other = next(label for label in FIELDS[field] if label != config[field])
    assert seed_of(config | {field: other}) != seed_of(config)


@given(st.dictionaries(st.sampled_from([*FIELDS, "other"]), st.none() | st.booleans() | st.integers(-9, 9) | st.text()))
@settings(deadline=None)  # the first one imports the synthesizer
def test_repair_gives_legal_labels(config):
    repaired = repair(config)
    assert list(repaired) == list(FIELDS)
    assert all(is_legal(field, label) for field, label in repaired.items())
    assert int(repaired["register_min_oct"]) <= int(repaired["register_max_oct"])
    assert repair(repaired) == repaired
    for field, label in config.items():
        if field in FIELDS and is_legal(field, label) and not field.startswith("register"):
            assert repaired[field] == label


def test_repair_of_known_cases():
    assert repair(CONFIG) == CONFIG
    empty = repair({})
    assert (empty["tempo"], empty["rhythm"], empty["density"]) == ("medium", "minimal", 5)  # MusicConfig's defaults
    assert empty["melody_density"] == "medium"  # its default there is a number: the middle label
    assert repair({"density": 3.0, "depth": 1, "tempo": ["fast"]}) == empty  # types count, lists do not break it
    low, high = FIELDS["register_min_oct"][0], FIELDS["register_max_oct"][-1]
    swapped = repair({"register_min_oct": high, "register_max_oct": low})
    assert (swapped["register_min_oct"], swapped["register_max_oct"]) == (low, high)
    assert repair("no config") == empty  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0.3, 1.0, 1.23456])
def test_a_render_is_of_the_asked_length_and_sounds(seconds):
    audio = render({"tempo": "no such label", "density": None}, seconds)
    assert audio.dtype == np.float32 and audio.shape == (round(seconds * SAMPLE_RATE),)
    assert np.max(np.abs(audio)) == pytest.approx(0.85, abs=1e-6)
    assert Clip(audio).problem is None


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_seconds_that_are_none(seconds):
    with pytest.raises(InputError, match="positive number"):
        render(CONFIG, seconds)


QUIET = sine(440, level=1e-4)
HOLED = sine(440)
HOLED[1000] = np.nan
INFINITE = sine(440)
INFINITE[1000] = np.inf
PROBLEMS = [
    (HOLED, "nan"),
    (INFINITE, "nan"),
    (np.full(SAMPLE_RATE, 1e300), "nan"),  # beyond float32
    (np.zeros(SAMPLE_RATE), "silent"),
    (np.zeros(0), "silent"),
    (QUIET, "silent"),
    (np.full(SAMPLE_RATE, 0.5), "silent"),  # a constant is no sound
    (np.clip(sine(440, level=2.0), -1, 1), "clipped"),
    (sine(440, level=2.0), "clipped"),  # would be cut by any player
    (sine(50, level=1.0), None),  # touches full scale
    (sine(440), None),
    (sine(440, seconds=0.01), None),  # shorter than one window
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("audio", "problem"), PROBLEMS)
def test_problems_are_told_and_nothing_breaks_on_them(audio, problem):
    clip = Clip(audio)
    assert clip.problem == problem
    assert np.isfinite(clip.magnitudes).all() and np.isfinite(clip.log_mel).all()
    assert all(np.isfinite(value) for value in clip.measures.values())


def test_shapes_and_dtypes():
    clip = Clip(sine(440, seconds=4.0))
    assert clip.seconds == 4.0
    assert clip.magnitudes.shape == (173, 1025) and clip.magnitudes.dtype == np.float32
    assert clip.log_mel.shape == (173, 64) and clip.log_mel.dtype == np.float32
    assert clip.magnitudes is clip.magnitudes  # made once
    with pytest.raises(InputError, match="one channel"):
        Clip(np.zeros((100, 2)))


def test_loudness_of_a_known_sine():
    # BS.1770: a full-scale 997 Hz sine in one channel reads -3.01 LKFS
    assert loudness(sine(997, level=1.0), SAMPLE_RATE) == pytest.approx(-3.01, abs=0.05)


def test_normalised_clips_are_equally_loud():
    for audio in (sine(440, level=0.01), sine(440, level=0.9), render(CONFIG, 1.5)):
        assert loudness(normalise(audio, SAMPLE_RATE), SAMPLE_RATE) == pytest.approx(-20, abs=0.05)


def test_normalising_never_clips():
    click = sine(440, level=0.001)
    click[0] = 0.5
    loud = normalise(click, SAMPLE_RATE)
    assert np.max(np.abs(loud)) == pytest.approx(10 ** (-1 / 20))
    assert (normalise(np.zeros(SAMPLE_RATE), SAMPLE_RATE) == 0).all()
    assert len(normalise(np.zeros(0), SAMPLE_RATE)) == 0
    with pytest.raises(InputError, match="NaN"):
        normalise(HOLED, SAMPLE_RATE)


def test_files_are_flac_and_equal(tmp_path):
    import soundfile

    audio = normalise(render(CONFIG, 0.5), SAMPLE_RATE)
    for name in ("a.flac", "b.flac"):
        write_audio(tmp_path / "clips" / name, audio, SAMPLE_RATE)
    first, second = ((tmp_path / "clips" / name).read_bytes() for name in ("a.flac", "b.flac"))
    assert first == second and first[:4] == b"fLaC"
    read, rate = soundfile.read(tmp_path / "clips" / "a.flac", dtype="float32")
    assert rate == SAMPLE_RATE
    np.testing.assert_allclose(read, audio, atol=2**-15)
    assert len(list((tmp_path / "clips").iterdir())) == 2
