"""The data card of a variant: what its rows are, what was left out and why, and that nothing leaks.

`card.json` is for programs, `card.md` the same for people. Texts in it are untrusted: they are shortened, and escaped
in Markdown. Lengths are words and characters, since a dataset knows no tokenizer: an adapter's metrics count tokens.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vibegrid.errors import InputError
from vibegrid.tables.escape import markdown
from vibegrid.texts.rows import text_key
from vibegrid.vibes.rows import LEVELS, SCOPES

EXAMPLE_CHARS = 200
Rows = Sequence[Mapping[str, Any]]


def counts(rows: Rows) -> dict[str, Any]:
    """Rows, texts, rows by scope and by level (of 0 too), noisy rows, and lengths of prompts and payloads."""
    scopes = Counter(row["vibe_scope"] for row in rows)
    levels = Counter(row["vibe_level"] for row in rows)
    prompts = [row["vibe_noisy"] for row in rows]
    payloads = [json.dumps(row["config_payload"], separators=(",", ":"), ensure_ascii=False) for row in rows]
    return {
        "rows": len(rows),
        "texts": len({text_key(row) for row in rows}),
        "by_scope": {scope: scopes[scope] for scope in SCOPES},
        "by_level": {level: levels[level] for level in LEVELS},
        "noisy": sum(row["vibe_noisy"] != row["vibe_original"] for row in rows),
        "lengths": {
            "prompt_words": spread([len(prompt.split()) for prompt in prompts]),
            "prompt_characters": spread([len(prompt) for prompt in prompts]),
            "payload_characters": spread([len(payload) for payload in payloads]),
        },
    }


def spread(lengths: Sequence[int]) -> dict[str, int] | None:
    """Median, 95th percentile and maximum, each a length that occurs; None of nothing."""
    if not lengths:
        return None
    middle, high = np.percentile(lengths, [50, 95], method="higher")
    return {"median": int(middle), "p95": int(high), "max": max(lengths)}


def check_sides(parts: Mapping[str, Rows], where: Path) -> int:
    """How many texts the parts have in all; each is of one part only.

    Raises:
        InputError: a text has rows on two sides.
    """
    side: dict[tuple[str, str], str] = {}
    for name, rows in parts.items():
        for row in rows:
            key = text_key(row)
            if side.setdefault(key, name) != name:
                raise InputError(
                    str(where), f"text {'/'.join(key)} has rows in {side[key]} and in {name}", "split by text"
                )
    return len(side)


def short(text: str) -> str:
    """A text as an example: 200 characters at most."""
    return text if len(text) <= EXAMPLE_CHARS else text[: EXAMPLE_CHARS - 1] + "\u2026"


def markdown_card(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    spec = card["spec"]
    size = "all rows" if spec["size"] is None else f"{spec['size']} rows (draw {spec['draw']})"
    told = [
        f"representation `{spec['representation']}`",
        f"error rate {spec['error_rate']:g}",
        f"dedupe threshold {spec['dedupe_threshold']:g}",
        size,
        f"seed {spec['seed']}",
    ]
    parts = [
        "# Dataset variant",
        ", ".join(told) + ".",
        *_rows_section(card["splits"]),
        *_duplicates_section(card),
        *_noise_section(card["noise"]),
        *_leakage_section(card["leakage"]),
    ]
    return "\n\n".join(parts) + "\n"


def _table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _rows_section(splits: Mapping[str, Any]) -> list[str]:
    headings = ("split", "rows", "texts", *SCOPES, *LEVELS, "noisy", "left out: no payload")
    rows = [
        (name, part["rows"], part["texts"], *part["by_scope"].values(), *part["by_level"].values())
        + (part["noisy"], part["without_payload"])
        for name, part in splits.items()
    ]
    lengths = [
        (name, *(_spread(part["lengths"][key]) for key in ("prompt_words", "prompt_characters", "payload_characters")))
        for name, part in splits.items()
    ]
    units = ("split", "prompt, words", "prompt, characters", "payload, characters")
    note = (
        "Median / 95th percentile / maximum. Tokens depend on the base model: an adapter's `metrics.csv` counts those"
        " it was trained on."
    )
    return ["## Rows", _table(headings, rows), "## Lengths", _table(units, lengths), note]


def _spread(found: Mapping[str, int] | None) -> str:
    return "" if found is None else f"{found['median']} / {found['p95']} / {found['max']}"


def _duplicates_section(card: Mapping[str, Any]) -> list[str]:
    found = card["duplicates"]
    line = (
        f"SFT-Train: {found['removed']} rows removed, {found['exact']} of them with the text of an earlier row; "
        f"{card['available']} stayed, of which `size` takes {card['splits']['SFT-Train']['rows']}."
    )
    rows = [(markdown(each["removed"]), markdown(each["kept"]), f"{each['cosine']:.3f}") for each in found["examples"]]
    return ["## Duplicates", line, *([_table(("removed", "repeats", "cosine"), rows)] if rows else [])]


def _noise_section(noise: Mapping[str, Any]) -> list[str]:
    drawn = "; ".join(f"{name} {part['rows']}" for name, part in noise.items())
    lines = [f"Rows that got typing errors, before duplicates and size: {drawn}. SFT-Val has none."]
    rows = [
        (name, markdown(each["vibe_original"]), markdown(each["vibe_noisy"]))
        for name, part in noise.items()
        for each in part["examples"]
    ]
    return ["## Noise", *lines, *([_table(("split", "before", "after"), rows)] if rows else [])]


def _leakage_section(leakage: Mapping[str, Any]) -> list[str]:
    line = (
        f"No source text has rows on two sides ({leakage['texts']} texts, TEST included). Rows at a cosine of"
        f" {leakage['threshold']:g} or more to a TEST vibe are removed:"
    )
    rows = [
        (name, leakage["removed_by_split"].get(name, 0), removed, _cosine(leakage["max_cosine"][name]))
        for name, removed in leakage["removed"].items()
    ]
    return ["## Leakage", line, _table(("split", "removed by the split", "removed here", "nearest that stays"), rows)]


def _cosine(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
