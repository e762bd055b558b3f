"""Which trials a rater hears, in which order and on which side: drawn with a seed, told apart by nothing.

A *unit* is a prompt with a pair of systems whose sounds differ. A *form* is the list of trials of one rater: units,
some of them asked twice (half of these with the sides swapped), and checks in which one sound is broken. Forms come in
twos: the second has the units of the first with all sides swapped, in an order of its own, so that over the two
every system stands as often on either side. The forms together go through all units before any comes again.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from vibegrid.specs.human import PackSettings

COMPARE, CHECK, REPEAT = "compare", "check", "repeat"
LAST_THIRD = 2 / 3  # of a form: where repeats are asked, of what the first third asked


class Unit(NamedTuple):
    """A question: which of two systems' sounds fits a prompt better."""

    prompt: str
    first: str  # clip of the pair's first system
    second: str


class Broken(NamedTuple):
    """A check: a sound, and the same spoilt."""

    prompt: str
    whole: str  # clip
    spoilt: str


class Trial(NamedTuple):
    """One question as it is asked."""

    id: str  # form and place: "3-07"
    form: int  # from 1
    kind: str  # COMPARE, CHECK or REPEAT
    prompt: str
    left: str  # clip
    right: str
    expected: str  # of a check: "a" (left) or "b"
    of: str  # of a repeat: the trial that it repeats


def draw_forms(units: Sequence[Sequence[Unit]], checks: Sequence[Broken], settings: PackSettings) -> list[Trial]:
    """All trials of all forms, form by form in the order in which they are heard.

    Args:
        units: of each pair of systems.
        checks: candidates; each two forms take `settings.checks` of them, in turn.
        settings: counts and seed.
    """
    rng = random.Random(f"forms {settings.seed}")
    every = _interleaved([rng.sample(list(of_pair), len(of_pair)) for of_pair in units])
    size = min(settings.comparisons, len(every))
    trials: list[Trial] = []
    for two in range((settings.forms + 1) // 2):
        chosen = [every[(two * size + place) % len(every)] for place in range(size)] if every else []
        heard = [checks[(two * settings.checks + i) % len(checks)] for i in range(settings.checks)] if checks else []
        swaps = _halves(rng, len(chosen)), _halves(rng, len(heard))
        for mirrored in (False, True)[: settings.forms - 2 * two]:
            form = 2 * two + mirrored + 1
            drawn = _comparisons(chosen, swaps[0], mirrored) + _checks(heard, swaps[1], mirrored)
            trials += _ordered(rng, form, drawn, settings.repeats)
    return trials


def _interleaved(lists: Sequence[Sequence[Unit]]) -> list[Unit]:
    """The lists in turn, so that any stretch holds the pairs of systems equally often, as far as they reach."""
    return [unit for round_ in zip_longest(*lists) for unit in round_ if unit is not None]


def _halves(rng: random.Random, count: int) -> list[bool]:
    """As many True as False (or one more), in random order."""
    return rng.sample([index % 2 == 0 for index in range(count)], count)


def _comparisons(units: Sequence[Unit], swaps: Sequence[bool], mirrored: bool) -> list[Trial]:
    made = []
    for unit, swap in zip(units, swaps, strict=True):
        left, right = (unit.second, unit.first) if swap != mirrored else (unit.first, unit.second)
        made.append(Trial("", 0, COMPARE, unit.prompt, left, right, "", ""))
    return made


def _checks(checks: Sequence[Broken], swaps: Sequence[bool], mirrored: bool) -> list[Trial]:
    made = []
    for check, swap in zip(checks, swaps, strict=True):
        spoilt_first = swap != mirrored
        left, right = (check.spoilt, check.whole) if spoilt_first else (check.whole, check.spoilt)
        made.append(Trial("", 0, CHECK, check.prompt, left, right, "b" if spoilt_first else "a", ""))
    return made


def _ordered(rng: random.Random, form: int, drawn: Sequence[Trial], repeats: int) -> list[Trial]:
    """The trials of a form in random order with names, its repeats in the last third."""
    order: list[tuple[Trial, Trial | None]] = [(trial, None) for trial in rng.sample(list(drawn), len(drawn))]
    originals = [trial for trial, _ in order if trial.kind == COMPARE][:repeats]
    for number, trial in enumerate(originals):
        again = trial._replace(kind=REPEAT)
        if number % 2 == 0:
            again = again._replace(left=trial.right, right=trial.left)
        order.insert(rng.randint(round(len(order) * LAST_THIRD), len(order)), (again, trial))
    names = {trial: f"{form}-{place:02d}" for place, (trial, of) in enumerate(order, start=1) if of is None}
    return [
        trial._replace(id=f"{form}-{place:02d}", form=form, of=names[of] if of is not None else "")
        for place, (trial, of) in enumerate(order, start=1)
    ]
