"""The embedded listeners: simulated judges, deterministic programs behind an LLM's interface.

A listener decodes the sound of the chat, measures its own acoustic features (`vibegrid.llm.hearing`), reads out of
the vibe where each of them should lie, and scores the agreement. The two listeners share pace, brightness and mood,
each by words of its own, and differ in three features more and in what they call good sound. They hear no music and
are never named as language models.

The place of a measured value is its rank among renders of random configs (`data/listener_ranges.tsv`), so that a
score uses the whole range.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from vibegrid.embeddings import encode, encode_alone
from vibegrid.llm.audio_parts import find_audio, parts_of
from vibegrid.llm.hearing import FEATURES, MIN_SECONDS, QUALITIES, Ear, silence
from vibegrid.sound.clip import Clip

REFUSAL = "I need a vibe between <vibe> and </vibe>, and a sound, to judge how they fit."
NO_SOUND = "I hear nothing that can be judged."
SUFFIXES = ("s", "es", "ing", "ed", "d", "ly", "er", "y")
MIN_STEM_CHARS = 3
SOFT_GAIN = 0.8  # place that MiniLM alone gives to a vibe one standard deviation towards a pole
BASE_WEIGHT = 0.1  # of a feature that the vibe does not speak of; one that it does counts up to 1 more
MATCH_SPAN = (0.25, 0.95)  # agreements that score 0 and 10; nearly all lie between
QUALITY_SPAN = (-0.7, 1.1)  # narrower scores, about 4 to 9: all clips come from one synthesizer
WELL_SAID = 3  # features named in `thinking`
_WORD = re.compile(r"[a-z]+")


class Listener(NamedTuple):
    """What one listener attends to."""

    lexicon: str
    features: tuple[str, ...]
    qualities: Mapping[str, str]  # quality -> which rank is good: "low", "high" or "middle"


LISTENERS = {
    1: Listener(
        "data/listener_1_lexicon.tsv",
        ("pace", "brightness", "attack", "swell", "weight", "mood"),
        {"crest": "middle", "slope": "middle"},
    ),
    2: Listener(
        "data/listener_2_lexicon.tsv",
        ("mood", "noise", "space", "fullness", "pace", "brightness"),
        {"roughness": "low", "harshness": "middle"},
    ),
}


def first(messages: Sequence[Mapping[str, Any]]) -> str:
    """`embedded/listener-1`: pace, brightness, attack, swell, weight, mood."""
    return respond(messages, 1)


def second(messages: Sequence[Mapping[str, Any]]) -> str:
    """`embedded/listener-2`: mood, noise, space, fullness, pace, brightness."""
    return respond(messages, 2)


def respond(messages: Sequence[Mapping[str, Any]], number: int) -> str:
    """Answers a chat as a judge would: the judgement's JSON, or a refusal where vibe or sound is missing.

    Raises:
        ValueError: the sound is no WAV file of 16 bits.
    """
    vibe, heard = find_vibe(messages), find_audio(messages)
    if vibe is None or heard is None:
        return REFUSAL
    clip = Clip(*heard)
    if clip.problem is not None or clip.seconds < MIN_SECONDS:
        return _answer(NO_SOUND, 0.0, 0.0)
    listener, ear = LISTENERS[number], Ear(clip)
    expected = expectation(vibe, number)
    found = {name: rank(name, FEATURES[name](ear)) for name in listener.features}
    match = agreement(expected, found)
    quality = np.mean([_good(way, rank(name, QUALITIES[name](ear))) for name, way in listener.qualities.items()])
    quality *= 1.0 - silence(ear)
    thinking = f"Simulated listener {number}, by rule. {_report(expected, found)}"
    return _answer(thinking, _stretch(match, MATCH_SPAN), _stretch(float(quality), QUALITY_SPAN))


def find_vibe(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """The text between the last `<vibe>` of a text part of the user's and the `</vibe>` after it."""
    for part in reversed(parts_of(messages, "text")):
        _, opened, rest = str(part.get("text")).rpartition("<vibe>")
        vibe, closed, _ = rest.partition("</vibe>")
        if opened and closed:
            return vibe.strip()
    return None


@lru_cache(maxsize=4096)
def expectation(vibe: str, number: int) -> Mapping[str, float]:
    """Feature -> where it should lie, in [-1, 1]: the mean of the words that the lexicon has and of MiniLM's view,
    which counts as one word."""
    listener, words = LISTENERS[number], _words(vibe)
    known = lexicon(listener.lexicon)
    views = _views(vibe)
    places = {}
    for name in listener.features:
        said = [value for word in words if (value := _look_up(word, known[name])) is not None]
        places[name] = (sum(said) + views[name]) / (len(said) + 1)
    return places


def agreement(expected: Mapping[str, float], found: Mapping[str, float]) -> float:
    """1 - distance of expected and found places, in [0, 1]; what the vibe speaks of clearly counts most."""
    weights = {name: BASE_WEIGHT + abs(place) for name, place in expected.items()}
    near = sum(weights[name] * (1.0 - abs(expected[name] - (2.0 * found[name] - 1.0)) / 2.0) for name in expected)
    return near / sum(weights.values())


def rank(name: str, value: float) -> float:
    """Share of renders of random configs whose value is lower, in [0, 1]."""
    row = _ranges()[name]
    return float(np.interp(value, row, np.linspace(0.0, 1.0, len(row))))


@lru_cache(maxsize=2)
def lexicon(path: str) -> dict[str, dict[str, float]]:
    """Feature -> word -> place."""
    found: dict[str, dict[str, float]] = {}
    for feature, place, words in _rows(path):
        found.setdefault(feature, {}).update(dict.fromkeys(words.split(), float(place)))
    return found


def _rows(path: str) -> list[list[str]]:
    text = resources.files("vibegrid.llm").joinpath(path).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


@lru_cache(maxsize=1)
def _ranges() -> dict[str, np.ndarray]:
    """Feature or quality -> its 0, 5, ..., 100 % quantiles."""
    return {name: np.array([float(cell) for cell in cells]) for name, *cells in _rows("data/listener_ranges.tsv")}


def _words(vibe: str) -> list[str]:
    return list(dict.fromkeys(_WORD.findall(vibe.lower().replace("'s", "").replace("\u2019s", ""))))


def _look_up(word: str, known: Mapping[str, float]) -> float | None:
    """The place of a word, as it is or without a suffix: dances, danced -> dance."""
    stems = [word.removesuffix(suffix) for suffix in SUFFIXES if word.endswith(suffix)]
    stems = [stem for stem in stems if len(stem) >= MIN_STEM_CHARS]
    undoubled = [stem[:-1] for stem in stems if len(stem) > MIN_STEM_CHARS and stem[-1] == stem[-2]]
    tried = [word, *stems, *(stem + "e" for stem in stems), *undoubled]
    return next((known[each] for each in tried if each in known), None)


@lru_cache(maxsize=1)
def _anchors() -> tuple[list[str], np.ndarray]:
    """(features, one direction each from its low to its high phrases: (features, 384))."""
    phrases = {(feature, pole): text.split(" | ") for feature, pole, text in _rows("data/listener_anchors.tsv")}
    names = list(dict.fromkeys(feature for feature, _ in phrases))
    poles = [encode(phrases[name, "high"]).mean(axis=0) - encode(phrases[name, "low"]).mean(axis=0) for name in names]
    return names, np.stack(poles)


@lru_cache(maxsize=1)
def _usual() -> dict[str, tuple[float, float]]:
    """Feature -> mean and standard deviation of what `_anchors` says of vibes."""
    return {name: (float(mean), float(spread)) for name, mean, spread in _rows("data/listener_views.tsv")}


@lru_cache(maxsize=4096)
def _views(vibe: str) -> Mapping[str, float]:
    """Feature -> where MiniLM puts the vibe between its poles, in (-1, 1)."""
    names, directions = _anchors()
    raw = directions @ encode_alone(vibe)
    usual = _usual()
    return {
        name: math.tanh(SOFT_GAIN * (float(value) - usual[name][0]) / usual[name][1])
        for name, value in zip(names, raw, strict=True)
    }


def _good(way: str, place: float) -> float:
    return {"low": 1.0 - place, "high": place, "middle": 1.0 - abs(2.0 * place - 1.0)}[way]


def _stretch(value: float, span: tuple[float, float]) -> float:
    """[0, 10], two digits."""
    share = (value - span[0]) / (span[1] - span[0])
    return round(10.0 * min(1.0, max(0.0, share)), 2)


def _report(expected: Mapping[str, float], found: Mapping[str, float]) -> str:
    """The features that the vibe speaks of most, each with the place that was expected and the one that was heard."""
    chosen = sorted(expected, key=lambda name: -abs(expected[name]))[:WELL_SAID]
    said = (f"{name} {found[name]:.2f}, expected {(expected[name] + 1.0) / 2.0:.2f}" for name in chosen)
    return "Heard (0 low, 1 high): " + "; ".join(said) + "."


def _answer(thinking: str, vibe_match: float, audio_quality: float) -> str:
    return json.dumps({"thinking": thinking, "vibe_match": vibe_match, "audio_quality": audio_quality})
