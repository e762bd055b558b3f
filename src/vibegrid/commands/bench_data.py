"""`make bench-data`: how the data stages grow: synthetic vibes through split, noise, dedupe and a whole variant.

Each size runs in a process of its own, so that its peak memory is its own. Seconds are those of a core (one thread), so
that they mean the same on a busy machine; the last column is the wall's. The vibes are made of random
words, with vectors in 384 dimensions that lie in loose clusters, so that dedupe and the leakage check have work to do.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

SIZES = (1_000, 3_000, 10_000, 30_000)
ROWS_PER_TEXT = 30  # three pages of two scopes and five levels
NEAR = 0.2  # share of vibes that lie near another one
STEPS = ("split", "noise", "dedupe", "variant")
THRESHOLD, RATE = 0.95, 0.15


def show_bench_data(sizes: Sequence[int] = SIZES) -> None:
    """Print seconds of a core for each step, and peak memory, at each size, and the exponents of growth."""
    found = {size: _apart(size) for size in sizes}
    table = Table(title=f"synthetic vibes, seconds of a core: error rate {RATE}, dedupe threshold {THRESHOLD}")
    for heading in ("vibes", *(f"{step}, s" for step in STEPS), "rows removed", "peak, MiB", "wall, s"):
        table.add_column(heading, justify="right")
    for size, run in found.items():
        seconds = [f"{run[step]:.2f}" for step in STEPS]
        table.add_row(f"{size:,}", *seconds, f"{run['removed']:,}", f"{run['peak_mib']:.0f}", f"{run['wall']:.1f}")
    console = Console(width=100)
    console.print(table)
    if len(found) > 1:
        grown = {step: growth(sizes, [found[size][step] for size in sizes]) for step in STEPS}
        console.print("growth (time ~ n^k): " + ", ".join(f"{step} k = {k:.2f}" for step, k in grown.items()))
    console.print(
        "split: labels joined, texts drawn, leaks removed, files written; variant: files read, noise, dedupe,"
    )
    console.print("data card, files written. noise and dedupe are those steps alone.")


def growth(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The exponent k of seconds ~ sizes^k, by least squares on logarithms."""
    xs, ys = [math.log(size) for size in sizes], [math.log(max(value, 1e-6)) for value in seconds]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def _apart(size: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (size,))


def measure(size: int) -> dict[str, float]:
    """Seconds of a core for each step with `size` vibes, wall seconds of all of it, rows that dedupe removes from
    SFT-Train, peak memory of this process in MiB."""
    from vibegrid.datasets.dedupe import dedupe
    from vibegrid.datasets.embed import load
    from vibegrid.datasets.split import split
    from vibegrid.datasets.variant import build, with_noise
    from vibegrid.specs.datasets import SplitSpec, VariantSpec
    from vibegrid.vibes.rows import read_vibes

    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = synthetic(folder, size)
        vibes = [row["vibe_original"] for row in rows]
        vectors = load(folder / "embeddings.npz").of(vibes)
        files = {"embeddings": folder / "embeddings.npz"}
        splits = folder / "splits"
        source = {"vibes": folder / "vibes.jsonl", "labels": folder / "labels.jsonl", **files}
        spec = VariantSpec(error_rate=RATE, dedupe_threshold=THRESHOLD)
        took = {
            "split": _seconds(lambda: split(SplitSpec(), out=splits, **source)),
            "noise": _seconds(lambda: with_noise(rows, RATE, 0)),
            "dedupe": _seconds(lambda: dedupe(vibes, vectors, THRESHOLD)),
            "variant": _seconds(
                lambda: build(spec, splits=splits, pages=folder / "none", out=folder / "variant", **files)
            ),
        }
        card = json.loads((folder / "variant" / "card.json").read_text(encoding="utf-8"))
        assert len(read_vibes(folder / "variant" / "SFT-Train.jsonl")) == card["splits"]["SFT-Train"]["rows"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    wall = time.perf_counter() - begun
    return {**took, "wall": wall, "removed": card["duplicates"]["removed"], "peak_mib": peak}


def _seconds(step: Callable[[], Any]) -> float:
    started = time.process_time()
    step()
    return time.process_time() - started


def synthetic(folder: Path, size: int) -> list[dict[str, Any]]:
    """Write `vibes.jsonl`, `labels.jsonl` and `embeddings.npz` of `size` vibes to `folder`; returns the vibe rows."""
    from vibegrid.datasets.embed import save
    from vibegrid.files import write_jsonl
    from vibegrid.labels.rows import LABEL_FIELDS
    from vibegrid.systems.random_uniform import generate
    from vibegrid.vibes.rows import LEVELS, SCOPES, VIBE_FIELDS

    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(5_000)]
    rows, labels = [], []
    payload = json.loads(generate(["a vibe"], seed=0)[0])
    for i in range(size):
        scope, level = SCOPES[i // len(LEVELS) % 2], LEVELS[i % len(LEVELS)]
        text, page = divmod(i, ROWS_PER_TEXT)
        vibe = " ".join([*rng.choices(words, k=rng.randint(3, 20)), str(i)])
        values = ("s", text, "", 0, 1 + page // 10, scope, None, level, vibe, vibe, ["a"], ["a"], "synthetic")
        rows.append(dict(zip(VIBE_FIELDS, values, strict=True)))
        answer = ("synthetic", [payload], {}, [1.0], {}, 0, payload, None)
        labels.append({"vibe_original": vibe, **dict(zip(LABEL_FIELDS, answer, strict=True))})
    write_jsonl(folder / "vibes.jsonl", rows)
    write_jsonl(folder / "labels.jsonl", labels)
    save(folder / "embeddings.npz", [row["vibe_original"] for row in rows], _vectors(size))
    return rows


def _vectors(size: int) -> Any:
    """Unit vectors (size, 384): random ones, a share of which lies near another one of them."""
    import numpy as np

    rng = np.random.default_rng(0)
    points = rng.standard_normal((size, 384), dtype=np.float32)
    near = rng.choice(size, int(NEAR * size), replace=False)
    noise = rng.standard_normal((len(near), 384), dtype=np.float32)
    points[near] = points[rng.integers(0, size, len(near))] + rng.uniform(0.1, 0.6, (len(near), 1)) * noise
    return points / np.linalg.norm(points, axis=1, keepdims=True)
