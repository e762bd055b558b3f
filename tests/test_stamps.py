"""Stamps: a plainly named file is remade when, and only when, it was made of something else."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.grid.stamps import OLD, made_path, set_stamp


@pytest.fixture
def stamp(tmp_path: Path) -> Path:
    return tmp_path / "stamps" / "tables" / "rank.json"


def copy_of(stamp: Path) -> Path:
    return Path(made_path(str(stamp)))


def put(stamp: Path, content: Any) -> None:
    made = copy_of(stamp)
    set_stamp(stamp, content, made.read_text() if made.exists() else None)


def make(stamp: Path) -> None:
    """What the job of the plainly named file does last."""
    copy_of(stamp).write_text(stamp.read_text())


def is_old(stamp: Path) -> bool:
    return stamp.stat().st_mtime == OLD


def test_the_copy_lies_beside_the_stamp(stamp: Path) -> None:
    assert copy_of(stamp).name == "rank.made.json" and copy_of(stamp).parent == stamp.parent


def test_a_first_stamp_is_fresh(stamp: Path) -> None:
    before = time.time() - 1
    put(stamp, {"a": 1})
    assert stamp.stat().st_mtime >= before


def test_same_content_as_was_made_of_is_old(stamp: Path) -> None:
    put(stamp, {"a": 1, "b": 2})
    make(stamp)
    put(stamp, {"b": 2, "a": 1})
    assert is_old(stamp)
    assert copy_of(stamp).stat().st_mtime > OLD  # newer than its input: Snakemake has nothing to do


def test_changed_content_is_fresh_even_after_an_old_date(stamp: Path) -> None:
    put(stamp, {"a": 1})
    make(stamp)
    put(stamp, {"a": 1})
    made = copy_of(stamp).stat().st_mtime
    put(stamp, {"a": 2})
    assert not is_old(stamp) and stamp.stat().st_mtime >= made


def test_changed_back_before_it_was_made_is_old_again(stamp: Path) -> None:
    put(stamp, {"a": 1})
    make(stamp)
    put(stamp, {"a": 2})
    put(stamp, {"a": 1})
    assert is_old(stamp)


def test_changed_back_after_it_was_made_is_fresh(stamp: Path) -> None:
    put(stamp, {"a": 1})
    make(stamp)
    put(stamp, {"a": 2})
    make(stamp)
    put(stamp, {"a": 1})
    assert not is_old(stamp)


def test_a_deleted_copy_makes_the_stamp_fresh(stamp: Path) -> None:
    put(stamp, {"a": 1})
    make(stamp)
    put(stamp, {"a": 1})
    copy_of(stamp).unlink()
    put(stamp, {"a": 1})
    assert not is_old(stamp)


def test_a_deleted_stamp_comes_back_old_where_nothing_changed(stamp: Path) -> None:
    put(stamp, {"a": 1})
    make(stamp)
    stamp.unlink()
    put(stamp, {"a": 1})
    assert is_old(stamp)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=8))
def test_any_history_is_current_exactly_where_the_last_made_equals_the_last_set(
    history: list[tuple[int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stamp, made = Path(folder) / "x.json", None
        for value, job_runs in history:
            put(stamp, {"value": value})
            assert is_old(stamp) == (made == value)
            if job_runs:
                make(stamp)
                made = value
