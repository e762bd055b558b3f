"""Makes the two data files of the embedded listeners that are measured, not written.

    OMP_NUM_THREADS=1 .venv/bin/python tests/listener_data.py     (about three minutes)

A change of the synthesizer or of `vibegrid.llm.hearing` asks for new ones; `test_judge.py` says when.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
DATA = ROOT / "src" / "vibegrid" / "llm" / "data"
SECONDS = 4.0
RENDERS = 1_000
QUANTILES = np.linspace(0.0, 1.0, 21)
RANGES = f"""# Typical values of what the embedded listeners hear: name, then the 0, 5, ..., 100 % quantiles over
# {RENDERS} renders of {SECONDS:g} s: half of random configs, half of the embedded composer's for phrases of
# config/texts/embedded.jsonl. Written by tests/listener_data.py.
"""
VIEWS = """# What MiniLM says of phrases (config/texts/embedded.jsonl, clauses of 2 to 12 words), on the line between
# the poles of listener_anchors.tsv: feature, mean, standard deviation. Written by tests/listener_data.py.
"""


def phrases() -> list[str]:
    """Clauses of 2 to 12 words of the embedded corpus, each once, in its order."""
    lines = (ROOT / "config" / "texts" / "embedded.jsonl").read_text(encoding="utf-8").splitlines()
    clauses = [
        clause.strip() for line in lines for clause in re.split(r"[.,;:!?\n\u2014\"]+", json.loads(line)["text"])
    ]
    return list(dict.fromkeys(clause for clause in clauses if 2 <= len(clause.split()) <= 12))


def configs(count: int) -> Iterator[dict[str, Any]]:
    """Random configs and the composer's by turns."""
    from vibegrid.llm.composer import compose
    from vibegrid.schema import FIELDS

    rng = random.Random(7)
    vibes = phrases()
    rng.shuffle(vibes)
    for number in range(count):
        if number % 2:
            yield compose(vibes[number % len(vibes)], rng)["config"]
        else:
            yield {field: rng.choice(labels) for field, labels in FIELDS.items()}


def heard(count: int) -> dict[str, np.ndarray]:
    """Feature or quality -> its values over `count` renders."""
    from vibegrid.llm.hearing import FEATURES, QUALITIES, Ear
    from vibegrid.sound.clip import Clip
    from vibegrid.sound.render import render

    functions = FEATURES | QUALITIES
    clips = (Clip(render(config, SECONDS)) for config in configs(count))
    ears = (Ear(clip) for clip in clips if clip.problem is None)
    rows = [[function(ear) for function in functions.values()] for ear in ears]
    return dict(zip(functions, np.array(rows).T, strict=True))


def main() -> None:
    from vibegrid.embeddings import encode
    from vibegrid.llm.listener import _anchors

    names, directions = _anchors()
    views = encode(phrases()) @ directions.T
    lines = [f"{name}\t{view.mean():.5f}\t{view.std():.5f}\n" for name, view in zip(names, views.T, strict=True)]
    (DATA / "listener_views.tsv").write_text(VIEWS + "".join(lines), encoding="utf-8")
    lines = []
    for name, values in heard(RENDERS).items():
        lines.append(name + "".join(f"\t{value:.4g}" for value in np.quantile(values, QUANTILES)) + "\n")
    (DATA / "listener_ranges.tsv").write_text(RANGES + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
