"""Stamps: a plainly named file is remade when, and only when, it was made of something else."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.grid.stamps import OLD, made_path, set_stamp


@pytest.fixture
def stamp(tmp_path: Path) -> Path:
    return tmp_path / "stamps" / "tables" / "rank.json"


def make(stamp: Path) -> None:
    """What the job of the plainly named file does last."""
    made_path(stamp).write_text(stamp.read_text())


def is_old(stamp: Path) -> bool:
    return stamp.stat().st_mtime == OLD


def test_the_copy_lies_beside_the_stamp(stamp: Path) -> None:
    assert made_path(stamp).name == "rank.made.json" and made_path(stamp).parent == stamp.parent


def test_a_first_stamp_is_fresh(stamp: Path) -> None:
    before = time.time() - 1
    set_stamp(stamp, {"a": 1})
    assert stamp.stat().st_mtime >= before


def test_same_content_as_was_made_of_is_old(stamp: Path) -> None:
    set_stamp(stamp, {"a": 1, "b": 2})
    make(stamp)
    set_stamp(stamp, {"b": 2, "a": 1})
    assert is_old(stamp)
    assert made_path(stamp).stat().st_mtime > OLD  # newer than its input: Snakemake has nothing to do


def test_changed_content_is_fresh_even_after_an_old_date(stamp: Path) -> None:
    set_stamp(stamp, {"a": 1})
    make(stamp)
    set_stamp(stamp, {"a": 1})
    made = made_path(stamp).stat().st_mtime
    set_stamp(stamp, {"a": 2})
    assert not is_old(stamp) and stamp.stat().st_mtime >= made


def test_changed_back_before_it_was_made_is_old_again(stamp: Path) -> None:
    set_stamp(stamp, {"a": 1})
    make(stamp)
    set_stamp(stamp, {"a": 2})
    set_stamp(stamp, {"a": 1})
    assert is_old(stamp)


def test_changed_back_after_it_was_made_is_fresh(stamp: Path) -> None:
    set_stamp(stamp, {"a": 1})
    make(stamp)
    set_stamp(stamp, {"a": 2})
    make(stamp)
    set_stamp(stamp, {"a": 1})
    assert not is_old(stamp)


def test_unchanged_and_not_yet_made_keeps_its_date(stamp: Path) -> None:
    """A failed job is tried again, and the plan does not move the date about."""
    set_stamp(stamp, {"a": 1})
    os.utime(stamp, (1_700_000_000, 1_700_000_000))
    set_stamp(stamp, {"a": 1})
    assert stamp.stat().st_mtime == 1_700_000_000


def test_a_deleted_copy_makes_the_stamp_fresh(stamp: Path) -> None:
    set_stamp(stamp, {"a": 1})
    make(stamp)
    set_stamp(stamp, {"a": 1})
    made_path(stamp).unlink()
    set_stamp(stamp, {"a": 1})
    assert not is_old(stamp)


def test_a_deleted_stamp_comes_back_old_where_nothing_changed(stamp: Path) -> None:
    set_stamp(stamp, {"a": 1})
    make(stamp)
    stamp.unlink()
    set_stamp(stamp, {"a": 1})
    assert is_old(stamp)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=8))
def test_any_history_is_current_exactly_where_the_last_made_equals_the_last_set(
    history: list[tuple[int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stamp, made = Path(folder) / "x.json", None
        for value, job_runs in history:
            set_stamp(stamp, {"value": value})
            assert is_old(stamp) == (made == value)
            if job_runs:
                make(stamp)
                made = value
