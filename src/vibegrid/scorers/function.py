"""A function of the user's as a scorer: ``module:function`` of the project's folder."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.scorers.base import Column, Needs
from vibegrid.sound.takes import Take
from vibegrid.specs.scorers import FunctionSpec


class FunctionScorer:
    """Calls the function once a pair: (vibe, {"config": ...}, audio float32 (n,), sample_rate) -> float."""

    primary = "score"

    def __init__(self, spec: FunctionSpec, function: Callable[..., Any]) -> None:
        self.name, self.function = spec.function, function
        self.columns: Mapping[str, Column] = {"score": Column(spec.minimum, spec.maximum, spec.function)}

    def score(self, vibes: Sequence[str], takes: Sequence[Take]) -> list[dict[str, float | None]]:
        """The function's numbers; InputError where one is no finite number in its range."""
        return [{"score": self._one(vibe, take)} for vibe, take in zip(vibes, takes, strict=True)]

    def _one(self, vibe: str, take: Take) -> float:
        value = self.function(vibe, {"config": dict(take.config)}, take.clip.audio, take.clip.sample_rate)
        column = self.columns["score"]
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not column.minimum <= number <= column.maximum:  # false for NaN too
            expected = f"a number of {column.minimum:g} to {column.maximum:g} was expected"
            raise InputError(self.name, f"returned {value!r}; {expected}", "set minimum and maximum in its spec")
        return number


def load(spec: Mapping[str, Any], needs: Needs) -> FunctionScorer:
    """Import the function; InputError where there is none of that name."""
    parsed = FunctionSpec.model_validate(spec)
    module, _, name = parsed.function.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(parsed.function, f"cannot be imported: {error}", "module:function of the project") from None
    if not callable(function):
        raise InputError(parsed.function, "is no function")
    return FunctionScorer(parsed, function)
