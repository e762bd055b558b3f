"""How many payloads a second one core turns into a reward: rendered, scored by mini-CLAP, weighed."""

from __future__ import annotations

import time
from pathlib import Path

PAYLOADS = 60
CATALOGUE = 1.6  # candidates a second on 7 workers: what the hand-run study reports of its own scoring
CATALOGUE_WORKERS = 7


def throughput(root: Path) -> str | None:
    """One line of figures; None where no CLAP scorer is there yet."""
    folders = sorted((root / "results" / "scorers").glob("clap_train.*"), key=lambda path: path.stat().st_mtime)
    if not folders:
        return None
    import torch

    from vibegrid.scorers.calibrated import load
    from vibegrid.specs.reward import RewardSpec
    from vibegrid.systems.random_uniform import generate
    from vibegrid.training.grpo import reward_function

    torch.set_num_threads(1)
    scorer = load(folders[-1])
    reward = reward_function(RewardSpec(audio_scorer="clap_train"), scorer)
    vibes = [f"vibe {number}" for number in range(PAYLOADS + 2)]
    said = [[{"role": "assistant", "content": text}] for text in generate(vibes, seed=0)]
    reward(completions=said[:2], vibe=vibes[:2])  # imports and caches
    started = time.perf_counter()
    reward(completions=said[2:], vibe=vibes[2:])
    rate = PAYLOADS / (time.perf_counter() - started)
    per_worker = CATALOGUE / CATALOGUE_WORKERS
    return (
        f"render ({scorer.seconds:g} s) + mini-CLAP + reward: {rate:.1f} payloads/s on one core,"
        f" {rate / per_worker:.0f} times the {per_worker:.2f} a worker of the catalogue ({CATALOGUE} candidates/s on"
        f" {CATALOGUE_WORKERS}, with longer renders and the full-size CLAP)"
    )
