"""The trimmed grid on a real SLURM of one node, through profiles/slurm; the node dies once in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import TARGETS, copy_sources, trim
from slurm_cluster import Cluster, missing

# It keeps no accounts; and its jobs are short.
PROFILE = ["--workflow-profile", "profiles/slurm", "--slurm-status-command", "squeue"]
PROFILE += ["--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "3"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.engines,
    pytest.mark.xdist_group("workflow"),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]


def test_a_cluster_whose_node_dies_makes_the_same_tables(finished: Path, tmp_path: Path) -> None:
    project = trim(copy_sources(tmp_path / "project"))
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    with Cluster(tmp_path / "slurm") as cluster:
        run = subprocess.Popen(
            [sys.executable, "-m", "snakemake", *PROFILE, *TARGETS],
            cwd=project,
            env={**environment, **cluster.environment},
            stdout=(tmp_path / "run.log").open("w"),
            stderr=subprocess.STDOUT,
        )
        log = project / "logs/train_grpo"
        until = time.monotonic() + 1200
        while not log.exists() or not any(
            "training" in path.read_text() or path.stat().st_size for path in log.iterdir()
        ):
            assert run.poll() is None and time.monotonic() < until, (tmp_path / "run.log").read_text()[-3000:]
            time.sleep(0.2)
        cluster.kill_node()
        time.sleep(15)  # longer than SlurmdTimeout: the controller knows
        cluster.start_node()
        code = run.wait(1800)
        assert code == 0, (tmp_path / "run.log").read_text()[-3000:] + cluster.logs()
        controller = (cluster.folder / "slurmctld.log").read_text()
    assert "requeue" in controller.lower()
    expected = (finished / "results/all_tables.csv").read_bytes()
    assert (project / "results/all_tables.csv").read_bytes() == expected
    adapters = [path.relative_to(finished) for path in (finished / "results").glob("adapters/*/*/*.safetensors")]
    assert len(adapters) >= 4
    for path in adapters:
        assert (project / path).read_bytes() == (finished / path).read_bytes(), path
