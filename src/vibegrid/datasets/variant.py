"""A dataset variant: what a training reads, as one function of the labelled vibes. It calls no LLM.

In this order: rows without payload are left out; the representation is chosen; rows too near to TEST are
taken out again (pages can be, where their vibes were not); noise goes into `vibe_noisy`; SFT-Train is
deduplicated and cut to its size. SFT-Val and GRPO have the representation too. GRPO has the noise, since it
is training; SFT-Val has none, so that its loss compares variants on the same prompts. Neither is
deduplicated or cut.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vibegrid.datasets.card import check_sides, counts, markdown_card, short
from vibegrid.datasets.dedupe import dedupe
from vibegrid.datasets.embed import Embeddings, load
from vibegrid.datasets.near import near_any
from vibegrid.datasets.noise import add_errors, noisy_rows
from vibegrid.datasets.represent import Pages, read_pages, represent
from vibegrid.errors import InputError
from vibegrid.files import read_json, write_json, write_jsonl, write_text
from vibegrid.specs.datasets import VariantSpec
from vibegrid.texts.draws import sample
from vibegrid.vibes.rows import NEEDED, read_vibes, row_key

log = logging.getLogger(__name__)

TRAIN, VAL, GRPO, TEST = "SFT-Train", "SFT-Val", "GRPO", "TEST"
TRAINING = (TRAIN, VAL, GRPO)
LABELLED = (*NEEDED, "config_payload")
N_EXAMPLES = 5
Rows = list[dict[str, Any]]


def build(spec: VariantSpec, *, splits: Path, pages: Path, embeddings: Path, out: Path) -> dict[str, Any]:
    """Write `SFT-Train.jsonl`, `SFT-Val.jsonl`, `GRPO.jsonl` and the data card (`card.json`, `card.md`) to folder
    `out`; returns the card.

    Args:
        spec: the variant.
        splits: folder of the split files and `split.json`.
        pages: file of pages, read for `raw_text` only.
        embeddings: `.npz` of the vibes; texts that are not in it (pages) are encoded here.
        out: folder for the results.

    Raises:
        InputError: no training row is left, `size` asks for more rows than there are, or a text has rows on two sides.
    """
    split = read_split(splits / "split.json")
    texts = read_pages(pages) if spec.representation == "raw_text" else {}
    test = read_vibes(splits / f"{TEST}.jsonl")
    shown_test = _test_texts(test, spec, texts)
    parts = {name: usable(splits / f"{name}.jsonl") for name in TRAINING}
    shown = {name: represent(rows, spec.representation, texts) for name, (rows, _) in parts.items()}
    prompts = [row["vibe_original"] for rows in shown.values() for row in rows]
    vectors = load(embeddings).covering([*shown_test, *prompts])
    card: dict[str, Any] = {"spec": spec.model_dump(mode="json"), "splits": {}, "duplicates": {}, "noise": {}}
    leakage: dict[str, Any] = {"threshold": split["leakage_threshold"], "removed": {}, "max_cosine": {}}
    card["leakage"] = leakage | {"removed_by_split": split["removed"]["rows"]}
    made: dict[str, Rows] = {}
    for name in TRAINING:
        rows = _without_leaks(name, shown[name], vectors, shown_test, leakage["threshold"], card["leakage"])
        rows, card["noise"][name] = with_noise(rows, 0.0 if name == VAL else spec.error_rate, spec.seed)
        if name == TRAIN:
            rows, card["duplicates"] = without_duplicates(rows, vectors, spec.dedupe_threshold)
            card["available"] = len(rows)
            rows = take(rows, spec, splits / f"{name}.jsonl")
        made[name] = rows
        card["splits"][name] = {"without_payload": parts[name][1], **counts(rows)}
    del card["noise"][VAL]
    card["leakage"]["texts"] = check_sides({**made, TEST: test}, splits)
    for name, rows in made.items():
        write_jsonl(out / f"{name}.jsonl", rows)
    write_json(out / "card.json", card)
    write_text(out / "card.md", markdown_card(card))
    log.info("variant rows: %s", {name: part["rows"] for name, part in card["splits"].items()})
    return card


def read_split(path: Path) -> dict[str, Any]:
    """The report of the split: the cosine that it kept training rows away from TEST by, and what it removed."""
    report = read_json(path)
    for field, kind in (("leakage_threshold", int | float), ("removed", dict)):
        if not isinstance(report, dict) or not isinstance(report.get(field), kind):
            raise InputError(str(path), f"field {field!r} is missing", "split again")
    return report


def usable(path: Path) -> tuple[Rows, int]:
    """The rows with a payload, and how many have none. A split may be empty: all of it was near to TEST."""
    if path.is_file() and path.stat().st_size == 0:
        return [], 0
    rows = read_vibes(path, LABELLED)
    kept = [row for row in rows if row["config_payload"] is not None]
    return kept, len(rows) - len(kept)


def _test_texts(test: Rows, spec: VariantSpec, pages: Pages) -> list[str]:
    """The vibes of TEST, and for `raw_text` its pages as well."""
    vibes = [row["vibe_original"] for row in test]
    raw = [row["vibe_original"] for row in represent(test, spec.representation, pages)] if pages else []
    return list(dict.fromkeys(vibes + raw))


def _without_leaks(
    name: str, rows: Rows, vectors: Embeddings, test: Sequence[str], threshold: float, report: dict[str, Any]
) -> Rows:
    """The rows below `threshold` to every text of TEST; `report` gets the count and the nearest that
    stays."""
    texts = [row["vibe_original"] for row in rows]
    leaks = near_any(texts, vectors.of(texts), test, vectors.of(test), threshold)
    stay = leaks.cosine[~leaks.hit]
    report["removed"][name] = int(leaks.hit.sum())
    report["max_cosine"][name] = round(float(stay.max()), 4) if len(stay) else None
    return [row for row, hit in zip(rows, leaks.hit, strict=True) if not hit]


def with_noise(rows: Rows, error_rate: float, seed: int) -> tuple[Rows, dict[str, Any]]:
    """The rows, `round(error_rate * n)` of them with errors in `vibe_noisy` and `tags_noisy`; the others
    clean."""
    noisy = noisy_rows([row["vibe_original"] for row in rows], error_rate, seed)
    done = []
    for i, row in enumerate(rows):
        tags = list(row.get("tags_original") or [])
        text = row["vibe_original"]
        if i in noisy:
            text, tags = add_errors(text, seed), [add_errors(tag, seed) for tag in tags]
        done.append(row | {"vibe_noisy": text, "tags_noisy": tags})
    examples = [
        {"vibe_original": short(done[i]["vibe_original"]), "vibe_noisy": short(done[i]["vibe_noisy"])}
        for i in sorted(noisy)[:N_EXAMPLES]
    ]
    return done, {"rows": len(noisy), "examples": examples}


def without_duplicates(rows: Rows, vectors: Embeddings, threshold: float) -> tuple[Rows, dict[str, Any]]:
    """The rows without near-duplicates, and what was removed; examples that are not equal texts come
    first."""
    texts = [row["vibe_original"] for row in rows]
    found = dedupe(texts, vectors.of(texts), threshold)
    told = sorted(found.removed, key=lambda pair: texts[pair[0]] == texts[pair[1]])[:N_EXAMPLES]
    examples = [
        {"removed": short(texts[i]), "kept": short(texts[j]), "cosine": round(cosine, 4)} for i, j, cosine in told
    ]
    exact = sum(texts[i] == texts[j] for i, j, _ in found.removed)
    report = {"removed": len(found.removed), "exact": exact, "examples": examples}
    return [rows[i] for i in found.kept], report


def take(rows: Rows, spec: VariantSpec, source: Path) -> Rows:
    """`spec.size` of the rows, in row order. Of one draw, the smaller subset is part of the larger."""
    if not rows:
        raise InputError(str(source), f"representation {spec.representation!r} leaves no training row")
    if spec.size is None:
        return rows
    if spec.size > len(rows):
        raise InputError(
            "dataset.size",
            f"{spec.size} rows were asked for, there are {len(rows)}",
            "null takes all there are",
        )
    return sample(rows, spec.size, row_key, "size", spec.seed, spec.draw)
