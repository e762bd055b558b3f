"""The card of a mini-CLAP: what it retrieves, and whether words that no caption holds move it the right way."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vibegrid.clap.captions import MAIN, draw_caption, heard, load_phrases
from vibegrid.clap.model import MiniClap
from vibegrid.embeddings import encode
from vibegrid.ranking import auc
from vibegrid.specs.clap import ClapSpec

PROBES = "probes"
RANKS = (1, 10)
# Layers sound from a density on: below it, configs that differ in the field alone are the same audio.
FROM_DENSITY = {"rhythm": 4, "texture": 5}


def make_card(
    model: MiniClap, spec: ClapSpec, configs: Sequence[Mapping[str, Any]], clips: np.ndarray
) -> dict[str, Any]:
    """The card's object: `recall` (text to audio) with `chance`, and `probes` by attribute.

    Args:
        model: the trained model.
        spec: its spec.
        configs, clips: the held-out renders.
    """
    audio = model.embed_audio(list(clips))
    text = model.embed_text(encode(held_out_captions(spec, configs)))
    recall = recall_at(text @ audio.T, RANKS)
    return {
        "captions": spec.captions.variant,
        "held_out": len(configs),
        "recall": {f"@{k}": round(value, 4) for k, value in recall.items()},
        "chance": {f"@{k}": round(min(k / len(configs), 1.0), 4) for k in RANKS},
        "probes": {name: probe(model, name, configs, audio) for name in MAIN},
        "note": "made by the workflow from synthesizer renders; it has heard no other sound",
    }


def held_out_captions(spec: ClapSpec, configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A caption for each config, drawn as in training, by draws that training never makes."""
    rng = random.Random(f"card {spec.seed}")
    phrases, templates = load_phrases(f"captions_{spec.captions.variant}")
    limits = {"fewest": spec.captions.fewest, "most": spec.captions.most}
    return [draw_caption(heard(config), phrases, templates, rng, **limits).text for config in configs]


def recall_at(similarities: np.ndarray, ranks: Sequence[int]) -> dict[int, float]:
    """Share of rows whose diagonal entry is among the k highest of its row; a tie counts against it."""
    own = np.diagonal(similarities)[:, None]
    place = (similarities >= own).sum(axis=1)  # 1 is the best
    return {k: float(np.mean(place <= k)) for k in ranks}


def probe(model: MiniClap, attribute: str, configs: Sequence[Mapping[str, Any]], audio: np.ndarray) -> dict[str, Any]:
    """How well the phrases of an attribute's two poles tell held-out renders of the poles apart.

    `auc` is the mean over pairs (high phrase, low phrase) of the AUC of `sim(audio, high) − sim(audio, low)`, what one
    pair of free phrases is worth; `auc_pooled` that of the poles' mean phrases. None where a pole has no render.
    """
    rows = [phrase for phrase in load_phrases(PROBES)[0] if phrase.attribute == attribute]
    low_labels, high_labels = dict.fromkeys(phrase.labels for phrase in rows)
    low = [phrase.text for phrase in rows if phrase.labels == low_labels]
    high = [phrase.text for phrase in rows if phrase.labels == high_labels]
    wanted = [int(config["density"]) >= FROM_DENSITY.get(attribute, 0) for config in configs]
    values = [heard(config)[attribute] if use else None for config, use in zip(configs, wanted, strict=True)]
    is_low = np.array([value in low_labels for value in values])
    is_high = np.array([value in high_labels for value in values])
    low_sims, high_sims = (audio @ model.embed_text(encode(texts)).T for texts in (low, high))
    aucs = [auc((h - l)[is_high], (h - l)[is_low]) for h in high_sims.T for l in low_sims.T]
    known = [value for value in aucs if value is not None]
    means = high_sims.mean(axis=1) - low_sims.mean(axis=1)
    pooled = auc(means[is_high], means[is_low])
    return {
        "auc": round(sum(known) / len(known), 4) if known else None,
        "auc_pooled": None if pooled is None else round(pooled, 4),
        "high": high,
        "low": low,
        "n_high": int(is_high.sum()),
        "n_low": int(is_low.sum()),
    }
