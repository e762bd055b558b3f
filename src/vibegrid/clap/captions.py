"""Captions of configs: phrases that are true of how a config sounds, a few at a time, in any order.

A file of phrases (`data/captions_<variant>.tsv`) has one row a set of labels: attribute, labels, phrases. The two
variants share no content word, and `data/probes.tsv`, the phrases of the card, none with either.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from vibegrid.errors import InputError
from vibegrid.schema import FIELDS

TEMPLATE = "template"  # the attribute of rows that hold frames for a whole caption, `{}` in the caption's place
JOINTS = (", ", ", ", ", ", " and ", " with ", "; ", ". ")
MAIN = ("tempo", "brightness", "mode", "space", "density", "rhythm", "texture")
MAIN_WEIGHT = 2.0  # of the seven in a draw; the other attributes have 1

# density -> which layers the synthesizer plays (latentscore.synth.DENSITY_LAYERS)
MELODY_FROM, RHYTHM_FROM, TEXTURE_FROM, ACCENT_FROM = 3, 4, 5, 6

KEPT = ("tempo", "brightness", "mode", "space", "density", "grain", "attack", "echo", "bass", "depth")
LAYERS = ("rhythm", "texture", "accent")  # "none" where the density leaves them out
# All labels that can be heard, by attribute.
LABELS: dict[str, tuple[str, ...]] = {
    **{name: tuple(map(str, FIELDS[name])) for name in (*KEPT, *LAYERS)},
    "melody": ("absent", "sparse", "medium", "busy"),
    "register": ("low", "middle", "high"),
}


class Phrase(NamedTuple):
    """A phrase and the labels of one attribute that it is true of."""

    attribute: str
    labels: frozenset[str]
    text: str


class Caption(NamedTuple):
    """A text and the phrases it says (indices in the list they were drawn from)."""

    text: str
    phrases: tuple[int, ...]


def heard(config: Mapping[str, Any]) -> dict[str, str]:
    """What can be heard of a legal config, by attribute: a layer that its density leaves out is "none".

    Besides fields: `melody` is absent, sparse or busy, `register` low, middle or high (only with a melody).
    """
    density = int(config["density"])
    labels = {name: str(config[name]) for name in KEPT}
    labels["rhythm"] = config["rhythm"] if density >= RHYTHM_FROM else "none"
    labels["texture"] = config["texture"] if density >= TEXTURE_FROM else "none"
    labels["accent"] = config["accent"] if density >= ACCENT_FROM else "none"
    if density < MELODY_FROM:
        return {**labels, "melody": "absent"}
    busy = config["melody_density"] in ("busy", "very_busy")
    labels["melody"] = "busy" if busy else "medium" if config["melody_density"] == "medium" else "sparse"
    middle = (config["register_min_oct"] + config["register_max_oct"]) / 2
    labels["register"] = "low" if middle < 4 else "high" if middle > 5.5 else "middle"
    return labels


@cache
def load_phrases(name: str) -> tuple[tuple[Phrase, ...], tuple[str, ...]]:
    """Phrases and templates of `data/<name>.tsv`.

    Raises:
        InputError: a row has no three columns, or an empty phrase.
    """
    text = resources.files("vibegrid.clap").joinpath(f"data/{name}.tsv").read_text(encoding="utf-8")
    phrases, templates = [], []
    for number, line in enumerate(text.splitlines()[1:], start=2):
        columns = line.split("\t")
        if len(columns) != 3 or not all(part.strip() for part in columns[-1].split("|")):
            raise InputError(f"{name}.tsv:{number}", "expected attribute, labels and phrases between tabs")
        attribute, labels, texts = columns
        for phrase in (part.strip() for part in texts.split("|")):
            if attribute == TEMPLATE:
                templates.append(phrase)
            else:
                phrases.append(Phrase(attribute, frozenset(labels.split(",")), phrase))
    return tuple(phrases), tuple(templates) or ("{}",)


def true_phrases(phrases: Sequence[Phrase], labels: Mapping[str, str]) -> dict[str, list[int]]:
    """Indices of the phrases that are true of `labels` (see `heard`), by attribute."""
    found: dict[str, list[int]] = {}
    for index, phrase in enumerate(phrases):
        if labels.get(phrase.attribute) in phrase.labels:
            found.setdefault(phrase.attribute, []).append(index)
    return found


def draw_phrases(true: Mapping[str, Sequence[int]], fewest: int, most: int, rng: random.Random) -> tuple[int, ...]:
    """One phrase each of `fewest` to `most` attributes, in any order; the seven main ones are likelier."""
    keys = {name: rng.random() ** (1 / (MAIN_WEIGHT if name in MAIN else 1.0)) for name in sorted(true)}
    chosen = sorted(keys, key=lambda name: -keys[name])[: rng.randint(fewest, most)]  # Efraimidis and Spirakis 2006
    rng.shuffle(chosen)
    return tuple(rng.choice(true[name]) for name in chosen)


def write_caption(texts: Iterable[str], templates: Sequence[str], rng: random.Random) -> str:
    """The phrases in one line, joined and framed at random."""
    line = ""
    for text in texts:
        line += (rng.choice(JOINTS) if line else "") + text
    return rng.choice(templates).replace("{}", line)


def draw_caption(
    labels: Mapping[str, str],
    phrases: Sequence[Phrase],
    templates: Sequence[str],
    rng: random.Random,
    *,
    fewest: int = 2,
    most: int = 6,
) -> Caption:
    """A caption of a clip of which `labels` are heard."""
    chosen = draw_phrases(true_phrases(phrases, labels), fewest, most, rng)
    return Caption(write_caption((phrases[i].text for i in chosen), templates, rng), chosen)
