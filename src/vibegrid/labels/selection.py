"""What best of N buys: scores of the payload that a scorer chooses of n candidates, for n = 1 to N.

Each scorer chooses, and each reads what was chosen: what the one gains that chose is what is optimised, what the other
gains is what is had of it (`best_of_n` has the estimator).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vibegrid.analyses.statistics import cluster_weights, generator, interval, resampled_means
from vibegrid.errors import InputError
from vibegrid.files import read_jsonl, write_csv, write_jsonl
from vibegrid.folders import whole_folder
from vibegrid.labels.best_of_n import expected, valid_share
from vibegrid.labels.candidates import Heard, parsed_candidates, raw_scores
from vibegrid.labels.rows import is_usable
from vibegrid.labels.write import write
from vibegrid.llm.prompts import Prompt
from vibegrid.specs.labels import LabelsSpec
from vibegrid.texts.draws import sample

log = logging.getLogger("vibegrid.labels")

CURVE_COLUMNS = ("selector", "reading", "n", "mean", "gain", "gain_low", "gain_high", "deviation")
COLUMNS = (*CURVE_COLUMNS, "valid", "n_vibes", "n_texts")
Row = dict[str, Any]


class Measured(NamedTuple):
    """The candidates of one vibe: its text, and the scores of the valid ones by scorer."""

    text: str
    total: int
    scores: dict[str, list[float]]


def draw_vibes(path: Path, count: int, seed: int) -> list[Row]:
    """Rows of `count` unique vibes of a split file, a seeded draw."""
    rows = read_jsonl(path, ("dataset", "id_in_dataset", "vibe_original"))
    unique = list({row["vibe_original"]: row for row in reversed(rows)}.values())
    return sample(unique, count, lambda row: (row["vibe_original"],), "selection", seed)


def report(
    spec: Mapping[str, Any], *, train: Path, heard: Sequence[Heard], prompt: Prompt, store: Path, out: Path
) -> list[Row]:
    """Draw training vibes, ask the teacher for N payloads of each, measure; the folder `out` appears whole.

    TEST takes no part in it, since N is chosen by it. The first answers are those of the labels stage, from the store.

    Args:
        spec: ``vibes`` (how many) and ``draw_seed``, ``labels`` (a LabelsSpec whose ``candidates`` is N), ``salt`` of
            the teacher, and what `measure` needs.
        train: the file of training rows.
        heard: the scorers.
        prompt: system prompt of the teacher.
        store: the store of LLM responses.
        out: folder for the results; `labels.jsonl` holds the candidates.
    """
    asked = LabelsSpec.model_validate(spec["labels"])
    rows = draw_vibes(train, spec["vibes"], spec["draw_seed"])
    with whole_folder(out) as draft:
        write_jsonl(draft / "vibes.jsonl", rows)
        labels = write(asked, vibes=draft / "vibes.jsonl", prompt=prompt, store=store, salt=spec["salt"], out=draft)
        return measure(spec, rows=rows, labels=labels, heard=heard, out=draft)


def measure(
    spec: Mapping[str, Any],
    *,
    rows: Sequence[Mapping[str, Any]],
    labels: Sequence[Mapping[str, Any]],
    heard: Sequence[Heard],
    out: Path,
) -> list[Row]:
    """Write `selection.csv` (a row a selector, reading and n) and `candidates.jsonl` (raw scores) to folder `out`.

    Gains are over n = 1, in standard deviations of a vibe's candidates (`deviation`, pooled over vibes), so that
    scorers of different ranges can be compared. Intervals (95 %) resample source texts.

    Args:
        spec: ``seconds`` (of a clip), ``bootstrap`` and ``seed`` (of the intervals).
        rows: vibe rows, which say the text of each vibe.
        labels: labelled rows with N candidates each.
        heard: the scorers.
        out: folder for the results.

    Returns:
        The rows of `selection.csv`.

    Raises:
        InputError: no vibe has valid candidates that every scorer gave a number.
    """
    texts = {row["vibe_original"]: f"{row['dataset']}/{row['id_in_dataset']}" for row in rows}
    vibes = [row["vibe_original"] for row in labels]
    candidates = [parsed_candidates(row) for row in labels]
    scores = raw_scores(vibes, candidates, heard, spec["seconds"])
    kept = [
        {
            "vibe_original": vibe,
            "text": texts[vibe],
            "valid": [is_usable(one) for one in candidates[i]],
            "scores": {name: values[i] for name, values in scores.items()},
        }
        for i, vibe in enumerate(vibes)
    ]
    measured = [found for row in kept if (found := _measured(row)) is not None]
    if not measured:
        raise InputError("best of N", f"none of {len(kept)} vibes has a valid candidate with a score")
    if len(measured) < len(kept):
        lost = len(kept) - len(measured)
        log.warning("%d of %d vibes have no valid candidate, or one without a score", lost, len(kept))
    table = curves(measured, [one.name for one in heard], _shares(kept), spec)
    write_jsonl(out / "candidates.jsonl", kept)
    write_csv(out / "selection.csv", table, COLUMNS)
    return table


def _measured(row: Row) -> Measured | None:
    """A vibe whose valid candidates all have a score by every scorer; None for any other."""
    places = [j for j, valid in enumerate(row["valid"]) if valid]
    picked: dict[str, list[float]] = {}
    for name, values in row["scores"].items():
        picked[name] = [value for j in places if (value := values[j]) is not None]
        if len(picked[name]) < len(places):
            return None
    return Measured(row["text"], len(row["valid"]), picked) if places else None


def _shares(kept: Sequence[Row]) -> list[float]:
    """Mean share of draws of n = 1 ... N that hold a valid candidate, over all vibes."""
    total = len(kept[0]["valid"])
    counts = [sum(row["valid"]) for row in kept]
    return [float(np.mean([valid_share(count, total, n) for count in counts])) for n in range(1, total + 1)]


def curves(
    measured: Sequence[Measured], names: Sequence[str], shares: Sequence[float], spec: Mapping[str, Any]
) -> list[Row]:
    """The rows of `selection.csv`: for each selector and reading, the curve over n."""
    texts = sorted({one.text for one in measured})
    place = np.array([texts.index(one.text) for one in measured])
    weights = cluster_weights(generator(spec["seed"], "selection"), len(texts), spec["bootstrap"])
    found: list[Row] = []
    for selector in names:
        for reading in names:
            curve = np.array([expected(one.scores[selector], one.scores[reading], one.total) for one in measured])
            deviation = _deviation([one.scores[reading] for one in measured])
            gains = (curve - curve[:, :1]) / (deviation or 1.0)
            low, high = _interval(gains, place, weights)
            for i, share in enumerate(shares):
                numbers = (curve[:, i].mean(), gains[:, i].mean(), low[i], high[i], deviation)
                values = (selector, reading, i + 1, *(f"{number:.6f}" for number in numbers))
                counts = {"valid": f"{share:.6f}", "n_vibes": len(measured), "n_texts": len(texts)}
                found.append({**dict(zip(CURVE_COLUMNS, values, strict=True)), **counts})
    return found


def _deviation(scores: Sequence[list[float]]) -> float:
    """Standard deviation of the candidates of a vibe, pooled over vibes; 0 where no vibe has two."""
    groups = [np.asarray(values, dtype=np.float64) for values in scores]
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    freedom = sum(len(group) - 1 for group in groups)
    return float(np.sqrt(squares / freedom)) if freedom else 0.0


def _interval(gains: np.ndarray, place: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the mean gain for each n; texts are resampled. `gains` (vibes, N), `place` (vibes,) their texts."""
    sums, counts = np.zeros((2, 1, weights.shape[1], gains.shape[1]))
    np.add.at(sums[0], place, gains)
    np.add.at(counts[0], place, 1.0)
    resampled = resampled_means(sums, counts, np.ones((len(weights), 1)), weights)
    return interval(gains.mean(axis=0), resampled)
