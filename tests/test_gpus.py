"""GPUs of one's own: each to one job at a time. The gpus are names; no GPU is asked for anything."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from vibegrid import gpus
from vibegrid.grid.compute import Compute
from vibegrid.grid.study import Study
from vibegrid.scorers import laion_pipe

ROOT = Path(__file__).resolve().parents[1]

HOLD = "import sys; from vibegrid import gpus; print(gpus.take(), gpus.take(), flush=True); sys.stdin.read()"
FOR_GPUS, FOR_CPUS, FOR_AMD = (
    f"from typing import Optional\n__version__ = '2.13.0'\ncuda: Optional[str] = {cuda}\nhip: Optional[str] = {hip}\n"
    for cuda, hip in (("'13.0'", "None"), ("None", "None"), ("None", "'7.1'"))
)


def with_torch(environment: Path, build: str) -> Path:
    """The folder of packages of an environment with a torch of this build, which cannot be imported."""
    packages = environment / "lib/python3.11/site-packages"
    (packages / "torch").mkdir(parents=True)
    (packages / "torch/__init__.py").write_text("raise RuntimeError('imported')\n")
    (packages / "torch/version.py").write_text(build)
    return packages


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)
    return path


def holder(tmp_path: Path, visible: str, build: str = FOR_GPUS, **variables: str) -> subprocess.Popen[str]:
    packages = with_torch(Path(tempfile.mkdtemp(dir=tmp_path)), build)
    path = os.pathsep.join([str(packages), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": path, gpus.VISIBLE: visible, **variables}
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
    for visible, variables in (("", {}), ("-1", {}), ("0,1", {"SLURM_JOB_ID": "7"})):
        process = holder(tmp_path, visible, **variables)
        assert said(process) == "None None"
        process.communicate("")


def test_a_torch_for_CPUs_takes_none(tmp_path: Path) -> None:
    holders = [holder(tmp_path, "4", build) for build in (FOR_CPUS, FOR_CPUS, FOR_AMD)]
    assert [said(process) for process in holders] == ["None None", "None None", "4 4"]
    for process in holders:
        process.communicate("")


def test_the_torch_of_another_python_counts_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "0")
    for name, build, usable in (("gpu", FOR_GPUS, True), ("cpu", FOR_CPUS, False)):
        with_torch(tmp_path / name, build)
        assert gpus.usable(str(tmp_path / name / "bin/python")) == usable
    assert gpus.usable(str(tmp_path / "of_another_layout/bin/python"))  # not known: better a wait
    assert gpus.usable() == (torch.version.cuda is not None)
    monkeypatch.setenv(gpus.VISIBLE, "")
    assert not gpus.usable(str(tmp_path / "gpu/bin/python"))


LISTEN = """
import sys
from vibegrid.scorers.laion_pipe import Worker
print(Worker([sys.argv[1]], timeout=60).about["gpu"], flush=True)
sys.stdin.read()
"""
WORKER = f"""#!/bin/sh
echo '{{"ready": {{"gpu": "'${gpus.VISIBLE}'"}}, "lengths": []}}'
cat > /dev/null
"""


def test_LAION_CLAP_holds_a_GPU_that_its_own_torch_can_use(tmp_path: Path) -> None:
    """Its worker is a program that says which GPUs it sees."""
    seen = []
    for build in (FOR_GPUS, FOR_GPUS, FOR_CPUS):
        environment = Path(tempfile.mkdtemp(dir=tmp_path))
        with_torch(environment, build)
        process = subprocess.Popen(
            [sys.executable, "-c", LISTEN, str(program(environment / "bin/python", WORKER))],
            env={**os.environ, "TMPDIR": str(tmp_path), gpus.VISIBLE: "4,5"},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        seen.append((said(process), process))
    assert sorted(line for line, _ in seen) == ["4", "4,5", "5"]
    for _, process in seen:
        process.communicate("")


def test_the_plan_gives_GPUs_to_jobs_whose_torch_can_use_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "0")
    study = Study(ROOT, {"scale": "full", "overrides": {"compute": "local"}})
    compute, ours = Compute(study), torch.version.cuda is not None
    scores = study.nodes("scores").values()
    assert scores and study.nodes("adapters/sft")
    for build in (FOR_GPUS, FOR_CPUS):
        environment = Path(tempfile.mkdtemp(dir=tmp_path))
        with_torch(environment, build)
        monkeypatch.setenv(laion_pipe.VARIABLE, str(program(environment / "bin/python", "#!/bin/sh\n")))
        assert {compute.takes_gpu(node) for node in scores} == {build == FOR_GPUS}
        assert {compute.takes_gpu(node) for node in study.nodes("adapters/sft").values()} == {ours}
    monkeypatch.setenv(gpus.VISIBLE, "")
    assert not any(compute.takes_gpu(node) for node in study.all_nodes())
