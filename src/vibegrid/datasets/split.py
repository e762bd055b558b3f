"""Splits the labelled vibes by source text, and keeps training rows away from TEST.

TEST and SFT-Val are seeded draws of texts. GRPO's texts are picked by farthest-point sampling (Gonzalez
1985, greedy k-center) on the mean embedding of each text's vibes, so that they spread over what there is.
The rest is SFT-Train. Then rows outside TEST that are too near to a TEST vibe are removed and counted.
"""

import itertools
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vibegrid.datasets.embed import Embeddings, load
from vibegrid.datasets.near import near_any
from vibegrid.errors import InputError
from vibegrid.files import write_json, write_jsonl
from vibegrid.specs.datasets import SplitSpec
from vibegrid.texts.draws import ranked
from vibegrid.texts.rows import numbered_rows, text_key
from vibegrid.vibes.rows import SPLITS, read_vibes

log = logging.getLogger(__name__)

N_EXAMPLES = 5
Key = tuple[str, str]


def split(spec: SplitSpec, *, vibes: Path, labels: Path, embeddings: Path, out: Path) -> dict[str, Any]:
    """Join vibes with their labels and write `SFT-Train.jsonl`, `SFT-Val.jsonl`, `GRPO.jsonl`,
    `TEST.jsonl`.

    Rows without payload stay in their file, with their `config_error`. `split.json` holds the counts, which
    are returned too.

    Raises:
        InputError: too few texts for four splits, or a vibe without a label.
    """
    rows = join(read_vibes(vibes), labels)
    vectors = load(embeddings).covering([row["vibe_original"] for row in rows])
    sides = assign(spec, rows, vectors)
    parts: dict[str, list[dict[str, Any]]] = {name: [] for name in SPLITS}
    for row in rows:
        name = sides[text_key(row)]
        parts[name].append(row | {"split": name})
    removed = remove_leaks(parts, vectors, spec.leakage_threshold)
    if not parts["SFT-Train"]:
        raise InputError(
            str(vibes),
            f"all SFT-Train rows are within {spec.leakage_threshold} of a TEST vibe",
            "raise leakage_threshold or add texts",
        )
    report = {
        "leakage_threshold": spec.leakage_threshold,
        "texts": {name: [list(key) for key in sorted(sides) if sides[key] == name] for name in SPLITS},
        "texts_on_two_sides": texts_on_two_sides(parts),
        "rows": {name: count_rows(parts[name]) for name in SPLITS},
        "removed": removed,
    }
    for name in SPLITS:
        write_jsonl(out / f"{name}.jsonl", parts[name])
    write_json(out / "split.json", report)
    log.info("rows: %s; removed for leakage: %s", {n: len(parts[n]) for n in SPLITS}, removed["rows"])
    return report


def join(rows: Sequence[dict[str, Any]], labels: Path) -> list[dict[str, Any]]:
    """Vibe rows with the label fields of their `vibe_original`."""
    needed = ("vibe_original", "config_payload", "config_error")
    by_vibe = {row["vibe_original"]: row for _, row in numbered_rows(labels, needed, unique="vibe_original")}
    missing = next((row for row in rows if row["vibe_original"] not in by_vibe), None)
    if missing is not None:
        raise InputError(
            str(labels), f"no label for the vibe {missing['vibe_original'][:60]!r}", "label the vibes again"
        )
    return [row | by_vibe[row["vibe_original"]] for row in rows]


def assign(spec: SplitSpec, rows: Sequence[dict[str, Any]], vectors: Embeddings) -> dict[Key, str]:
    """The split of each text."""
    texts = sorted({text_key(row) for row in rows})
    n_test, n_val, n_grpo = sizes(spec, len(texts))
    order = ranked(texts, lambda key: key, "split", spec.seed)
    test, val, rest = order[:n_test], order[n_test : n_test + n_val], order[n_test + n_val :]
    means = text_means(rows, rest, vectors)
    grpo = {rest[i] for i in farthest_points(means, n_grpo)}
    sides = {key: "GRPO" if key in grpo else "SFT-Train" for key in rest}
    return sides | dict.fromkeys(test, "TEST") | dict.fromkeys(val, "SFT-Val")


def sizes(spec: SplitSpec, n_texts: int) -> tuple[int, int, int]:
    """Numbers of texts in TEST, SFT-Val and GRPO: the shares, rounded, at least one each and one left."""
    counts = _counts(spec, n_texts)
    if sum(counts) >= n_texts:
        enough = next(n for n in itertools.count(n_texts + 1) if sum(_counts(spec, n)) < n)
        raise InputError(
            "texts",
            f"{n_texts} texts with vibes cannot fill four splits (TEST {counts[0]}, SFT-Val {counts[1]}, "
            f"GRPO {counts[2]} and at least 1 for SFT-Train)",
            f"at least {enough} texts are needed",
        )
    return counts


def _counts(spec: SplitSpec, n_texts: int) -> tuple[int, int, int]:
    test, sft_val, grpo = (max(1, round(share * n_texts)) for share in (spec.test, spec.sft_val, spec.grpo))
    return test, sft_val, grpo


def text_means(rows: Sequence[dict[str, Any]], texts: Sequence[Key], vectors: Embeddings) -> np.ndarray:
    """Mean of each text's unique vibe vectors, at unit norm: (len(texts), 384) float64."""
    vibes: dict[Key, dict[str, None]] = {key: {} for key in texts}
    for row in rows:
        if text_key(row) in vibes:
            vibes[text_key(row)][row["vibe_original"]] = None
    means = np.stack([vectors.of(list(vibes[key])).mean(axis=0, dtype=np.float64) for key in texts])
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def farthest_points(points: np.ndarray, count: int) -> list[int]:
    """Indices of `count` of the points (n, d), unit norm: the first, then each time the one whose nearest
    picked point is farthest (cosine distance, ties to the lower index)."""
    picked = [0]
    distance = 1.0 - points @ points[0]
    while len(picked) < count:
        distance[picked] = -1.0
        nearest = int(np.argmax(np.round(distance, 9)))
        picked.append(nearest)
        distance = np.minimum(distance, 1.0 - points @ points[nearest])
    return picked


def remove_leaks(parts: dict[str, list[dict[str, Any]]], vectors: Embeddings, threshold: float) -> dict[str, Any]:
    """Take the rows at `threshold` or more to a TEST vibe out of the other parts (in place); returns the
    counts, examples, and the highest cosine to TEST that stays (`max_cosine`)."""
    test = list(dict.fromkeys(row["vibe_original"] for row in parts["TEST"]))
    counts: dict[str, int] = {}
    stay: dict[str, float | None] = {}
    examples: list[dict[str, Any]] = []
    for name in SPLITS[:-1]:
        texts = [row["vibe_original"] for row in parts[name]]
        leaks = near_any(texts, vectors.of(texts), test, vectors.of(test), threshold)
        counts[name] = int(leaks.hit.sum())
        stay[name] = round(float(leaks.cosine[~leaks.hit].max()), 4) if not leaks.hit.all() else None
        for i in np.flatnonzero(leaks.hit)[:N_EXAMPLES]:
            found = {"split": name, "vibe": texts[i], "test_vibe": test[leaks.nearest[i]]}
            examples.append(found | {"cosine": round(float(leaks.cosine[i]), 4)})
        parts[name] = [row for row, hit in zip(parts[name], leaks.hit, strict=True) if not hit]
    return {"rows": counts, "max_cosine": stay, "examples": examples[:N_EXAMPLES]}


def texts_on_two_sides(parts: dict[str, list[dict[str, Any]]]) -> int:
    """How many texts have rows in more than one part, as the rows themselves say; 0 for a sound split."""
    sides: dict[Key, set[str]] = {}
    for name, rows in parts.items():
        for row in rows:
            sides.setdefault(text_key(row), set()).add(name)
    return sum(len(names) > 1 for names in sides.values())


def count_rows(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows by scope and level, and how many have no payload."""
    return {
        "rows": len(rows),
        "texts": len({text_key(row) for row in rows}),
        "without_payload": sum(row["config_payload"] is None for row in rows),
        "by_scope": dict(Counter(row["vibe_scope"] for row in rows)),
        "by_level": dict(Counter(row["vibe_level"] for row in rows)),
    }
