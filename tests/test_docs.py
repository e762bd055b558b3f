"""What is generated is what the code would generate now."""

from pathlib import Path

import pytest

from vibegrid.commands import docs
from vibegrid.commands.docs import write_docs
from vibegrid.errors import InputError

ROOT = Path(__file__).resolve().parents[1]


def test_generated_pages_are_current() -> None:
    write_docs(ROOT, check=True)


def test_a_stale_schema_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "README.md").write_text((ROOT / "README.md").read_text())
    monkeypatch.setattr(docs, "rulegraph", lambda root: "flowchart LR")
    monkeypatch.setattr(docs, "experiments_page", lambda root: "")
    with pytest.raises(InputError, match="out of date with the code") as error:
        write_docs(tmp_path, check=True)
    assert "\n" not in str(error.value)
