"""The embedded composer: the teacher of the `mini` scale, a deterministic program behind an LLM's interface.

It weighs the words of a vibe on seven axes (its own word list, `data/composer_lexicon.tsv`), turns the sums
into seven decisions and lets the payload writer do the rest. It is no language model and never named as one.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from vibegrid.llm import payload_writer as writer
from vibegrid.payloads import dumps

AXES = ("energy", "light", "valence", "space", "density", "pulse", "roughness")
REFUSAL = "I need a vibe between <vibe> and </vibe> to write a payload."
SUFFIXES = ("s", "ing", "ed", "ly", "er")
MIN_STEM_CHARS = 3
MAX_VIBE_CHARS = 20_000
# An axis that no word speaks of follows a related axis, by this share.
RELATED = {
    "energy": ("pulse", 0.5),
    "light": ("valence", 0.5),
    "valence": ("light", 0.5),
    "space": ("pulse", -0.3),
    "density": ("energy", 0.5),
    "pulse": ("energy", 0.5),
    "roughness": ("light", -0.4),
}
OWN_RANGE = 0.9  # bound of the vibe's own offset on an axis that no word speaks of
JITTER_SD = 0.25  # spread added to every axis per unit of temperature
# Upper bounds of all labels but the last, set so that the labels share varied vibes about evenly.
CUTS = {
    "energy": (-1.3, -0.5, 0.4, 1.3),
    "light": (-1.1, -0.3, 0.6, 1.4),
    "valence": (-0.8, 0.0, 0.9),
    "space": (-0.9, 0.0, 0.9, 1.8),
    "density": (-1.1, -0.3, 0.5, 1.4),
}
MODES_BY_VALENCE = ("minor", "dorian", "mixolydian", "major")
# Rhythms and textures sit at a place on four axes; the nearest is taken.
RHYTHM_AXES = ("pulse", "energy", "valence", "roughness")
RHYTHM_PLACES = {
    "none": (-2.0, -1.4, 0.0, -0.7),
    "minimal": (-1.0, -0.9, -0.4, 0.3),
    "heartbeat": (0.0, -0.8, -1.2, 0.2),
    "soft_four": (0.1, 0.0, 1.0, -1.2),
    "hats_only": (0.2, 0.5, -0.5, -0.4),
    "electronic": (1.6, 1.5, 0.1, 1.2),
    "kit_light": (0.9, 0.7, 1.3, -0.1),
    "kit_medium": (1.8, 1.7, 1.5, 0.4),
    "military": (1.4, 1.3, -1.4, 0.9),
    "tabla_essence": (1.2, 0.7, 0.3, -0.7),
    "brush": (-0.8, -0.5, 1.1, -0.4),
}
TEXTURE_AXES = ("roughness", "light", "space", "energy")
TEXTURE_PLACES = {
    "none": (0.0, 0.4, -0.9, 0.6),
    "shimmer": (-0.9, 1.2, 0.8, 0.8),
    "shimmer_slow": (-0.9, 0.7, 0.8, -1.0),
    "vinyl_crackle": (1.0, -0.3, -1.0, -0.4),
    "breath": (-0.2, -0.6, -0.9, -1.0),
    "stars": (-1.2, -0.2, 2.0, -1.0),
    "glitch": (1.5, 0.7, -0.2, 1.3),
    "noise_wash": (1.1, -0.7, 1.2, 0.8),
    "crystal": (-1.4, 1.7, -0.3, 0.0),
    "pad_whisper": (0.0, -1.1, 0.9, -0.8),
}
_STOP_TEXT = """
a about above after again all also am an and any are as at be because been before being below between
both but by can could did do does doing down each else ever every few for from further had has have
having he her here hers him his how i if in into is it its just let like me more most much must my near
no nor not now of off on once one only or other our out over own same she should so some such than that
the their them then there these they this those through to too toward towards two under until up upon us
very was we were what when where which while who whom why will with within without would yet you your
"""
STOP_WORDS = frozenset(_STOP_TEXT.split())
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")


@cache
def lexicon() -> Mapping[str, tuple[float, ...]]:
    """Word -> its seven weights in [-2, 2], in the order of `AXES`."""
    text = resources.files("vibegrid.llm").joinpath("data/composer_lexicon.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:] if line]
    return {row[0]: tuple(float(cell) for cell in row[1:]) for row in rows}


def words_of(vibe: str) -> list[str]:
    """The words of a vibe, lower case, without a possessive ending."""
    found = _WORD.findall(vibe[:MAX_VIBE_CHARS].lower().replace("\u2019", "'"))
    return [word.removesuffix("'s") for word in found]


@cache
def look_up(word: str) -> str | None:
    """The lexicon's entry for a lower-case word, as it is or with one suffix less; None if there is none."""
    return next((stem for stem in _stems(word) if stem in lexicon()), None)


def _stems(word: str) -> Iterable[str]:
    """The word, then what is left without a suffix: drifting, drift; humming, hum; gliding, glide."""
    yield word
    if word.endswith(("ies", "ied")):
        yield word[:-3] + "y"
    for suffix in SUFFIXES:
        stem = word.removesuffix(suffix)
        if stem == word or len(stem) < MIN_STEM_CHARS:
            continue
        yield stem
        if suffix == "s" and stem.endswith("e"):
            yield stem[:-1]
        if suffix in ("ing", "ed", "er"):
            yield stem + "e"
            if stem[-1] == stem[-2]:
                yield stem[:-1]


def matched_words(vibe: str) -> list[str]:
    """The lexicon's entries that a vibe speaks of, in its order, each once."""
    return list(dict.fromkeys(entry for word in words_of(vibe) if (entry := look_up(word))))


def content_words(vibe: str) -> list[str]:
    """The words of a vibe that are no stop words, each once."""
    return list(
        dict.fromkeys(word for word in words_of(vibe) if word not in STOP_WORDS and (len(word) > 1 or word > "z"))
    )


def weigh(vibe: str) -> dict[str, float]:
    """Axis -> position, mostly in [-3, 3].

    The mean weight of the words that bear on the axis, times the root of their number, so that long vibes
    spread as widely as short ones (a plain mean would pull them all to the middle).
    """
    rows = [lexicon()[word] for word in matched_words(vibe)]
    bearing = {axis: [row[i] for row in rows if row[i]] for i, axis in enumerate(AXES)}
    heard = {axis: sum(values) / math.sqrt(len(values)) for axis, values in bearing.items() if values}
    own = random.Random(_hash("offset", vibe))
    offsets = {axis: own.uniform(-OWN_RANGE, OWN_RANGE) for axis in AXES}
    position = dict(heard)
    for axis in AXES:
        if axis not in heard:
            other, share = RELATED[axis]
            position[axis] = share * heard.get(other, 0.0) + offsets[axis]
    return position


def decide(position: Mapping[str, float]) -> writer.Decisions:
    """The seven labels of a position on the seven axes."""
    return writer.Decisions(
        tempo=_label(writer.TEMPOS, "energy", position),
        brightness=_label(writer.BRIGHTNESSES, "light", position),
        mode=_label(MODES_BY_VALENCE, "valence", position),
        space=_label(writer.SPACES, "space", position),
        density=_label(writer.DENSITIES, "density", position),
        rhythm=_nearest(RHYTHM_PLACES, RHYTHM_AXES, position),
        texture=_nearest(TEXTURE_PLACES, TEXTURE_AXES, position),
    )


def _label(labels: Sequence[Any], axis: str, position: Mapping[str, float]) -> Any:
    return labels[sum(position[axis] > cut for cut in CUTS[axis])]


def _nearest(places: Mapping[str, tuple[float, ...]], axes: Sequence[str], position: Mapping[str, float]) -> str:
    point = tuple(max(-2.0, min(2.0, position[axis])) for axis in axes)
    return min(places, key=lambda name: math.dist(places[name], point))


def compose(vibe: str, rng: random.Random, temperature: float = 0.0) -> dict[str, Any]:
    """The payload of a vibe. `rng` varies what is not decided, and (warm) the decisions a little."""
    position = weigh(vibe)
    if temperature > 0:
        position = {axis: value + rng.gauss(0.0, JITTER_SD * temperature) for axis, value in position.items()}
    decisions = decide(position)
    keywords = matched_words(vibe)[:3] or [writer.UNHEARD]
    return writer.write_payload(decisions, keywords, _title(vibe, decisions), rng)


def _title(vibe: str, decisions: writer.Decisions) -> str:
    """Two to four content words of the vibe; those that the lexicon knows come first where there are more."""
    words = content_words(vibe)
    if len(words) > 4:
        known = [word for word in words if look_up(word)][:3]
        kept = set((known + [word for word in words if word not in known])[:3])
        words = [word for word in words if word in kept]
    if len(words) < 2:
        words = [decisions.brightness.split("_")[-1], *(words or ["sketch"])]
    return " ".join(word[:1].upper() + word[1:] for word in words)


def respond(messages: Sequence[Mapping[str, Any]], temperature: float | None = None, seed: int | None = None) -> str:
    """Answers a chat as an LLM would: the payload's compact JSON, or a refusal where no vibe is marked.

    At temperature 0 the answer depends on the vibe alone; above, on the vibe, the seed and the temperature.
    """
    vibe = find_vibe(messages)
    if vibe is None:
        return REFUSAL
    warmth = max(0.0, float(temperature or 0.0))
    rng = random.Random(_hash("payload", vibe, str(seed or 0), repr(warmth)) if warmth else _hash("payload", vibe))
    return dumps(compose(vibe, rng, warmth))


def find_vibe(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """The text between the last `<vibe>` of the last user message and the `</vibe>` after it."""
    asked = [m.get("content") for m in messages if m.get("role") == "user"]
    if not asked or not isinstance(asked[-1], str):
        return None
    _, opened, rest = asked[-1].rpartition("<vibe>")
    vibe, closed, _ = rest.partition("</vibe>")
    return vibe.strip() if opened and closed else None


def _hash(*parts: str) -> int:
    text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
