"""How many ratings would settle which of two systems is preferred."""

from __future__ import annotations

import math
from statistics import NormalDist


def ratings_needed(win_rate: float, *, level: float, power: float, design_effect: float = 1.0) -> int | None:
    """Ratings of a pair after which a two-sided test finds that its win rate is not 0.5; None for 0.5, which none find.

    The normal approximation to the binomial test of one proportion (Fleiss, Levin & Paik 2003, Statistical Methods
    for Rates and Proportions, section 2.4, with its correction for continuity), times the design effect: ratings of one
    rater, or of one prompt, are not independent. Ties count half, which makes it a little more than is needed.

    Args:
        win_rate: the true one, in (0, 1).
        level: of the test, in (0, 1).
        power: chance that it finds the difference, in (0, 1).
        design_effect: variance of the win rate over that of as many independent ratings.
    """
    apart = abs(win_rate - 0.5)
    if apart < 1e-9:
        return None
    normal = NormalDist()
    needed = normal.inv_cdf(1 - level / 2) * 0.5 + normal.inv_cdf(power) * math.sqrt(win_rate * (1 - win_rate))
    plain = (needed / apart) ** 2
    return math.ceil(plain / 4 * (1 + math.sqrt(1 + 2 / (plain * apart))) ** 2 * design_effect)
