"""What a metric is, for those who read it: its range and one line. Audio scorers describe their own columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from vibegrid.errors import InputError
from vibegrid.evals.metrics import METRICS
from vibegrid.files import read_json
from vibegrid.scorers.registry import SCORER_FILE


class Description(NamedTuple):
    """Higher is better, unless the text says so."""

    range: tuple[float, float]
    text: str


_OF_SOUND = {
    "reward": Description((-0.2, 1.0), "the training's reward, with the scale's weights; higher is better"),
    "audio_score": Description((0.0, 1.0), "the reward's scorer, calibrated: 0.5 is its median; higher is better"),
    "audio_match": Description((0.0, 1.0), "the sound lies on the side that the prompt asks for; higher is better"),
    "audio_shift": Description((-1.0, 1.0), "how far the sound lies on the side that the prompt asks for"),
}


def descriptions(scorers: Iterable[Path]) -> Mapping[str, Description]:
    """Every metric by name: those of payloads, of the reward, and the columns of the scorers in `scorers`.

    Args:
        scorers: folders of calibrated scorers.

    Raises:
        InputError: a folder holds no scorer.
    """
    known = {
        name: Description(metric.range, f"{metric.description}; {metric.direction} is better")
        for name, metric in METRICS.items()
    }
    known |= _OF_SOUND
    for folder in scorers:
        facts = read_json(folder / SCORER_FILE)
        try:
            for column, (minimum, maximum, text) in facts["columns"].items():
                line = f"{text}, by {facts['name']}; higher is better"
                known[f"{column}{facts['spec']['suffix']}"] = Description((minimum, maximum), line)
        except (KeyError, TypeError, ValueError):
            raise InputError(str(folder / SCORER_FILE), "no columns of a scorer", "delete that folder") from None
    return known
