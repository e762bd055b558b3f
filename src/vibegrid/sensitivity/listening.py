"""Renders to numbers: what the CLAP says of each clip, and its acoustic measures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.errors import InputError
from vibegrid.sensitivity.design import Config, Star

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

log = logging.getLogger(__name__)


class Heard(NamedTuple):
    """What is heard of N stars of R renders each, in the order of `Star.renders`."""

    embeddings: Floats  # (N, R, dim), rows of unit norm; zeros where a clip has none
    measures: Floats  # (N, R, M)


Listen = Callable[[Sequence[tuple[Config, int]]], tuple[Any, Any]]  # renders -> embeddings (R, dim), measures (R, M)


def listen_to(stars: Sequence[Star], listen: Listen) -> Heard:
    """All stars, heard one after the other."""
    import numpy as np

    embeddings, measures = [], []
    for number, star in enumerate(stars, start=1):
        vectors, values = listen(star.renders())
        embeddings.append(np.asarray(vectors, dtype=np.float64))
        measures.append(np.asarray(values, dtype=np.float64))
        log.info("%d of %d configs rendered", number, len(stars))
    return Heard(np.stack(embeddings), np.stack(measures))


def ears(scorer: Path, seconds: float) -> Listen:
    """Render, measure and embed.

    Args:
        scorer: folder of a calibrated CLAP.
        seconds: length of a render.

    Raises:
        InputError: the scorer is no CLAP.
    """
    from vibegrid.scorers.calibrated import load
    from vibegrid.sound.clip import Clip
    from vibegrid.sound.render import render

    space: Any = load(scorer).scorer
    if not hasattr(space, "embed_clips"):
        raise InputError("synth sensitivity", f"{scorer.name} has no space of audio", "name a CLAP as its `scorer`")

    def listen(renders: Sequence[tuple[Config, int]]) -> tuple[Any, Any]:
        clips = [Clip(render(config, seconds, seed)) for config, seed in renders]
        return space.embed_clips(clips), [list(clip.measures.values()) for clip in clips]

    return listen


def spreads(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Floats:
    """Standard deviation of each measure over the renders of a bank: (M,); 1 where a measure is constant."""
    import numpy as np

    values = np.array([[float(row[name]) for name in names] for row in rows])
    found = values.std(axis=0)
    return np.where(found > 0, found, 1.0)
