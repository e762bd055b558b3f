"""Labels of one's own: a folder of split files in place of texts, extraction and labelling.

The folder holds `SFT-Train.jsonl`, `SFT-Val.jsonl`, `GRPO.jsonl` and `TEST.jsonl` with the fields of labelled rows, and
`pages.jsonl` where pages are to be shown (`raw_text`). Which side a row is on is the file that it is in. What is too
near to a TEST vibe leaves the other sides, as in every split.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vibegrid.datasets.embed import load
from vibegrid.datasets.represent import PageKey, read_pages
from vibegrid.datasets.split import count_rows, remove_leaks, texts_on_two_sides
from vibegrid.errors import InputError
from vibegrid.files import write_json, write_jsonl
from vibegrid.labels.rows import LABEL_FIELDS, payload_problem
from vibegrid.payloads import dumps, parse_output
from vibegrid.specs.datasets import ImportSpec
from vibegrid.texts.rows import check_text, text_key
from vibegrid.vibes.rows import SPLITS, VIBE_FIELDS, numbered_vibes, row_key

log = logging.getLogger(__name__)

PAGES = "pages.jsonl"
N_EXAMPLES = 5
Rows = list[dict[str, Any]]


def import_splits(spec: ImportSpec, *, labelled: Path, embeddings: Path, out: Path) -> dict[str, Any]:
    """Check a folder of split files and write them, `pages.jsonl` and `split.json` to folder `out`.

    Fields that are not ours stay. A payload that breaks the schema becomes none, with the reason in `config_error`.

    Args:
        spec: the leakage threshold.
        labelled: the folder.
        embeddings: `.npz` of its vibes.
        out: folder for the results.

    Returns:
        The report that is in `split.json`: as that of a drawn split, and `payloads` (valid, invalid and none, by side,
        with examples).

    Raises:
        InputError: names the file and line of a row that lacks a field, repeats another, or whose text has rows on
            another side.
    """
    parts = read_labelled(labelled)
    payloads = check_payloads(parts)
    texts = {name: sorted({text_key(row) for row in rows}) for name, rows in parts.items()}
    vectors = load(embeddings).covering([row["vibe_original"] for rows in parts.values() for row in rows])
    removed = remove_leaks(parts, vectors, spec.leakage_threshold)
    for name, rows in parts.items():
        if not any(row["config_payload"] is not None for row in rows):
            raise InputError(
                str(labelled / f"{name}.jsonl"),
                "no row with a valid payload is left",
                f"{removed['rows'].get(name, 0)} rows were within {spec.leakage_threshold} of a TEST vibe",
            )
    pages = read_pages(labelled / PAGES) if (labelled / PAGES).exists() else {}
    report = {
        "leakage_threshold": spec.leakage_threshold,
        "texts": {name: [list(key) for key in keys] for name, keys in texts.items()},
        "texts_on_two_sides": texts_on_two_sides(parts),
        "rows": {name: count_rows(rows) for name, rows in parts.items()},
        "removed": removed,
        "payloads": payloads,
    }
    for name, rows in parts.items():
        write_jsonl(out / f"{name}.jsonl", rows)
    write_jsonl(out / PAGES, [_page(key, text) for key, text in pages.items()])
    write_json(out / "split.json", report)
    log.info("rows: %s; removed for leakage: %s", {n: len(r) for n, r in parts.items()}, removed["rows"])
    return report


def read_labelled(folder: Path) -> dict[str, Rows]:
    """The rows of each split file, checked; `split` says the file that a row is in."""
    if not folder.is_dir():
        raise InputError(str(folder), "no such folder", f"a folder of {', '.join(SPLITS)} (.jsonl) was expected")
    sides: dict[tuple[str, str], tuple[str, str]] = {}
    seen: dict[tuple[str, ...], str] = {}
    parts: dict[str, Rows] = {}
    for name in SPLITS:
        parts[name] = []
        for where, row in numbered_vibes(folder / f"{name}.jsonl", (*VIBE_FIELDS, *LABEL_FIELDS)):
            check_row(where, row)
            side, first = sides.setdefault(text_key(row), (name, where))
            if side != name:
                text = "/".join(text_key(row))
                raise InputError(where, f"text {text!r} has rows on two sides, {first} too", "one side a text")
            key = (*row_key(row), str(row["character_name"]))
            if key in seen:
                raise InputError(where, f"text, page, index, scope, level and character repeat {seen[key]}")
            seen[key] = where
            parts[name].append(row | {"split": name})
    return parts


def check_row(where: str, row: Mapping[str, Any]) -> None:
    """InputError for the first field that is not what section 5 of the design says."""
    check_text(where, "dataset", row["dataset"])
    for field, (expected, legal) in FORMS.items():
        if not legal(row[field]):
            raise InputError(where, f"field {field!r} must be {expected}, not {row[field]!r:.60}")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _identifier(value: Any) -> bool:
    return _whole(value) or (isinstance(value, str) and bool(value.strip()) and "\0" not in value)


def _text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _texts_or_none(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _list_or_none(value: Any) -> bool:
    return value is None or isinstance(value, list)


def _object_or_none(value: Any) -> bool:
    return value is None or isinstance(value, dict)


FORMS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "id_in_dataset": ("a text or a whole number", _identifier),
    "split": ("a text or null", _text_or_none),
    "vibe_index": ("a whole number", _whole),
    "text_page": ("a whole number", _whole),
    "character_name": ("a text or null", _text_or_none),
    "vibe_noisy": ("a text or null", _text_or_none),
    "tags_original": ("a list of texts or null", _texts_or_none),
    "tags_noisy": ("a list of texts or null", _texts_or_none),
    "vibe_model": ("a text or null", _text_or_none),
    "config_model": ("a text or null", _text_or_none),
    "config_candidates": ("a list or null", _list_or_none),
    "validation_scores": ("an object or null", _object_or_none),
    "candidate_scores": ("a list or null", _list_or_none),
    "scores_external": ("an object or null", _object_or_none),
    "config_payload": ("an object or null", _object_or_none),
    "config_error": ("a text or null", _text_or_none),
}


def check_payloads(parts: Mapping[str, Rows]) -> dict[str, Any]:
    """Count valid payloads by side; an invalid one becomes none (in place), with the reason and a few examples."""
    counts: dict[str, Counter[str]] = {name: Counter(valid=0, invalid=0, none=0) for name in parts}
    examples: list[dict[str, Any]] = []
    for name, rows in parts.items():
        for row in rows:
            if row["config_payload"] is None:
                counts[name]["none"] += 1
                continue
            reason = payload_problem(parse_output(dumps(row["config_payload"])))
            counts[name]["invalid" if reason else "valid"] += 1
            if reason:
                row |= {"config_payload": None, "config_error": reason}
                examples.append({"split": name, "vibe": row["vibe_original"][:200], "reason": reason})
    invalid = sum(count["invalid"] for count in counts.values())
    if invalid:
        log.warning("%d payloads are invalid, the first: %s", invalid, examples[0])
    return {"counts": {name: dict(count) for name, count in counts.items()}, "examples": examples[:N_EXAMPLES]}


def _page(key: PageKey, text: str) -> dict[str, Any]:
    return {"dataset": key[0], "id_in_dataset": key[1], "text_page": key[2], "text": text}
