"""`make plan`: experiments, arms, unique trainings, and the jobs that Snakemake would run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from vibegrid.grid.identity import Node
from vibegrid.grid.load import read_yaml
from vibegrid.grid.study import Study
from vibegrid.grid.targets import Targets, reserved_names


def show_plan(root: Path, scale: str, experiments: str) -> None:
    """Print the plan of a scale's experiments; nothing is run.

    Raises:
        InputError: anything wrong in the configuration.
    """
    config = {**read_yaml(root / "config/config.yaml"), "scale": scale, "experiments": experiments}
    study = Study(root, config)
    targets = Targets(study, reserved_names(root))
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(_experiments(study, targets))
    for step, edited in sorted(study.code.vouchers_used.items()):
        console.print(f"vouched: {step} (code {edited[:12]} stands for earlier results, config/vouched.json)")
    command = [sys.executable, "-m", "snakemake", "results/all_tables.csv", "figures", "-n", "--quiet", "rules"]
    command[3] = f"{study.scale.results}/all_tables.csv"
    command += ["--config", f"scale={scale}", f"experiments={experiments}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(done.returncode)
    console.print(_job_counts(done.stdout), highlight=False)


def _experiments(study: Study, targets: Targets) -> Table:
    table = Table(title=f"scale {study.run.scale}: {len(study.selected)} experiments")
    for heading in ("experiment", "arms", "runs", "trainings", "shared", "to train", "to evaluate"):
        table.add_column(heading, justify="left" if heading == "experiment" else "right")
    users: dict[str, set[str]] = {}
    per_experiment: dict[str, dict[str, Node]] = {}
    for name in study.selected:
        nodes = [node for found in study.adapters_of(study.experiments[name]).values() for node in found]
        per_experiment[name] = {node.id: node for node in nodes}
        for identity in per_experiment[name]:
            users.setdefault(identity, set()).add(name)
    for name in study.selected:
        experiment, adapters = study.experiments[name], per_experiment[name]
        scored = [study.evaluations.score(run) for arm in experiment.arms for run in arm.runs]
        scores = {node.id: node for node in scored}
        table.add_row(
            name,
            str(len(experiment.arms)),
            str(sum(len(arm.runs) for arm in experiment.arms)),
            str(len(adapters)),
            str(sum(len(users[identity]) > 1 for identity in adapters)),
            str(sum(not done(study, node) for node in adapters.values())),
            str(sum(not done(study, node) for node in scores.values())),
        )
    arms = sum(len(study.experiments[name].arms) for name in study.selected)
    runs = sum(len(arm.runs) for name in study.selected for arm in study.experiments[name].arms)
    adapters = {**study.nodes("adapters/sft"), **study.nodes("adapters/grpo")}
    scores = study.nodes("scores")
    table.add_section()
    table.add_row(
        "all, each once",
        str(arms),
        str(runs),
        str(len(adapters)),
        "",
        str(sum(not done(study, node) for node in adapters.values())),
        str(sum(not done(study, node) for node in scores.values())),
    )
    return table


def done(study: Study, node: Node) -> bool:
    """Whether every declared file of a node is there."""
    return all((study.root / path).exists() for path in Targets.outputs(node))


def _job_counts(output: str) -> str:
    lines = output.splitlines()
    start = next((index for index, line in enumerate(lines) if line.startswith("job ")), None)
    if start is None:
        return "Nothing to run."
    end = next((index for index in range(start, len(lines)) if lines[index].startswith("total")), len(lines))
    return "\n".join(lines[start : end + 1])
