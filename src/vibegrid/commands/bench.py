"""`make bench`: where the time of the runs went, from the timing files that every job leaves beside its log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vibegrid.commands.throughput import throughput
from vibegrid.errors import InputError
from vibegrid.files import read_json


def show_bench(root: Path) -> None:
    """Print the jobs, time, import share and peak memory of each rule, and the totals.

    Raises:
        InputError: no job has run yet.
    """
    jobs = [read_json(path) for path in sorted((root / "logs").rglob("*.timing.json"))]
    if not jobs:
        raise InputError("logs", "no job has left its timing yet", "run `make` first")
    table = Table(title="jobs so far (the last of each)")
    for heading in ("rule", "jobs", "s a job", "imports", "share of all time", "peak memory, MiB"):
        table.add_column(heading, justify="left" if heading == "rule" else "right")
    total = sum(job["wall_s"] for job in jobs)
    steps = sorted({job["step"] for job in jobs}, key=lambda step: -_sum(jobs, step, "wall_s"))
    for step in steps:
        mine = [job for job in jobs if job["step"] == step]
        wall = _sum(jobs, step, "wall_s")
        table.add_row(
            step,
            str(len(mine)),
            f"{wall / len(mine):.1f}",
            f"{_sum(jobs, step, 'imports_s') / wall:.0%}",
            f"{wall / total:.0%}",
            str(max(job["max_rss_mib"] for job in mine)),
        )
    console = Console(width=100)
    console.print(table)
    wall = _covered(jobs)
    console.print(f"wall time with a job running: {wall / 60:.1f} min; job time: {total / 60:.1f} min")
    console.print(f"share of job time in imports and start-up: {sum(j['imports_s'] for j in jobs) / total:.0%}")
    console.print(f"jobs a minute: {len(jobs) / wall * 60:.1f}; jobs at once, on average: {total / wall:.2f}")
    console.print(f"peak memory of a job: {max(job['max_rss_mib'] for job in jobs)} MiB")
    line = throughput(root)
    if line:
        console.print(line)


def _sum(jobs: list[dict[str, Any]], step: str, key: str) -> float:
    return sum(job[key] for job in jobs if job["step"] == step)


def _covered(jobs: list[dict[str, Any]]) -> float:
    """Seconds in which at least one job ran."""
    spans = sorted((job["ended"] - job["wall_s"], job["ended"]) for job in jobs)
    covered, until = 0.0, spans[0][0]
    for start, end in spans:
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered
