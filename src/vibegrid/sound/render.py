"""A config becomes audio: `latentscore.synth`, seeded by the config's own content.

One config is one waveform, in every process; title, thinking and palettes have no part in it.

`assemble(..., rng=...)` alone is not deterministic: hats, vinyl crackle, breath and every label of `human` but
`robotic` draw from NumPy's global generator (`generate_noise`, `apply_humanize`). That one is therefore seeded
too while a clip is rendered, and given its state back.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from vibegrid.errors import InputError
from vibegrid.schema import FIELDS, Label, is_legal

SAMPLE_RATE = 44_100  # of latentscore.synth, whose import takes 1 s; a test compares the two

_GLOBAL_GENERATOR = threading.Lock()


def repair(config: Mapping[str, Any]) -> dict[str, Label]:
    """The 34 legal labels nearest to what was meant, in the schema's order. Unknown keys are left out.

    A missing or illegal field becomes the default of latentscore's `MusicConfig` where that is a label, else the
    field's middle label. Registers that stand the wrong way round are swapped.
    """
    given = config if isinstance(config, Mapping) else {}
    repaired: dict[str, Label] = {}
    for field in FIELDS:
        value = given.get(field)
        repaired[field] = value if is_legal(field, value) else _defaults()[field]  # type: ignore[assignment]
    low, high = "register_min_oct", "register_max_oct"
    if repaired[low] > repaired[high]:  # type: ignore[operator]
        repaired[low], repaired[high] = repaired[high], repaired[low]
    return repaired


def seed_of(config: Mapping[str, Any]) -> int:
    """The render's seed, in [0, 2**64): the head of the SHA-256 of the repaired config's canonical JSON."""
    return _seed(repair(config))


def render(config: Mapping[str, Any], seconds: float, seed: int | None = None) -> np.ndarray:
    """The sound of a config: float32 mono (round(seconds * SAMPLE_RATE),), peak 0.85; never raises for bad labels.

    Args:
        config: labels by field; what is illegal or missing is replaced as `repair` says.
        seconds: length of the clip, over 0.
        seed: in [0, 2**64), for another take of the same config; None: the config's own, `seed_of`.

    Raises:
        InputError: `seconds` is not a positive, finite number.
    """
    if not 0 < seconds < float("inf"):
        raise InputError("render", f"seconds is {seconds}", "a positive number was expected")
    from latentscore.config import MusicConfigPrompt
    from latentscore.synth import assemble

    _keep_memory()
    labels = repair(config)
    seed = _seed(labels) if seed is None else seed
    parameters = MusicConfigPrompt.model_validate(labels).to_config().to_internal()
    with _GLOBAL_GENERATOR:
        state = np.random.get_state()
        np.random.seed(seed % 2**32)
        try:
            audio = assemble(parameters, seconds, rng=np.random.default_rng(seed))
        finally:
            np.random.set_state(state)
    clip = np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)
    clip[: len(audio)] = audio[: len(clip)]  # assemble truncates where we round
    return clip


def _seed(repaired: dict[str, Label]) -> int:
    text = json.dumps(repaired, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


@lru_cache(maxsize=1)
def _keep_memory() -> None:
    """Let glibc keep freed blocks: a quarter of a render's time went into mapping its 1-MB arrays anew."""
    import ctypes

    mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc only
        mallopt(mmap_threshold, 32 << 20)
        mallopt(trim_threshold, 256 << 20)


@lru_cache(maxsize=1)
def _defaults() -> dict[str, Label]:
    """A legal label for each field; reached only where a field needs one, for the import's sake."""
    from latentscore.config import MusicConfig

    labels = {}
    for field, legal in FIELDS.items():
        default = MusicConfig.model_fields[field].default
        labels[field] = default if is_legal(field, default) else legal[len(legal) // 2]
    return labels
