"""A trimmed copy of the project for workflow tests: real stages and real trainers, a few rows and steps each."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ["results/all_tables.csv", "figures"]

BANK = {"renders": 24, "held_out": 8, "seconds": 1}
OVERRIDES = {
    "texts": {"limit": 8},
    "labels": {"scorer_vibes": 6},
    "selection": {"vibes": 3, "candidates": 2},
    "sft": {"budget": {"unit": "steps", "value": 3}, "batch_size": 4, "checkpoints": 1},
    "grpo": {
        "budget": {"unit": "steps", "value": 2},
        "batch_size": 4,
        "num_generations": 4,
        "max_completion_length": 24,
        "checkpoints": 1,
        "reward": {"audio": 0.5, "audio_scorer": "clap_train"},
    },
    "decoding": {"max_new_tokens": 24},
    "sound": {"seconds": 1, "bank": {**BANK, "seed": 2}, "calibration": {"pairs": 10}},
    "evaluation": {
        "test_rows": 4,
        "bootstrap": 100,
        "permutations": 100,
        "scorers": {"clap_train": ["*"], "clap_eval": ["*"], "judge": ["few"]},
    },
    "listen": {"experiment": "tiny_rank", "eval_set": "few", "prompts": 2},
    "seeds": {"baseline": [42], "arm": [42]},
}
EXPERIMENTS = {
    "tiny_rank": {
        "title": "Rank",
        "question": "Does it run?",
        "stage": "sft",
        "sweep": {"lora.r": [8, 16]},
        "primary": {"metric": "reward", "eval_set": "few"},
        "eval_sets": ["few"],
    },
    "tiny_beta": {
        "title": "Beta",
        "question": "Does it run?",
        "stage": "grpo",
        "sweep": {"beta": [0.02, 0.04]},
        "primary": {"metric": "reward", "eval_set": "test"},
    },
}
CLAP = {"epochs": 1, "text_epochs": 1, "batch_size": 8}
SCORERS = {
    "clap_train": {
        "mini": {
            "kind": "mini_clap",
            "suffix": "_train",
            "clap": {**CLAP, "bank": {**BANK, "seed": 1}, "captions": {"variant": "train", "pool": 24}, "seed": 1},
        }
    },
    "clap_eval": {
        "mini": {
            "kind": "mini_clap",
            "clap": {**CLAP, "bank": {**BANK, "seed": 2}, "captions": {"variant": "eval", "pool": 24}, "seed": 2},
        }
    },
    "judge": {"mini": {"kind": "judge", "model": "embedded/listener-1"}},
}
MODELS = {
    "smollm2-135m": {
        "mini": {
            "kind": "miniature",
            "architecture": "llama",
            "vocab_size": 1200,
            "hidden_size": 32,
            "intermediate_size": 64,
            "layers": 1,
            "heads": 2,
            "steps": 4,
            "batch_size": 4,
        }
    }
}
PROMPTS = [
    {"id": f"few-{number}", "prompt": prompt, "category": "short"}
    for number, prompt in enumerate(["slow grey rain", "bright noon market", "hollow cave", "quick red kites"])
]


def copy_sources(target: Path) -> Path:
    """The files of the working tree that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def trim(project: Path) -> Path:
    """Two experiments of two arms, four prompts, a model of one layer."""
    for path in (project / "config/experiments").glob("*.yaml"):
        path.unlink()
    shutil.rmtree(project / "config/eval_sets")
    write_yaml(project / "config/config.yaml", {"scale": "mini", "overrides": OVERRIDES})
    write_yaml(project / "config/models.yaml", MODELS)
    write_yaml(project / "config/scorers.yaml", SCORERS)
    for name, experiment in EXPERIMENTS.items():
        write_yaml(project / f"config/experiments/{name}.yaml", experiment)
    (project / "config/eval_sets").mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in PROMPTS)
    (project / "config/eval_sets/few.jsonl").write_text(lines)
    return project


def write_yaml(path: Path, value: object) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False))


def snakemake(project: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a project, with the package of that project."""
    environment = {**os.environ, "PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *(arguments or TARGETS)],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if check:
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done


def planned(project: Path, *targets: str) -> dict[str, list[str]]:
    """What a dry run would do: step (as its message begins) to the things it would make, sorted."""
    done = snakemake(project, *(targets or TARGETS), "-n")
    jobs: dict[str, list[str]] = {}
    for line in (done.stdout + done.stderr).splitlines():
        match = re.match(r"^Job \d+: ([A-Z][^:]*): (\S+)$", line) or re.match(r"^Job \d+: ([A-Z][^:]*)$", line)
        if match:
            made = match.group(2) if match.lastindex == 2 else ""
            jobs.setdefault(match.group(1), []).append(made)
    collecting = ("All figures", "Everything")
    return {step: sorted(made) for step, made in jobs.items() if not step.startswith(collecting)}


def slugs(made: list[str]) -> list[str]:
    """Names without their digests."""
    return [name.rsplit(".", 1)[0] for name in made]


def vibegrid(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the package's command in a project, with the package of that project."""
    command = "from vibegrid.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    return subprocess.run(
        [sys.executable, "-c", command, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
