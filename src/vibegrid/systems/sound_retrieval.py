"""Baseline `sound_retrieval`: the training payload whose sound is nearest to the vibe, in the space of a CLAP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vibegrid.embeddings import cosine
from vibegrid.errors import InputError
from vibegrid.payloads import dumps, parse_output
from vibegrid.scorers.calibrated import load
from vibegrid.sound.takes import Studio, Take


def generate(prompts: list[str], *, scorer: Path, bank_payloads: list[dict[str, Any]]) -> list[str]:
    """One payload (compact JSON) per prompt, copied whole from the bank: the one of the highest cosine.

    Args:
        prompts: the vibes to answer.
        scorer: folder of the calibrated scorer.
        bank_payloads: training payloads, at least one; equal configs are rendered once. Of equal scores the first wins.
    """
    first = {json.dumps(payload.get("config"), sort_keys=True): payload for payload in bank_payloads}
    outputs = [dumps(payload) for payload in first.values()]
    calibrated = load(scorer)
    space: Any = calibrated.scorer
    if not hasattr(space, "embed_clips"):
        raise InputError(
            "sound_retrieval", f"{scorer.name} has no space of vibes and audio", "name a CLAP as its scorer"
        )
    takes = Studio(calibrated.seconds, keep=0).takes([parse_output(output) for output in outputs])
    bank: list[tuple[str, Take]] = [
        (output, take) for output, take in zip(outputs, takes, strict=True) if take and take.clip.problem is None
    ]
    if not bank:
        raise InputError(
            "sound_retrieval bank", "no payload that can be heard", "look at the dataset's SFT-Train.jsonl"
        )
    similarity = cosine(space.embed_vibes(prompts), space.embed_clips([take.clip for _, take in bank]))
    return [bank[int(i)][0] for i in similarity.argmax(axis=1)]
