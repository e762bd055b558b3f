"""What stands for a page in the prompt: which vibe rows a variant is made of, or the pages themselves.

| representation | rows |
| --- | --- |
| `all_levels` | every level of both scopes |
| `both_scopes` | the same: another name, which the spec turns into `all_levels` |
| `scene_only`, `character_only` | every level of one scope |
| `xl_only`, `xs_only` | one level of both scopes |
| `raw_text` | one row a page: the page as prompt, the payload of its scene's `xl` vibe |
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.specs.datasets import Representation
from vibegrid.texts.rows import check_text, numbered_rows
from vibegrid.vibes.rows import LEVELS, SCOPES

# Representation -> the scopes and levels of the rows that it keeps.
KEPT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "all_levels": (SCOPES, LEVELS),
    "scene_only": (("scene",), LEVELS),
    "character_only": (("character",), LEVELS),
    "xl_only": (SCOPES, ("xl",)),
    "xs_only": (SCOPES, ("xs",)),
    "raw_text": (("scene",), ("xl",)),
}

PageKey = tuple[str, str, int]
Pages = dict[PageKey, str]


def represent(rows: Sequence[dict[str, Any]], representation: Representation, pages: Pages) -> list[dict[str, Any]]:
    """The rows of a representation, in order. `raw_text` puts the page where the vibe was, as written, and
    leaves scope (`scene`), level (`xl`), tags and payload as they are."""
    scopes, levels = KEPT[representation]
    kept = [row for row in rows if row["vibe_scope"] in scopes and row["vibe_level"] in levels]
    if representation != "raw_text":
        return kept
    return [row | dict.fromkeys(("vibe_original", "vibe_noisy"), _page_of(row, pages)) for row in kept]


def read_pages(path: Path) -> Pages:
    """(dataset, id as text, page) -> the page's text."""
    pages: Pages = {}
    for where, row in numbered_rows(path, ("dataset", "id_in_dataset", "text_page", "text")):
        check_text(where, "text", row["text"])
        pages[_page_key(row)] = row["text"]
    return pages


def _page_key(row: dict[str, Any]) -> PageKey:
    return row["dataset"], str(row["id_in_dataset"]), row["text_page"]


def _page_of(row: dict[str, Any], pages: Pages) -> str:
    try:
        return pages[_page_key(row)]
    except KeyError:
        name = "/".join(map(str, _page_key(row)))
        raise InputError("pages.jsonl", f"page {name} of a vibe row is not there", "extract again") from None
