"""Baseline `random`: every field of the schema drawn uniformly, the vibe not read.

Its scores say what chance is worth: a valid payload with a random config and random colours.
"""

from __future__ import annotations

import hashlib
import random

from vibegrid.payloads import N_PALETTES, dumps
from vibegrid.schema import FIELDS

WEIGHTS = ("xl", "lg", "md", "sm", "xs")
THINKING = "Random baseline: every field is drawn uniformly from the schema and the vibe is not read."
TITLE = "Random draw"


def generate(prompts: list[str], *, seed: int) -> list[str]:
    """One payload (compact JSON) per prompt. It depends on `seed` and the prompt only, not on the order."""
    return [_payload(prompt, seed) for prompt in prompts]


def _payload(prompt: str, seed: int) -> str:
    digest = hashlib.sha256(f"{seed}\n{prompt}".encode("utf-8", "surrogatepass")).digest()
    rng = random.Random(int.from_bytes(digest, "big"))
    config = {field: rng.choice(labels) for field, labels in FIELDS.items()}
    palettes = [
        {"colors": [{"hex": f"#{rng.randrange(1 << 24):06x}", "weight": weight} for weight in WEIGHTS]}
        for _ in range(N_PALETTES)
    ]
    return dumps({"thinking": THINKING, "title": TITLE, "config": config, "palettes": palettes})
