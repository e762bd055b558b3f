"""GPUs of one's own: each to one job at a time. The gpus are names; no GPU is asked for anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vibegrid import gpus

HOLD = "import sys; from vibegrid import gpus; print(gpus.take(), gpus.take(), flush=True); sys.stdin.read()"


def holder(tmp_path: Path, visible: str, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(tmp_path), gpus.VISIBLE: visible, **variables}
    return subprocess.Popen(
        [sys.executable, "-c", HOLD], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_no_two_jobs_on_one_GPU_and_the_third_waits(tmp_path: Path) -> None:
    first, second = (holder(tmp_path, "4,5") for _ in range(2))
    found = [said(first), said(second)]
    assert sorted(found) == ["4 4", "5 5"]
    third = holder(tmp_path, "4,5")
    with pytest.raises(subprocess.TimeoutExpired):
        third.wait(1.5)
    second.kill()  # as the kernel frees what a killed job held
    assert said(third) == found[1]
    for process in (first, third):
        process.communicate("")


def test_slurm_and_machines_without_a_GPU_take_none(tmp_path: Path) -> None:
    for visible, variables in (("", {}), ("0,1", {"SLURM_JOB_ID": "7"})):
        process = holder(tmp_path, visible, **variables)
        assert said(process) == "None None"
        process.communicate("")
