"""Tones that latentscore's oscillators made before are not made again.

The payloads of one model share roots, octaves and tempi, and with them most of their tones: renders of a GRPO batch
take 40 % of the time. A tone is a function of its arguments alone, so the sound has the same bytes.
"""

from __future__ import annotations

from functools import lru_cache, wraps
from typing import Any

ROOM = 64 << 20  # bytes that tones may take, per oscillator
_OSCILLATORS = ("generate_sine", "generate_triangle", "generate_sawtooth")


@lru_cache(maxsize=1)
def remember() -> None:
    """Let `latentscore.synth` remember its tones from now on, in this process; to call it again changes nothing."""
    from latentscore import synth

    module: Any = synth
    remembered = {plain: _remembered(plain) for plain in (getattr(module, name) for name in _OSCILLATORS)}
    for plain, tone in remembered.items():
        setattr(module, plain.__name__, tone)
    module.OSC_FUNCTIONS = {label: remembered.get(plain, plain) for label, plain in module.OSC_FUNCTIONS.items()}


def _remembered(oscillator: Any) -> Any:
    """Gives copies: the synthesizer adds to what it gets."""
    from cachetools import LRUCache, cached

    kept = cached(LRUCache(maxsize=ROOM, getsizeof=lambda tone: tone.nbytes))(oscillator)

    @wraps(oscillator)
    def tone(*arguments: Any, **named: Any) -> Any:
        return kept(*arguments, **named).copy()

    return tone
