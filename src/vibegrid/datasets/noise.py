"""Seeded character errors, as of someone typing in a hurry.

The error of a text is a function of the seed and the text; which rows get one is a ranking by the same
seed. So the rows that are noisy at 0.05 are noisy at 0.15 as well, with the same errors.
"""

import random
from collections.abc import Callable, Sequence

from vibegrid.texts.draws import number

ERRORS_PER_LETTER = 0.06  # of a noisy text, at least one error
KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """Letter -> the letters beside, above and below it (US layout, each row half a key to the right)."""
    found: dict[str, str] = {}
    for r, row in enumerate(KEY_ROWS):
        for c, key in enumerate(row):
            spots = [(r, c - 1), (r, c + 1), (r - 1, c), (r - 1, c + 1), (r + 1, c - 1), (r + 1, c)]
            found[key] = "".join(
                KEY_ROWS[y][x] for y, x in spots if 0 <= y < len(KEY_ROWS) and 0 <= x < len(KEY_ROWS[y])
            )
    return found


NEIGHBOURS = _neighbours()


def noisy_rows(vibes: Sequence[str], error_rate: float, seed: int) -> set[int]:
    """Indices of the `round(error_rate * n)` rows that get errors: the smallest numbers of (seed, vibe)."""
    order = sorted(range(len(vibes)), key=lambda i: number("noise", seed, vibes[i]))
    return set(order[: round(error_rate * len(vibes))])


def add_errors(text: str, seed: int) -> str:
    """`text` with one error per about 16 letters, at least one; never equal to a `text` that is not
    empty."""
    rng = random.Random(number("errors", seed, text))
    chars = list(text)
    letters = sum(char.isalpha() for char in chars)
    for _ in range(max(1, round(ERRORS_PER_LETTER * letters))):
        spots = [i for i, char in enumerate(chars) if char.isalpha()]
        if not spots:
            break
        rng.choice(ERRORS)(chars, rng.choice(spots), rng)
    noisy = "".join(chars)
    if noisy.strip() and noisy != text:
        return noisy
    return text + text[-1:]  # errors undid each other, or there was no letter: the last key was hit twice


def _swap(chars: list[str], i: int, rng: random.Random) -> None:
    """Two neighbours change places; at the end of a word, the letter and the one before it."""
    j = i + 1 if i + 1 < len(chars) and chars[i + 1].isalpha() else i - 1
    if j >= 0:
        chars[i], chars[j] = chars[j], chars[i]


def _drop(chars: list[str], i: int, rng: random.Random) -> None:
    del chars[i]


def _repeat(chars: list[str], i: int, rng: random.Random) -> None:
    chars.insert(i, chars[i])


def _replace(chars: list[str], i: int, rng: random.Random) -> None:
    """A key beside the right one; a letter that the keyboard has no neighbours for is hit twice."""
    beside = NEIGHBOURS.get(chars[i].lower())
    if beside is None:
        _repeat(chars, i, rng)
        return
    key = rng.choice(beside)
    chars[i] = key.upper() if chars[i].isupper() else key


ERRORS: tuple[Callable[[list[str], int, random.Random], None], ...] = (_swap, _drop, _repeat, _replace)
