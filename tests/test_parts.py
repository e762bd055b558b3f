"""Which prompt file belongs to which eval set must not depend on any order."""

from pathlib import Path

import pytest

from vibegrid.errors import InputError
from vibegrid.evals.parts import by_eval_set


def test_files_are_matched_by_name_not_by_place() -> None:
    files = by_eval_set(
        ["test=a/prompts.jsonl", "controllability/tempo_prompts=b"], ["controllability/tempo_prompts", "test"]
    )
    assert files == {"controllability/tempo_prompts": Path("b"), "test": Path("a/prompts.jsonl")}


@pytest.mark.parametrize("values", [["a/prompts.jsonl"], ["test=a", "test=b"], ["other=a"], []])
def test_a_missing_or_foreign_file_is_an_error(values: list[str]) -> None:
    with pytest.raises(InputError, match="name=path was expected"):
        by_eval_set(values, ["test"])
