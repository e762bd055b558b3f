"""Writes a whole payload around seven decisions.

The decisions are what a composer (or a random draw) settles; the other 27 fields of the config, the three
palettes and the `thinking` line follow from them, with a little variation from the given generator.
"""

from __future__ import annotations

import colorsys
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, get_args

from common import music_schema as ms

TEMPOS: tuple[str, ...] = get_args(ms.TempoLabel)
BRIGHTNESSES: tuple[str, ...] = get_args(ms.BrightnessLabel)
MODES: tuple[str, ...] = get_args(ms.ModeName)
SPACES: tuple[str, ...] = get_args(ms.SpaceLabel)
DENSITIES: tuple[int, ...] = get_args(ms.DensityLevel)
RHYTHMS: tuple[str, ...] = get_args(ms.RhythmStyle)
TEXTURES: tuple[str, ...] = get_args(ms.TextureStyle)
CONFIG_FIELDS: tuple[str, ...] = tuple(ms.MusicConfigPrompt.model_fields)
WEIGHTS = ("xl", "lg", "md", "sm", "xs")
UNTITLED = "Untitled"
UNHEARD = "nothing"  # quoted in `thinking` where no word was understood
MAX_KEYWORD_CHARS = 40


@dataclass(frozen=True)
class Decisions:
    """Seven labels of the schema; `density` is an integer, 2 to 6."""

    tempo: str
    brightness: str
    mode: str
    space: str
    density: int
    rhythm: str
    texture: str


LABELS: dict[str, tuple[Any, ...]] = {
    "tempo": TEMPOS,
    "brightness": BRIGHTNESSES,
    "mode": MODES,
    "space": SPACES,
    "density": DENSITIES,
    "rhythm": RHYTHMS,
    "texture": TEXTURES,
}


@dataclass(frozen=True)
class Colour:
    """One of the 64 colours: lightness and saturation in [0, 1], warmth in [-1, 1] (cold to warm)."""

    hex: str
    name: str
    lightness: float
    warmth: float
    saturation: float


def random_decisions(rng: random.Random) -> Decisions:
    """Each of the seven uniform over its labels, independently."""
    return Decisions(**{field.name: rng.choice(LABELS[field.name]) for field in fields(Decisions)})


def write_payload(decisions: Decisions, keywords: Sequence[str], title: str, rng: random.Random) -> dict[str, Any]:
    """A payload that the schema accepts, with exactly these decisions in its config."""
    return {
        "thinking": write_thinking(decisions, keywords),
        "title": fit_title(title),
        "config": write_config(decisions, rng),
        "palettes": write_palettes(decisions, rng),
    }


def write_thinking(decisions: Decisions, keywords: Sequence[str]) -> str:
    """`tempo very_slow, brightness dark, ..., texture stars: hush, harbour`: fields and labels, then what was heard."""
    heard = ", ".join(" ".join(word.split())[:MAX_KEYWORD_CHARS] for word in keywords[:8])
    d = decisions
    labels = (
        f"tempo {d.tempo}, brightness {d.brightness}, mode {d.mode}, space {d.space}, "
        f"density {d.density}, rhythm {d.rhythm}, texture {d.texture}"
    )
    return f"{labels}: {heard}"


def fit_title(title: str) -> str:
    """At most six words and 60 characters, never empty."""
    words = title.split()[: ms.MAX_TITLE_WORDS]
    return " ".join(words)[: ms.MAX_TITLE_CHARS].strip() or UNTITLED


def write_config(decisions: Decisions, rng: random.Random) -> dict[str, Any]:
    """All 34 fields, in the schema's order."""
    d = decisions
    speed, light, room = (LABELS[name].index(getattr(d, name)) for name in ("tempo", "brightness", "space"))
    layers = d.density - 2
    dark_mode = d.mode in ("minor", "dorian")
    chosen = {field.name: getattr(d, field.name) for field in fields(d)}
    chosen |= _layers(d, speed, light, room, layers, dark_mode, rng)
    chosen |= _sound(d, speed, light, room, layers, rng)
    chosen |= _line(d, speed, layers, rng)
    chosen |= _harmony(d, speed, light, room, dark_mode, rng)
    return {name: chosen[name] for name in CONFIG_FIELDS}


def _mostly(rng: random.Random, options: Sequence[Any]) -> Any:
    """The first option in about two draws of three, otherwise one of the others."""
    if len(options) == 1 or rng.random() < 0.65:
        return options[0]
    return rng.choice(options[1:])


def _along(rng: random.Random, labels: Sequence[Any], position: float) -> Any:
    """The label at `position` in [0, 1] of an ordered list, one step off in a quarter of the draws."""
    index = round(position * (len(labels) - 1))
    if rng.random() < 0.25:
        index += rng.choice((-1, 1))
    return labels[min(max(index, 0), len(labels) - 1)]


def _layers(
    d: Decisions, speed: int, light: int, room: int, layers: int, dark_mode: bool, rng: random.Random
) -> dict[str, Any]:
    """Bass, pad, melody and accent. `speed`, `light`, `room` and `layers` are 0 to 4."""
    if speed <= 1:
        bass = ("drone", "fifth_drone", "sustained") if room >= 3 else ("sustained", "drone", "sub_pulse")
    elif speed == 2:
        bass = ("pulsing", "sustained", "sub_pulse") if layers >= 2 else ("sustained", "sub_pulse", "fifth_drone")
    else:
        bass = ("arp_bass", "octave", "pulsing") if layers >= 3 else ("octave", "walking", "pulsing")
    if light <= 1:
        pad = (
            ("dark_sustained", "cinematic", "warm_slow")
            if room < 3
            else ("dark_sustained", "ambient_drift", "cinematic")
        )
    elif light == 2:
        pad = (
            ("ambient_drift", "warm_slow", "stacked_fifths")
            if room >= 3
            else ("warm_slow", "stacked_fifths", "cinematic")
        )
    else:
        pad = (
            ("bright_open", "thin_high", "stacked_fifths")
            if layers >= 2
            else ("thin_high", "bright_open", "ambient_drift")
        )
    if speed <= 1:
        melody = ("contemplative_minor", "falling", "minimal") if dark_mode else ("contemplative", "rising", "minimal")
    elif speed == 2:
        melody = ("call_response", "falling", "procedural") if dark_mode else ("rising", "call_response", "procedural")
    else:
        melody = ("arp_melody", "procedural", "ornamental") if dark_mode else ("heroic", "arp_melody", "ornamental")
    if layers == 0:
        accent = ("none", "wind", "piano_note")
    elif light >= 3:
        accent = ("bells_dense", "chime", "arp_accent") if layers >= 3 else ("chime", "bells", "pluck")
    elif speed >= 3:
        accent = ("brass_hit", "blip_random", "arp_accent") if layers >= 3 else ("pluck", "blip", "brass_hit")
    else:
        accent = ("wind", "piano_note", "bells") if room >= 3 else ("piano_note", "pluck", "none")
    return {
        "bass": _mostly(rng, bass),
        "pad": _mostly(rng, pad),
        "melody": _mostly(rng, melody),
        "accent": _mostly(rng, accent),
    }


def _sound(d: Decisions, speed: int, light: int, room: int, layers: int, rng: random.Random) -> dict[str, Any]:
    """Modulation, transients, width, echo and the character of the oscillators."""
    rough = d.texture in ("vinyl_crackle", "glitch", "noise_wash")
    machine = d.rhythm in ("electronic", "military") or d.texture == "glitch"
    grain = "gritty" if rough else "warm" if light <= 2 else "clean"
    return {
        "motion": _along(rng, get_args(ms.MotionLabel), speed / 4),
        "attack": _along(rng, get_args(ms.AttackStyle), speed / 4),
        "stereo": _along(rng, get_args(ms.StereoLabel), room / 4),
        "depth": layers >= 2 if rng.random() < 0.85 else layers < 2,
        "echo": _along(rng, get_args(ms.EchoLabel), 0.85 * room / 4),
        "human": _mostly(rng, ("robotic", "tight") if machine else ("natural", "loose", "tight")),
        "grain": _mostly(rng, (grain, *(g for g in get_args(ms.GrainStyle) if g != grain))),
    }


def _line(d: Decisions, speed: int, layers: int, rng: random.Random) -> dict[str, Any]:
    """How the melody moves: its density, phrases, register and steps."""
    low = 5 if d.brightness in ("bright", "very_bright") else 3 if d.brightness in ("dark", "very_dark") else 4
    low = min(max(low + rng.choice((0, 0, 0, -1)), ms.PROMPT_REGISTER_MIN), ms.PROMPT_REGISTER_MAX - 2)
    swings = d.rhythm in ("brush", "kit_light", "tabla_essence")
    return {
        "melody_engine": _mostly(rng, ("pattern", "procedural") if speed >= 3 else ("procedural", "pattern")),
        "phrase_len_bars": _along(rng, (8, 4, 2), speed / 4),
        "melody_density": _along(rng, get_args(ms.MelodyDensityLabel), (speed + layers) / 8),
        "syncopation": _along(rng, get_args(ms.SyncopationLabel), 0.2 + 0.15 * speed if swings else 0.15 * speed),
        "swing": _along(rng, get_args(ms.SwingLabel), 0.5 if swings else 0.0),
        "motif_repeat_prob": _along(rng, get_args(ms.MotifRepeatLabel), 0.25 + speed / 8),
        "step_bias": _along(rng, get_args(ms.StepBiasLabel), speed / 4),
        "register_min_oct": low,
        "register_max_oct": low + (2 if layers >= 2 else rng.choice((1, 1, 2))),
    }


def _harmony(d: Decisions, speed: int, light: int, room: int, dark_mode: bool, rng: random.Random) -> dict[str, Any]:
    """Root, chords, cadence and tension."""
    style = {
        "major": ("pop", "ambient", "auto"),
        "minor": ("cinematic", "ambient", "auto"),
        "dorian": ("jazz", "cinematic", "ambient"),
        "mixolydian": ("pop", "jazz", "auto"),
    }[d.mode]
    if speed == 0 or (speed == 1 and room == 4):
        style = ("ambient", *(s for s in style if s != "ambient"))
    extensions = "lush" if room >= 3 else "sevenths" if d.mode in ("dorian", "mixolydian") else "triads"
    return {
        "root": rng.choice(get_args(ms.RootNote)),
        "chromatic_prob": _along(
            rng, get_args(ms.ChromaticLabel), 0.1 + (0.25 if dark_mode else 0.0) + 0.05 * (4 - light)
        ),
        "cadence_strength": _along(rng, get_args(ms.CadenceLabel), 0.75 if d.mode == "major" else speed / 4),
        "tension_curve": _mostly(
            rng,
            ("ramp", "arc") if speed >= 3 else ("waves", "arc") if room >= 3 else ("arc", "waves", "ramp"),
        ),
        "harmony_style": _mostly(rng, style),
        "chord_change_bars": _along(rng, get_args(ms.ChordChangeLabel), speed / 4),
        "chord_extensions": _mostly(rng, (extensions, *(e for e in get_args(ms.ChordExtensions) if e != extensions))),
    }


@cache
def colours() -> tuple[Colour, ...]:
    """The 64 colours of `data/colours.txt` (lines `#rrggbb name`)."""
    text = resources.files("vibegrid.llm").joinpath("data/colours.txt").read_text(encoding="utf-8")
    rows = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return tuple(_colour(code, name) for code, name in rows)


def _colour(code: str, name: str) -> Colour:
    """Warmth is the hue's nearness to orange (30 degrees), scaled by saturation."""
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    around = abs(hue - 1 / 12)
    nearness = 1 - 4 * min(around, 1 - around)
    return Colour(code, name, lightness, nearness * min(1.0, 1.5 * saturation), saturation)


def write_palettes(decisions: Decisions, rng: random.Random) -> list[dict[str, Any]]:
    """Three palettes of five distinct colours: as bright as the music, then darker, then lighter."""
    light = 0.15 + 0.17 * BRIGHTNESSES.index(decisions.brightness)
    warmth = {"major": 0.6, "mixolydian": 0.35, "dorian": -0.2, "minor": -0.6}[decisions.mode]
    warmth += 0.2 if decisions.texture in ("vinyl_crackle", "breath") else 0.0
    warmth -= 0.2 if decisions.texture in ("crystal", "stars", "glitch") else 0.0
    return [{"colors": _palette(light + shift, warmth, rng)} for shift in (0.0, -0.15, 0.15)]


def _palette(light: float, warmth: float, rng: random.Random) -> list[dict[str, str]]:
    """Five of the colours nearest to a lightness and warmth, with some noise; the nearest weighs most."""
    near = sorted(
        colours(),
        key=lambda c: 2.0 * abs(c.lightness - light) + 0.7 * abs(c.warmth - warmth) + rng.random() * 0.45,
    )
    return [{"hex": colour.hex, "weight": weight} for colour, weight in zip(near[:5], WEIGHTS, strict=True)]
