"""Tables of analyses that measure units, and what experiments of such kinds may say."""

from pathlib import Path

import pytest

from vibegrid.analyses.compare import COLUMNS
from vibegrid.errors import InputError
from vibegrid.files import read_csv
from vibegrid.specs.experiments import ExperimentSpec
from vibegrid.tables.measures import wide_table, write_tables

SPEC = {
    "scale": "mini",
    "experiment": "loudness",
    "title": "Loudness",
    "unit": "field",
    "columns": {"shift": "shift", "heard": "heard?"},
    "settings": {"bases": 3},
}


def row(arm: str, metric: str, mean: str, *, low: str = "", high: str = "", system: str = "sft") -> dict[str, str]:
    made = {"scale": "mini", "experiment": "loudness", "arm": arm, "system": system, "metric": metric}
    values = {"subset": "all", "mean": mean, "ci_low": low, "ci_high": high, "status": "ok"}
    return {column: {**made, **values}.get(column, "") for column in COLUMNS}


def test_a_row_is_a_unit_and_a_column_a_metric() -> None:
    rows = [
        row("tempo", "shift", "0.25", low="0.1", high="0.4"),
        row("tempo", "heard", "1"),
        row("grain", "heard", "0"),
    ]
    block = wide_table(_spec(), rows)
    assert block.columns == ["field", "shift", "heard?"]
    assert block.rows == [["tempo", "0.250 [0.100, 0.400]", "1"], ["grain", "–", "0"]]


def test_systems_are_a_column_where_there_are_several() -> None:
    rows = [row("tempo", "heard", "1"), row("tempo", "heard", "0", system="random")]
    block = wide_table(_spec(), rows)
    assert block.columns[:2] == ["field", "system"]
    assert [cells[:2] for cells in block.rows] == [["tempo", "sft"], ["tempo", "random"]]


def test_the_long_table_is_sorted_and_whole(tmp_path: Path) -> None:
    rows = [row("tempo", "shift", "0.25"), row("grain", "shift", "0.5")]
    csv, markdown, latex = write_tables(SPEC, rows, tmp_path)
    assert [line["arm"] for line in read_csv(csv)] == ["grain", "tempo"]
    assert "| tempo | 0.25 | – |" in markdown.read_text() and "tempo" in latex.read_text()


def test_a_spec_without_columns_is_one_line() -> None:
    with pytest.raises(InputError, match="loudness: columns"):
        wide_table(_spec(columns={}), [])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"kind": "sculpture"}, "no kind 'sculpture'"),
        ({"settings": {"bases": 3}, "sweep": {"lora.r": [4]}}, "has no `settings`"),
        ({}, "`sweep` or `arms` is missing"),
    ],
)
def test_an_experiment_of_a_wrong_kind(values: dict, expected: str) -> None:
    common = {"title": "t", "question": "q", "primary": {"metric": "reward", "eval_set": "test"}}
    with pytest.raises(ValueError, match=expected):
        ExperimentSpec.model_validate({**common, **values})


def _spec(**over: object):
    from vibegrid.specs.measures import measures_spec

    return measures_spec({**SPEC, **over})
