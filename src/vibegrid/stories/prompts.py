"""The eval set of stories: the scene of every page of some texts as a prompt, in the order of the pages.

Texts of splits that no training reads: what a system makes of neighbouring pages is then not what it was taught to.
The teacher's payload stands beside each prompt, so that the teacher is a system of the analysis without a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.texts.draws import number, ranked
from vibegrid.texts.rows import text_key
from vibegrid.vibes.rows import read_vibes, row_key

SPLITS = ("TEST", "SFT-Val")  # in this order; neither is trained on
FEWEST_PAGES = 2
NEEDED = ("dataset", "id_in_dataset", "text_page", "vibe_level", "vibe_scope", "config_payload")

Row = dict[str, Any]


def story_rows(splits: Path, *, level: str, stories: int | None, pages: int, seed: int) -> list[Row]:
    """Rows of the scenes of consecutive pages, story by story.

    Args:
        splits: folder of the splits.
        level: vibe level of every prompt.
        stories: most texts; TEST comes first, then SFT-Val, each in a seeded order. None for all.
        pages: most pages of a text, from its first.
        seed: of the order.

    Raises:
        InputError: no text has two pages with a payload.
    """
    found: list[list[Row]] = []
    for split in SPLITS:
        by_text: dict[tuple[str, str], list[Row]] = {}
        for row in _scenes(splits / f"{split}.jsonl", level):
            by_text.setdefault(text_key(row), []).append(row | {"split": split})
        long = {key: rows for key, rows in by_text.items() if len(rows) >= FEWEST_PAGES}
        order = ranked(sorted(long), lambda key: key, "stories", seed)
        found += [sorted(long[key], key=lambda row: row["text_page"])[:pages] for key in order]
    if not found:
        raise InputError(
            str(splits),
            f"no text of {' or '.join(SPLITS)} has {FEWEST_PAGES} pages with a scene and a payload",
            "smaller pages (`vibes.page_words`), or longer texts",
        )
    return [row for story in found[:stories] for row in story]


def _scenes(path: Path, level: str) -> list[Row]:
    """The first scene of each page at a level that has a payload."""
    if not path.stat().st_size:
        return []
    first: dict[tuple[str, ...], Row] = {}
    for row in read_vibes(path, NEEDED):
        if row["vibe_scope"] == "scene" and row["vibe_level"] == level and row["config_payload"] is not None:
            first.setdefault((*text_key(row), str(row["text_page"])), row)
    return list(first.values())


def story_prompts(rows: Sequence[Row]) -> list[Row]:
    """Fields of the prompts: `story` (the text) is their cluster, `page` counts from 1 within the text."""
    return [
        {
            "id": f"story-{number(*row_key(row)):016x}",
            "prompt": row["vibe_original"],
            "category": "short" if row["vibe_level"] in ("sm", "xs") else "long",
            "subcategory": None,
            "expected_fields": {},
            "difficulty": "medium",
            "source": "extracted",
            "paraphrase_group": None,
            "notes": "",
            "cluster": "/".join(text_key(row)),
            "story": "/".join(text_key(row)),
            "page": int(row["text_page"]),
            "split": row["split"],
            "vibe_level": row["vibe_level"],
            "vibe_scope": row["vibe_scope"],
            "config_payload": row["config_payload"],
        }
        for row in rows
    ]
