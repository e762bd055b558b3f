"""One continuous piece of a story: the sound of its pages, each faded into the next."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from vibegrid.errors import InputError


def join(clips: Sequence[np.ndarray], sample_rate: int, overlap: float) -> np.ndarray:
    """The clips one after the other, neighbours overlapping by an equal-power crossfade: float32 (samples,).

    Within the overlap the old clip has the gain cos(a) and the new one sin(a), a from 0 to pi/2: their powers add to
    one, and so unrelated sounds keep their loudness. (Linear gains would dip by 3 dB in the middle.)

    Args:
        clips: (samples,) each, of one rate.
        sample_rate: in Hz.
        overlap: seconds; cut to half of the shorter of two neighbours, so that fades of a clip do not meet.

    Raises:
        InputError: no clip, or a negative overlap.
    """
    if not clips:
        raise InputError("piece", "no clip to join")
    if not overlap >= 0:
        raise InputError("piece", f"the overlap is {overlap} s", "0 or more seconds were expected")
    piece = np.asarray(clips[0], dtype=np.float32)
    for previous, clip in itertools.pairwise(clips):
        n = min(round(overlap * sample_rate), len(previous) // 2, len(clip) // 2)
        angle = (np.arange(n) + 0.5) / max(n, 1) * (np.pi / 2)
        start = len(piece) - n
        middle = piece[start:] * np.cos(angle) + clip[:n] * np.sin(angle)
        piece = np.concatenate([piece[:start], middle, clip[n:]]).astype(np.float32)
    return piece
