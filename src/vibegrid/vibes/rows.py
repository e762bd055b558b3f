"""Vibe rows: their fields, their levels, and how they are read back."""

from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.texts.rows import Numbered, check_text, numbered_rows

SPLITS = ("SFT-Train", "SFT-Val", "GRPO", "TEST")
SCOPES = ("scene", "character")
LEVELS = ("xl", "lg", "m", "sm", "xs")  # from 2-3 vivid lines down to 1-3 words

VIBE_FIELDS = (
    "dataset",
    "id_in_dataset",
    "split",
    "vibe_index",
    "text_page",
    "vibe_scope",
    "character_name",
    "vibe_level",
    "vibe_original",
    "vibe_noisy",
    "tags_original",
    "tags_noisy",
    "vibe_model",
)
NEEDED = ("dataset", "id_in_dataset", "vibe_scope", "vibe_level", "vibe_original")


def row_key(row: dict[str, Any]) -> tuple[str, ...]:
    """What names a vibe row: its text, page, place in the page, scope and level."""
    fields = ("dataset", "id_in_dataset", "text_page", "vibe_index", "vibe_scope", "vibe_level")
    return tuple(str(row.get(field, "")) for field in fields)


def vibe_files(folder: Path) -> list[Path]:
    """The files of a folder that hold its vibe rows: `vibes.jsonl`, or the split files of labelled ones."""
    vibes = folder / "vibes.jsonl"
    return [vibes] if vibes.exists() else [folder / f"{name}.jsonl" for name in SPLITS]


def read_vibes(path: Path, required: tuple[str, ...] = NEEDED) -> list[dict[str, Any]]:
    """Vibe rows (or labelled rows) of a file; InputError names the line of a row without a usable vibe."""
    return [row for _, row in numbered_vibes(path, required)]


def numbered_vibes(path: Path, required: tuple[str, ...] = NEEDED) -> list[Numbered]:
    """`read_vibes` with the place of each row, `file:line`."""
    rows = numbered_rows(path, required)
    for where, row in rows:
        check_text(where, "vibe_original", row["vibe_original"])
        for field, legal in (("vibe_scope", SCOPES), ("vibe_level", LEVELS)):
            if field in row and row[field] not in legal:
                raise InputError(where, f"{field} {row[field]!r} is not one of {', '.join(legal)}")
        if not isinstance(row.get("config_payload"), dict | None):
            raise InputError(where, "config_payload must be an object or null")
    return rows
