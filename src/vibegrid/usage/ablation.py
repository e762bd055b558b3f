"""What a system loses when one field of its config is replaced: by the default, or by another label at random.

The loss is the CLAP score of the config as it was written less that of the changed one, both rendered with the first
one's seed, so that they differ by the change alone. A label that is its field's default already loses nothing.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.schema import FIELDS, Label
from vibegrid.sound.render import repair, seed_of
from vibegrid.specs.usage import ABLATIONS
from vibegrid.texts.draws import number
from vibegrid.usage.answers import Vibes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

log = logging.getLogger(__name__)
Score = Callable[[Sequence[str], Sequence[tuple[Mapping[str, Label], int]]], Sequence[float]]


class Losses(NamedTuple):
    """Of one system: what each replacement loses for each vibe."""

    system: str
    fields: list[str]
    clusters: list[str]
    values: Floats  # (prompts, fields, 2): by the default, by a random label


def ear(scorer: Path, seconds: float) -> Score:
    """A function that renders and scores (vibe, config with its seed) pairs by a calibrated scorer's first column."""
    from vibegrid.scorers.base import scored
    from vibegrid.scorers.calibrated import load
    from vibegrid.sound.clip import Clip
    from vibegrid.sound.render import render
    from vibegrid.sound.takes import Take

    judge = load(scorer).scorer

    def score(vibes: Sequence[str], configs: Sequence[tuple[Mapping[str, Label], int]]) -> list[float]:
        takes = [Take(config, Clip(render(config, seconds, seed))) for config, seed in configs]
        found = [row[judge.primary] for row in scored(judge, vibes, takes)]
        return [float("nan") if value is None else float(value) for value in found]

    return score


def ablate(
    system: str, vibes: Vibes, configs: Sequence[Mapping[str, Any]], fields: Sequence[str], score: Score, seed: int
) -> Losses:
    """Losses of every field for every vibe; NaN where the scorer gave no number.

    Args:
        system: its name.
        vibes: what was answered.
        configs: the answers, in that order.
        fields: that are replaced, one at a time.
        score: renders and scores.
        seed: of the random labels.
    """
    import numpy as np

    values = np.zeros((len(configs), len(fields), len(ABLATIONS)))
    for row, (vibe, config) in enumerate(zip(vibes.texts, configs, strict=True)):
        written, own = repair(config), seed_of(config)
        renders, places = [(written, own)], []
        for column, field in enumerate(fields):
            for kind, label in enumerate(_replacements(field, written, number("ablation", seed, vibe, field))):
                if label != written[field]:
                    places.append((row, column, kind))
                    renders.append(({**written, field: label}, own))
        found = score([vibe] * len(renders), renders)
        for place, value in zip(places, found[1:], strict=True):
            values[place] = found[0] - value
    log.info("%s: %d fields ablated for %d vibes", system, len(fields), len(configs))
    return Losses(system, list(fields), vibes.clusters, values)


def _replacements(field: str, written: Mapping[str, Label], seed: int) -> tuple[Label, Label]:
    """The label of a config that leaves the field out, and another one than is written."""
    others = [label for label in FIELDS[field] if label != written[field]]
    left_out = {name: label for name, label in written.items() if name != field}
    return repair(left_out)[field], random.Random(seed).choice(others)
