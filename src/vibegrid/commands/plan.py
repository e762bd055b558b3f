"""`make plan`: what would run and why, and what it is expected to take and cost; nothing is run."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from vibegrid.errors import InputError
from vibegrid.grid.load import read_yaml
from vibegrid.grid.study import Study

if TYPE_CHECKING:
    from vibegrid.costs.plan import Plan, Total

GPUS = 10  # jobs at once on Modal, as in profiles/modal


def show_plan(
    root: Path, scale: str, experiments: str, *, cores: int | None, gpus: int, why: bool, as_json: bool
) -> None:
    """Print the plan of a scale's experiments.

    Args:
        root: the project.
        scale, experiments: as in config/config.yaml.
        cores: local jobs at once; all cores where it is None.
        gpus: remote jobs at once.
        why: print the reason of every job too.
        as_json: print one JSON object in place of tables.

    Raises:
        InputError: anything wrong in the configuration.
    """
    from vibegrid.costs.plan import Planner

    config = {**read_yaml(root / "config/config.yaml"), "scale": scale, "experiments": experiments}
    plan = Planner(Study(root, config), cores=cores or os.cpu_count() or 1, gpus=gpus).plan()
    if as_json:
        sys.stdout.write(json.dumps(dataclasses.asdict(plan), indent=1, sort_keys=True) + "\n")
        return
    console = Console(width=None if sys.stdout.isatty() else 140)
    for part in tables(plan):
        console.print(part)
    for line in lines(plan):
        console.print(line, highlight=False)
    if why:
        for folder, reason in plan.why.items():
            console.print(f"{folder}: {reason}", highlight=False, soft_wrap=True)


def check_budget(study: Study, max_usd: float | None) -> None:
    """Before a run: InputError, and the table on standard error, where its plan costs more than the budget."""
    from vibegrid.costs.plan import Planner

    if max_usd is None:
        return
    plan = Planner(study, cores=os.cpu_count() or 1, gpus=GPUS).plan()
    if plan.total.dollars <= max_usd:
        return
    console = Console(stderr=True, width=140)
    for part in tables(plan):
        console.print(part)
    raise InputError(
        "budget.max_usd",
        f"the plan costs {_dollars(plan.total)}, the budget is ${max_usd:g}",
        "raise it, or name fewer experiments",
    )


def tables(plan: Plan) -> list[Table]:
    """The plan by experiment, and by step."""
    by_name = Table(title=f"scale {plan.scale}: {len(plan.rows)} experiments; shared work is in each of their rows")
    headings = ("arms", "runs", "trainings", "shared", "to train", "to evaluate", "jobs", "LLM calls, new / stored")
    for heading in ("experiment", *headings, "GPU h", "dollars", "wall"):
        by_name.add_column(heading, justify="left" if heading == "experiment" else "right")
    for row in plan.rows:
        numbers = (row.arms, row.runs, row.trainings, row.shared, row.to_train, row.to_evaluate)
        by_name.add_row(row.name, *map(str, numbers), *_cells(row.total))
    by_name.add_section()
    by_name.add_row("all, each once", *[""] * 6, *_cells(plan.total))
    by_step = Table(title="jobs to run, by step")
    for heading in ("step", "jobs", "job time"):
        by_step.add_column(heading, justify="left" if heading == "step" else "right")
    for step, (jobs, seconds) in plan.steps.items():
        by_step.add_row(step, str(jobs), _span(seconds))
    return [by_name, by_step] if plan.steps else [by_name]


def lines(plan: Plan) -> list[str]:
    """What stands under the tables."""
    found, total = [], plan.total
    if total.jobs:
        interval = f"{_span(total.wall_low)} to {_span(total.wall_high)}"
        found.append(f"to run: {total.jobs} jobs, {_span(total.wall)} ({interval}), {_dollars(total)}")
    else:
        found.append("Nothing to run.")
    measured = f"; measured {_span(plan.measured_wall)}" if plan.measured_wall is not None else ""
    found.append(f"all of it from nothing: {plan.whole.jobs} jobs, {_span(plan.whole.wall)} predicted{measured}")
    found += [f"no price is known of {model}: its calls are counted, its dollars are not" for model in total.unpriced]
    for step, edited in sorted(plan.vouched.items()):
        found.append(f"vouched: {step} (code {edited[:12]} stands for earlier results, config/vouched.json)")
    for folder, libraries in plan.other_versions.items():
        found.append(f"made with other versions: {folder} ({', '.join(libraries)})")
    return found


def _cells(total: Total) -> tuple[str, ...]:
    calls = f"{total.calls_new} / {total.calls_stored}" if total.calls_new or total.calls_stored else ""
    gpu = f"{total.gpu_hours:.1f}" if total.gpu_hours else ""
    return str(total.jobs), calls, gpu, f"{total.dollars:.2f}" if total.dollars else "", _span(total.wall)


def _dollars(total: Total) -> str:
    return f"${total.dollars:.2f} (${total.dollars_low:.2f} to ${total.dollars_high:.2f})"


def _span(seconds: Any) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
