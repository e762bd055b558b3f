"""Where the arms of an experiment stand on a figure's axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from vibegrid.figures.style import TICK, shorten, visible
from vibegrid.specs.analyses import AnalysisSpec

Kind = Literal["linear", "log", "category"]
MARGIN = 0.06  # of the axis, at both ends


@dataclass(frozen=True)
class Axis:
    """Places of the arms; on a log axis all are positive: a value of 0 stands a step below the others."""

    kind: Kind
    label: str
    places: dict[str, float]
    names: dict[float, str]
    numeric: frozenset[float] = frozenset()
    rest_from: float | None = None  # where arms without a number begin
    limits: tuple[float, float] = (0.0, 1.0)
    slanted: frozenset[float] = frozenset()
    reference: float | None = None

    def shifted(self, place: float, steps: int) -> float:
        """A place moved a little, so that two marks of one arm do not cover each other."""
        if self.kind == "category":
            return place + 0.16 * steps
        span = self._linear(self.limits[1]) - self._linear(self.limits[0])
        moved = self._linear(place) + 0.012 * span * steps
        return 10**moved if self.kind == "log" else moved

    def readable(self, inches: float) -> list[tuple[float, str]]:
        """(place, label) of the ticks whose labels fit on an axis of that length, the reference's first."""
        first, last = (self._linear(limit) for limit in self.limits)
        kept: list[tuple[float, float, float]] = []  # from, to (inches), place
        for place in sorted(self.names, key=lambda place: (place != self.reference, place)):
            centre = (self._linear(place) - first) / (last - first) * inches
            half = 0.3 * (1 if place in self.slanted else len(self.names[place])) * TICK / 72 + 0.025
            if all(centre + half <= start or centre - half >= end for start, end, _ in kept):
                kept.append((centre - half, centre + half, place))
        return [(place, self.names[place]) for _, _, place in sorted(kept)]

    def _linear(self, place: float) -> float:
        return math.log10(place) if self.kind == "log" else place


def arm_axis(spec: AnalysisSpec) -> Axis:
    """The axis of the spec; categories where fewer than two arms have a number, or two share one."""
    label = visible(spec.axis.label or spec.axis.key) + (f" ({visible(spec.axis.unit)})" if spec.axis.unit else "")
    found = {arm.arm: _number(arm.value) for arm in spec.arms}
    numbers = {name: value for name, value in found.items() if value is not None}
    swept = spec.axis.scale != "category" and len(set(numbers.values())) == len(numbers) >= 2
    if not swept:
        places = {arm.arm: float(index) for index, arm in enumerate(spec.arms)}
        return Axis("category", label, places, {place: name for name, place in places.items()})
    log = spec.axis.scale == "log" and min(numbers.values()) >= 0 and len(_positive(numbers)) >= 2
    return _swept_axis(spec, "log" if log else "linear", label, numbers)


def _swept_axis(spec: AnalysisSpec, kind: Kind, label: str, numbers: dict[str, float]) -> Axis:
    places = dict(numbers)
    if kind == "log":
        low, second = _positive(numbers)[:2]
        zero = low / max(2.0, min(second / low, 10.0))
        places = {name: value or zero for name, value in numbers.items()}
    names = {places[name]: short_number(value) for name, value in numbers.items()}
    scaled = sorted(math.log10(place) if kind == "log" else place for place in places.values())
    span = scaled[-1] - scaled[0]
    numeric, last = frozenset(places.values()), scaled[-1]
    rest = [arm.arm for arm in spec.arms if arm.arm not in numbers]
    step = span / max(5, len(scaled))
    rest_from = last + 0.6 * step if rest else None
    for index, name in enumerate(rest):
        last = scaled[-1] + (index + 1.2) * step
        places[name] = 10**last if kind == "log" else last
        names[places[name]] = shorten(name, 16)
    margin = MARGIN * (last - scaled[0])
    ends = (scaled[0] - margin, last + margin)
    if kind == "log":
        ends = (10 ** ends[0], 10 ** ends[1])
        rest_from = None if rest_from is None else 10**rest_from
    slanted = frozenset(places[name] for name in rest)
    return Axis(kind, label, places, names, numeric, rest_from, ends, slanted, places.get(spec.reference))


def short_number(value: float) -> str:
    """A value as people write it, with at most four digits: 16, 0.06, 1e-5."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.5g}"
    mantissa, exponent = f"{value:e}".split("e")
    return f"{float(mantissa):.3g}e{int(exponent)}"


def _positive(numbers: dict[str, float]) -> list[float]:
    return sorted(value for value in set(numbers.values()) if value > 0)


def _number(value: object) -> float | None:
    """A finite number, else None; True and False are names."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
