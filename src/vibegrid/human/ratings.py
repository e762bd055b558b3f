"""Ratings as raters' files hold them: read, and checked against the key of the pack that they rate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from vibegrid.errors import InputError
from vibegrid.files import read_csv, read_text
from vibegrid.human.key import Key
from vibegrid.human.trials import Trial

COLUMNS = ("pack", "session", "rater", "trial", "choice", "seconds", "plays_a", "plays_b")
CHOICES = ("a", "tie", "b")
RATER = re.compile(r"[A-Za-z0-9_-]{1,40}")
SESSION = re.compile(r"[0-9a-f]{16}")
INVITED = "raters.txt"  # in the folder of ratings: one name a line; where it is missing, any name is known
MAX_ROWS = 1000  # of one file


class Rating(NamedTuple):
    """What a rater said of a trial."""

    rater: str
    session: str
    trial: Trial
    choice: str  # "a": left, "b": right, "tie"
    seconds: float  # from the trial's appearance to the answer


def read_ratings(folder: Path, key: Key) -> list[Rating]:
    """Every rating in the CSV files of a folder, by rater and in the order of the form; none where there is no file.

    Raises:
        InputError: a file of another form or pack, an unknown trial, an unknown rater, a choice that is none, a rater
            who answered a trial in two ways, or one name for two raters.
    """
    files = sorted(path for path in folder.glob("*.csv") if path.is_file()) if folder.is_dir() else []
    invited = read_invited(folder)
    found: dict[tuple[str, str], tuple[Rating, str]] = {}
    for path in files:
        for number, rating in parse_ratings(read_csv(path), str(path), key, invited):
            where, place = f"{path}:{number}", (rating.rater, rating.trial.id)
            earlier, first = found.setdefault(place, (rating, where))
            if earlier.choice != rating.choice:
                raise InputError(where, f"rater {rating.rater!r} answered {rating.trial.id} otherwise in {first}")
    return _one_form_each([found[place] for place in sorted(found)])


def read_invited(folder: Path) -> set[str] | None:
    """Names in raters.txt; None where there is no such file."""
    path = folder / INVITED
    return {line.strip() for line in read_text(path).split("\n") if line.strip()} if path.exists() else None


def parse_ratings(
    rows: Sequence[Mapping[str, str | None]], source: str, key: Key, invited: set[str] | None = None
) -> Iterable[tuple[int, Rating]]:
    """The ratings in rows of a file, each with its line.

    Args:
        rows: as `read_csv` gives them.
        source: the file, as errors name it.
        key: of the pack.
        invited: names that are known; None for any.

    Raises:
        InputError: as `read_ratings`, for one file.
    """
    if len(rows) > MAX_ROWS:
        raise InputError(source, f"{len(rows)} rows, at most {MAX_ROWS} were expected")
    for number, row in enumerate(rows, start=2):
        where = f"{source}:{number}"
        if set(row) != set(COLUMNS) or None in row.values():
            raise InputError(where, "not a file of ratings", f"columns: {', '.join(COLUMNS)}")
        yield number, _rating({name: str(value) for name, value in row.items()}, where, key, invited)


def _rating(row: Mapping[str, str], where: str, key: Key, invited: set[str] | None) -> Rating:
    rater, trial = row["rater"], key.trials.get(row["trial"])
    if not RATER.fullmatch(rater):
        raise InputError(where, f"unknown rater {rater[:60]!r}", "1 to 40 letters, digits, - and _")
    if invited is not None and rater not in invited:
        raise InputError(where, f"unknown rater {rater!r}", f"{INVITED} beside the ratings does not name them")
    if row["pack"] != key.pack:
        raise InputError(where, f"a rating of pack {row['pack'][:60]!r}, not of {key.pack}", "the pack was built anew")
    if trial is None:
        raise InputError(where, f"unknown trial {row['trial'][:60]!r}", f"pack {key.pack} has no such trial")
    if row["choice"] not in CHOICES:
        raise InputError(where, f"choice is {row['choice'][:60]!r}, {', '.join(CHOICES)} were expected")
    if not SESSION.fullmatch(row["session"]):
        raise InputError(where, f"session is {row['session'][:60]!r}, 16 hex digits were expected")
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", row["seconds"]):
        raise InputError(where, f"seconds is {row['seconds'][:60]!r}, a number from 0 to 9999 was expected")
    return Rating(rater, row["session"], trial, row["choice"], float(row["seconds"]))


def _one_form_each(found: Sequence[tuple[Rating, str]]) -> list[Rating]:
    """The ratings, if each rater has one form and one session: two of them are two people with one name."""
    first: dict[str, tuple[Rating, str]] = {}
    for rating, where in found:
        known, there = first.setdefault(rating.rater, (rating, where))
        if (known.trial.form, known.session) != (rating.trial.form, rating.session):
            raise InputError(where, f"rater {rating.rater!r} began anew since {there}", "two raters need two names")
    return [rating for rating, _ in found]
