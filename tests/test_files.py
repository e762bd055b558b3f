"""Reading with precise errors, writing whole or not at all."""

from __future__ import annotations

import csv
import json
import math
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.errors import InputError
from vibegrid.files import (
    read_csv,
    read_json,
    read_jsonl,
    read_text,
    write_csv,
    write_json,
    write_jsonl,
    write_text,
)

WRITABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WRITABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WRITABLE, inner, max_size=3),
    max_leaves=6,
)


# writing --------------------------------------------------------------------------------------------------------


def test_a_written_file_is_utf8_with_plain_line_ends_and_the_usual_mode(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "x.txt"
    write_text(path, "ä\nb\n")
    assert path.read_bytes() == "ä\nb\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [file.name for file in path.parent.iterdir()] == ["x.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_text(path, "old")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_no_json_is_refused_before_anything_is_written(tmp_path: Path, bad: float) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"a": bad})
    with pytest.raises(ValueError):
        write_jsonl(tmp_path / "x.jsonl", [{"a": 1.0}, {"a": bad}])
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_jsonl(tmp_path / "x.jsonl", [{"a": "fine"}, {"a": "\ud800"}])
    assert list(tmp_path.iterdir()) == []


@given(rows=st.lists(st.dictionaries(WRITABLE, VALUES, max_size=3), min_size=1, max_size=4))
def test_jsonl_comes_back_as_it_was(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        write_jsonl(path, rows)
        assert read_jsonl(path) == rows
        assert len(path.read_bytes().splitlines()) >= len(rows)


@given(value=VALUES)
def test_json_comes_back_and_equal_values_are_equal_bytes(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "1", Path(folder) / "2"
        write_json(first, value)
        write_json(second, json.loads(json.dumps(value)))
        assert read_json(first) == value and first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("cell", ["=1+1", "+1", "@SUM(A1)", '=HYPERLINK("x")'])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(tmp_path: Path, cell: str) -> None:
    write_csv(tmp_path / "x.csv", [{"a": cell, "b": "b"}], ["a", "b"])
    assert read_csv(tmp_path / "x.csv") == [{"a": "'" + cell, "b": "b"}]


def test_cells_that_are_plain_stay_as_they_are(tmp_path: Path) -> None:
    row = {"a": -0.5, "b": None, "c": 'x,"y"\nz', "d": "a=b", "e": True, "f": "-0.5"}
    write_csv(tmp_path / "x.csv", [row, {}], list(row))
    lines = (tmp_path / "x.csv").read_text()
    assert lines.startswith('a,b,c,d,e,f\n-0.5,,"x,""y""\nz",a=b,True,-0.5\n')
    assert read_csv(tmp_path / "x.csv")[1] == dict.fromkeys(row, "")


@given(cells=st.lists(WRITABLE.filter(lambda text: "\r" not in text), min_size=2, max_size=2))
def test_no_cell_of_text_begins_like_a_formula(cells: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        write_csv(path, [{"a": cells[0], "b": cells[1]}], ["a", "b"])
        with path.open(encoding="utf-8", newline="") as file:
            found = list(csv.reader(file))[1]
        assert not any(cell[:1] in ("=", "+", "@") for cell in found)
        assert [cell if cell == was else cell[1:] for cell, was in zip(found, cells, strict=True)] == cells


# reading --------------------------------------------------------------------------------------------------------


def test_bom_and_crlf_and_blank_lines_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1}\r\n\r\n  \n{"id": 2}')
    assert read_jsonl(path, ("id",), unique="id") == [{"id": 1}, {"id": 2}]
    assert read_text(path) == '{"id": 1}\n\n  \n{"id": 2}'


BROKEN: list[tuple[bytes, str]] = [
    (b'{"id": 1}\n{"id": 2\n', r"x\.jsonl:2: not a JSON object"),
    (b'{"id": 1}\n\n{"id": 2}}\n', r"x\.jsonl:3: not a JSON object"),
    (b'{"id": 1}\n"text"\n', r"x\.jsonl:2: a JSON object was expected, not str"),
    (b'{"id": 1}\n{"di": 2}\n', r"x\.jsonl:2: field 'id' is missing \(hint: fields: id\)"),
    (b'{"id": 1}\n{"id": 3}\n{"id": 1}\n', r"x\.jsonl:3: id '1' repeats line 1"),
    (b'{"id": 1}\n{"id": "1"}\n', r"x\.jsonl:2: id '1' repeats line 1"),
    (b'{"id": 1}\n{"id": "a\0b"}\n', r"x\.jsonl:2: a NUL byte in a text file"),
    (b'{"id": 1}\n\n{"id": "\xff"}\n', r"x\.jsonl:3: not UTF-8 \(hint: save the file as UTF-8\)"),
    (b'{"id": 1}\n' + b"[" * 100_000 + b"\n", r"x\.jsonl:2: not a JSON object"),
    ('{"id": 1}\n'.encode("utf-16"), r"x\.jsonl:1: not UTF-8"),
    (b"", r"x\.jsonl: the file has no rows"),
    (b"\n \n", r"x\.jsonl: the file has no rows"),
]


@pytest.mark.parametrize(("data", "message"), BROKEN, ids=[str(data[:34]) for data, _ in BROKEN])
def test_a_broken_row_is_named_by_file_and_line(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x.jsonl").write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_jsonl(tmp_path / "x.jsonl", ("id",), unique="id")
    assert "\n" not in str(caught.value)


def test_a_pair_may_repeat_in_one_of_its_fields_only(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1, "b": 1}\n{"a": 1, "b": 2}\n')
    assert len(read_jsonl(path, unique="a+b")) == 2
    path.write_text('{"a": 1, "b": 1}\n{"a": 1, "b": 1}\n')
    with pytest.raises(InputError, match=r":2: a\+b '1/1' repeats line 1"):
        read_jsonl(path, unique="a+b")


def test_missing_files_folders_and_broken_json(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: no such file"):
        read_json(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path)
    (tmp_path / "x.json").write_text('{\n "a": 1,\n}\n')
    with pytest.raises(InputError, match=r"x\.json:3: not JSON"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(InputError, match=r"x\.csv: the file is empty, a header was expected"):
        read_csv(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_bytes(b"\r\x01")
    with pytest.raises(InputError, match=r"x\.csv:1: not CSV"):
        read_csv(tmp_path / "x.csv")


@given(data=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_one_line(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(data)
        for read in (read_text, read_json, read_jsonl, read_csv):
            try:
                read(path)
            except InputError as error:
                assert "\n" not in str(error)


def test_an_error_is_one_line_whatever_is_in_it() -> None:
    error = InputError("a:1", "two\nlines\tand  spaces", "do\nthis")
    assert str(error) == "a:1: two lines and spaces (hint: do this)"
    assert str(InputError("a", "b")) == "a: b"
