"""Small packs for the tests of the human evaluation: real renders of random payloads, or keys without sounds."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from listen_cases import payload

from vibegrid.files import write_csv, write_json, write_jsonl
from vibegrid.human.key import Clip, Key
from vibegrid.human.trials import Broken, Unit, draw_forms
from vibegrid.specs.human import PackSettings, RatingsSpec, pair_name, pairs_of

EVAL_SET = "few"
HOSTILE = "<script>window.hacked = 1</script> & \u202e rain"
PROMPTS = [
    {"id": "few-1", "prompt": "slow grey rain", "cluster": "few-1"},
    {"id": "few-2", "prompt": HOSTILE, "cluster": "few-2"},
    {"id": "few-3", "prompt": "noon market", "cluster": "few-3"},
]
SYSTEMS = ("random", "sft", "sft_grpo")


def pack_spec(**changes: Any) -> dict[str, Any]:
    settings = {"forms": 2, "comparisons": 3, "checks": 2, "repeats": 1} | changes.pop("settings", {})
    made = {"experiment": "human_eval", "eval_set": EVAL_SET, "systems": ["sft", "sft_grpo"], "seconds": 1}
    return made | {"notes": "Scale mini: miniature models.", "settings": settings} | changes


def write_prompts(folder: Path) -> Path:
    write_jsonl(folder / "prompts.jsonl", PROMPTS)
    return folder / "prompts.jsonl"


def write_generations(folder: Path, outputs: list[str]) -> Path:
    """A folder of generations of the prompts in order, and of another set."""
    rows = [
        {"eval_set": EVAL_SET, "id": row["id"], "prompt": row["prompt"], "raw_output": output}
        for row, output in zip(PROMPTS, outputs, strict=False)
    ]
    write_jsonl(folder / "generations.jsonl", [*rows, *({**row, "eval_set": "other"} for row in rows)])
    return folder


def two_systems(folder: Path) -> dict[str, Path]:
    """Generations of two systems that answer all prompts in different ways."""
    return {
        name: write_generations(folder / name, [payload(start + i) for i in range(len(PROMPTS))])
        for start, name in ((1, "sft"), (11, "sft_grpo"))
    }


def silent_key(prompts: int = 30, systems: tuple[str, ...] = SYSTEMS, **settings: Any) -> Key:
    """A key as of a pack in which every system has a sound of its own on every prompt; nothing is rendered."""
    wanted = PackSettings(**settings)
    names = [f"p{number:02d}" for number in range(prompts)]
    clips = {
        f"c-{p}-{s}": Clip(p, s, hashlib.sha256(f"{p}{s}".encode()).hexdigest()[:12]) for p in names for s in systems
    }
    units = [[Unit(p, f"c-{p}-{a}", f"c-{p}-{b}") for p in names] for a, b in pairs_of(list(systems))]
    spoilt = {f"x-{p}": Clip(p, "", "noise", of=f"c-{p}-{systems[0]}") for p in names}
    checks = [Broken(clip.prompt, clip.of, name) for name, clip in spoilt.items()]
    values = {
        "experiment": "human_eval",
        "eval_set": EVAL_SET,
        "systems": list(systems),
        "seconds": 4.0,
        "prompts": {p: f"prompt {p}" for p in names},
        "clusters": {p: p for p in names},
        "unheard": {s: [] for s in systems},
        "same": {},
        "clips": {name: clip._asdict() for name, clip in (clips | spoilt).items()},
        "trials": [trial._asdict() for trial in draw_forms(units, checks, wanted)],
    }
    return Key(values)


def write_key(folder: Path, key: Key) -> Path:
    write_json(folder / "key.json", key.json())
    return folder


def ratings_spec(systems: tuple[str, ...] = SYSTEMS, **changes: Any) -> RatingsSpec:
    first, second = pairs_of(list(systems))[0]
    made: dict[str, Any] = {
        "scale": "mini",
        "experiment": "human_eval",
        "title": "Human evaluation",
        "question": "Which do people prefer?",
        "eval_set": EVAL_SET,
        "systems": {name: name for name in systems},
        "runs": {name: f"{name}.0" for name in systems},
        "primary": {"arm": pair_name(first, second)},
        "bootstrap": 500,
        "permutations": 500,
    }
    return RatingsSpec.model_validate(made | changes)


def write_scores(folder: Path, key: Key, values: dict[str, dict[str, dict[str, float]]]) -> list[Path]:
    """Folders of scores: system to metric to prompt to value."""
    folders = []
    for system, metrics in values.items():
        rows = [
            {"eval_set": key.eval_set, "id": prompt, "metric": metric, "value": f"{value:.6f}"}
            for metric, of_prompt in metrics.items()
            for prompt, value in of_prompt.items()
        ]
        folders.append(folder / f"{system}.0")
        write_csv(folders[-1] / "scores.csv", rows, ("eval_set", "id", "metric", "value"))
    return folders
