"""Simulated raters, for tests and demonstrations only: programs that answer a pack as people might.

Nothing they say is evidence of anything; no step of the workflow calls this module.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from vibegrid.files import write_csv
from vibegrid.human.key import Key
from vibegrid.human.ratings import COLUMNS, Rating
from vibegrid.human.trials import CHECK, Trial


class SimulatedRater(NamedTuple):
    """How a simulated rater answers.

    The left sound is preferred with log-odds `strength(left) - strength(right) + bias`, after noise of the prompt and
    of the rater; within `tie` of zero there is no difference (Rao & Kupper 1967).
    """

    name: str
    bias: float = 0.0  # log-odds towards the left
    tie: float = 0.3
    slip: float = 0.02  # chance of a wrong answer to a check
    careless: bool = False  # answers anything, checks too


def simulated_raters(count: int, **traits: float | bool) -> list[SimulatedRater]:
    """So many raters of these traits, named as what they are."""
    return [SimulatedRater(f"simulated-{number:02d}", **traits) for number in range(1, count + 1)]  # type: ignore[arg-type]


def simulate_ratings(
    key: Key,
    raters: Sequence[SimulatedRater],
    strengths: Mapping[str, float],
    *,
    seed: int,
    prompt_spread: float = 0.0,
    rater_spread: float = 0.0,
) -> list[Rating]:
    """Answers of each rater to a form (the forms in turn).

    Args:
        key: of the pack.
        raters: who answers.
        strengths: of each system, in log-odds.
        seed: of everything random.
        prompt_spread: standard deviation of what a prompt adds to a system's strength.
        rater_spread: standard deviation of what a rater adds to a system's strength.
    """
    rng = random.Random(f"simulated raters {seed}")
    forms = sorted({trial.form for trial in key.trials.values()})
    of_prompt = {(p, s): rng.gauss(0, prompt_spread) for p in sorted(key.clusters) for s in key.systems}
    found = []
    for number, rater in enumerate(raters):
        taste = {system: rng.gauss(0, rater_spread) for system in key.systems}
        session = hashlib.sha256(rater.name.encode()).hexdigest()[:16]
        for trial in key.trials.values():
            if trial.form != forms[number % len(forms)]:
                continue
            apart = 0.0
            if trial.kind != CHECK:
                left, right = (
                    strengths[system] + taste[system] + of_prompt[trial.prompt, system]
                    for system in key.systems_of(trial)
                )
                apart = left - right
            choice = _choice(rater, trial, apart, rng)
            found.append(Rating(rater.name, session, trial, choice, round(rng.uniform(6, 20), 1)))
    return found


def _choice(rater: SimulatedRater, trial: Trial, apart: float, rng: random.Random) -> str:
    if rater.careless:
        return rng.choice(("a", "b"))
    if trial.kind == CHECK:
        wrong = "b" if trial.expected == "a" else "a"
        return wrong if rng.random() < rater.slip else trial.expected
    uniform = rng.random()
    if uniform < win_chance(apart + rater.bias - rater.tie):
        return "a"
    return "b" if uniform > win_chance(apart + rater.bias + rater.tie) else "tie"


def win_chance(apart: float) -> float:
    """The logistic function."""
    return 1 / (1 + math.exp(-apart))


def write_simulated(folder: Path, key: Key, ratings: Sequence[Rating]) -> list[Path]:
    """Write ratings as the page exports them, one file a rater; their paths."""
    paths = []
    for name in sorted({rating.rater for rating in ratings}):
        rows = [
            {
                "pack": key.pack,
                "session": rating.session,
                "rater": rating.rater,
                "trial": rating.trial.id,
                "choice": rating.choice,
                "seconds": f"{rating.seconds:.1f}",
                "plays_a": 1,
                "plays_b": 1,
            }
            for rating in ratings
            if rating.rater == name
        ]
        paths.append(folder / f"{name}.csv")
        write_csv(paths[-1], rows, COLUMNS)
    return paths
